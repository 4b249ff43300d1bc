//! What the schema and Istio's webhook say, in the words of a real API server.
//!
//! Istio's kinds: Kubernetes `apiextensions-apiserver/pkg/apiserver/validation/validation.go` and
//! `pkg/registry/customresource/strategy.go`; the webhook: Istio `pkg/webhooks/validation/server/server.go`.

use serde_json::Value;

use super::Checked;
use crate::decode::schema::{self, FieldProblem, FieldProblemKind};
use crate::lab::kube_api::query::FieldValidation;
use crate::lab::kube_api::status::{FieldCause, Refusal};
use crate::lab::store::kinds::Kind;
use crate::lab::store::object;

/// The webhook of the default revision.
const WEBHOOK: &str = "validation.istio.io";
/// Added to every list of violations of a schema with rules, as all of Istio's have: `strategy.go:hasBlockingErr`.
const UNCHECKED: &str = "Invalid value: null: some validation rules were not checked because the object was invalid; correct the \
                         existing errors to complete validation";

/// Drops what does not exist, and refuses what is not allowed.
pub(super) fn check(
    kind: &Kind,
    version: &str,
    mut checked: Value,
    unknown_fields: FieldValidation,
) -> Result<Checked, Refusal> {
    let problems = schema::check(&checked);
    let unknown = unknown(&checked, &problems);
    if unknown_fields == FieldValidation::Strict && !unknown.is_empty() {
        return Err(undecodable(kind, version, &format!("strict decoding error: {}", unknown.join(", "))));
    }
    let refusal = if kind.is_istio() {
        of_custom_resource(kind, &checked, &problems)
    } else {
        of_builtin(kind, version, &checked, &problems)
    };
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    schema::prune(&mut checked);
    let warnings = if unknown_fields == FieldValidation::Ignore { Vec::new() } else { unknown };
    Ok(Checked { object: checked, warnings })
}

/// Fields that do not exist, in the order of a real server.
fn unknown(checked: &Value, problems: &[FieldProblem]) -> Vec<String> {
    let unknown = problems.iter().filter(|problem| matches!(problem.kind, FieldProblemKind::Unknown { .. }));
    let mut unknown: Vec<String> =
        unknown.map(|problem| format!("unknown field \"{}\"", dotted(checked, &problem.path))).collect();
    unknown.sort();
    unknown
}

fn undecodable(kind: &Kind, version: &str, why: &str) -> Refusal {
    let kind = kind.kind;
    Refusal::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"))
}

/// Schema first; then rules of the schema; then the webhook.
fn of_custom_resource(kind: &Kind, checked: &Value, problems: &[FieldProblem]) -> Option<Refusal> {
    let name = object::name(checked);
    let mut causes: Vec<FieldCause> = problems.iter().filter_map(|problem| violation(checked, problem)).collect();
    if !causes.is_empty() {
        causes.push(cause("FieldValueInvalid", "<nil>", UNCHECKED));
        return Some(Refusal::invalid(kind, name, &causes));
    }
    let broken = problems.iter().find_map(|problem| match &problem.kind {
        FieldProblemKind::Invalid(why) => Some((problem, why)),
        FieldProblemKind::Unknown { .. } | FieldProblemKind::WrongEnum { .. } | FieldProblemKind::WrongType { .. } => {
            None
        }
    });
    let (problem, why) = broken?;
    let denied = || {
        let why = format!("configuration is invalid: {}: {why}", dotted(checked, &problem.path));
        Refusal::denied_by_webhook(WEBHOOK, &why)
    };
    Some(rule(kind, checked).map_or_else(denied, |cause| Refusal::invalid(kind, name, &[cause])))
}

/// A violation of the schema proper.
fn violation(checked: &Value, problem: &FieldProblem) -> Option<FieldCause> {
    let path = dotted(checked, &problem.path);
    match &problem.kind {
        FieldProblemKind::WrongEnum { value, allowed, .. } => {
            let allowed: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
            let message = format!("Unsupported value: \"{value}\": supported values: {}", allowed.join(", "));
            Some(cause("FieldValueNotSupported", &path, message))
        }
        FieldProblemKind::WrongType { expected, found } => {
            let (expected, found) = (openapi_type(expected), openapi_type(found));
            let message = format!("Invalid value: \"{found}\": {path} in body must be of type {expected}: \"{found}\"");
            Some(cause("FieldValueTypeInvalid", &path, message))
        }
        FieldProblemKind::Unknown { .. } | FieldProblemKind::Invalid(_) => None,
    }
}

