//! What the data plane should be doing at this moment: written by the control plane from the rules, obeyed by the proxies.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::model::filter_chain::FilterChain;
use crate::model::identity::SpiffeId;
use crate::model::mesh::{IstioVersion, OutboundPolicy};
use crate::model::port::{PortClass, ServicePort, WorkloadPort};
use crate::model::tls::UpstreamTls;
use crate::model::workload::Capture;

pub use access::Access;

pub mod access;

/// `num_retries` of Istio's default policies, outbound (`route/retry/retry.go`) and inbound.
pub const RETRIES: u32 = 2;

/// The whole data plane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// Running pods.
    pub pods: BTreeMap<PodId, DesiredPod>,
    /// What DNS answers and where a ClusterIP leads when no sidecar catches the call.
    pub services: Vec<DesiredService>,
}

/// A pod's namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodId {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A running pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredPod {
    /// Its virtual address.
    pub address: IpAddr,
    /// What owns it: the Deployment, or the pod itself.
    pub workload: String,
    /// The identity in its certificate.
    pub identity: SpiffeId,
    /// What its image does, by port.
    pub application: BTreeMap<WorkloadPort, Application>,
    /// The configuration of its sidecar, where it has one.
    pub sidecar: Option<ProxyConfig>,
    /// Which of its traffic the sidecar catches.
    pub capture: Capture,
}

/// An application the lab knows how to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// httpbin over plaintext HTTP.
    Httpbin,
    /// Sends back what it receives.
    TcpEcho,
    /// httpbin over TLS with a certificate of its own.
    TlsEcho,
    /// Reads and never answers.
    Mute,
    /// Resets whoever sends it something.
    Reset,
    /// Listens and accepts nobody: its queue is full, so that no connection is ever made.
    Full,
}

/// A Service as DNS and kube-proxy know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredService {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Virtual addresses; empty for headless Services, whose name resolves to the pods.
    pub addresses: Vec<IpAddr>,
    /// Ready endpoints by port.
    pub ports: Vec<(ServicePort, Vec<SocketAddr>)>,
}

/// What a sidecar was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// The service ports it knows.
    pub outbound: Vec<OutboundPort>,
    /// What it does with destinations it does not know.
    pub outbound_policy: OutboundPolicy,
    /// Filter chains of the inbound listener, in order.
    pub inbound: Vec<FilterChain>,
    /// Trust domains whose client certificates it accepts.
    pub trust_domains: Vec<String>,
    /// `forward_client_cert_details`.
    pub forward: ForwardMode,
    /// How often the inbound route tries a request again whose connection to the application failed.
    pub inbound_retries: u32,
    /// Whether the body of a 503 names the transport's failure, as before Envoy 1.38.
    pub failure_in_body: bool,
    /// What it asks of callers beyond their transport.
    pub access: Access,
    /// Version of its control plane.
    pub version: IstioVersion,
}

/// `forward_client_cert_details` of the inbound HTTP connection manager. Envoy's own spelling in `as_str`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardMode {
    /// Keep what came, append this hop; strip on connections without client certificate. Istio's sidecars.
    #[default]
    AppendForward,
    /// Replace what came by this hop.
    SanitizeSet,
    /// Remove it.
    Sanitize,
    /// Forward what came over mutual TLS, untouched.
    ForwardOnly,
    /// Forward what came, whoever sent it.
    AlwaysForwardOnly,
}

/// A service port as a client's sidecar knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundPort {
    /// Host names the route answers to, without port: `httpbin`, `httpbin.bar`, `httpbin.bar.svc.cluster.local`, ...
    pub names: Vec<String>,
    /// The port clients dial.
    pub port: ServicePort,
    /// HTTP ports are routed by Host, TCP ports by address, sniffed ports by either.
    pub class: PortClass,
    /// How often its route tries a request again whose connection failed.
    pub retries: u32,
    /// How long and how many.
    pub limits: Limits,
    /// Addresses clients dial: virtual ones, or the pods' for headless Services.
    pub addresses: Vec<IpAddr>,
    /// Where it goes.
    pub cluster: Cluster,
}

/// Bounds on what goes to a cluster, as `connectionPool` of a `DestinationRule` and `timeout` of a `VirtualService` set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection and its handshake (`connect_timeout`).
    pub connect: Duration,
    /// For a request until its answer begins; `None` for no bound, as istiod writes it.
    pub answer: Option<Duration>,
    /// Requests under way at the same time (`max_requests` and `max_pending_requests` of the circuit breaker).
    pub requests: usize,
}

/// An outbound cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// `outbound|8000||httpbin.bar.svc.cluster.local`.
    pub name: String,
    /// The Service or ServiceEntry it is for.
    pub service: ClusterService,
    /// The DestinationRule that applies to it, named in its metadata.
    pub rule: Option<ClusterRule>,
    /// `ORIGINAL_DST`: goes to the address that was dialled.
    pub original_dst: bool,
    /// How connections are made.
    pub socket: TransportSocket,
    /// Its endpoints.
    pub endpoints: Vec<ClusterEndpoint>,
}

/// What a cluster is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterService {
    /// Namespace of the Service or ServiceEntry.
    pub namespace: String,
    /// Name of the Service; for a ServiceEntry its host.
    pub name: String,
    /// Fully qualified host name.
    pub host: String,
}

/// A DestinationRule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRule {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it says `SIMPLE` or `MUTUAL`: noted even where the TLS context cannot be built.
    pub keeps_alpn: bool,
}

/// `transport_socket` or `transport_socket_matches` of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportSocket {
    /// Plaintext to all.
    RawBuffer,
    /// TLS to all.
    Tls(UpstreamTls),
    /// Automatic mutual TLS: TLS to endpoints marked `tlsMode: istio`, plaintext to the others.
    Matches(UpstreamTls),
}

/// An endpoint of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEndpoint {
    /// Virtual address and port.
    pub address: SocketAddr,
    /// Whether it is marked `tlsMode: istio`.
    pub marked: bool,
}

// === impl Desired ===

impl Desired {
    /// Whether a connection to this address arrives: a sidecar or an application takes it.
    #[must_use]
    pub fn arrives(&self, to: SocketAddr) -> bool {
        let port = WorkloadPort(to.port());
        let takes = |pod: &DesiredPod| {
            (pod.sidecar.is_some() && pod.capture.inbound(port)) || pod.application.contains_key(&port)
        };
        self.pods.values().any(|pod| pod.address == to.ip() && takes(pod))
    }
}

// === impl Limits ===

impl Default for Limits {
    /// Istio: `pkg/config/mesh/mesh.go:DefaultMeshConfig`, `cluster_builder.go:getDefaultCircuitBreakerThresholds`.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: None, requests: usize::MAX }
    }
}

// === impl PodId ===

impl std::fmt::Display for PodId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

// === impl Cluster ===

impl Cluster {
    /// The TLS context of connections that use TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&UpstreamTls> {
        match &self.socket {
            TransportSocket::RawBuffer => None,
            TransportSocket::Tls(tls) | TransportSocket::Matches(tls) => Some(tls),
        }
    }
}

// === impl ForwardMode ===

impl ForwardMode {
    /// Envoy's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppendForward => "APPEND_FORWARD",
            Self::SanitizeSet => "SANITIZE_SET",
            Self::Sanitize => "SANITIZE",
            Self::ForwardOnly => "FORWARD_ONLY",
            Self::AlwaysForwardOnly => "ALWAYS_FORWARD_ONLY",
        }
    }
}
