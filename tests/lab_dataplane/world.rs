//! The two pods of the measurements: `httpbin.foo:8000` (target port 8080) and the client `bar/curl`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use kubectl_mtls::lab::desired::{
    Access, Application, Cluster, ClusterEndpoint, ClusterService, Desired, DesiredPod, DesiredService, ForwardMode,
    Limits, OutboundPort, PodId, ProxyConfig, RETRIES, TransportSocket,
};
use kubectl_mtls::model::filter_chain::{
    FilterChain, ISTIO_HTTP_ALPN, ISTIO_TCP_ALPN, PLAINTEXT_HTTP_ALPN, TransportMatch,
};
use kubectl_mtls::model::identity::SpiffeId;
use kubectl_mtls::model::mesh::{IstioVersion, OutboundPolicy};
use kubectl_mtls::model::port::{Payload, PortClass, ServicePort, WorkloadPort};
use kubectl_mtls::model::tls::{ClientCertificate, MtlsMode, ServerValidation, UpstreamTls};
use kubectl_mtls::model::workload::Capture;

pub(crate) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));
pub(crate) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 10));
pub(crate) const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 11));
pub(crate) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 20));
pub(crate) const SERVICE_PORT: u16 = 8000;
pub(crate) const PORT: u16 = 8080;
/// Declared by no Service.
pub(crate) const OTHER_PORT: u16 = 8081;
pub(crate) const CLUSTER: &str = "outbound|8000||httpbin.foo.svc.cluster.local";

pub(crate) fn server() -> PodId {
    PodId { namespace: "foo".to_owned(), name: "httpbin".to_owned() }
}

pub(crate) fn second() -> PodId {
    PodId { namespace: "foo".to_owned(), name: "httpbin-plain".to_owned() }
}

pub(crate) fn client() -> PodId {
    PodId { namespace: "bar".to_owned(), name: "curl".to_owned() }
}

pub(crate) fn identity(text: &str) -> SpiffeId {
    text.parse().expect("a SPIFFE ID")
}

pub(crate) fn server_identity() -> SpiffeId {
    identity("spiffe://cluster.local/ns/foo/sa/httpbin")
}

pub(crate) fn client_identity() -> SpiffeId {
    identity("spiffe://cluster.local/ns/bar/sa/curl")
}

/// Filter chains of a port as istiod writes them (`filterchain_options.go:getFilterChainMatchOptions`).
pub(crate) fn chains(port: Option<u16>, class: PortClass, mode: MtlsMode) -> Vec<FilterChain> {
    use Payload::{Http, Tcp};
    use TransportMatch::{RawBuffer, Tls};
    let all: Vec<&str> = ISTIO_TCP_ALPN.into_iter().rev().chain(ISTIO_HTTP_ALPN).collect();
    let http: &[&str] = &ISTIO_HTTP_ALPN;
    let tcp: &[&str] = &ISTIO_TCP_ALPN;
    let plain: &[&str] = &PLAINTEXT_HTTP_ALPN;
    let rows: Vec<(TransportMatch, &[&str], bool, Payload)> = match (class, mode) {
        (PortClass::Http, MtlsMode::Strict) => vec![(Tls, &[], true, Http)],
        (PortClass::Http, MtlsMode::Permissive) => vec![(Tls, &all, true, Http), (RawBuffer, &[], false, Http)],
        (PortClass::Http, MtlsMode::Disable) => vec![(RawBuffer, &[], false, Http)],
        (PortClass::Tcp, MtlsMode::Strict) => vec![(Tls, &[], true, Tcp)],
        (PortClass::Tcp, MtlsMode::Permissive) => {
            vec![(Tls, &all, true, Tcp), (Tls, &[], false, Tcp), (RawBuffer, &[], false, Tcp)]
        }
        (PortClass::Tcp, MtlsMode::Disable) => vec![(RawBuffer, &[], false, Tcp)],
        (PortClass::Auto, MtlsMode::Strict) => vec![(Tls, http, true, Http), (Tls, &[], true, Tcp)],
        (PortClass::Auto, MtlsMode::Permissive) => vec![
            (Tls, http, true, Http),
            (RawBuffer, plain, false, Http),
            (Tls, tcp, true, Tcp),
            (RawBuffer, &[], false, Tcp),
            (Tls, &[], false, Tcp),
        ],
        (PortClass::Auto, MtlsMode::Disable) => vec![(RawBuffer, plain, false, Http), (RawBuffer, &[], false, Tcp)],
    };
    let chain = |(transport, alpn, terminates, codec): (TransportMatch, &[&str], bool, Payload)| FilterChain {
        port: port.map(WorkloadPort),
        transport,
        alpn: alpn.iter().map(|name| (*name).to_owned()).collect(),
        terminates,
        codec,
        own_tls: None,
    };
    rows.into_iter().map(chain).collect()
}

