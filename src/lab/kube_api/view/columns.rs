//! The columns that `kubectl get` shows, by kind.
//!
//! Kubernetes' kinds: `pkg/printers/internalversion/printers.go`. Istio's: `additionalPrinterColumns` of
//! `manifests/charts/base/files/crd-all.gen.yaml`.

use serde_json::{Value, json};

use super::age;
use crate::lab::store::object;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its heading, which kubectl writes in capitals.
    pub(super) name: &'static str,
    /// `string` or `integer`.
    pub(super) kind: &'static str,
    /// 0 always, 1 with `-o wide`.
    pub(super) priority: u8,
    /// What stands in it.
    pub(super) cell: fn(&Value) -> Value,
}

/// The columns of a kind.
pub(super) fn of(api_version: &str, kind: &str) -> Vec<Column> {
    let own: &[Column] = match (api_version.split('/').next().unwrap_or_default(), kind) {
        ("v1", "Pod") => POD,
        ("v1", "Service") => SERVICE,
        ("v1", "Namespace") => &[shown("Status", |o| string(o, "/status/phase")), AGE],
        ("v1", "Node") => NODE,
        ("v1", "ConfigMap") => &[shown("Data", data), AGE],
        ("v1", "ServiceAccount") => &[shown("Secrets", |_| json!(0)), AGE],
        ("apps", "Deployment") => DEPLOYMENT,
        ("apps", "ReplicaSet") => REPLICA_SET,
        ("apps", "StatefulSet") => &[shown("Ready", ready_of_replicas), AGE, CONTAINERS, IMAGES],
        ("apps", "DaemonSet") => DAEMON_SET,
        ("batch", "Job") => &[shown("Status", |_| json!("Running")), shown("Completions", completions), AGE],
        ("discovery.k8s.io", "EndpointSlice") => ENDPOINT_SLICE,
        ("security.istio.io", "PeerAuthentication") => &[shown("Mode", |o| optional(o, "/spec/mtls/mode")), AGE],
        ("security.istio.io", "AuthorizationPolicy") => &[shown("Action", |o| optional(o, "/spec/action")), AGE],
        ("networking.istio.io", "DestinationRule") => &[shown("Host", |o| optional(o, "/spec/host")), AGE],
        ("networking.istio.io", "ServiceEntry") => SERVICE_ENTRY,
        ("networking.istio.io", "VirtualService") => VIRTUAL_SERVICE,
        ("networking.istio.io", "WorkloadEntry") => &[AGE, shown("Address", |o| optional(o, "/spec/address"))],
        _ => &[AGE],
    };
    [NAME].iter().chain(own).copied().collect()
}

const NAME: Column = shown("Name", |o| string(o, "/metadata/name"));
const AGE: Column = shown("Age", |o| age::since(object::text(o, "/metadata/creationTimestamp")).into());
const CONTAINERS: Column = wide("Containers", |o| container_fields(o, "/name"));
const IMAGES: Column = wide("Images", |o| container_fields(o, "/image"));
const SELECTOR: Column = wide("Selector", |o| pairs(o.pointer("/spec/selector/matchLabels")));

