//! Pods for `ReplicaSets`, `StatefulSets`, `DaemonSets` and Jobs.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::lab::controllers::{blank, deployments, names, owners};
use crate::lab::store::kinds::{self, Kind, POD};
use crate::lab::store::{Action, Change, Key, Transaction, now, object};

/// Label by which pods of `StatefulSets` and `DaemonSets` tell which template they come from.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Kubernetes: `pkg/apis/apps/v1/defaults.go`, `pkg/apis/batch/v1/defaults.go`.
pub(super) fn complete(kind: &Kind, workload: &mut Value) {
    match kind.kind {
        "DaemonSet" => {}
        "Job" => {
            object::set_default(workload, &["spec", "parallelism"], 1);
            object::set_default(workload, &["spec", "completions"], 1);
        }
        _ => object::set_default(workload, &["spec", "replicas"], 1),
    }
}

/// A workload was written: it gets the pods it asks for.
pub(super) fn changed(transaction: &mut Transaction<'_>, kind: &Kind, change: &Change) {
    match change.action {
        Action::Added | Action::Modified => reconcile(transaction, kind, &change.key),
        // The garbage collector takes the pods.
        Action::Deleted => {}
    }
}

/// A pod came, changed or went: its workload counts again.
pub(super) fn pod_changed(transaction: &mut Transaction<'_>, change: &Change) {
    let Some(owner) = owners::controller(&change.object) else { return };
    let Some(kind) = kinds::by_object(object::text(owner, "/apiVersion"), object::text(owner, "/kind")) else { return };
    let name = object::text(owner, "/name");
    let key = Key::new(kind, &change.key.namespace, name);
    match (kind.kind, transaction.get(&key)) {
        ("ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job", Some(_)) => reconcile(transaction, kind, &key),
        // A pod of a live cluster, whose ReplicaSet was not brought along.
        ("ReplicaSet", None) => deployments::pod_of_unknown_replica_set(transaction, &change.object, name),
        _ => {}
    }
}

/// Makes and removes pods until there are as many as asked for, then counts them.
fn reconcile(transaction: &mut Transaction<'_>, kind: &Kind, key: &Key) {
    let Some(workload) = transaction.get(key) else { return };
    let mut pods = adopted(transaction, kind, &workload);
    let wanted = wanted(kind, &workload);
    let revision = revision(kind, &workload);
    if let Some(revision) = &revision {
        let is_old = |pod: &Arc<Value>| object::label(pod, REVISION_LABEL) != Some(revision) && made(transaction, pod);
        let (old, kept): (Vec<_>, Vec<_>) = pods.into_iter().partition(is_old);
        remove(transaction, old);
        pods = kept;
    }
    if kind.kind == "StatefulSet" {
        let names: Vec<String> = (0..wanted).map(|ordinal| format!("{}-{ordinal}", key.name)).collect();
        let (kept, surplus): (Vec<_>, Vec<_>) =
            pods.into_iter().partition(|pod| names.iter().any(|name| name == object::name(pod)));
        remove(transaction, surplus);
        for name in names.iter().filter(|name| !kept.iter().any(|pod| object::name(pod) == **name)) {
            make(transaction, &workload, name, revision.as_deref());
        }
    } else {
        // Pods of a live cluster stay, then those that were there first.
        pods.sort_by_key(|pod| (made(transaction, pod), object::text(pod, "/metadata/creationTimestamp").to_owned()));
        remove(transaction, pods.iter().skip(wanted).cloned().collect());
        for _ in pods.len()..wanted {
            let series = format!("pods of {}/{}/{}", kind.plural, key.namespace, key.name);
            let suffix = names::suffix(&series, transaction.serial(&series));
            make(transaction, &workload, &format!("{}-{suffix}", key.name), revision.as_deref());
        }
    }
    count(transaction, kind, key, wanted);
}

/// How many pods a workload asks for. The lab has one node.
fn wanted(kind: &Kind, workload: &Value) -> usize {
    let number = |pointer: &str| workload.pointer(pointer).and_then(Value::as_u64);
    let wanted = match kind.kind {
        "DaemonSet" => Some(1),
        "Job" => number("/spec/parallelism").min(number("/spec/completions")),
        _ => number("/spec/replicas"),
    };
    wanted.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(1)
}

/// `ReplicaSets` never change their template, Jobs neither.
fn revision(kind: &Kind, workload: &Value) -> Option<String> {
    let template = workload.pointer("/spec/template")?;
    match kind.kind {
        "StatefulSet" => Some(format!("{}-{}", object::name(workload), names::template_hash(template))),
        "DaemonSet" => Some(names::template_hash(template)),
        _ => None,
    }
}

