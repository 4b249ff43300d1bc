//! An inbound listener's chains in the words of the model, for one port.

use serde_json::Value;

use crate::envoy::listener::{FilterChain as Told, Listener, ListenerFilter, NetworkFilter};
use crate::model::filter_chain::{FilterChain, TransportMatch};
use crate::model::port::{Payload, WorkloadPort};
use crate::programmed::sds;

/// The chains of one port, and what shows or clouds them.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) chains: Vec<FilterChain>,
    /// Place below the listener and words, for each chain.
    pub(crate) places: Vec<(String, String)>,
    /// What was not understood, by place.
    pub(crate) odd: Vec<(String, String)>,
    pub(crate) trusts: Vec<String>,
    pub(crate) forwards: Option<String>,
    /// SDS names of the workload's own certificate and roots.
    own: (String, String),
}

/// Reads the chains that a connection to a port is held against.
pub(crate) fn of_port(listener: &Listener, port: WorkloadPort) -> Read {
    let mut read = Read { own: own(listener), ..Read::default() };
    if listener.filter_chain_matcher.is_some() {
        read.odd("/filter_chain_matcher", "chains are picked by a matcher, which istiod does not write");
        return read;
    }
    let named = listener.filter_chains.iter().any(|chain| chain.filter_chain_match.destination_port == Some(port.0));
    let wanted = named.then_some(port.0);
    let mut open: Vec<(usize, &Told)> = Vec::new();
    for (at, chain) in listener.filter_chains.iter().enumerate() {
        if chain.filter_chain_match.destination_port == wanted {
            open.push((at, chain));
        }
    }
    let inspects = inspects(listener, "tls_inspector", port);
    for (at, chain) in &open {
        read.add(&format!("/filter_chains/{at}"), chain, wanted, inspects);
    }
    read.fill(&open, wanted);
    if let Some(last) = &listener.default_filter_chain {
        // Where nothing is for the port at all, the default chain takes it.
        if open.is_empty() {
            read.add("/default_filter_chain", last, None, inspects);
            read.fill(&[(0, last)], None);
        } else {
            read.odd(
                "/default_filter_chain",
                "a default chain beside those for the port, which istiod does not write inbound",
            );
        }
    }
    read
}

/// What the workload shows and trusts: files, where its proxy was told so, which the chains for undeclared ports then name.
///
/// Istio: `pilot/pkg/security/model/authentication.go:ApplyToCommonTLSContext`.
fn own(listener: &Listener) -> (String, String) {
    let open = listener.filter_chains.iter().filter(|chain| chain.filter_chain_match.destination_port.is_none());
    let mut contexts = open.filter_map(|chain| chain.transport_socket.as_ref()).map(|socket| &socket.typed_config);
    let mounted = contexts.find_map(|context| {
        let (shown, trusted) = (context.common_tls_context.certificate()?, context.common_tls_context.roots()?);
        let files = shown.starts_with("file-cert:") && trusted.starts_with("file-root:");
        (files && context.require_client_certificate).then(|| (shown.to_owned(), trusted.to_owned()))
    });
    mounted.unwrap_or_else(|| ("default".to_owned(), "ROOTCA".to_owned()))
}

/// Whether a listener filter looks at connections to a port; `None` where its condition is not understood.
fn inspects(listener: &Listener, name: &str, port: WorkloadPort) -> Option<bool> {
    let Some(filter) = listener.listener_filters.iter().find(|filter| filter.name.ends_with(name)) else {
        return Some(false);
    };
    disabled_at(filter, port).map(|disabled| !disabled)
}

/// `filter_disabled` of a listener filter: a predicate over the destination port.
fn disabled_at(filter: &ListenerFilter, port: WorkloadPort) -> Option<bool> {
    filter.filter_disabled.as_ref().map_or(Some(false), |predicate| holds(predicate, port.0))
}