/// The rules in CEL that Istio's schemas have, as far as they are met here: `crd-all.gen.yaml`.
fn rule(kind: &Kind, checked: &Value) -> Option<FieldCause> {
    let invalid = |field: &str, why: &str| Some(cause("FieldValueInvalid", field, format!("Invalid value: {why}")));
    let labels = checked.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let ports = checked.pointer("/spec/portLevelMtls").and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        match (key.as_str(), value.as_str()) {
            ("", _) => return invalid("spec.selector.matchLabels", "key must not be empty"),
            (key, _) if key.contains('*') => {
                return invalid("spec.selector.matchLabels", "wildcard not allowed in label key match");
            }
            (key, Some(value)) if value.contains('*') => {
                let field = format!("spec.selector.matchLabels[{key}]");
                return invalid(&field, "wildcard not allowed in label value match");
            }
            _ => {}
        }
    }
    let is_port = |key: &String| key.parse::<u64>().is_ok_and(|port| (1..=65535).contains(&port));
    match (kind.kind, ports) {
        ("PeerAuthentication", Some(_)) if labels.is_none_or(serde_json::Map::is_empty) => {
            invalid("spec", "portLevelMtls requires selector")
        }
        ("PeerAuthentication", Some(ports)) if !ports.keys().all(is_port) => {
            invalid("spec.portLevelMtls", "port must be between 1-65535")
        }
        _ => None,
    }
}

/// Kubernetes' own kinds are decoded into structs, which fail at the first value of a wrong type, and then validated.
fn of_builtin(kind: &Kind, version: &str, checked: &Value, problems: &[FieldProblem]) -> Option<Refusal> {
    let first = problems.iter().find(|problem| problem.is_refusal())?;
    let path = dotted(checked, &first.path);
    let refuse = |message: String| {
        Some(Refusal::invalid(kind, object::name(checked), &[cause("FieldValueInvalid", &path, message)]))
    };
    match &first.kind {
        FieldProblemKind::WrongType { expected, found } => {
            let map = path.rsplit_once(".labels.").or_else(|| path.rsplit_once(".annotations."));
            let field =
                map.map_or(path.as_str(), |(before, _)| path.get(..before.len() + ".labels".len()).unwrap_or(&path));
            let (expected, found) = (openapi_type(expected), openapi_type(found));
            let why = format!("json: cannot unmarshal {found} into Go struct field .{field} of type {expected}");
            Some(undecodable(kind, version, &why))
        }
        FieldProblemKind::Invalid(_) => match value_at(checked, &first.path) {
            None => refuse("Required value".to_owned()),
            Some(value) if value.is_number() => {
                refuse(format!("Invalid value: {value}: must be between 1 and 65535, inclusive"))
            }
            Some(value) => refuse(format!("Invalid value: {value}")),
        },
        FieldProblemKind::WrongEnum { value, .. } => refuse(format!("Unsupported value: \"{value}\"")),
        FieldProblemKind::Unknown { .. } => None,
    }
}

fn cause(reason: &'static str, field: &str, message: impl Into<String>) -> FieldCause {
    FieldCause { reason, field: field.to_owned(), message: message.into() }
}

fn openapi_type(word: &str) -> &str {
    if word == "list" { "array" } else { word }
}

/// The steps of a path: `spec`, `portLevelMtls`, `80`, `mode`.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    // A key in brackets may have dots.
    let mut in_brackets = false;
    path.split(move |c| {
        match c {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ => {}
        }
        matches!(c, '[' | ']') || (c == '.' && !in_brackets)
    })
    .filter(|step| !step.is_empty())
}

fn step<'v>(value: Option<&'v Value>, step: &str) -> Option<&'v Value> {
    match value? {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    }
}

fn value_at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    steps(path).fold(Some(object), step)
}

/// A path as API servers write it: items of lists in brackets, keys of maps behind a dot.
fn dotted(object: &Value, path: &str) -> String {
    let mut written = String::new();
    let mut at = Some(object);
    for name in steps(path) {
        match at {
            Some(Value::Array(_)) => written.extend(["[", name, "]"]),
            _ if written.is_empty() => written.push_str(name),
            _ => written.extend([".", name]),
        }
        at = step(at, name);
    }
    written
}