/// The pods of a workload. Those that name it, though it had another uid in their cluster, become its own.
fn adopted(transaction: &mut Transaction<'_>, kind: &Kind, workload: &Value) -> Vec<Arc<Value>> {
    let mut pods = pods_of(transaction, kind, workload);
    for pod in &mut pods {
        if !owners::controls(workload, pod) {
            let mut ours = Value::clone(pod);
            object::set(&mut ours, &["metadata", "ownerReferences"], owners::reference(workload));
            let key = Key::new(&POD, object::namespace(workload), object::name(pod));
            *pod = transaction.put(&key, ours);
        }
    }
    pods
}

fn pods_of(transaction: &Transaction<'_>, kind: &Kind, workload: &Value) -> Vec<Arc<Value>> {
    let mut pods = transaction.dependents(object::namespace(workload), kind.kind, object::name(workload));
    pods.retain(|pod| object::text(pod, "/kind") == POD.kind);
    pods
}

/// Whether the lab made a pod itself, rather than it being given.
fn made(transaction: &Transaction<'_>, pod: &Value) -> bool {
    transaction.serial_so_far(&made_series(object::namespace(pod), object::name(pod))) > 0
}

fn made_series(namespace: &str, name: &str) -> String {
    format!("made {namespace}/{name}")
}

fn make(transaction: &mut Transaction<'_>, workload: &Value, name: &str, revision: Option<&str>) {
    let namespace = object::namespace(workload);
    let mut pod = blank(&POD, namespace, name);
    for part in ["labels", "annotations"] {
        if let Some(given) = workload.pointer(&format!("/spec/template/metadata/{part}")) {
            object::set(&mut pod, &["metadata", part], given.clone());
        }
    }
    match object::text(workload, "/kind") {
        "StatefulSet" => {
            object::set(&mut pod, &["metadata", "labels", "statefulset.kubernetes.io/pod-name"], name);
        }
        "Job" => {
            object::set(&mut pod, &["metadata", "labels", "batch.kubernetes.io/job-name"], object::name(workload));
            object::set(&mut pod, &["metadata", "labels", "job-name"], object::name(workload));
        }
        _ => {}
    }
    if object::text(workload, "/kind") != "StatefulSet" {
        object::set(&mut pod, &["metadata", "generateName"], format!("{}-", object::name(workload)));
    }
    if let Some(revision) = revision {
        object::set(&mut pod, &["metadata", "labels", REVISION_LABEL], revision);
    }
    object::set(&mut pod, &["metadata", "ownerReferences"], owners::reference(workload));
    object::set(&mut pod, &["spec"], workload.pointer("/spec/template/spec").cloned().unwrap_or_else(|| json!({})));
    transaction.serial(&made_series(namespace, name));
    transaction.put_object(pod);
}

fn remove(transaction: &mut Transaction<'_>, pods: Vec<Arc<Value>>) {
    for pod in pods {
        transaction.remove(&Key::new(&POD, object::namespace(&pod), object::name(&pod)));
    }
}

/// Writes the status of a workload from its pods.
fn count(transaction: &mut Transaction<'_>, kind: &Kind, key: &Key, wanted: usize) {
    let Some(workload) = transaction.get(key) else { return };
    let pods = pods_of(transaction, kind, &workload);
    let (all, ready) = (pods.len(), pods.iter().filter(|pod| is_ready(pod)).count());
    let generation = workload.pointer("/metadata/generation").cloned().unwrap_or_default();
    let status = match kind.kind {
        "ReplicaSet" => json!({
            "replicas": all, "fullyLabeledReplicas": all, "readyReplicas": ready, "availableReplicas": ready,
            "observedGeneration": generation,
        }),
        "StatefulSet" => json!({
            "replicas": all, "readyReplicas": ready, "availableReplicas": ready, "currentReplicas": all,
            "updatedReplicas": all, "currentRevision": revision(kind, &workload),
            "updateRevision": revision(kind, &workload), "observedGeneration": generation,
        }),
        "DaemonSet" => json!({
            "desiredNumberScheduled": wanted, "currentNumberScheduled": all, "updatedNumberScheduled": all,
            "numberReady": ready, "numberAvailable": ready, "numberMisscheduled": 0, "observedGeneration": generation,
        }),
        _ => {
            let started = object::text(&workload, "/status/startTime").to_owned();
            let started = if started.is_empty() { now() } else { started };
            json!({ "active": all, "ready": ready, "startTime": started })
        }
    };
    let mut counted = Value::clone(&workload);
    object::set(&mut counted, &["status"], status);
    transaction.put(key, counted);
}

/// Whether a pod's condition `Ready` is true.
pub(super) fn is_ready(pod: &Value) -> bool {
    object::elements(pod, "/status/conditions")
        .any(|condition| object::text(condition, "/type") == "Ready" && object::text(condition, "/status") == "True")
}