/// Envoy: `config/listener/v3/listener_components.proto:ListenerFilterChainMatchPredicate`.
fn holds(predicate: &Value, port: u16) -> Option<bool> {
    let field = |snake: &str, camel: &str| predicate.get(snake).or_else(|| predicate.get(camel));
    if let Some(range) = field("destination_port_range", "destinationPortRange") {
        let bound = |name: &str| range.get(name).map_or(Some(0), Value::as_u64);
        return Some((bound("start")?..bound("end")?).contains(&u64::from(port)));
    }
    if let Some(any) = field("any_match", "anyMatch") {
        return any.as_bool();
    }
    if let Some(inner) = field("not_match", "notMatch") {
        return holds(inner, port).map(|held| !held);
    }
    let rules = |set: &Value| -> Option<Vec<bool>> {
        set.get("rules")?.as_array()?.iter().map(|rule| holds(rule, port)).collect()
    };
    if let Some(set) = field("or_match", "orMatch") {
        return Some(rules(set)?.into_iter().any(|held| held));
    }
    field("and_match", "andMatch").and_then(rules).map(|held| held.into_iter().all(|held| held))
}

// === impl Read ===

impl Read {
    fn odd(&mut self, place: &str, what: impl Into<String>) {
        self.odd.push((place.to_owned(), what.into()));
    }

    fn add(&mut self, place: &str, chain: &Told, port: Option<u16>, inspects: Option<bool>) {
        let wanted = &chain.filter_chain_match;
        let narrow = !wanted.server_names.is_empty()
            // Before Istio 1.23 the chains for undeclared ports name their family of addresses.
            || wanted.prefix_ranges.iter().any(|range| range.prefix_len != 0)
            || !wanted.source_prefix_ranges.is_empty()
            || !wanted.direct_source_prefix_ranges.is_empty()
            || !wanted.source_ports.is_empty()
            || !wanted.source_type.is_empty();
        if narrow {
            return self.odd(place, narrowed(chain));
        }
        let transport = match wanted.transport_protocol.as_str() {
            "tls" => TransportMatch::Tls,
            // `fill` adds the other half of a chain for any transport.
            "raw_buffer" | "" => TransportMatch::RawBuffer,
            other => return self.odd(place, format!("chain {} is for transport `{other}`", chain.name)),
        };
        match (transport, inspects) {
            (TransportMatch::Tls, Some(false)) => {
                return self.odd(place, format!("chain {} wants TLS, which no listener filter looks for", chain.name));
            }
            (TransportMatch::Tls, None) => {
                self.odd("/listener_filters", "where the TLS inspector looks is not understood");
            }
            (TransportMatch::Tls, Some(true)) | (TransportMatch::RawBuffer, _) => {}
        }
        let Some(codec) = codec(chain) else {
            return self.odd(place, format!("chain {} has neither an HTTP codec nor a TCP proxy", chain.name));
        };
        let Some(terminates) = self.terminates(place, chain) else { return };
        let alpn = wanted.application_protocols.clone();
        let words = describe(chain, terminates, codec);
        self.places.push((place.to_owned(), words));
        let http = chain.filters.iter().find(|filter| filter.is_http());
        let forwards = http.map(|filter| filter.typed_config.forward_client_cert_details.clone());
        self.forwards = self.forwards.take().or(forwards.filter(|text| !text.is_empty()));
        self.chains.push(FilterChain {
            port: port.map(WorkloadPort),
            transport,
            alpn,
            terminates,
            codec,
            own_tls: None,
        });
    }

