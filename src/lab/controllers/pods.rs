//! Pods: defaults, sidecar, address, and a kubelet that has them run at once.

use serde_json::{Value, json};

use crate::lab::controllers::addresses::{self, Range};
use crate::lab::controllers::{NODE_ADDRESS, NODE_NAME, injection};
use crate::lab::store::{Key, Transaction, now, object};
use crate::model::mesh::IstioVersion;

/// Completes a pod. One that says where it runs is taken from a live cluster and stays as it is.
pub(super) fn complete(transaction: &mut Transaction<'_>, pod: &mut Value, version: IstioVersion) {
    let is_new = Key::of(pod).is_some_and(|key| transaction.get(&key).is_none());
    let is_live = pod.pointer("/status/podIP").is_some() || pod.pointer("/status/phase").is_some();
    if is_new
        && !is_live
        && let Some(revision) = injection::revision(transaction, pod)
    {
        injection::inject(pod, &revision, version);
    }
    defaults(pod);
    status(transaction, pod);
}

/// Kubernetes: `pkg/apis/core/v1/defaults.go`, `plugin/pkg/admission/serviceaccount/admission.go`.
fn defaults(pod: &mut Value) {
    object::set_default(pod, &["spec", "serviceAccountName"], "default");
    let account = object::text(pod, "/spec/serviceAccountName").to_owned();
    object::set_default(pod, &["spec", "serviceAccount"], account);
    object::set_default(pod, &["spec", "restartPolicy"], "Always");
    object::set_default(pod, &["spec", "dnsPolicy"], "ClusterFirst");
    object::set_default(pod, &["spec", "nodeName"], NODE_NAME);
    for list in ["containers", "initContainers"] {
        if pod.pointer(&format!("/spec/{list}")).is_none() {
            continue;
        }
        object::change(pod, &["spec", list], |containers| {
            for container in containers.as_array_mut().into_iter().flatten() {
                object::change(container, &["ports"], |ports| {
                    for port in ports.as_array_mut().into_iter().flatten() {
                        object::set_default(port, &["protocol"], "TCP");
                    }
                });
                if container.get("ports").is_some_and(Value::is_null) {
                    object::remove(container, &["ports"]);
                }
            }
        });
    }
}

/// Running and ready, unless the manifest says otherwise.
fn status(transaction: &mut Transaction<'_>, pod: &mut Value) {
    let host_network = pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true));
    let given = object::text(pod, "/status/podIP").to_owned();
    let before = Key::of(pod).and_then(|key| transaction.get(&key));
    let held = before.as_deref().map(|before| object::text(before, "/status/podIP").to_owned()).unwrap_or_default();
    let address = match (given.as_str(), held.as_str()) {
        ("", "") if host_network => NODE_ADDRESS.to_owned(),
        ("", "") => addresses::next(transaction, Range::Pods),
        ("", held) => held.to_owned(),
        (given, _) => {
            addresses::claim(transaction, given);
            given.to_owned()
        }
    };
    object::set_default(pod, &["status", "phase"], "Running");
    object::set(pod, &["status", "podIP"], address.as_str());
    object::set_default(pod, &["status", "podIPs"], json!([{ "ip": address }]));
    object::set_default(pod, &["status", "hostIP"], NODE_ADDRESS);
    if pod.pointer("/status/conditions").is_some() {
        return;
    }
    let at = now();
    let condition = |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": at });
    let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
    object::set_default(pod, &["status", "conditions"], json!(conditions));
    object::set_default(pod, &["status", "startTime"], at.as_str());
    let (regular, init) = (container_statuses(pod, "/spec/containers", &at), init_statuses(pod, &at));
    object::set(pod, &["status", "containerStatuses"], regular);
    if !init.is_empty() {
        object::set(pod, &["status", "initContainerStatuses"], init);
    }
}

fn container_statuses(pod: &Value, list: &str, at: &str) -> Vec<Value> {
    object::elements(pod, list)
        .map(|container| {
            json!({
                "name": object::text(container, "/name"), "image": object::text(container, "/image"), "imageID": "",
                "ready": true, "started": true, "restartCount": 0, "state": { "running": { "startedAt": at } },
            })
        })
        .collect()
}

/// Init containers that stay run like the others; the rest are done.
fn init_statuses(pod: &Value, at: &str) -> Vec<Value> {
    let stays: Vec<bool> = object::elements(pod, "/spec/initContainers")
        .map(|container| object::text(container, "/restartPolicy") == "Always")
        .collect();
    let mut statuses = container_statuses(pod, "/spec/initContainers", at);
    for (status, _) in statuses.iter_mut().zip(stays).filter(|(_, stays)| !stays) {
        let done = json!({ "terminated": { "exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at } });
        object::set(status, &["state"], done);
        object::set(status, &["started"], false);
    }
    statuses
}
