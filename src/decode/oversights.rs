//! What somebody wrote in a policy and Istio does not read, or reads as something else.

use serde_json::Value;

use crate::decode::Loaded;
use crate::decode::kind::Kind;
use crate::decode::metadata::meta;
use crate::decode::schema::{self, FieldProblemKind};
use crate::decode::value::{at, items, text};
use crate::model::derivation::PolicyKind;
use crate::model::snapshot::{Oversight, OversightKind};

/// The oversights of one object; only policies have any.
pub(super) fn of(kind: Kind, loaded: &Loaded) -> Vec<Oversight> {
    let kind = match kind {
        Kind::PeerAuthentication => PolicyKind::PeerAuthentication,
        Kind::DestinationRule => PolicyKind::DestinationRule,
        Kind::Sidecar => PolicyKind::Sidecar,
        Kind::ServiceEntry => PolicyKind::ServiceEntry,
        Kind::WorkloadEntry => PolicyKind::WorkloadEntry,
        _ => return Vec::new(),
    };
    let mut found = lost(&loaded.object);
    if let Some(applied) = applied(&loaded.object) {
        let more = lost(&applied);
        found.extend(more.into_iter().filter(|(field, _)| at_path(&loaded.object, field).is_none()));
    }
    if kind == PolicyKind::DestinationRule {
        found.extend(without_mode(&loaded.object));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found.dedup_by(|(a, _), (b, _)| a == b);
    let oversight = |(field, what)| Oversight { kind, meta: meta(&loaded.object, loaded.origin.as_ref()), field, what };
    found.into_iter().map(oversight).collect()
}

/// Fields that the schema does not have, with the place where they probably belong.
fn lost(object: &Value) -> Vec<(String, OversightKind)> {
    let unknown = schema::check(object).into_iter().filter_map(|problem| match problem.kind {
        FieldProblemKind::Unknown { nearest } => Some((problem.path, OversightKind::Lost { meant: nearest })),
        FieldProblemKind::WrongEnum { .. } | FieldProblemKind::WrongType { .. } | FieldProblemKind::Invalid(_) => None,
    });
    unknown.filter(|(path, _)| path.starts_with("spec.")).collect()
}

/// What `kubectl apply` noted.
fn applied(object: &Value) -> Option<Value> {
    let note = "kubectl.kubernetes.io/last-applied-configuration";
    serde_json::from_str(text(object, &["metadata", "annotations", note])?).ok()
}

/// The value at a path without list items; what lies deeper was found in the object itself or not at all.
fn at_path<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(object, |value, field| value.get(field))
}

/// Every `tls` that names no mode. Its zero is DISABLE: `ClientTLSSettings` has no UNSET.
fn without_mode(object: &Value) -> Vec<(String, OversightKind)> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let mut policies = vec![("spec.trafficPolicy".to_owned(), at(spec, &["trafficPolicy"]))];
    policies.extend(
        items(spec, &["subsets"])
            .iter()
            .enumerate()
            .map(|(index, subset)| (format!("spec.subsets[{index}].trafficPolicy"), at(subset, &["trafficPolicy"]))),
    );
    let mut found = Vec::new();
    for (path, policy) in policies {
        let Some(policy) = policy else { continue };
        let ports = items(policy, &["portLevelSettings"]).iter().enumerate();
        let entries = ports.map(|(index, entry)| (format!("{path}.portLevelSettings[{index}]"), entry));
        for (path, settings) in std::iter::once((path.clone(), policy)).chain(entries) {
            if at(settings, &["tls"]).is_some_and(|tls| at(tls, &["mode"]).is_none()) {
                found.push((format!("{path}.tls"), OversightKind::TlsWithoutMode));
            }
        }
    }
    found
}
