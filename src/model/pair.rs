//! The answer of one witness about a client and a service port: what is sent, what is accepted, what follows.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::derivation::{PolicyRef, Step};
use crate::model::port::{PortClass, Protocol, ServicePort, WorkloadPort};
use crate::model::tls::UpstreamTls;
use crate::model::wire::{Outcome, Sends};
use crate::model::workload::ProxyKind;

/// A service port as a server that clients call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRef {
    /// Namespace of the Service or ServiceEntry.
    pub namespace: String,
    /// Name of the Service; for a ServiceEntry its host.
    pub service: String,
    /// Whether `service` is the host of a ServiceEntry.
    pub entry: bool,
    /// Fully qualified host name.
    pub host: String,
    /// The port that clients dial.
    pub port: ServicePort,
    /// The port's name.
    pub port_name: String,
    /// What is spoken on it.
    pub protocol: Protocol,
}

/// A client: a workload, told apart by pod where its pods differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientRef {
    /// Its namespace.
    pub namespace: String,
    /// The workload.
    pub workload: String,
    /// The pod that stands for it.
    pub pod: String,
    /// Whether the pods of the workload differ, so that the pod's name belongs to the row's.
    pub told_apart: bool,
    /// Its proxy.
    pub proxy: ProxyKind,
    /// Its service account.
    pub service_account: String,
}

/// What kind of bytes a client sends to a service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OriginKind {
    /// Istio mutual TLS to every endpoint.
    MutualTls,
    /// Plaintext to every endpoint.
    Plaintext,
    /// TLS without client certificate.
    Tls,
    /// TLS with the user's client certificate.
    TlsClientCert,
    /// The endpoints get different things (automatic mutual TLS over a mixed fleet).
    Mixed,
}

/// Which rule made the client send that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OriginMode {
    /// No rule sets TLS: automatic mutual TLS, endpoint by endpoint.
    Auto,
    /// `DISABLE` of a DestinationRule.
    Disable,
    /// `SIMPLE`.
    Simple,
    /// `MUTUAL`.
    Mutual,
    /// `ISTIO_MUTUAL`.
    IstioMutual,
    /// There is no proxy to tell.
    NoProxy,
}

/// Where the client's proxy sends the connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Route {
    /// No proxy: straight to the address.
    Direct,
    /// A cluster, by its Envoy name.
    Cluster(String),
    /// Unknown destination, passed through in plaintext.
    Passthrough,
    /// Unknown destination, refused.
    BlackHole,
    /// Several clusters by weight, by their Envoy names: a `VirtualService` says so.
    Split(Vec<String>),
    /// Nowhere: the client's proxy answers itself, because a `VirtualService` says so.
    Answered,
}

/// What the client side was told to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Originates {
    /// What it comes to over all endpoints.
    pub kind: OriginKind,
    /// Which rule made it so.
    pub mode: OriginMode,
    /// Where the proxy sends it.
    pub route: Route,
    /// TLS context of the cluster, where it may use TLS.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls: Option<UpstreamTls>,
    /// Whether the cluster is of type `ORIGINAL_DST` (headless, PASSTHROUGH): one answer for all endpoints.
    pub original_dst: bool,
    /// The policy or default that decides.
    pub decided_by: PolicyRef,
    /// Everything that spoke, weakest first.
    pub layers: Vec<Step>,
}

/// What a server side accepts on one workload port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accepts {
    /// The effective mode.
    pub mode: AcceptMode,
    /// How the port's bytes are read.
    pub class: PortClass,
    /// The policy or default that decides.
    pub decided_by: PolicyRef,
    /// Everything that spoke, weakest first.
    pub layers: Vec<Step>,
}

/// The effective mode of a workload port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AcceptMode {
    /// Mutual TLS only.
    Strict,
    /// Both.
    Permissive,
    /// Plaintext only.
    Disable,
    /// No proxy stands before the port.
    NoProxy,
}

/// One address behind a service port, and what follows from policy for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Namespace of the pod (or entry).
    pub namespace: String,
    /// The pod, where it is one.
    pub pod: Option<String>,
    /// Its workload.
    pub workload: String,
    /// Its address, where it has one.
    pub address: Option<IpAddr>,
    /// The port on it.
    pub port: WorkloadPort,
    /// Its proxy.
    pub proxy: ProxyKind,
    /// The client's own pod; not counted.
    pub is_self: bool,
    /// Whether istiod marks it `tlsMode: istio` for this client; `None` where marks play no part.
    pub marked: Option<bool>,
    /// What this client sends to it; `None` where its own proxy refuses.
    pub sends: Option<Sends>,
    /// What it accepts.
    pub accepts: Accepts,
    /// What follows for the port's own kind of request (HTTP on sniffed ports).
    pub outcome: Outcome,
    /// What follows for raw TCP on a sniffed port.
    pub tcp: Option<Outcome>,
    /// What this client sends of it there, which may leave by another cluster; `None` where nothing, or by several that differ.
    pub tcp_sends: Option<Sends>,
}

/// What policy demands between a client and a service port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairIntent {
    /// The client side.
    pub originates: Originates,
    /// Every endpoint, the client's own pod included.
    pub endpoints: Vec<Endpoint>,
    /// Over the endpoints that count.
    pub outcome: Outcome,
    /// For raw TCP on a sniffed port.
    pub tcp: Option<Outcome>,
    /// Pods that raw TCP reaches and requests do not, by namespace and name: a rule for connections leads them elsewhere.
    pub raw_only: Vec<(String, String)>,
    /// What curl would print, where it can be told.
    pub symptom: Option<Symptom>,
    /// One sentence: what meets what.
    pub because: String,
    /// By policy alone, with a proxy at both ends: the client is told to send what the server is told to refuse.
    pub conflict: bool,
    /// What decides the outcome.
    pub decided_by: PolicyRef,
    /// What has to change; for a conflict both objects.
    pub responsible: Vec<PolicyRef>,
}

/// What curl shows, taking an application that answers 200: `%{http_code}` and the exit code. Several where it is a race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Symptom {
    /// `200`, `503`, `000`.
    pub http: Vec<String>,
    /// 0, 52, 56, ...
    pub exit: Vec<u8>,
}

// === impl ServerRef ===

impl ServerRef {
    /// `service.namespace:port`, or `host:port` for a ServiceEntry.
    #[must_use]
    pub fn display_name(&self) -> String {
        if self.entry {
            format!("{}:{}", self.service, self.port)
        } else {
            format!("{}.{}:{}", self.service, self.namespace, self.port)
        }
    }
}

// === impl ClientRef ===

impl ClientRef {
    /// `workload.namespace`, with the pod where pods of the workload differ.
    #[must_use]
    pub fn display_name(&self) -> String {
        if self.told_apart {
            format!("{}({}).{}", self.workload, self.pod, self.namespace)
        } else {
            format!("{}.{}", self.workload, self.namespace)
        }
    }
}

// === impl OriginKind, OriginMode, AcceptMode ===

impl OriginKind {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual-tls",
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::TlsClientCert => "tls-client-cert",
            Self::Mixed => "mixed",
        }
    }
}

impl OriginMode {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::Disable => "DISABLE",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
            Self::NoProxy => "NO_PROXY",
        }
    }
}

impl AcceptMode {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "STRICT",
            Self::Permissive => "PERMISSIVE",
            Self::Disable => "DISABLE",
            Self::NoProxy => "NO_PROXY",
        }
    }
}