    /// Whether mutual TLS ends at the chain; `None`, and a word about it, for any other TLS.
    fn terminates(&mut self, place: &str, chain: &Told) -> Option<bool> {
        let Some(socket) = chain.transport_socket.as_ref().filter(|socket| !socket.is_raw()) else {
            return Some(false);
        };
        let common = &socket.typed_config.common_tls_context;
        if !socket.is_tls() {
            self.odd(place, format!("chain {} has transport socket `{}`", chain.name, socket.name));
            return None;
        }
        if !socket.typed_config.require_client_certificate {
            self.odd(place, format!("chain {} ends TLS without asking for a client certificate", chain.name));
            return None;
        }
        if (common.certificate(), common.roots()) != (Some(self.own.0.as_str()), Some(self.own.1.as_str())) {
            let names = format!("{:?} and {:?}", common.certificate(), common.roots());
            self.odd(
                place,
                format!("chain {} ends TLS with certificates that are not the workload's: {names}", chain.name),
            );
            return None;
        }
        let (exact, other) = sds::names(common);
        for trust in
            exact.into_iter().chain(other.into_iter().map(|name| name.trim_start_matches("prefix ").to_owned()))
        {
            if !self.trusts.contains(&trust) {
                self.trusts.push(trust);
            }
        }
        Some(true)
    }

    /// A chain for any transport stands in for the transport that no other chain of the port names.
    fn fill(&mut self, open: &[(usize, &Told)], port: Option<u16>) {
        let any = |chain: &Told| chain.filter_chain_match.transport_protocol.is_empty();
        if !open.iter().any(|(_, chain)| any(chain))
            || open.iter().any(|(_, chain)| chain.filter_chain_match.transport_protocol == "tls")
        {
            return;
        }
        let raw = open.iter().any(|(_, chain)| chain.filter_chain_match.transport_protocol == "raw_buffer");
        let wanted: Vec<&str> =
            open.iter().filter(|(_, chain)| any(chain)).map(|(_, chain)| chain.name.as_str()).collect();
        let place_is_any = |words: &str| wanted.iter().any(|name| words.starts_with(&format!("chain {name}:")));
        let mut both = Vec::new();
        for (chain, (_, words)) in self.chains.iter().zip(&self.places) {
            if place_is_any(words) {
                both.push(FilterChain {
                    port: port.map(WorkloadPort),
                    transport: TransportMatch::Tls,
                    ..chain.clone()
                });
                if !raw {
                    both.push(chain.clone());
                }
            } else {
                both.push(chain.clone());
            }
        }
        self.chains = both;
    }
}

/// A chain for some names or addresses only, as gateways have them.
fn narrowed(chain: &Told) -> String {
    let wanted = &chain.filter_chain_match;
    let of = match wanted.server_names.as_slice() {
        [] => "some addresses only".to_owned(),
        names => format!("server names {}", names.join(" ")),
    };
    let tls = chain.transport_socket.as_ref().filter(|socket| socket.is_tls()).map(|socket| &socket.typed_config);
    let ends = tls.map_or_else(String::new, |tls| {
        let common = &tls.common_tls_context;
        let asks = match (tls.require_client_certificate, common.roots()) {
            (true, roots) => format!("a client certificate of {} demanded", roots.unwrap_or("roots of its own")),
            (false, _) => "no client certificate demanded".to_owned(),
        };
        format!(", ends TLS with {}, {asks}", common.certificate().unwrap_or("a certificate of its own"))
    });
    format!("chain {} is for {of}{ends}", chain.name)
}

fn codec(chain: &Told) -> Option<Payload> {
    if chain.filters.iter().any(NetworkFilter::is_http) {
        return Some(Payload::Http);
    }
    chain.filters.iter().any(NetworkFilter::is_tcp).then_some(Payload::Tcp)
}

fn describe(chain: &Told, terminates: bool, codec: Payload) -> String {
    let wanted = &chain.filter_chain_match;
    let port = wanted.destination_port.map_or_else(|| "any port".to_owned(), |port| format!("port {port}"));
    let transport = if wanted.transport_protocol.is_empty() { "any" } else { &wanted.transport_protocol };
    let alpn = &wanted.application_protocols;
    let alpn = if alpn.is_empty() { String::new() } else { format!(", ALPN {}", alpn.join(" ")) };
    let ends = if terminates { ", ends mutual TLS" } else { "" };
    let reads = match codec {
        Payload::Http => "HTTP",
        Payload::Tcp => "TCP",
    };
    format!("chain {}: {port}, transport_protocol {transport}{alpn}{ends}, reads {reads}", chain.name)
}
