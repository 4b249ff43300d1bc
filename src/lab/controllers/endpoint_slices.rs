//! EndpointSlices for Services with a selector.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::lab::controllers::{blank, names, owners, workloads};
use crate::lab::store::kinds::{ENDPOINT_SLICE, POD, SERVICE};
use crate::lab::store::{Action, Change, Key, Transaction, object};

/// Endpoints per slice. Kubernetes: `--max-endpoints-per-slice`.
const PER_SLICE: usize = 100;
const MANAGED_BY: &str = "endpointslice-controller.k8s.io";
const SERVICE_LABEL: &str = "kubernetes.io/service-name";
const MANAGED_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

/// A port as one pod has it: name, number, protocol, application protocol.
type Port = (String, u64, String, Option<String>);

/// A Service was written: its slices follow.
pub(super) fn service_changed(transaction: &mut Transaction<'_>, change: &Change) {
    match change.action {
        Action::Added | Action::Modified => reconcile(transaction, &change.object),
        // The garbage collector takes the slices.
        Action::Deleted => {}
    }
}

/// A pod came, changed or went: the slices of the Services that select it follow.
pub(super) fn pod_changed(transaction: &mut Transaction<'_>, change: &Change) {
    for service in transaction.list(&SERVICE, Some(&change.key.namespace)) {
        let selects =
            |pod: &Value| object::selected_by(service.pointer("/spec/selector"), pod.pointer("/metadata/labels"));
        if selects(&change.object) || change.before.as_deref().is_some_and(selects) {
            reconcile(transaction, &service);
        }
    }
}

fn reconcile(transaction: &mut Transaction<'_>, service: &Value) {
    let namespace = object::namespace(service);
    let selector =
        service.pointer("/spec/selector").filter(|selector| selector.as_object().is_some_and(|s| !s.is_empty()));
    let external = object::text(service, "/spec/type") == "ExternalName";
    if selector.is_none() || external {
        // Someone else writes them.
        return;
    }
    let pods: Vec<Arc<Value>> = transaction
        .list(&POD, Some(namespace))
        .into_iter()
        .filter(|pod| object::selected_by(selector, pod.pointer("/metadata/labels")) && has_address(pod))
        .collect();
    let mut by_ports: BTreeMap<Vec<Port>, Vec<&Value>> = BTreeMap::new();
    for pod in &pods {
        by_ports.entry(ports(service, pod)).or_default().push(pod);
    }
    if by_ports.is_empty() {
        by_ports.insert(Vec::new(), Vec::new());
    }
    let parts = by_ports.iter().flat_map(|(ports, pods)| {
        let chunks = if pods.is_empty() { vec![&[][..]] } else { pods.chunks(PER_SLICE).collect() };
        chunks.into_iter().map(move |pods| (ports, pods))
    });
    let mut written = BTreeSet::new();
    for ((ports, pods), number) in parts.zip(0..) {
        let slice = slice(service, ports, pods, number);
        written.insert(object::name(&slice).to_owned());
        transaction.put_object(slice);
    }
    for slice in transaction.list(&ENDPOINT_SLICE, Some(namespace)) {
        let ours = object::label(&slice, SERVICE_LABEL) == Some(object::name(service))
            && object::label(&slice, MANAGED_LABEL) == Some(MANAGED_BY);
        if ours && !written.contains(object::name(&slice)) {
            transaction.remove(&Key::new(&ENDPOINT_SLICE, namespace, object::name(&slice)));
        }
    }
}

/// Pods without an address and pods that are done are no endpoints.
fn has_address(pod: &Value) -> bool {
    !object::text(pod, "/status/podIP").is_empty()
        && !matches!(object::text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// The ports of a Service as a pod has them; a named port that it does not have is left out.
fn ports(service: &Value, pod: &Value) -> Vec<Port> {
    let number = |port: &Value| match port.get("targetPort").or_else(|| port.get("port")) {
        Some(Value::String(name)) => {
            name.parse().ok().or_else(|| named_port(pod, name, object::text(port, "/protocol")))
        }
        Some(number) => number.as_u64(),
        None => None,
    };
    object::elements(service, "/spec/ports")
        .filter_map(|port| {
            let application = port.get("appProtocol").and_then(Value::as_str).map(str::to_owned);
            let name = object::text(port, "/name").to_owned();
            Some((name, number(port)?, object::text(port, "/protocol").to_owned(), application))
        })
        .collect()
}

/// Kubernetes: `pkg/api/v1/pod/util.go:FindPort`: containers, then init containers that stay.
fn named_port(pod: &Value, name: &str, protocol: &str) -> Option<u64> {
    let stays = |container: &&Value| object::text(container, "/restartPolicy") == "Always";
    object::elements(pod, "/spec/containers")
        .chain(object::elements(pod, "/spec/initContainers").filter(stays))
        .flat_map(|container| object::elements(container, "/ports"))
        .find(|port| {
            let has = object::text(port, "/protocol");
            object::text(port, "/name") == name && (has == protocol || has.is_empty())
        })
        .and_then(|port| port.get("containerPort")?.as_u64())
}

fn slice(service: &Value, ports: &[Port], pods: &[&Value], number: u64) -> Value {
    let (namespace, service_name) = (object::namespace(service), object::name(service));
    let suffix = names::suffix(&format!("slices of {namespace}/{service_name}"), number);
    let mut slice = blank(&ENDPOINT_SLICE, namespace, &format!("{service_name}-{suffix}"));
    let mut labels = service.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({}));
    object::set(&mut labels, &[SERVICE_LABEL], service_name);
    object::set(&mut labels, &[MANAGED_LABEL], MANAGED_BY);
    if object::text(service, "/spec/clusterIP") == "None" {
        object::set(&mut labels, &["service.kubernetes.io/headless"], "");
    }
    object::set(&mut slice, &["metadata", "labels"], labels);
    object::set(&mut slice, &["metadata", "generateName"], format!("{service_name}-"));
    object::set(&mut slice, &["metadata", "ownerReferences"], owners::reference(service));
    let any_readiness = service.pointer("/spec/publishNotReadyAddresses") == Some(&Value::Bool(true));
    let endpoints: Vec<Value> = pods.iter().map(|pod| endpoint(pod, any_readiness)).collect();
    let ports: Vec<Value> = ports
        .iter()
        .map(|(name, number, protocol, application)| {
            let mut port = json!({ "name": name, "port": number, "protocol": protocol });
            if let Some(application) = application {
                object::set(&mut port, &["appProtocol"], application.as_str());
            }
            port
        })
        .collect();
    object::set(&mut slice, &["addressType"], "IPv4");
    object::set(&mut slice, &["endpoints"], endpoints);
    object::set(&mut slice, &["ports"], ports);
    slice
}

/// Kubernetes: `staging/src/k8s.io/endpointslice/utils.go:podToEndpoint`.
fn endpoint(pod: &Value, any_readiness: bool) -> Value {
    let serving = workloads::is_ready(pod);
    json!({
        "addresses": [object::text(pod, "/status/podIP")],
        "conditions": { "ready": serving || any_readiness, "serving": serving, "terminating": false },
        "nodeName": pod.pointer("/spec/nodeName"),
        "targetRef": {
            "kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod), "uid": object::uid(pod),
        },
    })
}
