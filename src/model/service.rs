//! What clients call: Services, ServiceEntries, and the addresses behind them.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::meta::{Labels, Meta};
use crate::model::port::{Protocol, ServicePort, WorkloadPort};

/// A Kubernetes Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Name, namespace, labels and the annotations that rules read (`networking.istio.io/exportTo`).
    pub meta: Meta,
    /// How clients reach it.
    pub address: ServiceAddress,
    /// Its ports in order, UDP ones included.
    pub ports: Vec<ServicePortSpec>,
    /// `spec.selector`; `None` when absent (endpoints are made by hand).
    pub selector: Option<Labels>,
    /// `publishNotReadyAddresses`.
    pub publish_not_ready: bool,
}

/// How a Service is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServiceAddress {
    /// One or two virtual addresses; none yet on manifests that were never applied.
    ClusterIp(Vec<IpAddr>),
    /// `clusterIP: None`: clients dial the pods.
    Headless,
    /// `type: ExternalName`.
    ExternalName(String),
}

/// One port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePortSpec {
    /// Name; empty where there is only one port and it has none.
    pub name: String,
    /// What clients dial.
    pub port: ServicePort,
    /// Where it leads in the pod.
    pub target: TargetPort,
    /// What is spoken on it, by `appProtocol`, name or number.
    pub protocol: Protocol,
}

/// `targetPort`: a number, or the name of a container port, resolved pod by pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TargetPort {
    /// A number; a missing `targetPort` is the Service's own port.
    Number(WorkloadPort),
    /// A container port's name.
    Name(String),
}

/// A `discovery.k8s.io/v1` `EndpointSlice`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Its metadata.
    pub meta: Meta,
    /// The Service it belongs to (`kubernetes.io/service-name`).
    pub service: String,
    /// Ports by name, as in the Service.
    pub ports: Vec<(String, WorkloadPort)>,
    /// Its endpoints.
    pub endpoints: Vec<SliceEndpoint>,
}

/// One endpoint of a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceEndpoint {
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// `conditions.ready`, true where absent.
    pub ready: bool,
    /// `targetRef` of kind Pod: namespace and name.
    pub pod: Option<(String, String)>,
}

/// A `ServiceEntry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntry {
    /// Its metadata.
    pub meta: Meta,
    /// `hosts`.
    pub hosts: Vec<String>,
    /// `addresses`, as written (may be CIDR ranges).
    pub addresses: Vec<String>,
    /// `ports`.
    pub ports: Vec<EntryPort>,
    /// `location`, `MESH_EXTERNAL` where absent.
    pub mesh_internal: bool,
    /// `resolution`, `NONE` where absent.
    pub resolution: Resolution,
    /// Inline `endpoints`.
    pub endpoints: Vec<EntryEndpoint>,
    /// `workloadSelector.labels`.
    pub workload_selector: Option<Labels>,
    /// `exportTo`.
    pub export_to: Vec<String>,
    /// `subjectAltNames`.
    pub subject_alt_names: Vec<String>,
}

/// A port of a `ServiceEntry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryPort {
    /// Its name.
    pub name: String,
    /// What clients dial.
    pub port: ServicePort,
    /// `targetPort`, where given.
    pub target: Option<WorkloadPort>,
    /// `protocol`.
    pub protocol: Protocol,
}

/// `resolution` of a `ServiceEntry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// The address that was dialled.
    #[default]
    None,
    /// The inline endpoints, or selected workloads.
    Static,
    /// Names, resolved by the proxy.
    Dns,
    /// Names, resolved by the proxy, one connection at a time.
    DnsRoundRobin,
    /// Names matched by wildcard, resolved when called.
    DynamicDns,
}

/// An inline endpoint of a `ServiceEntry`, or the body of a `WorkloadEntry`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EntryEndpoint {
    /// Address or host name.
    pub address: String,
    /// `ports`: by port name.
    pub ports: std::collections::BTreeMap<String, WorkloadPort>,
    /// `labels`.
    pub labels: Labels,
    /// `serviceAccount`.
    pub service_account: Option<String>,
    /// `network`.
    pub network: Option<String>,
}

/// A `WorkloadEntry`: a machine outside Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadEntry {
    /// Its metadata.
    pub meta: Meta,
    /// Its address, ports and labels.
    pub endpoint: EntryEndpoint,
}
