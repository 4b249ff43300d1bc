//! What may I do?

use http::StatusCode;
use serde_json::{Value, json};

use crate::lab::kube_api::body::Reply;
use crate::lab::kube_api::rbac::{Attributes, Caller};
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::{Store, object};

/// Answers a `SelfSubjectAccessReview` or `SelfSubjectRulesReview`.
pub fn answer(store: &Store, caller: &Caller, target: &Target, mut review: Value) -> Result<Reply, Refusal> {
    let status = match target.kind.kind {
        "SelfSubjectAccessReview" => access(store, caller, &review),
        _ => rules(store, caller, &review)?,
    };
    object::set(&mut review, &["apiVersion"], target.kind.api_version(&target.version));
    object::set(&mut review, &["kind"], target.kind.kind);
    object::set(&mut review, &["status"], status);
    Ok(Reply { code: StatusCode::CREATED, object: review, warnings: Vec::new() })
}

fn access(store: &Store, caller: &Caller, review: &Value) -> Value {
    let of = |name: &str| object::text(review, &format!("/spec/resourceAttributes/{name}")).to_owned();
    let [verb, group, plural, part, namespace, name] =
        ["verb", "group", "resource", "subresource", "namespace", "name"].map(of);
    let resource = if part.is_empty() { plural } else { format!("{plural}/{part}") };
    let asked = Attributes {
        verb: &verb,
        // `kubectl auth can-i list secrets` asks about every group that may have them.
        group: if group == "*" { "" } else { &group },
        resource: &resource,
        namespace: Some(namespace.as_str()).filter(|namespace| !namespace.is_empty()),
        name: Some(name.as_str()).filter(|name| !name.is_empty()),
    };
    let allowed = caller.may(store, &asked);
    if allowed { json!({ "allowed": true, "reason": "the lab allows it" }) } else { json!({ "allowed": false }) }
}

fn rules(store: &Store, caller: &Caller, review: &Value) -> Result<Value, Refusal> {
    let namespace = object::text(review, "/spec/namespace");
    if namespace.is_empty() {
        return Err(Refusal::bad_request("no namespace on request"));
    }
    let rules = caller.rules(store, Some(namespace));
    let other = json!([{ "verbs": ["get"], "nonResourceURLs": ["*"] }]);
    Ok(json!({ "resourceRules": rules, "nonResourceRules": other, "incomplete": false }))
}
