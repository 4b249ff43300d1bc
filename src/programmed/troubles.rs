//! What proxies are in trouble with: updates they refused, secrets they wait for, certificates that do not fit.

use std::collections::BTreeSet;

use crate::envoy::listener::{Listener, ListenerEntry};
use crate::envoy::refusal::UpdateFailure;
use crate::model::wire::Sends;
use crate::programmed::certificates::{self, Certificate};
use crate::programmed::proxy::{Kept, Proxy};
use crate::programmed::told::{Accepts, End, Evidence, Originates, Trouble, TroubleKind};

/// What a client's proxy is in trouble with.
#[must_use]
pub fn of_client(proxy: &Proxy) -> Vec<Trouble> {
    let mut found = Found { proxy, at: End::Client, troubles: Vec::new() };
    found.unreadable();
    found.rejected(|listener| !is_inbound(listener));
    found.warming();
    found.validity();
    found.troubles
}

/// What a server's proxy is in trouble with, by itself or with a client that sends mutual TLS.
#[must_use]
pub fn of_server(proxy: &Proxy, client: Option<&Proxy>, originates: Option<&Originates>) -> Vec<Trouble> {
    let mut found = Found { proxy, at: End::Server, troubles: Vec::new() };
    found.unreadable();
    found.rejected(is_inbound);
    found.warming();
    found.validity();
    found.foreign();
    let mutual = originates.is_some_and(|told| told.sends.contains(&Some(Sends::MutualTls)));
    if let Some(client) = client.filter(|_| mutual) {
        found.roots(client);
    }
    found.troubles
}

/// A client whose identity is in none of the trust domains that a server takes.
#[must_use]
pub fn of_trust(client: &Proxy, server: &Proxy, accepts: &Accepts) -> Option<Trouble> {
    let identity = certificates::identity(client)?;
    let taken = accepts.trusts.is_empty() || accepts.trusts.iter().any(|trust| identity.starts_with(trust.as_str()));
    // Matchers of other kinds are not decided here.
    let plain = accepts.trusts.iter().all(|trust| trust.starts_with("spiffe://"));
    (!taken && plain).then(|| Trouble {
        kind: TroubleKind::Certificate,
        at: End::Client,
        pod: client.name(),
        what: format!(
            "{identity} is not of the trust domains that {} takes: {}",
            server.name(),
            accepts.trusts.join(" ")
        ),
        evidence: accepts.evidence.clone(),
    })
}

/// HTTP and network filters that istiod writes; others come by EnvoyFilter or by a vendor.
const KNOWN_FILTERS: [&str; 30] = [
    "envoy.filters.http.router",
    "envoy.filters.http.rbac",
    "envoy.filters.http.jwt_authn",
    "envoy.filters.http.fault",
    "envoy.filters.http.cors",
    "envoy.filters.http.grpc_stats",
    "envoy.filters.http.grpc_web",
    "envoy.filters.http.ext_authz",
    "envoy.filters.http.compressor",
    "envoy.filters.http.set_filter_state",
    "envoy.filters.http.header_mutation",
    "istio.alpn",
    "istio.stats",
    "istio.metadata_exchange",
    "istio_authn",
    "istio_authn_filter",
    "connect_authority",
    "waypoint_downstream_peer_metadata",
    "waypoint_upstream_peer_metadata",
    "upstream_hbone_peer_metadata",
    "request_source",
    "set_dst_address",
    "envoy.filters.http.peer_metadata",
    "envoy.filters.http.stateful_session",
    "envoy.filters.network.http_connection_manager",
    "envoy.filters.network.tcp_proxy",
    "envoy.filters.network.rbac",
    "envoy.filters.network.ext_authz",
    "envoy.filters.network.set_filter_state",
    "forward_downstream_sni",
];

struct Found<'p> {
    proxy: &'p Proxy,
    at: End,
    troubles: Vec<Trouble>,
}

fn is_inbound(listener: &ListenerEntry) -> bool {
    let states = [&listener.active_state, &listener.warming_state];
    let inbound = |listener: &Listener| listener.traffic_direction == "INBOUND";
    listener.name == "virtualInbound"
        || listener.name.is_empty()
        || states.iter().any(|state| state.as_ref().is_some_and(|state| inbound(&state.listener)))
}

// === impl Found ===

