//! Istio's policies as the rules read them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::meta::{Labels, Meta};
use crate::model::port::{Protocol, ServicePort, WorkloadPort};
use crate::model::tls::{ClientTlsSettings, MtlsMode, OwnTls};

/// A `PeerAuthentication`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerAuthentication {
    /// Its metadata.
    pub meta: Meta,
    /// `selector.matchLabels`; empty and absent mean the same: every workload of the namespace (or mesh).
    pub selector: Labels,
    /// `mtls.mode`; `None` is UNSET or absent.
    pub mode: Option<MtlsMode>,
    /// `portLevelMtls`; `None` is UNSET. Read only where there is a selector.
    pub ports: BTreeMap<WorkloadPort, Option<MtlsMode>>,
}

/// A `DestinationRule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRule {
    /// Its metadata.
    pub meta: Meta,
    /// `host` as written.
    pub host: String,
    /// `exportTo` as written; empty = absent.
    pub export_to: Vec<String>,
    /// `workloadSelector.matchLabels`: selects **clients**.
    pub workload_selector: Option<Labels>,
    /// `trafficPolicy`.
    pub traffic_policy: Option<TrafficPolicy>,
    /// `subsets` in order.
    pub subsets: Vec<Subset>,
}

/// `trafficPolicy`, of a rule or a subset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrafficPolicy {
    /// What holds for every port without an entry of its own.
    pub settings: PolicySettings,
    /// `portLevelSettings`: an entry replaces `settings` wholesale for its port.
    pub ports: Vec<(ServicePort, PolicySettings)>,
}

/// The fields that replace each other wholesale between the levels of a traffic policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicySettings {
    /// `tls`; `Some` even for `tls: {}`, which is `DISABLE`.
    pub tls: Option<ClientTlsSettings>,
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancer>,
    /// Whether `connectionPool` is there.
    pub connection_pool: bool,
    /// Whether `outlierDetection` is there.
    pub outlier_detection: bool,
    /// Whether any other field (`tunnel`, `proxyProtocol`, `retryBudget`) is there.
    pub other: bool,
}

/// `loadBalancer`, as far as it changes the kind of cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// `simple: PASSTHROUGH`.
    pub passthrough: bool,
}

/// A subset of a `DestinationRule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subset {
    /// Its name.
    pub name: String,
    /// Labels of its endpoints.
    pub labels: Labels,
    /// Its own policy.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// A `Sidecar`: what a workload's proxy sees and listens on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sidecar {
    /// Its metadata.
    pub meta: Meta,
    /// `workloadSelector.labels`; empty = the whole namespace (or mesh, in the root namespace).
    pub selector: Labels,
    /// `egress`; `None` = absent (everything).
    pub egress: Option<Vec<EgressListener>>,
    /// `ingress`; empty = the Services' ports.
    pub ingress: Vec<IngressListener>,
    /// `outboundTrafficPolicy.mode`.
    pub outbound_policy: Option<crate::model::mesh::OutboundPolicy>,
}

/// An `egress` entry of a `Sidecar`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EgressListener {
    /// `hosts`: `namespace/dnsName`, with `.`, `*` and `~` for the namespace.
    pub hosts: Vec<String>,
    /// `port.number`, where the listener is for one port.
    pub port: Option<u16>,
    /// `port.protocol`.
    pub protocol: Option<Protocol>,
    /// `bind`.
    pub bind: Option<String>,
    /// `captureMode: NONE`.
    pub capture_none: bool,
}

/// An `ingress` entry of a `Sidecar`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressListener {
    /// `port.number`: what clients reach and what `portLevelMtls` is keyed by.
    pub port: WorkloadPort,
    /// `port.protocol`.
    pub protocol: Protocol,
    /// `bind`.
    pub bind: Option<String>,
    /// `captureMode: NONE`.
    pub capture_none: bool,
    /// `defaultEndpoint`.
    pub default_endpoint: Option<String>,
    /// `tls`: read only where the control plane is told to (`ENABLE_TLS_ON_SIDECAR_INGRESS`).
    #[serde(default)]
    pub tls: Option<OwnTls>,
}

// === impl TrafficPolicy ===

impl TrafficPolicy {
    /// The settings of a port: its entry if it has one, else those for every port.
    ///
    /// Istio: `pilot/pkg/networking/util/util.go:GetPortLevelTrafficPolicy`.
    #[must_use]
    pub fn for_port(&self, port: ServicePort) -> (&PolicySettings, bool) {
        self.ports
            .iter()
            .find(|(number, _)| *number == port)
            .map_or((&self.settings, false), |(_, settings)| (settings, true))
    }
}