const POD: &[Column] = &[
    shown("Ready", pod_ready),
    shown("Status", |o| string(o, "/status/phase")),
    shown("Restarts", |_| json!("0")),
    AGE,
    wide("IP", |o| string(o, "/status/podIP")),
    wide("Node", |o| string(o, "/spec/nodeName")),
    wide("Nominated Node", |_| json!("<none>")),
    wide("Readiness Gates", |_| json!("<none>")),
];
const SERVICE: &[Column] = &[
    shown("Type", |o| string(o, "/spec/type")),
    shown("Cluster-IP", |o| string(o, "/spec/clusterIP")),
    shown("External-IP", external),
    shown("Port(s)", service_ports),
    AGE,
    wide("Selector", |o| pairs(o.pointer("/spec/selector"))),
];
const NODE: &[Column] = &[
    shown("Status", |_| json!("Ready")),
    shown("Roles", |_| json!("<none>")),
    AGE,
    shown("Version", |o| string(o, "/status/nodeInfo/kubeletVersion")),
];
const DEPLOYMENT: &[Column] = &[
    shown("Ready", ready_of_replicas),
    number("Up-to-date", |o| count(o, "/status/updatedReplicas")),
    number("Available", |o| count(o, "/status/availableReplicas")),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
const REPLICA_SET: &[Column] = &[
    number("Desired", |o| count(o, "/spec/replicas")),
    number("Current", |o| count(o, "/status/replicas")),
    number("Ready", |o| count(o, "/status/readyReplicas")),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
const DAEMON_SET: &[Column] = &[
    number("Desired", |o| count(o, "/status/desiredNumberScheduled")),
    number("Current", |o| count(o, "/status/currentNumberScheduled")),
    number("Ready", |o| count(o, "/status/numberReady")),
    number("Up-to-date", |o| count(o, "/status/updatedNumberScheduled")),
    number("Available", |o| count(o, "/status/numberAvailable")),
    shown("Node Selector", |o| pairs(o.pointer("/spec/template/spec/nodeSelector"))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];
const ENDPOINT_SLICE: &[Column] = &[
    shown("AddressType", |o| string(o, "/addressType")),
    shown("Ports", slice_ports),
    shown("Endpoints", addresses),
    AGE,
];
const SERVICE_ENTRY: &[Column] = &[
    shown("Hosts", |o| list(o, "/spec/hosts")),
    shown("Location", |o| optional(o, "/spec/location")),
    shown("Resolution", |o| optional(o, "/spec/resolution")),
    AGE,
];
const VIRTUAL_SERVICE: &[Column] =
    &[shown("Gateways", |o| list(o, "/spec/gateways")), shown("Hosts", |o| list(o, "/spec/hosts")), AGE];

const fn shown(name: &'static str, cell: fn(&Value) -> Value) -> Column {
    Column { name, kind: "string", priority: 0, cell }
}

const fn wide(name: &'static str, cell: fn(&Value) -> Value) -> Column {
    Column { name, kind: "string", priority: 1, cell }
}

const fn number(name: &'static str, cell: fn(&Value) -> Value) -> Column {
    Column { name, kind: "integer", priority: 0, cell }
}

fn string(object: &Value, pointer: &str) -> Value {
    match object::text(object, pointer) {
        "" => json!("<none>"),
        text => json!(text),
    }
}

/// A custom resource's column stays empty where the field is not there.
fn optional(object: &Value, pointer: &str) -> Value {
    object.pointer(pointer).filter(|value| value.is_string()).cloned().unwrap_or_default()
}

/// A list in a custom resource's column is its JSON.
fn list(object: &Value, pointer: &str) -> Value {
    object.pointer(pointer).map(|list| json!(list.to_string())).unwrap_or_default()
}

fn count(object: &Value, pointer: &str) -> Value {
    json!(object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0))
}

fn pairs(map: Option<&Value>) -> Value {
    let pairs: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!(if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") })
}

fn container_fields(object: &Value, field: &str) -> Value {
    let all: Vec<&str> = object::elements(object, "/spec/template/spec/containers")
        .map(|container| object::text(container, field))
        .collect();
    json!(all.join(","))
}

fn data(object: &Value) -> Value {
    json!(object.get("data").and_then(Value::as_object).map_or(0, serde_json::Map::len))
}

/// Containers and init containers that stay: `2/2`.
fn pod_ready(pod: &Value) -> Value {
    let running = |status: &&Value| status.pointer("/state/terminated").is_none();
    let statuses: Vec<&Value> = object::elements(pod, "/status/containerStatuses")
        .chain(object::elements(pod, "/status/initContainerStatuses").filter(running))
        .collect();
    let ready = statuses.iter().filter(|status| status.get("ready") == Some(&Value::Bool(true))).count();
    json!(format!("{ready}/{}", statuses.len()))
}

fn ready_of_replicas(workload: &Value) -> Value {
    json!(format!("{}/{}", count(workload, "/status/readyReplicas"), count(workload, "/spec/replicas")))
}

fn completions(job: &Value) -> Value {
    json!(format!("{}/{}", count(job, "/status/succeeded"), count(job, "/spec/completions")))
}

fn external(service: &Value) -> Value {
    match object::text(service, "/spec/type") {
        "ExternalName" => string(service, "/spec/externalName"),
        "LoadBalancer" => match object::text(service, "/status/loadBalancer/ingress/0/ip") {
            "" => json!("<pending>"),
            address => json!(address),
        },
        _ => json!("<none>"),
    }
}

fn service_ports(service: &Value) -> Value {
    let ports: Vec<String> = object::elements(service, "/spec/ports")
        .map(|port| {
            let node_port = port.get("nodePort").map(|number| format!(":{number}")).unwrap_or_default();
            format!("{}{node_port}/{}", count(port, "/port"), object::text(port, "/protocol"))
        })
        .collect();
    json!(if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") })
}

fn slice_ports(slice: &Value) -> Value {
    some_of(
        &object::elements(slice, "/ports").map(|port| count(port, "/port").to_string()).collect::<Vec<_>>(),
        "<unset>",
    )
}

fn addresses(slice: &Value) -> Value {
    let addresses = object::elements(slice, "/endpoints")
        .flat_map(|endpoint| object::elements(endpoint, "/addresses"))
        .filter_map(|address| address.as_str().map(str::to_owned));
    some_of(&addresses.collect::<Vec<_>>(), "<unset>")
}

/// The first three, and how many more.
fn some_of(all: &[String], none: &str) -> Value {
    let first: Vec<String> = all.iter().take(3).cloned().collect();
    json!(match all.len() {
        0 => none.to_owned(),
        1..=3 => first.join(","),
        more => format!("{} + {} more...", first.join(","), more - 3),
    })
}
