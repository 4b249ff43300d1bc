//! What a server's sidecar accepts: the filter chains of its inbound listener.
//!
//! Istio: `pilot/pkg/networking/core/listener_inbound.go`, `filterchain_options.go:getFilterChainMatchOptions`.

use crate::intent::declared::Declared;
use crate::intent::plane::ControlPlane;
use crate::intent::versions::Rules;
use crate::model::filter_chain::{FilterChain, ISTIO_HTTP_ALPN, ISTIO_TCP_ALPN, PLAINTEXT_HTTP_ALPN, TransportMatch};
use crate::model::port::{Payload, PortClass, WorkloadPort};
use crate::model::tls::{MtlsMode, OwnTls};
use crate::model::workload::Pod;

/// Every filter chain of a pod's inbound listener: those of undeclared ports first, as istiod writes them.
///
/// A port is declared by a Service, a ServiceEntry or a Sidecar's `ingress`. Ports of `portLevelMtls` that nobody declares
/// get chains of their own.
pub(crate) fn chains(plane: &ControlPlane<'_>, pod: &Pod, declared: &Declared) -> Vec<FilterChain> {
    let composed = plane.peer_authentications.compose(&pod.meta.namespace, &pod.meta.labels);
    let mut chains = of_port(plane.rules, None, PortClass::Auto, composed.mode);
    for (port, mode) in composed.ports.iter().filter(|(port, _)| !declared.names(**port)) {
        chains.extend(of_port(plane.rules, Some(*port), PortClass::Auto, *mode));
    }
    for (port, class) in &declared.classes {
        match (declared.own_tls.get(port), composed.port(*port)) {
            (Some(tls), MtlsMode::Disable) => chains.push(ending_own_tls(*port, *class, *tls)),
            (_, mode) => chains.extend(of_port(plane.rules, Some(*port), *class, mode)),
        }
    }
    chains
}

/// The chains of one port.
fn of_port(rules: Rules, port: Option<WorkloadPort>, class: PortClass, mode: MtlsMode) -> Vec<FilterChain> {
    let chain = |transport, alpn: Vec<&str>, terminates, codec| FilterChain {
        port,
        transport,
        alpn: alpn.into_iter().map(str::to_owned).collect(),
        terminates,
        codec,
        own_tls: None,
    };
    let mutual = |alpn, codec| chain(TransportMatch::Tls, alpn, true, codec);
    let foreign = || chain(TransportMatch::Tls, Vec::new(), false, Payload::Tcp);
    let plain = |alpn, codec| chain(TransportMatch::RawBuffer, alpn, false, codec);
    let (http, tcp) = (Payload::Http, Payload::Tcp);
    match (class, mode) {
        (PortClass::Http, MtlsMode::Strict) => vec![mutual(Vec::new(), http)],
        (PortClass::Http, MtlsMode::Permissive) => vec![mutual(http_permissive(rules), http), plain(Vec::new(), http)],
        (PortClass::Http, MtlsMode::Disable) => vec![plain(Vec::new(), http)],
        (PortClass::Tcp, MtlsMode::Strict) => vec![mutual(Vec::new(), tcp)],
        (PortClass::Tcp, MtlsMode::Permissive) => {
            vec![mutual(all_alpn(), tcp), foreign(), plain(Vec::new(), tcp)]
        }
        (PortClass::Tcp, MtlsMode::Disable) => vec![plain(Vec::new(), tcp)],
        (PortClass::Auto, MtlsMode::Strict) => vec![mutual(ISTIO_HTTP_ALPN.to_vec(), http), mutual(Vec::new(), tcp)],
        (PortClass::Auto, MtlsMode::Permissive) => vec![
            mutual(ISTIO_HTTP_ALPN.to_vec(), http),
            plain(PLAINTEXT_HTTP_ALPN.to_vec(), http),
            mutual(ISTIO_TCP_ALPN.to_vec(), tcp),
            plain(Vec::new(), tcp),
            foreign(),
        ],
        (PortClass::Auto, MtlsMode::Disable) => {
            vec![plain(PLAINTEXT_HTTP_ALPN.to_vec(), http), plain(Vec::new(), tcp)]
        }
    }
}

/// The one chain of a port whose TLS the sidecar ends with a certificate of its own.
///
/// Istio: `filterchain_options.go:getTLSFilterChainMatchOptions`.
fn ending_own_tls(port: WorkloadPort, class: PortClass, tls: OwnTls) -> FilterChain {
    FilterChain {
        port: Some(port),
        transport: TransportMatch::Tls,
        alpn: Vec::new(),
        terminates: false,
        codec: if class == PortClass::Http { Payload::Http } else { Payload::Tcp },
        own_tls: Some(tls),
    }
}

fn all_alpn() -> Vec<&'static str> {
    let mut all = vec!["istio", "istio-peer-exchange"];
    all.extend(ISTIO_HTTP_ALPN);
    all
}

fn http_permissive(rules: Rules) -> Vec<&'static str> {
    let mut alpn = all_alpn();
    alpn.retain(|name| rules.permissive_http_takes_peer_exchange || *name != "istio-peer-exchange");
    alpn
}
