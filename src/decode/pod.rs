//! Pods as they are: running ones, or manifests with their proxy written out.

use std::net::IpAddr;

use serde_json::Value;

use crate::decode::capture::capture;
use crate::decode::metadata::meta;
use crate::decode::value::{at, flag, items, port, text};
use crate::model::meta::{Meta, Origin};
use crate::model::port::WorkloadPort;
use crate::model::workload::{Container, ContainerPort, OperatingSystem, Pod, ProxyKind, WorkloadRef};

/// The container that is the proxy.
pub(super) const PROXY: &str = "istio-proxy";
/// The label of a node that names its operating system.
const OS_OF_NODE: &str = "kubernetes.io/os";

/// Reads a Pod.
pub(super) fn pod(object: &Value, origin: Option<&Origin>) -> Pod {
    let meta = meta(object, origin);
    let workload = owner(object, &meta);
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let mut pod = of_spec(spec, meta, workload);
    pod.addresses = addresses(object);
    pod.finished = matches!(text(object, &["status", "phase"]), Some("Succeeded" | "Failed"));
    pod.ready = !pod.finished && ready(object);
    pod
}

/// The pod that a spec makes: running, ready, without an address.
pub(super) fn of_spec(spec: &Value, meta: Meta, workload: WorkloadRef) -> Pod {
    Pod {
        workload,
        service_account: text(spec, &["serviceAccountName"])
            .or_else(|| text(spec, &["serviceAccount"]))
            .filter(|name| !name.is_empty())
            .unwrap_or("default")
            .to_owned(),
        addresses: Vec::new(),
        node: text(spec, &["nodeName"]).map(str::to_owned),
        host_network: flag(spec, &["hostNetwork"]),
        os: operating_system(spec),
        ready: true,
        finished: false,
        containers: containers(spec),
        proxy: proxy(spec, &meta),
        revision: revision(&meta),
        capture: capture(&meta),
        meta,
    }
}

/// Kubernetes: `spec.os`, and the label of nodes that pods select them by.
fn operating_system(spec: &Value) -> OperatingSystem {
    let windows = [["os", "name"], ["nodeSelector", OS_OF_NODE]].iter().any(|path| text(spec, path) == Some("windows"));
    if windows { OperatingSystem::Windows } else { OperatingSystem::Linux }
}

/// What owns a pod. A ReplicaSet is named after its Deployment and the hash of the template, so the Deployment is known even
/// where only the pod is; a pod that its node owns (a static pod) stands for itself.
fn owner(object: &Value, meta: &Meta) -> WorkloadRef {
    let owners = items(object, &["metadata", "ownerReferences"]);
    let owner = owners.iter().find(|owner| flag(owner, &["controller"])).or_else(|| owners.first());
    let itself = || WorkloadRef { kind: "Pod".to_owned(), name: meta.name.clone() };
    let Some((kind, name)) = owner.and_then(|owner| Some((text(owner, &["kind"])?, text(owner, &["name"])?))) else {
        return itself();
    };
    let template_of = |hash: &str| meta.label(hash).and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
    let (kind, name) = match kind {
        "Node" => return itself(),
        "ReplicaSet" => match (template_of("pod-template-hash"), template_of("rollouts-pod-template-hash")) {
            (Some(deployment), _) => ("Deployment", deployment),
            (None, Some(rollout)) => ("Rollout", rollout),
            (None, None) => (kind, name),
        },
        _ => (kind, name),
    };
    WorkloadRef { kind: kind.to_owned(), name: name.to_owned() }
}

