//! Objects of Kubernetes itself: only what changes an answer and is refused.

use serde_json::Value;

use crate::decode::kind::{Kind, kind};
use crate::decode::schema::crd::type_of;
use crate::decode::schema::path::{Path, Step};
use crate::decode::schema::{FieldProblemKind, Finding, suggest};
use crate::decode::value::at;

/// Labels, annotations and selectors hold strings: `app: on` is none.
pub(super) fn check(object: &Value) -> Vec<Finding> {
    const OWN: [&[&str]; 2] = [&["metadata", "labels"], &["metadata", "annotations"]];
    const SERVICE: [&[&str]; 3] = [OWN[0], OWN[1], &["spec", "selector"]];
    const WORKLOAD: [&[&str]; 5] = [
        OWN[0],
        OWN[1],
        &["spec", "selector", "matchLabels"],
        &["spec", "template", "metadata", "labels"],
        &["spec", "template", "metadata", "annotations"],
    ];
    let maps: &[&[&str]] = match kind(object) {
        Kind::Namespace | Kind::Pod | Kind::EndpointSlice | Kind::ConfigMap => &OWN,
        Kind::Service => &SERVICE,
        Kind::Workload(_) => &WORKLOAD,
        Kind::PeerAuthentication
        | Kind::DestinationRule
        | Kind::Sidecar
        | Kind::ServiceEntry
        | Kind::WorkloadEntry
        | Kind::VirtualService
        | Kind::Silent
        | Kind::Foreign => &[],
    };
    let mut found = Vec::new();
    if !maps.is_empty() {
        for path in [["metadata", "name"], ["metadata", "namespace"]] {
            if let Some(value) = at(object, &path).filter(|value| !value.is_string()) {
                found.push(wrong_type(Path::of(&path), "string", value));
            }
        }
    }
    for path in maps {
        if let Some(map) = at(object, path) {
            strings(map, path, &mut found);
        }
    }
    if kind(object) == Kind::Service {
        service_ports(object, &mut found);
    }
    found
}

fn strings(map: &Value, path: &[&str], found: &mut Vec<Finding>) {
    let Some(entries) = map.as_object() else {
        found.push(wrong_type(Path::of(path), "object", map));
        return;
    };
    for (key, value) in entries.iter().filter(|(_, value)| !value.is_string() && !value.is_null()) {
        found.push(wrong_type(Path::of(path).key(key), "string", value));
    }
}

fn wrong_type(path: Path, expected: &str, value: &Value) -> Finding {
    let kind = FieldProblemKind::WrongType { expected: expected.to_owned(), found: type_of(value).to_owned() };
    Finding { path, kind, hint: suggest::quoting(value) }
}

fn service_ports(object: &Value, found: &mut Vec<Finding>) {
    let ports = at(object, &["spec", "ports"]).and_then(Value::as_array);
    for (index, port) in ports.into_iter().flatten().enumerate() {
        let path = Path(vec![Step::Field("spec".to_owned()), Step::Field("ports".to_owned()), Step::Item(index)]);
        for (field, required) in [("port", true), ("targetPort", false)] {
            match at(port, &[field]) {
                None if required => found.push(Finding::invalid(path.field(field), "is required")),
                // A target port of 0 is none: the API server sets it to `port`.
                Some(value) if value.as_f64().is_some_and(|number| !(0.0..=65535.0).contains(&number)) => {
                    found.push(Finding::invalid(
                        path.field(field),
                        format!("is {value}; a port is between 1 and 65535"),
                    ));
                }
                Some(Value::Number(number)) if required && number.as_u64() == Some(0) => {
                    found.push(Finding::invalid(path.field(field), "is 0; a port is between 1 and 65535"));
                }
                Some(value @ Value::String(_)) if required => {
                    found.push(wrong_type(path.field(field), "integer", value));
                }
                Some(_) | None => {}
            }
        }
    }
}
