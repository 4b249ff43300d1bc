//! The client side: what its proxy was told to send to a service port.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::envoy::cluster::{Cluster, ClusterEntry};
use crate::envoy::endpoint::LoadAssignment;
use crate::envoy::metadata::ConfigPath;
use crate::envoy::tls::{TlsContext, TransportSocket};
use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::pair::{Endpoint, OriginKind, OriginMode, Route, ServerRef};
use crate::model::port::{Payload, PortClass};
use crate::model::tls::{ClientCertificate, ServerValidation, UpstreamTls};
use crate::model::wire::{Sends, Why};
use crate::programmed::leads::{self, Leads, Led};
use crate::programmed::mode;
use crate::programmed::proxy::{Kept, Proxy};
use crate::programmed::sds;
use crate::programmed::told::{Evidence, Originates};

/// What a transport socket puts on the wire.
enum Socket {
    Raw,
    Tls(Box<UpstreamTls>),
    /// Mutual TLS of a tunnel, whatever is inside.
    Tunnel,
    /// Not one that istiod writes for services.
    Odd(String),
}

/// What a client's proxy was told to send; `Err` says why it cannot be told.
pub fn read(proxy: &Proxy, server: &ServerRef, endpoints: &[Endpoint]) -> Result<Originates, String> {
    let payload = match server.protocol.class() {
        PortClass::Tcp => Payload::Tcp,
        PortClass::Http | PortClass::Auto => Payload::Http,
    };
    read_as(proxy, server, endpoints, payload)
}

/// The same for bytes of one kind, which a sniffed port tells apart.
pub(crate) fn read_as(
    proxy: &Proxy,
    server: &ServerRef,
    endpoints: &[Endpoint],
    payload: Payload,
) -> Result<Originates, String> {
    let led = leads::follow(proxy, server, payload);
    let named = format!("outbound|{}||{}", server.port, server.host);
    let clusters = match &led.leads {
        Leads::Clusters(clusters) if !clusters.is_empty() => clusters.clone(),
        Leads::Clusters(_) | Leads::NotRead => vec![named],
        Leads::Passthrough => return Ok(elsewhere(led, Route::Passthrough, None, endpoints)),
        Leads::BlackHole => return Ok(elsewhere(led, Route::BlackHole, Some(Why::BlockedByOutboundPolicy), endpoints)),
        Leads::NoRoute => return Ok(elsewhere(led, Route::Direct, Some(Why::NoRoute), endpoints)),
        Leads::Answers(_) => return Ok(elsewhere(led, Route::Answered, Some(Why::AnsweredByClientProxy), endpoints)),
    };
    let cluster = clusters.first().cloned().unwrap_or_default();
    let held: Vec<&Kept<ClusterEntry>> = clusters.iter().filter_map(|name| proxy.clusters.get(name)).collect();
    if held.len() == clusters.len()
        && let Some((first, others)) = held.split_first()
    {
        return Ok(by_clusters(proxy, first, others, led, endpoints));
    }
    if let Some(kept) = proxy.warming_clusters.get(&cluster) {
        let evidence = proxy.evidence(kept, "/cluster", "the cluster waits for its secrets and takes no traffic");
        let mut told = by_clusters(proxy, kept, &[], led, endpoints);
        told.refuses = Some(Why::NoCluster);
        told.evidence.push(evidence);
        return Ok(told);
    }
    match (leads::clusters_are_known(proxy), led.leads == Leads::NotRead) {
        (true, false) => Ok(elsewhere(led, Route::Direct, Some(Why::NoCluster), endpoints)),
        // Neither route nor cluster: the proxy does not know the service, and passes it through or not.
        (true, true) => Ok(unknown_service(proxy, led, endpoints)),
        (false, _) => Err(proxy.refused().unwrap_or_else(|| format!("its answers have no cluster {cluster}"))),
    }
}

/// A service that the proxy has nothing about; its `virtualOutbound` was not read, but `PassthroughCluster` always exists,
/// so that only the listener or the routes could tell. Istio's default is to pass through.
fn unknown_service(proxy: &Proxy, led: Led, endpoints: &[Endpoint]) -> Originates {
    let blocks = proxy.routes.values().flat_map(|kept| &kept.value.route_config.virtual_hosts);
    let blocks = blocks.into_iter().any(|host| host.name == "block_all");
    if blocks {
        return elsewhere(led, Route::BlackHole, Some(Why::BlockedByOutboundPolicy), endpoints);
    }
    elsewhere(led, Route::Passthrough, None, endpoints)
}

/// A call that leaves by no cluster of the service's.
fn elsewhere(led: Led, route: Route, refuses: Option<Why>, endpoints: &[Endpoint]) -> Originates {
    let sends = if refuses.is_some() { None } else { Some(Sends::Plaintext) };
    Originates {
        kind: OriginKind::Plaintext,
        mode: OriginMode::Auto,
        or_modes: Vec::new(),
        route,
        refuses,
        tls: None,
        sends: endpoints.iter().map(|_| sends).collect(),
        alpn_filter: led.alpn_filter,
        named: None,
        routed_by: led.by,
        by_label: false,
        changed: None,
        evidence: led.evidence,
        odd: led.conditional,
    }
}

