//! Istio: `ValidateAuthorizationPolicy`.

use serde_json::{Map, Value};

use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::schema::rules::{selector, target};
use crate::decode::value::{at, items, text};

pub(super) fn check(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    selector(spec, path, ["selector", "matchLabels"], found);
    target(spec, path, found);
    let rules = at(spec, &["rules"]);
    let action = text(spec, &["action"]).unwrap_or("ALLOW");
    if matches!(action, "DENY" | "CUSTOM") && rules.is_none() {
        found.push(Finding {
            hint: Some("a rule `{}` matches every request".to_owned()),
            ..Finding::invalid(path.field("rules"), format!("is missing, so the action {action} would never happen"))
        });
    }
    match (action, at(spec, &["provider"])) {
        ("CUSTOM", provider) => {
            let named = provider.and_then(|provider| text(provider, &["name"])).is_some_and(|name| !name.is_empty());
            if rules.is_some() && !named {
                found.push(Finding::invalid(path.field("provider").field("name"), "is required with action CUSTOM"));
            }
        }
        (_, Some(_)) => {
            found.push(Finding::invalid(path.field("provider"), format!("does not go with action {action}")));
        }
        (_, None) => {}
    }
    for (index, rule) in items(spec, &["rules"]).iter().enumerate() {
        let path = path.field("rules").item(index);
        sides(rule, "from", "source", &path, found);
        sides(rule, "to", "operation", &path, found);
        conditions(rule, &path, found);
        if action == "CUSTOM" {
            only_request(rule, &path, found);
        }
    }
}

/// `from[].source` and `to[].operation` must be there and say something.
fn sides(rule: &Value, list: &str, inner: &str, path: &Path, found: &mut Vec<Finding>) {
    let path = path.field(list);
    if at(rule, &[list]).and_then(Value::as_array).is_some_and(Vec::is_empty) {
        found.push(Finding::invalid(path.clone(), "is an empty list"));
    }
    for (index, entry) in items(rule, &[list]).iter().enumerate() {
        let path = path.item(index).field(inner);
        match at(entry, &[inner]).and_then(Value::as_object) {
            None => found.push(Finding {
                hint: Some(format!("the fields beneath `{inner}:` must be indented further than it")),
                ..Finding::invalid(path, "must be there and not null")
            }),
            Some(fields) if !fields.values().any(says_something) => {
                found.push(Finding::invalid(path, "is empty: it must say something"));
            }
            Some(fields) if inner == "source" => identities(fields, &path, found),
            Some(_) => {}
        }
    }
}

fn says_something(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty())
}

fn identities(source: &Map<String, Value>, path: &Path, found: &mut Vec<Finding>) {
    let there = |fields: &[&str]| fields.iter().any(|field| source.get(*field).is_some_and(|value| !value.is_null()));
    if there(&["serviceAccounts", "notServiceAccounts"])
        && there(&["principals", "notPrincipals", "namespaces", "notNamespaces"])
    {
        found.push(Finding::invalid(path.clone(), "cannot have serviceAccounts with namespaces or principals"));
    }
}

fn conditions(rule: &Value, path: &Path, found: &mut Vec<Finding>) {
    for (index, condition) in items(rule, &["when"]).iter().enumerate() {
        let path = path.field("when").item(index);
        let key = text(condition, &["key"]).unwrap_or_default();
        if key.is_empty() {
            found.push(Finding::invalid(path.field("key"), "is empty"));
        } else if items(condition, &["values"]).is_empty() && items(condition, &["notValues"]).is_empty() {
            found.push(Finding::invalid(path, "must have values or notValues"));
        }
    }
}

/// An external authorizer is asked about the request only.
fn only_request(rule: &Value, path: &Path, found: &mut Vec<Finding>) {
    const IDENTITIES: [&str; 10] = [
        "namespaces",
        "notNamespaces",
        "notPrincipals",
        "notRequestPrincipals",
        "notServiceAccounts",
        "notTrustDomains",
        "principals",
        "requestPrincipals",
        "serviceAccounts",
        "trustDomains",
    ];
    const KEYS: [&str; 4] = ["source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain"];
    for (index, entry) in items(rule, &["from"]).iter().enumerate() {
        let path = path.field("from").item(index).field("source");
        for field in IDENTITIES.into_iter().filter(|field| !items(entry, &["source", field]).is_empty()) {
            found.push(Finding::invalid(path.field(field), "does not go with action CUSTOM"));
        }
    }
    for (index, condition) in items(rule, &["when"]).iter().enumerate() {
        let key = text(condition, &["key"]).unwrap_or_default();
        if KEYS.contains(&key) || key.starts_with("request.auth.") {
            let path = path.field("when").item(index).field("key");
            found.push(Finding::invalid(path, format!("is `{key}`, which does not go with action CUSTOM")));
        }
    }
}