impl Found<'_> {
    fn add(&mut self, kind: TroubleKind, what: String, evidence: Vec<Evidence>) {
        let trouble = Trouble { kind, at: self.at, pod: self.proxy.name(), what, evidence };
        let known = self.troubles.iter().any(|known| known.kind == kind && known.what == trouble.what);
        if !known {
            self.troubles.push(trouble);
        }
    }

    /// Answers that were none, or held parts that nobody knows.
    fn unreadable(&mut self) {
        for (query, refusal) in &self.proxy.refusals {
            let query = if query.is_empty() { "the dump" } else { query };
            self.add(TroubleKind::Unreadable, format!("{query}: {refusal}"), Vec::new());
        }
    }

    /// Updates that the proxy refused, in Envoy's own words.
    ///
    /// A refused listener stands twice: beside the state that keeps serving, and in an element without a name.
    fn rejected(&mut self, concerns: impl Fn(&ListenerEntry) -> bool) {
        let proxy = self.proxy;
        let mut told = BTreeSet::new();
        let named = |kept: &&Kept<ListenerEntry>| kept.value.name.is_empty();
        let (twins, listeners): (Vec<_>, Vec<_>) = proxy.listeners.iter().partition(named);
        for kept in listeners.into_iter().chain(twins) {
            let Some(failure) = kept.value.error_state.as_ref().filter(|_| concerns(&kept.value)) else { continue };
            if told.insert(failure.details.as_str()) {
                let name = if kept.value.name.is_empty() { "a listener" } else { &kept.value.name };
                self.refused(name, failure, proxy.evidence(kept, "/error_state", "rejected update"));
            }
        }
        for (name, kept) in proxy.clusters.iter().chain(&proxy.warming_clusters) {
            if let Some(failure) = &kept.value.error_state {
                self.refused(name, failure, proxy.evidence(kept, "/error_state", "rejected update"));
            }
        }
        for (name, kept) in &proxy.routes {
            if let Some(failure) = &kept.value.error_state {
                self.refused(name, failure, proxy.evidence(kept, "/error_state", "rejected update"));
            }
        }
        for (name, kept) in &proxy.secrets {
            if let Some(failure) = &kept.value.error_state {
                self.refused(name, failure, proxy.evidence(kept, "/error_state", "rejected update"));
            }
        }
    }

    fn refused(&mut self, name: &str, failure: &UpdateFailure, evidence: Evidence) {
        let at = failure.last_update_attempt.as_deref().map(|at| format!(" at {at}")).unwrap_or_default();
        let what = format!("update of {name} rejected{at}, the old one stays: {}", failure.details);
        self.add(TroubleKind::Rejected, what, vec![evidence]);
    }

    /// Secrets, listeners and clusters that wait.
    fn warming(&mut self) {
        let proxy = self.proxy;
        for (name, kept) in &proxy.warming_secrets {
            let what = format!("secret {name} was never delivered: whatever needs it waits");
            self.add(
                TroubleKind::Warming,
                what,
                vec![proxy.evidence(kept, "", format!("version {}", kept.value.version_info))],
            );
        }
        for target in proxy.init.iter().flat_map(|init| &init.unready_targets_dumps) {
            let what = format!("{} waits for {}", target.name, target.target_names.join(", "));
            self.add(TroubleKind::Warming, what, Vec::new());
        }
    }

    /// The own certificate and the roots, held against the moment the proxy was asked; a file has the moment of delivery.
    fn validity(&mut self) {
        let proxy = self.proxy;
        let secrets = [certificates::own(proxy), certificates::roots(proxy)];
        for (kept, chain) in secrets.into_iter().flatten() {
            let delivered = kept.value.last_updated.as_deref().and_then(|at| at.parse().ok());
            let Some(at) = proxy.read_at.or(delivered) else { continue };
            if chain.is_empty() {
                let what = format!("secret {} holds no certificate that can be read", kept.value.name);
                self.add(TroubleKind::Certificate, what, vec![proxy.evidence(kept, "/secret", "no certificate")]);
            }
            // One root of several may well be out of date.
            let bad: Vec<String> = chain.iter().filter_map(|certificate| out_of_date(certificate, at)).collect();
            let fatal = if kept.value.name == "default" { !bad.is_empty() } else { bad.len() == chain.len() };
            if let Some(what) = bad.into_iter().next().filter(|_| fatal) {
                let evidence = vec![proxy.evidence(kept, "/secret", what.clone())];
                self.add(TroubleKind::Certificate, what, evidence);
            }
        }
    }

    /// Whether both ends accept one another's certificates.
    fn roots(&mut self, client: &Proxy) {
        let ends = [(self.proxy, client, "server"), (client, self.proxy, "client")];
        for (shows, verifies, who) in ends {
            let (Some((kept, chain)), Some((roots_kept, roots))) =
                (certificates::own(shows), certificates::roots(verifies))
            else {
                continue;
            };
            if certificates::leads_to(&chain, &roots) == Some(false) {
                let name = chain.first().map_or("", Certificate::name).to_owned();
                let root = roots.first().map_or("", Certificate::name);
                let what =
                    format!("the {who}'s certificate ({name}) does not lead to a root of {} ({root})", verifies.name());
                let evidence = vec![
                    shows.evidence(kept, "/secret/tls_certificate/certificate_chain", format!("certificate of {name}")),
                    verifies.evidence(roots_kept, "/secret/validation_context/trusted_ca", "roots"),
                ];
                self.add(TroubleKind::Roots, what, evidence);
            }
        }
    }

    /// Filters in inbound listeners that istiod does not write.
    fn foreign(&mut self) {
        let proxy = self.proxy;
        for kept in proxy.listeners.iter().filter(|kept| is_inbound(&kept.value)) {
            let Some(state) = &kept.value.active_state else { continue };
            let mut names = BTreeSet::new();
            for filter in state.listener.filter_chains.iter().flat_map(|chain| &chain.filters) {
                let inner = filter.typed_config.http_filters.iter().map(|http| http.name.as_str());
                names.extend(std::iter::once(filter.name.as_str()).chain(inner).filter(|name| !is_known(name)));
            }
            if !names.is_empty() {
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                let what =
                    format!("{} has filters that istiod does not write (EnvoyFilter?): {names}", kept.value.name);
                let evidence = proxy.evidence(kept, "/active_state/listener/filter_chains", names);
                self.add(TroubleKind::Foreign, what, vec![evidence]);
            }
        }
    }
}

/// Wasm plugins, the policies of a vendor's own protocols and Telemetry are no foreigners either.
fn is_known(name: &str) -> bool {
    KNOWN_FILTERS.contains(&name)
        || name.starts_with("extenstions.istio.io/")
        || name.starts_with("extensions.istio.io/")
        || (name.starts_with("envoy.filters.network.") && name.ends_with("_proxy"))
        || name.is_empty()
}

fn out_of_date(certificate: &Certificate, at: jiff::Timestamp) -> Option<String> {
    let name = certificate.name();
    match (certificate.not_before, certificate.not_after) {
        (_, Some(end)) if end < at => Some(format!("certificate of {name} expired at {end}")),
        (Some(start), _) if start > at => Some(format!("certificate of {name} is valid from {start} only")),
        _ => None,
    }
}
