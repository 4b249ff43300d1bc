//! `deployments/<name>/scale`: the number of replicas as an object of its own.

use serde_json::{Value, json};

use crate::lab::kube_api::body::Reply;
use crate::lab::kube_api::patch::Patch;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::kinds::Kind;
use crate::lab::store::{Key, Store, object};

/// A write to it.
#[derive(Debug)]
pub enum Change {
    /// PUT.
    Replace(Value),
    /// PATCH.
    Patch(Patch),
}

/// Whether objects of a kind can be scaled.
#[must_use]
pub fn has(kind: &Kind) -> bool {
    kind.group == "apps" && kind.kind != "DaemonSet"
}

/// GET.
pub fn get(store: &Store, target: &Target) -> Result<Reply, Refusal> {
    let (key, name) = key(target)?;
    let object = store.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
    Ok(Reply::ok(scale(&object)))
}

/// PUT or PATCH.
pub fn change(store: &Store, target: &Target, change: &Change, dry_run: bool) -> Result<Reply, Refusal> {
    let (key, name) = key(target)?;
    store.write(|transaction| {
        let before = transaction.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
        let wanted = match change {
            Change::Replace(wanted) => wanted.clone(),
            Change::Patch(patch) => patch.apply(target.kind, &scale(&before))?,
        };
        let replicas = wanted.pointer("/spec/replicas").unwrap_or(&Value::Null);
        let replicas = if replicas.is_null() { Some(0) } else { replicas.as_u64() };
        let replicas = replicas.ok_or_else(|| Refusal::bad_request("spec.replicas must be a number, 0 or more"))?;
        let mut scaled = Value::clone(&before);
        object::set(&mut scaled, &["spec", "replicas"], replicas);
        if dry_run {
            return Ok(Reply::ok(scale(&scaled)));
        }
        Ok(Reply::ok(scale(&transaction.put(&key, scaled))))
    })
}

fn key(target: &Target) -> Result<(Key, &str), Refusal> {
    let name = target.name.as_deref().ok_or_else(Refusal::no_such_path)?;
    Ok((Key::new(target.kind, target.namespace.as_deref().unwrap_or_default(), name), name))
}

fn scale(object: &Value) -> Value {
    let selector = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object).into_iter().flatten();
    let selector: Vec<String> =
        selector.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let metadata = |field: &str| object.pointer(&format!("/metadata/{field}"));
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata("name"), "namespace": metadata("namespace"), "uid": metadata("uid"),
            "resourceVersion": metadata("resourceVersion"), "creationTimestamp": metadata("creationTimestamp"),
        },
        "spec": { "replicas": object.pointer("/spec/replicas") },
        "status": { "replicas": object.pointer("/status/replicas").unwrap_or(&json!(0)), "selector": selector.join(",") },
    })
}
