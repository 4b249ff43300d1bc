//! Rules that a schema of fields cannot say: those in CEL in Istio's CRDs, and those of its validating webhook.
//!
//! Istio: `manifests/charts/base/files/crd-all.gen.yaml`, `pkg/config/validation/validation.go`. They are the rules of the newest
//! version; older ones let a few more objects in.

use serde_json::Value;

use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::value::{at, items, text};

mod authorization_policy;
mod destination_rule;
mod peer_authentication;
mod request_authentication;
mod service_entry;
mod sidecar;
mod virtual_service;

/// Checks an object of the right shape. `Gateway` has no rules here: it does not decide mutual TLS.
pub(super) fn check(object: &Value) -> Vec<Finding> {
    let Some(spec) = at(object, &["spec"]) else { return Vec::new() };
    let at = Path::of(&["spec"]);
    let mut found = Vec::new();
    match text(object, &["kind"]).unwrap_or_default() {
        "PeerAuthentication" => peer_authentication::check(spec, &at, &mut found),
        "DestinationRule" => {
            let namespace = text(object, &["metadata", "namespace"]).unwrap_or_default();
            destination_rule::check(spec, &at, namespace, &mut found);
        }
        "Sidecar" => sidecar::check(spec, &at, &mut found),
        "ServiceEntry" => service_entry::check(spec, &at, &mut found),
        "WorkloadEntry" => service_entry::endpoint(spec, &at, &mut found),
        "AuthorizationPolicy" => authorization_policy::check(spec, &at, &mut found),
        "VirtualService" => virtual_service::check(spec, &at, &mut found),
        "RequestAuthentication" => request_authentication::check(spec, &at, &mut found),
        _ => {}
    }
    found
}

/// Labels of a selector: no empty key, no wildcard.
///
/// Istio: `validateWorkloadSelector`, `ValidateAlphaWorkloadSelector`.
fn selector(spec: &Value, at_path: &Path, fields: [&str; 2], found: &mut Vec<Finding>) {
    let Some(labels) = at(spec, &fields).and_then(Value::as_object) else { return };
    let path = at_path.field(fields[0]).field(fields[1]);
    for (key, value) in labels {
        if key.is_empty() {
            found.push(Finding::invalid(path.key(key), "has an empty key"));
        }
        if key.contains('*') || value.as_str().is_some_and(|value| value.contains('*')) {
            found.push(Finding::invalid(path.key(key), "has a wildcard; a selector takes none"));
        }
    }
}

/// At most one of `selector`, `targetRef` and `targetRefs`, and references within the namespace.
fn target(spec: &Value, at_path: &Path, found: &mut Vec<Finding>) {
    let set: Vec<&str> =
        ["selector", "targetRef", "targetRefs"].into_iter().filter(|field| at(spec, &[field]).is_some()).collect();
    if set.len() > 1 {
        found.push(Finding::invalid(at_path.clone(), format!("can have only one of {}", set.join(", "))));
    }
    let one = at(spec, &["targetRef"]).map(|reference| (reference, at_path.field("targetRef")));
    let many = items(spec, &["targetRefs"]).iter().enumerate();
    let many = many.map(|(index, reference)| (reference, at_path.field("targetRefs").item(index)));
    for (reference, path) in one.into_iter().chain(many) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let ends = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.ends_with('-');
        if let Some(kind) = text(reference, &["kind"]).filter(|kind| !(ends(kind) && kind.chars().all(plain))) {
            found.push(Finding::invalid(path.field("kind"), format!("is `{kind}`, which is no kind")));
        }
        let is_group = |group: &str| group.is_empty() || group.split('.').all(is_lower_dns_label);
        if let Some(group) = text(reference, &["group"]).filter(|group| !is_group(group)) {
            found.push(Finding::invalid(path.field("group"), format!("is `{group}`, which is no API group")));
        }
        if text(reference, &["namespace"]).is_some_and(|namespace| !namespace.is_empty()) {
            found.push(Finding::invalid(path.field("namespace"), "must be empty: a reference stays in its namespace"));
        }
    }
}

/// Whether a text is a DNS label, as names of namespaces, subsets and ports are.
fn is_dns_label(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric();
    !text.is_empty()
        && text.len() <= 63
        && text.starts_with(word)
        && text.ends_with(word)
        && text.chars().all(|c| word(c) || c == '-')
}

/// Whether a text is a host name, perhaps with a wildcard in its first label.
///
/// Istio: `ValidateWildcardDomain`. An address is none.
fn is_host(text: &str) -> bool {
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let bare = first.strip_prefix("*-").or_else(|| first.strip_prefix('*')).unwrap_or(first);
    let begins = first == "*" || is_dns_label(bare);
    let ends = rest.is_none_or(|rest| {
        let labels = rest.strip_suffix('.').unwrap_or(rest);
        labels.split('.').all(is_dns_label) && labels.rsplit('.').next().is_some_and(|top| top.parse::<u64>().is_err())
    });
    text.len() <= 255 && begins && ends
}

fn is_lower_dns_label(text: &str) -> bool {
    is_dns_label(text) && !text.contains(|c: char| c.is_ascii_uppercase())
}

/// A port that is there must be one.
fn port_number(value: Option<&Value>, path: Path, found: &mut Vec<Finding>) {
    if let Some(number) = value.and_then(Value::as_f64)
        && !(1.0..=65535.0).contains(&number)
    {
        found.push(Finding::invalid(path, format!("is {number}; a port is between 1 and 65535")));
    }
}
