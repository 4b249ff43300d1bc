//! Owner references, and the garbage collector that follows them.

use serde_json::{Value, json};

use crate::lab::store::{Key, Transaction, object};

/// The reference of a controller to put on what it makes.
pub(super) fn reference(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner.get("apiVersion"), "kind": owner.get("kind"), "name": object::name(owner),
        "uid": object::uid(owner), "controller": true, "blockOwnerDeletion": true,
    }])
}

/// The reference to an object's controller.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    object::elements(object, "/metadata/ownerReferences")
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))
}

/// Whether an object is controlled by this very owner.
pub(super) fn controls(owner: &Value, object: &Value) -> bool {
    controller(object).is_some_and(|reference| object::text(reference, "/uid") == object::uid(owner))
}

/// Removes what nobody owns any more after an owner is gone.
///
/// Objects whose owners were never here stay: they come from manifests of another cluster.
pub(super) fn collect(transaction: &mut Transaction<'_>, gone: &Value) {
    let kind = object::text(gone, "/kind");
    for dependent in transaction.dependents(object::namespace(gone), kind, object::name(gone)) {
        let owners: Vec<&str> = object::elements(&dependent, "/metadata/ownerReferences")
            .map(|owner| object::text(owner, "/uid"))
            .collect();
        if owners.as_slice() == [object::uid(gone)]
            && let Some(key) = Key::of(&dependent)
        {
            transaction.remove(&key);
        }
    }
}
