//! `pods/<name>/ephemeralcontainers`: containers that are added to a pod that runs, and never leave it.
//!
//! Kubernetes: `pkg/registry/core/pod/strategy.go:podEphemeralContainersStrategy`. The lab's run at once.

use serde_json::{Value, json};

use crate::lab::kube_api::body::Reply;
use crate::lab::kube_api::patch::Patch;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::{Key, Store, object};

/// PATCH: containers of new names are added; those that are there stay as they are.
pub(crate) fn patch(store: &Store, target: &Target, patch: &Patch) -> Result<Reply, Refusal> {
    let name = target.name.as_deref().ok_or_else(Refusal::no_such_path)?;
    let key = Key::new(target.kind, target.namespace.as_deref().unwrap_or_default(), name);
    store.write(|transaction| {
        let before = transaction.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
        let wanted = patch.apply(target.kind, &before)?;
        let known = containers(&before);
        let mut after = Value::clone(&before);
        let mut all = known.clone();
        for container in containers(&wanted) {
            let named = |other: &Value| other.get("name") == container.get("name");
            if !known.iter().any(named) {
                all.push(container);
            }
        }
        let running = all.iter().map(|container| {
            let of = |field: &str| container.get(field).cloned().unwrap_or_default();
            json!({ "name": of("name"), "image": of("image"), "ready": false, "restartCount": 0,
                "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } } })
        });
        let running: Vec<Value> = running.collect();
        object::set(&mut after, &["status", "ephemeralContainerStatuses"], running);
        object::set(&mut after, &["spec", "ephemeralContainers"], all);
        Ok(Reply::ok(Value::clone(&transaction.put(&key, after))))
    })
}

fn containers(pod: &Value) -> Vec<Value> {
    object::elements(pod, "/spec/ephemeralContainers").cloned().collect()
}
