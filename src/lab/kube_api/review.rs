//! What may I do? Everything but Secrets.

use http::StatusCode;
use serde_json::{Value, json};

use crate::lab::kube_api::body::Reply;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::kinds::{Access, KINDS};
use crate::lab::store::object;

/// Answers a `SelfSubjectAccessReview` or `SelfSubjectRulesReview`.
pub fn answer(target: &Target, mut review: Value) -> Result<Reply, Refusal> {
    let status = match target.kind.kind {
        "SelfSubjectAccessReview" => access(&review),
        _ => rules(&review)?,
    };
    object::set(&mut review, &["apiVersion"], target.kind.api_version(&target.version));
    object::set(&mut review, &["kind"], target.kind.kind);
    object::set(&mut review, &["status"], status);
    Ok(Reply { code: StatusCode::CREATED, object: review, warnings: Vec::new() })
}

fn access(review: &Value) -> Value {
    let group = object::text(review, "/spec/resourceAttributes/group");
    let resource = object::text(review, "/spec/resourceAttributes/resource");
    let forbidden = KINDS
        .iter()
        .any(|kind| kind.access == Access::Forbidden && kind.plural == resource && (group.is_empty() || group == "*"));
    if forbidden { json!({ "allowed": false }) } else { json!({ "allowed": true, "reason": "the lab allows it" }) }
}

fn rules(review: &Value) -> Result<Value, Refusal> {
    if object::text(review, "/spec/namespace").is_empty() {
        return Err(Refusal::bad_request("no namespace on request"));
    }
    let mut rules: Vec<Value> = Vec::new();
    for kind in KINDS {
        match kind.access {
            Access::Full => {
                rules.push(json!({ "verbs": ["*"], "apiGroups": [kind.group], "resources": [kind.plural] }));
            }
            Access::Review => {
                rules.push(json!({ "verbs": ["create"], "apiGroups": [kind.group], "resources": [kind.plural] }));
            }
            Access::Forbidden => {}
        }
    }
    let parts = ["pods/exec", "pods/portforward", "pods/log", "pods/status"];
    rules.push(json!({ "verbs": ["*"], "apiGroups": [""], "resources": parts }));
    let other = json!([{ "verbs": ["get"], "nonResourceURLs": ["*"] }]);
    Ok(json!({ "resourceRules": rules, "nonResourceRules": other, "incomplete": false }))
}
