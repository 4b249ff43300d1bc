//! `ReplicaSets` for Deployments, one for each template.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::lab::controllers::{blank, names, owners};
use crate::lab::store::kinds::{DEPLOYMENT, REPLICA_SET};
use crate::lab::store::{Action, Change, Key, Transaction, now, object};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// A Deployment was written.
pub(super) fn changed(transaction: &mut Transaction<'_>, change: &Change) {
    match change.action {
        Action::Added | Action::Modified => reconcile(transaction, &change.key),
        // The garbage collector takes the ReplicaSets, and then their pods.
        Action::Deleted => {}
    }
}

/// A ReplicaSet was written: its Deployment counts again.
pub(super) fn replica_set_changed(transaction: &mut Transaction<'_>, change: &Change) {
    if let Some(owner) = owners::controller(&change.object)
        && object::text(owner, "/kind") == DEPLOYMENT.kind
    {
        reconcile(transaction, &Key::new(&DEPLOYMENT, &change.key.namespace, object::text(owner, "/name")));
    }
}

/// A pod of a live cluster came without its ReplicaSet: `httpbin-76849848cd` belongs to Deployment `httpbin`.
pub(super) fn pod_of_unknown_replica_set(transaction: &mut Transaction<'_>, pod: &Value, replica_set: &str) {
    if let Some((deployment, _)) = replica_set.rsplit_once('-') {
        reconcile(transaction, &Key::new(&DEPLOYMENT, object::namespace(pod), deployment));
    }
}

/// Has exactly one ReplicaSet run, that of the template.
fn reconcile(transaction: &mut Transaction<'_>, key: &Key) {
    let Some(deployment) = transaction.get(key) else { return };
    let mut sets = transaction.dependents(&key.namespace, DEPLOYMENT.kind, &key.name);
    sets.retain(|set| object::text(set, "/kind") == REPLICA_SET.kind);
    let hash = hash(transaction, &deployment, &sets);
    let current = format!("{}-{hash}", key.name);
    for set in sets.iter().filter(|set| object::name(set) != current) {
        let set_key = Key::new(&REPLICA_SET, &key.namespace, object::name(set));
        if same_template(set, &deployment) {
            // It was made before the pods of a live cluster told the name it has there.
            transaction.remove(&set_key);
        } else {
            let mut idle = Value::clone(set);
            object::set(&mut idle, &["spec", "replicas"], 0);
            object::set(&mut idle, &["metadata", "ownerReferences"], owners::reference(&deployment));
            transaction.put(&set_key, idle);
        }
    }
    let known = sets.iter().find(|set| object::name(set) == current);
    let revision = match known.and_then(|set| object::annotation(set, REVISION)) {
        Some(revision) => revision.to_owned(),
        None => (sets.iter().filter_map(|set| object::annotation(set, REVISION)?.parse().ok()).max().unwrap_or(0) + 1)
            .to_string(),
    };
    run(transaction, &deployment, &current, &hash, &revision);
    count(transaction, key, &current, &revision);
}

/// The hash in the ReplicaSet's name: that of a live cluster where its ReplicaSet or its pods are here, else our own.
fn hash(transaction: &Transaction<'_>, deployment: &Value, sets: &[Arc<Value>]) -> String {
    let template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    let ours = names::template_hash(&template);
    let given = |hash: &&str| *hash != ours;
    let of_sets = sets.iter().filter(|set| same_template(set, deployment)).filter_map(|set| object::label(set, HASH));
    if let Some(hash) = of_sets.clone().find(given) {
        return hash.to_owned();
    }
    let prefix = format!("{}-", object::name(deployment));
    let pods = transaction.dependents_by_prefix(object::namespace(deployment), REPLICA_SET.kind, &prefix);
    let of_pods = pods.iter().filter_map(|pod| {
        let hash = object::label(pod, HASH)?;
        let name = format!("{}-{hash}", object::name(deployment));
        let owner = owners::controller(pod)?;
        let unknown = !sets.iter().any(|set| object::name(set) == name);
        (object::text(owner, "/name") == name && unknown).then_some(hash)
    });
    of_pods.into_iter().find(given).map_or(ours.clone(), str::to_owned)
}

fn same_template(set: &Value, deployment: &Value) -> bool {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    object::remove(&mut template, &["metadata", "labels", HASH]);
    object::remove(&mut template, &["metadata", "creationTimestamp"]);
    let mut wanted = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    object::remove(&mut wanted, &["metadata", "creationTimestamp"]);
    template == wanted
}

/// Writes the ReplicaSet that runs.
fn run(transaction: &mut Transaction<'_>, deployment: &Value, name: &str, hash: &str, revision: &str) {
    let namespace = object::namespace(deployment);
    let key = Key::new(&REPLICA_SET, namespace, name);
    let known = transaction.get(&key);
    let mut set = known.map_or_else(|| blank(&REPLICA_SET, namespace, name), |known| Value::clone(&known));
    let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    object::set(&mut template, &["metadata", "labels", HASH], hash);
    let labels = template.pointer("/metadata/labels").cloned().unwrap_or_default();
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_else(|| json!({}));
    object::set(&mut selector, &["matchLabels", HASH], hash);
    let replicas = deployment.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(1));
    object::set(&mut set, &["metadata", "labels"], labels);
    object::set(&mut set, &["metadata", "annotations", REVISION], revision);
    object::set(&mut set, &["metadata", "ownerReferences"], owners::reference(deployment));
    object::set(&mut set, &["spec", "replicas"], replicas);
    object::set(&mut set, &["spec", "selector"], selector);
    object::set(&mut set, &["spec", "template"], template);
    transaction.put(&key, set);
}

/// Writes the status of a Deployment from its ReplicaSet.
fn count(transaction: &mut Transaction<'_>, key: &Key, current: &str, revision: &str) {
    let Some(deployment) = transaction.get(key) else { return };
    let Some(set) = transaction.get(&Key::new(&REPLICA_SET, &key.namespace, current)) else { return };
    let number = |pointer: &str| set.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let (all, ready) = (number("/status/replicas"), number("/status/readyReplicas"));
    let wanted = number("/spec/replicas");
    let mut counted = Value::clone(&deployment);
    let before = |kind: &str| {
        object::elements(&deployment, "/status/conditions")
            .find(|condition| object::text(condition, "/type") == kind)
            .cloned()
    };
    let condition = |kind: &str, met: bool, reason: &str| {
        let status = if met { "True" } else { "False" };
        before(kind).filter(|before| object::text(before, "/status") == status).unwrap_or_else(|| {
            let at = now();
            json!({ "type": kind, "status": status, "reason": reason, "lastUpdateTime": at, "lastTransitionTime": at })
        })
    };
    let available = if ready >= wanted { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" };
    object::set(
        &mut counted,
        &["status"],
        json!({
            "observedGeneration": deployment.pointer("/metadata/generation"),
            "replicas": all, "updatedReplicas": all, "readyReplicas": ready, "availableReplicas": ready,
            "conditions": [
                condition("Available", ready >= wanted, available),
                condition("Progressing", true, "NewReplicaSetAvailable"),
            ],
        }),
    );
    object::set(&mut counted, &["metadata", "annotations", REVISION], revision);
    transaction.put(key, counted);
}