/// What the clusters of a route put on the wire; more than one where a route splits its traffic.
fn by_clusters(
    proxy: &Proxy,
    first: &Kept<ClusterEntry>,
    others: &[&Kept<ClusterEntry>],
    led: Led,
    endpoints: &[Endpoint],
) -> Originates {
    let all = || std::iter::once(first).chain(others.iter().copied());
    let mut wire = OnTheWire { odd: led.conditional, ..OnTheWire::default() };
    for endpoint in endpoints {
        // Subsets have the endpoints of their own: the cluster that lists it sends to it.
        let lists = |kept: &&Kept<ClusterEntry>| metadata_of(proxy, &kept.value.cluster, endpoint).is_some();
        wire.send(proxy, all().find(lists).unwrap_or(first), endpoint);
    }
    let cluster = &first.value.cluster;
    let kept_alpn = mode::keeps_alpn(cluster);
    let tls = wire.tls.or_else(|| any_tls(cluster)).map(|tls| UpstreamTls { alpn_override: !kept_alpn, ..tls });
    let mut evidence = led.evidence;
    for kept in all() {
        let cluster = &kept.value.cluster;
        evidence.push(proxy.evidence(kept, "/cluster", words(cluster, named_rule(cluster).as_ref())));
    }
    if wire.by_label {
        let read = all().any(|kept| listed(proxy, &kept.value.cluster).is_some());
        let says = if read {
            "the proxy's own list of endpoints has not all of them: pods' labels tell which socket they would get"
        } else {
            "the proxy's own list of endpoints was not read: pods' labels tell which socket is used"
        };
        evidence.push(proxy.evidence(first, "/cluster", says));
    }
    let rule = named_rule(cluster);
    let (mode, or_modes) = mode::of(proxy, cluster, tls.as_ref().map(what), rule.is_some());
    let names: Vec<String> = all().map(|kept| kept.value.cluster.name.clone()).collect();
    Originates {
        kind: kind(&wire.sends, endpoints),
        mode,
        or_modes,
        route: if others.is_empty() { Route::Cluster(cluster.name.clone()) } else { Route::Split(names) },
        refuses: None,
        tls,
        sends: wire.sends,
        alpn_filter: led.alpn_filter,
        named: rule,
        routed_by: led.by,
        by_label: wire.by_label,
        changed: all().filter_map(|kept| kept.value.last_updated.as_deref()?.parse().ok()).max(),
        evidence,
        odd: wire.odd,
    }
}

/// What goes to each endpoint.
#[derive(Default)]
struct OnTheWire {
    sends: Vec<Option<Sends>>,
    tls: Option<UpstreamTls>,
    by_label: bool,
    odd: Vec<Evidence>,
}

impl OnTheWire {
    fn send(&mut self, proxy: &Proxy, kept: &Kept<ClusterEntry>, endpoint: &Endpoint) {
        let cluster = &kept.value.cluster;
        let told = metadata_of(proxy, cluster, endpoint);
        let asks = cluster.kind != "ORIGINAL_DST" && !cluster.transport_socket_matches.is_empty();
        self.by_label |= told.is_none() && asks;
        let labelled = label(endpoint.marked);
        let (place, socket) = socket(cluster, told.unwrap_or(&labelled));
        let sends = match socket {
            Socket::Raw => Some(Sends::Plaintext),
            Socket::Tunnel => Some(Sends::MutualTls),
            Socket::Tls(context) => {
                let sent = what(&context);
                self.tls.get_or_insert(*context);
                Some(sent)
            }
            Socket::Odd(what) => {
                push_once(&mut self.odd, proxy.evidence(kept, &format!("/cluster{place}"), what));
                None
            }
        };
        self.sends.push(sends);
    }
}

fn push_once(list: &mut Vec<Evidence>, evidence: Evidence) {
    if !list.contains(&evidence) {
        list.push(evidence);
    }
}

/// `envoy.transport_socket_match` of an endpoint, where the proxy lists it.
fn metadata_of<'p>(proxy: &'p Proxy, cluster: &'p Cluster, endpoint: &Endpoint) -> Option<&'p BTreeMap<String, Value>> {
    let wanted: IpAddr = endpoint.address?;
    let found = listed(proxy, cluster)?.at(wanted, endpoint.port.0)?;
    Some(&found.metadata.filter_metadata.socket_match)
}

/// The endpoints of a cluster, where they were read.
fn listed<'p>(proxy: &'p Proxy, cluster: &'p Cluster) -> Option<&'p LoadAssignment> {
    let dynamic = proxy.endpoints.get(&cluster.name).map(|kept| &kept.value.endpoint_config);
    dynamic.or(cluster.load_assignment.as_ref())
}

