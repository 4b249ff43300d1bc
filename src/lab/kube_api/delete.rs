//! DELETE of one object or of many.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::lab::kube_api::body::{self, Reply};
use crate::lab::kube_api::query::Query;
use crate::lab::kube_api::read::in_version;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::kinds::Kind;
use crate::lab::store::{Key, Store, Transaction, object};

/// DELETE of one object, or of all that match.
pub fn delete(store: &Store, target: &Target, query: &Query, body: &Bytes) -> Result<Reply, Refusal> {
    let selected = query.list_options()?;
    let options: Value = if body.is_empty() { Value::Null } else { body::parse_json(body)? };
    let dry_run = query.write_options()?.dry_run || object::elements(&options, "/dryRun").any(|stage| stage == "All");
    let orphan = object::text(&options, "/propagationPolicy") == "Orphan";
    let Target { kind, namespace, name, .. } = target;
    let removed = store.write(|transaction| {
        let doomed = match name {
            Some(name) => {
                let key = Key::new(kind, namespace.as_deref().unwrap_or_default(), name);
                let before = transaction.get(&key).ok_or_else(|| Refusal::not_found(kind, name))?;
                check_preconditions(kind, &before, &options)?;
                vec![before]
            }
            None => transaction.list(kind, namespace.as_deref()),
        };
        let doomed: Vec<_> = doomed.into_iter().filter(|object| selected.selector.matches(object)).collect();
        for object in doomed.iter().filter(|_| !dry_run) {
            remove(transaction, object, orphan);
        }
        Ok(doomed)
    })?;
    let answer = match (name, removed.first()) {
        (Some(_), Some(one)) => deleted(target, one),
        _ => json!({
            "kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(&target.version),
            "metadata": { "resourceVersion": store.revision().to_string() },
            "items": removed.iter().map(|object| in_version(object, target)).collect::<Vec<_>>(),
        }),
    };
    Ok(Reply::ok(answer))
}

/// `propagationPolicy: Orphan` frees the dependents first; else the controllers collect them.
fn remove(transaction: &mut Transaction<'_>, object: &Value, orphan: bool) {
    if orphan {
        let kind = object::text(object, "/kind");
        for dependent in transaction.dependents(object::namespace(object), kind, object::name(object)) {
            let owners = object::elements(&dependent, "/metadata/ownerReferences");
            let kept: Vec<Value> =
                owners.filter(|owner| object::text(owner, "/uid") != object::uid(object)).cloned().collect();
            if kept.len() != object::elements(&dependent, "/metadata/ownerReferences").count() {
                let mut freed = Value::clone(&dependent);
                object::set(&mut freed, &["metadata", "ownerReferences"], kept);
                transaction.put_object(freed);
            }
        }
    }
    if let Some(key) = Key::of(object) {
        transaction.remove(&key);
    }
}

fn check_preconditions(kind: &Kind, before: &Value, options: &Value) -> Result<(), Refusal> {
    for (field, what) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
        let (wanted, held) = (
            object::text(options, &format!("/preconditions/{field}")),
            object::text(before, &format!("/metadata/{field}")),
        );
        if !wanted.is_empty() && wanted != held {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {held}");
            return Err(Refusal::conflict(kind, object::name(before), &why));
        }
    }
    Ok(())
}

/// Pods and namespaces come back as they were, everything else as a `Status`: `registry/generic/registry/store.go`.
fn deleted(target: &Target, removed: &Value) -> Value {
    match target.kind.plural {
        "pods" | "namespaces" => in_version(removed, target),
        _ => json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {
                "name": object::name(removed), "group": target.kind.group, "kind": target.kind.plural,
                "uid": object::uid(removed),
            },
        }),
    }
}
