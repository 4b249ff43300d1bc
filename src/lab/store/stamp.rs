//! The metadata that belongs to the server: identity, age, revision, generation.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::lab::store::{Key, object};

/// Writes that metadata onto an object that is about to be kept.
pub(super) fn stamp(object: &mut Value, key: &Key, before: Option<&Value>, revision: u64) {
    if let Some(kind) = key.kind() {
        object::set(object, &["apiVersion"], kind.stored_api_version());
        object::set(object, &["kind"], kind.kind);
    }
    object::set(object, &["metadata", "name"], key.name.as_str());
    if !key.namespace.is_empty() {
        object::set(object, &["metadata", "namespace"], key.namespace.as_str());
    }
    let kept = |field: &str| before.and_then(|before| before.get("metadata")?.get(field)).cloned();
    let uid = kept("uid").unwrap_or_else(|| unique_id(key, revision).into());
    object::set(object, &["metadata", "uid"], uid);
    match kept("creationTimestamp") {
        Some(created) => object::set(object, &["metadata", "creationTimestamp"], created),
        // A live object that is applied keeps its age: the oldest policy wins.
        None => object::set_default(object, &["metadata", "creationTimestamp"], now()),
    }
    object::set(object, &["metadata", "resourceVersion"], revision.to_string());
    if let Some(generation) = generation(object, key, before) {
        object::set(object, &["metadata", "generation"], generation);
    }
}

/// Counts changes of what the user asks for. Only kinds with a spec that something acts on have one.
fn generation(object: &Value, key: &Key, before: Option<&Value>) -> Option<u64> {
    let counted = match key.group.as_str() {
        "" => key.resource == "pods",
        "discovery.k8s.io" => true,
        _ => object.get("spec").is_some(),
    };
    let before_spec = before.map(asked_for);
    let last = before.and_then(|before| before.pointer("/metadata/generation")?.as_u64()).unwrap_or(0);
    counted.then(|| if before_spec == Some(asked_for(object)) { last.max(1) } else { last + 1 })
}

fn asked_for(object: &Value) -> Vec<(&String, &Value)> {
    let own = |field: &str| !matches!(field, "apiVersion" | "kind" | "metadata" | "status");
    object.as_object().into_iter().flatten().filter(|(field, _)| own(field)).collect()
}

/// Whether nothing but the revision would change.
pub(super) fn same_but_revision(before: &Value, after: &Value) -> bool {
    let mut before = before.clone();
    let revision = after.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
    object::set(&mut before, &["metadata", "resourceVersion"], revision);
    before == *after
}

/// An identifier in the form of a UUID: the same in every run, different for an object that is created again.
fn unique_id(key: &Key, revision: u64) -> String {
    let digest = Sha256::digest(format!("{key:?} {revision}"));
    let number = digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// The time in the form of `creationTimestamp`: whole seconds, UTC.
#[must_use]
pub fn now() -> String {
    let seconds = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