/// A sidecar that knows nothing and accepts everything.
pub(crate) fn sidecar() -> ProxyConfig {
    ProxyConfig {
        outbound: Vec::new(),
        outbound_policy: OutboundPolicy::AllowAny,
        inbound: chains(None, PortClass::Auto, MtlsMode::Permissive),
        trust_domains: vec!["cluster.local".to_owned()],
        forward: ForwardMode::AppendForward,
        inbound_retries: RETRIES,
        failure_in_body: false,
        access: Access::default(),
        version: IstioVersion::NEWEST,
    }
}

/// A sidecar before httpbin.
pub(crate) fn accepting(class: PortClass, workload: MtlsMode, port: MtlsMode) -> ProxyConfig {
    let mut inbound = chains(None, PortClass::Auto, workload);
    inbound.extend(chains(Some(PORT), class, port));
    ProxyConfig { inbound, ..sidecar() }
}

pub(crate) fn endpoint(address: IpAddr, marked: bool) -> ClusterEndpoint {
    ClusterEndpoint { address: SocketAddr::new(address, PORT), marked }
}

/// A sidecar that calls httpbin over this transport.
pub(crate) fn originating(class: PortClass, socket: TransportSocket, endpoints: Vec<ClusterEndpoint>) -> ProxyConfig {
    let names = ["httpbin.foo", "httpbin.foo.svc", "httpbin.foo.svc.cluster.local"];
    let port = OutboundPort {
        names: names.map(str::to_owned).to_vec(),
        port: ServicePort(SERVICE_PORT),
        class,
        retries: RETRIES,
        limits: Limits::default(),
        addresses: vec![VIP],
        cluster: Cluster {
            name: CLUSTER.to_owned(),
            service: ClusterService {
                namespace: "foo".to_owned(),
                name: "httpbin".to_owned(),
                host: "httpbin.foo.svc.cluster.local".to_owned(),
            },
            rule: None,
            original_dst: false,
            socket,
            endpoints,
        },
    };
    ProxyConfig { outbound: vec![port], ..sidecar() }
}

/// Istio mutual TLS towards httpbin.
pub(crate) fn istio_mutual() -> UpstreamTls {
    UpstreamTls {
        sni: Some("outbound_.8000_._.httpbin.foo.svc.cluster.local".to_owned()),
        subject_alt_names: vec![server_identity().to_string()],
        alpn: ISTIO_TCP_ALPN.map(str::to_owned).to_vec(),
        certificate: ClientCertificate::Workload,
        validation: ServerValidation::MeshRoot,
        alpn_override: true,
    }
}

/// TLS as a `DestinationRule` of mode SIMPLE writes it.
pub(crate) fn simple(validation: ServerValidation) -> UpstreamTls {
    UpstreamTls {
        sni: None,
        subject_alt_names: Vec::new(),
        alpn: Vec::new(),
        certificate: ClientCertificate::None,
        validation,
        alpn_override: false,
    }
}

pub(crate) fn pod(address: IpAddr, identity: SpiffeId, sidecar: Option<ProxyConfig>) -> DesiredPod {
    let workload = identity.service_account.clone();
    DesiredPod { address, workload, identity, application: BTreeMap::new(), sidecar, capture: Capture::default() }
}

/// Both pods and the Service.
pub(crate) fn mesh(client_sidecar: Option<ProxyConfig>, server_sidecar: Option<ProxyConfig>) -> Desired {
    let mut httpbin = pod(SERVER, server_identity(), server_sidecar);
    httpbin.application.insert(WorkloadPort(PORT), Application::Httpbin);
    httpbin.application.insert(WorkloadPort(OTHER_PORT), Application::Httpbin);
    let curl = pod(CLIENT, client_identity(), client_sidecar);
    let ready = vec![SocketAddr::new(SERVER, PORT)];
    let service = DesiredService {
        namespace: "foo".to_owned(),
        name: "httpbin".to_owned(),
        addresses: vec![VIP],
        ports: vec![(ServicePort(SERVICE_PORT), ready)],
    };
    Desired { pods: BTreeMap::from([(server(), httpbin), (client(), curl)]), services: vec![service] }
}