/// What istiod would have noted for an endpoint, by its pod's label.
fn label(marked: Option<bool>) -> BTreeMap<String, Value> {
    if marked == Some(true) { BTreeMap::from([("tlsMode".to_owned(), Value::from("istio"))]) } else { BTreeMap::new() }
}

/// The socket that an endpoint with this metadata gets, and its place below the cluster.
fn socket(cluster: &Cluster, metadata: &BTreeMap<String, Value>) -> (String, Socket) {
    if cluster.transport_socket_matcher.is_some() {
        let what = "the socket is picked by a matcher, which istiod does not write".to_owned();
        return ("/transport_socket_matcher".to_owned(), Socket::Odd(what));
    }
    let matching = cluster.transport_socket_matches.iter().enumerate().find(|(_, one)| one.applies_to(metadata));
    match (matching, &cluster.transport_socket) {
        (Some((at, found)), _) => (format!("/transport_socket_matches/{at}"), meaning(&found.transport_socket)),
        (None, Some(own)) => ("/transport_socket".to_owned(), meaning(own)),
        (None, None) => (String::new(), Socket::Raw),
    }
}

fn meaning(socket: &TransportSocket) -> Socket {
    let socket = socket.inner();
    if socket.is_raw() {
        return Socket::Raw;
    }
    if socket.is_tunnel() {
        return Socket::Tunnel;
    }
    if !socket.is_tls() {
        return Socket::Odd(format!("transport socket `{}`", socket.name));
    }
    match upstream(&socket.typed_config) {
        Ok(tls) => Socket::Tls(Box::new(tls)),
        Err(what) => Socket::Odd(what),
    }
}

fn upstream(context: &TlsContext) -> Result<UpstreamTls, String> {
    let common = &context.common_tls_context;
    let (subject_alt_names, other) = sds::names(common);
    if let Some(other) = other.first() {
        return Err(format!("the server's name is matched by {other}"));
    }
    Ok(UpstreamTls {
        sni: Some(context.sni.clone()).filter(|sni| !sni.is_empty()),
        subject_alt_names,
        alpn: common.alpn_protocols.clone(),
        certificate: sds::certificate(common)?,
        validation: sds::validation(common)?,
        alpn_override: true,
    })
}

fn what(tls: &UpstreamTls) -> Sends {
    match (&tls.certificate, &tls.validation) {
        (ClientCertificate::None, _) => Sends::Tls,
        (ClientCertificate::Workload, ServerValidation::MeshRoot) => Sends::MutualTls,
        (
            ClientCertificate::Workload,
            ServerValidation::Skip | ServerValidation::System | ServerValidation::File(_) | ServerValidation::Secret(_),
        )
        | (ClientCertificate::Files { .. } | ClientCertificate::Secret(_), _) => Sends::TlsClientCert,
    }
}

/// The TLS context of a cluster none of whose endpoints uses it now.
fn any_tls(cluster: &Cluster) -> Option<UpstreamTls> {
    let matches = cluster.transport_socket_matches.iter().map(|one| &one.transport_socket);
    let context =
        matches.chain(&cluster.transport_socket).map(TransportSocket::inner).find(|socket| socket.is_tls())?;
    upstream(&context.typed_config).ok()
}

/// The DestinationRule that the cluster's metadata names; where it stands in the order of layers is not told.
fn named_rule(cluster: &Cluster) -> Option<PolicyRef> {
    let path = ConfigPath::parse(cluster.metadata.filter_metadata.istio.config.as_deref()?)?;
    (path.kind == "destination-rule").then(|| PolicyRef {
        layer: Layer::TrafficPolicy,
        namespace: Some(path.namespace),
        name: Some(path.name),
        ..PolicyRef::default_of(PolicyKind::DestinationRule)
    })
}

fn kind(sends: &[Option<Sends>], endpoints: &[Endpoint]) -> OriginKind {
    let counted = sends.iter().zip(endpoints).filter(|(_, endpoint)| !endpoint.is_self);
    let mut kinds: Vec<Sends> = counted.filter_map(|(sends, _)| *sends).collect();
    kinds.dedup();
    match kinds.as_slice() {
        [] | [Sends::Plaintext] => OriginKind::Plaintext,
        [Sends::MutualTls] => OriginKind::MutualTls,
        [Sends::Tls] => OriginKind::Tls,
        [Sends::TlsClientCert] => OriginKind::TlsClientCert,
        [_, _, ..] => OriginKind::Mixed,
    }
}

fn words(cluster: &Cluster, rule: Option<&PolicyRef>) -> String {
    let tls = match (cluster.transport_socket_matches.len(), &cluster.transport_socket) {
        (0, None) => "no TLS".to_owned(),
        (0, Some(socket)) if socket.inner().is_tls() => "TLS to every endpoint".to_owned(),
        (0, Some(socket)) => format!("transport socket {}", socket.name),
        (_, _) => "TLS to endpoints marked tlsMode: istio".to_owned(),
    };
    let rule = rule.map(|rule| format!(", its metadata names {}", rule.short())).unwrap_or_default();
    format!("cluster {}: {tls}{rule}", cluster.name)
}
