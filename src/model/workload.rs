//! Pods, the workloads that own them, and whether a proxy stands before them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::meta::Meta;
use crate::model::port::WorkloadPort;

/// A pod, or the pods that a workload object would make (one of them stands for all).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Name, namespace, labels, the annotations that rules read.
    pub meta: Meta,
    /// What owns it: the Deployment, not its ReplicaSet; the pod itself where nothing does.
    pub workload: WorkloadRef,
    /// `spec.serviceAccountName`, `default` where absent.
    pub service_account: String,
    /// `status.podIPs`; empty on manifests that were never applied.
    pub addresses: Vec<IpAddr>,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// What its nodes run, as far as the pod says.
    #[serde(default)]
    pub os: OperatingSystem,
    /// Ready and not being deleted; a pod without status runs and is ready.
    pub ready: bool,
    /// Completed or failed: neither client nor server.
    pub finished: bool,
    /// Application containers and the proxy, init containers that stay included.
    pub containers: Vec<Container>,
    /// The proxy before it.
    pub proxy: ProxyKind,
    /// Control-plane revision of the proxy, where it names one.
    pub revision: Option<String>,
    /// Which traffic the proxy captures.
    pub capture: Capture,
}

/// What the nodes run that a pod is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperatingSystem {
    /// Whatever does not say otherwise.
    #[default]
    Linux,
    /// Istio has no proxy for it.
    Windows,
}

/// The owner of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRef {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, `Pod`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A container as far as the rules and the probe need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Declared ports.
    pub ports: Vec<ContainerPort>,
    /// An init container with `restartPolicy: Always` (native sidecar).
    pub native_sidecar: bool,
    /// `securityContext.runAsUser`; 1337 is the proxy's own user, whose traffic is never captured.
    pub run_as_user: Option<i64>,
}

/// A declared container port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// What a named `targetPort` refers to.
    pub name: Option<String>,
    /// The number.
    pub port: WorkloadPort,
    /// Whether it is TCP.
    pub tcp: bool,
}

/// What stands between a workload and the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyKind {
    /// Envoy beside the application.
    Sidecar,
    /// Nothing.
    None,
    /// The workload is a gateway itself.
    Gateway,
    /// An ambient waypoint.
    Waypoint,
    /// Captured by the node's ztunnel.
    Ztunnel,
    /// gRPC without a proxy.
    Proxyless,
    /// Could not be read.
    Unknown,
}

/// Which traffic of a pod goes through its sidecar.
///
/// Istio: annotations `traffic.sidecar.istio.io/*`, `tools/istio-iptables/pkg/capture/run.go`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Hash)]
#[serde(rename_all = "camelCase", default)]
pub struct Capture {
    /// `sidecar.istio.io/interceptionMode: NONE`.
    pub interception_none: bool,
    /// `includeInboundPorts`; `None` = all (`*`).
    pub include_inbound: Option<BTreeSet<WorkloadPort>>,
    /// `excludeInboundPorts`.
    pub exclude_inbound: BTreeSet<WorkloadPort>,
    /// `includeOutboundPorts`.
    pub include_outbound_ports: BTreeSet<u16>,
    /// `excludeOutboundPorts`.
    pub exclude_outbound_ports: BTreeSet<u16>,
    /// `includeOutboundIPRanges`; `None` = all (`*`).
    pub include_outbound_ranges: Option<Vec<ipnet::IpNet>>,
    /// `excludeOutboundIPRanges`.
    pub exclude_outbound_ranges: Vec<ipnet::IpNet>,
}

// === impl Pod ===

impl Pod {
    /// The namespace it lives in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.meta.namespace
    }

    /// The value of `security.istio.io/tlsMode`, taken verbatim; only `istio` makes clients send mutual TLS.
    #[must_use]
    pub fn tls_mode_label(&self) -> Option<&str> {
        self.meta.label("security.istio.io/tlsMode")
    }

    /// `workload.namespace`, the name the table and the arguments use.
    #[must_use]
    pub fn display_name(&self) -> String {
        format!("{}.{}", self.workload.name, self.meta.namespace)
    }

    /// The container that runs the application: the first that is neither the proxy nor injected.
    #[must_use]
    pub fn application_container(&self) -> Option<&Container> {
        self.containers.iter().find(|container| container.name != "istio-proxy" && !container.native_sidecar)
    }
}

// === impl ProxyKind ===

impl ProxyKind {
    /// Whether the data plane is that of ambient mode, which is not judged.
    #[must_use]
    pub fn is_ambient(self) -> bool {
        matches!(self, Self::Ztunnel | Self::Waypoint)
    }

    /// The word of the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::None => "none",
            Self::Gateway => "gateway",
            Self::Waypoint => "waypoint",
            Self::Ztunnel => "ztunnel",
            Self::Proxyless => "proxyless",
            Self::Unknown => "unknown",
        }
    }

    /// Whether Envoy originates and accepts for the workload as Istio's policies tell it.
    #[must_use]
    pub fn is_envoy(self) -> bool {
        matches!(self, Self::Sidecar | Self::Gateway | Self::Waypoint)
    }
}

// === impl Capture ===

impl Capture {
    /// Whether a connection to this port meets the sidecar's inbound listener.
    #[must_use]
    pub fn inbound(&self, port: WorkloadPort) -> bool {
        // Ports of the proxy itself: never redirected to the inbound listener.
        const OWN: [u16; 3] = [15020, 15021, 15090];
        !self.interception_none
            && !OWN.contains(&port.0)
            && !self.exclude_inbound.contains(&port)
            && self.include_inbound.as_ref().is_none_or(|included| included.contains(&port))
    }

    /// Whether a connection to this address leaves through the sidecar.
    #[must_use]
    pub fn outbound(&self, address: IpAddr, port: u16) -> bool {
        if self.interception_none || self.exclude_outbound_ports.contains(&port) {
            return false;
        }
        if self.exclude_outbound_ranges.iter().any(|range| range.contains(&address)) {
            return false;
        }
        self.include_outbound_ports.contains(&port)
            || self.include_outbound_ranges.as_ref().is_none_or(|ranges| ranges.iter().any(|r| r.contains(&address)))
    }
}
