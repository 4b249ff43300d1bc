//! Namespaces: their label, their service account, and the end of everything in them.

use serde_json::{Value, json};

use crate::lab::controllers::blank;
use crate::lab::store::kinds::SERVICE_ACCOUNT;
use crate::lab::store::{Action, Change, Key, Transaction, object};

/// Kubernetes: `pkg/registry/core/namespace/strategy.go`, `pkg/apis/core/v1/defaults.go:SetDefaults_Namespace`.
pub(super) fn complete(namespace: &mut Value) {
    let name = object::name(namespace).to_owned();
    object::set(namespace, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
    object::set_default(namespace, &["spec", "finalizers"], json!(["kubernetes"]));
    object::set(namespace, &["status", "phase"], "Active");
}

/// A new namespace gets its service account; an old one takes everything along.
pub(super) fn react(transaction: &mut Transaction<'_>, change: &Change) {
    let namespace = change.key.name.as_str();
    match change.action {
        Action::Added => transaction.put_object(blank(&SERVICE_ACCOUNT, namespace, "default")),
        Action::Modified => {}
        Action::Deleted => {
            for inhabitant in transaction.all() {
                if object::namespace(&inhabitant) == namespace
                    && let Some(key) = Key::of(&inhabitant)
                {
                    transaction.remove(&key);
                }
            }
        }
    }
}