fn addresses(object: &Value) -> Vec<IpAddr> {
    let many = items(object, &["status", "podIPs"]).iter().filter_map(|entry| text(entry, &["ip"]));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in text(object, &["status", "podIP"]).into_iter().chain(many).filter_map(|ip| ip.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// Ready and not being deleted. Without conditions the phase decides, without a phase the pod runs.
fn ready(object: &Value) -> bool {
    let condition = items(object, &["status", "conditions"])
        .iter()
        .find(|condition| text(condition, &["type"]) == Some("Ready"))
        .and_then(|condition| text(condition, &["status"]));
    let deleting = at(object, &["metadata", "deletionTimestamp"]).is_some();
    let running = match condition {
        Some(status) => status == "True",
        None => text(object, &["status", "phase"]).is_none_or(|phase| phase == "Running"),
    };
    running && !deleting
}

/// Containers, and init containers that stay (native sidecars).
fn containers(spec: &Value) -> Vec<Container> {
    let regular = items(spec, &["containers"]).iter().map(|value| container(value, false));
    let staying = items(spec, &["initContainers"]).iter().filter(|value| stays(value));
    regular.chain(staying.map(|value| container(value, true))).collect()
}

fn stays(container: &Value) -> bool {
    text(container, &["restartPolicy"]) == Some("Always")
}

fn container(value: &Value, native_sidecar: bool) -> Container {
    Container {
        name: text(value, &["name"]).unwrap_or_default().to_owned(),
        image: text(value, &["image"]).unwrap_or_default().to_owned(),
        ports: items(value, &["ports"]).iter().filter_map(container_port).collect(),
        native_sidecar,
        run_as_user: at(value, &["securityContext", "runAsUser"]).and_then(Value::as_i64),
    }
}

fn container_port(value: &Value) -> Option<ContainerPort> {
    Some(ContainerPort {
        name: text(value, &["name"]).filter(|name| !name.is_empty()).map(str::to_owned),
        port: WorkloadPort(at(value, &["containerPort"]).and_then(port)?),
        tcp: text(value, &["protocol"]).is_none_or(|protocol| protocol == "TCP"),
    })
}

/// What stands before the pod, from what is written there; nothing is guessed from the namespace.
fn proxy(spec: &Value, meta: &Meta) -> ProxyKind {
    let native = items(spec, &["initContainers"]).iter().filter(|value| stays(value));
    let mut containers = items(spec, &["containers"]).iter().chain(native);
    match containers.find(|container| text(container, &["name"]) == Some(PROXY)) {
        Some(container) => proxy_of_container(container, meta),
        None if meta.annotation("ambient.istio.io/redirection") == Some("enabled") => ProxyKind::Ztunnel,
        None => ProxyKind::None,
    }
}

/// The node type in the arguments (`proxy sidecar`, `proxy router`) is what the proxy tells istiod; without it, the marks that
/// Istio's charts and its gateway controller leave.
fn proxy_of_container(container: &Value, meta: &Meta) -> ProxyKind {
    let mut arguments = items(container, &["args"]).iter().filter_map(Value::as_str);
    let role = arguments.find(|argument| *argument == "proxy").and_then(|_| arguments.next());
    match (template(meta), role) {
        (Some(ProxyKind::Proxyless), _) => ProxyKind::Proxyless,
        _ if meta.label("gateway.istio.io/managed") == Some("istio.io-mesh-controller") => ProxyKind::Waypoint,
        (_, Some("waypoint")) => ProxyKind::Waypoint,
        (_, Some("router")) => ProxyKind::Gateway,
        (_, Some("sidecar")) => ProxyKind::Sidecar,
        (Some(kind), _) => kind,
        (None, _) if is_gateway_by_label(meta) => ProxyKind::Gateway,
        (None, _) => ProxyKind::Sidecar,
    }
}

fn is_gateway_by_label(meta: &Meta) -> bool {
    const CHARTS: [&str; 3] = ["ingressgateway", "egressgateway", "eastwestgateway"];
    meta.label("gateway.networking.k8s.io/gateway-name").is_some()
        || meta.label("istio").is_some_and(|value| CHARTS.contains(&value))
}

/// The kind of proxy that the injection templates a pod asks for make.
pub(super) fn template(meta: &Meta) -> Option<ProxyKind> {
    let names = meta.annotation("inject.istio.io/templates")?;
    let mut kinds = names.split(',').filter_map(|name| match name.trim() {
        "gateway" => Some(ProxyKind::Gateway),
        "grpc-agent" | "grpc-simple" => Some(ProxyKind::Proxyless),
        "sidecar" => Some(ProxyKind::Sidecar),
        "waypoint" => Some(ProxyKind::Waypoint),
        _ => None,
    });
    kinds.next()
}

/// The control plane that injected the pod. The injector's annotation comes before the label, which may be a tag.
fn revision(meta: &Meta) -> Option<String> {
    let status = || {
        let status: Value = serde_json::from_str(meta.annotation("sidecar.istio.io/status")?).ok()?;
        text(&status, &["revision"]).map(str::to_owned)
    };
    meta.annotation("istio.io/rev")
        .map(str::to_owned)
        .or_else(status)
        .or_else(|| meta.revision().map(str::to_owned))
        .filter(|revision| !revision.is_empty())
}
