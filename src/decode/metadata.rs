//! `metadata` of any object.

use serde_json::Value;

use crate::decode::value::{items, labels, text};
use crate::model::meta::{Change, Labels, Meta, Origin};

/// Annotations that a rule or the report reads, by name or, ending in `/`, by prefix. The others, often long, are dropped.
const KEPT_ANNOTATIONS: [&str; 7] = [
    "ambient.istio.io/",
    "argocd.argoproj.io/tracking-id",
    "inject.istio.io/",
    "istio.io/",
    "networking.istio.io/",
    "sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
];

/// Reads `metadata` of an object.
pub(super) fn meta(object: &Value, origin: Option<&Origin>) -> Meta {
    Meta {
        namespace: text(object, &["metadata", "namespace"]).unwrap_or_default().to_owned(),
        name: name(object).to_owned(),
        labels: labels(object, &["metadata", "labels"]),
        annotations: annotations(object),
        created: timestamp(object, "creationTimestamp"),
        changed: changed(object),
        origin: origin.cloned(),
    }
}

/// `metadata.name`; for an object that the API server would name, the stem of its name.
pub(super) fn name(object: &Value) -> &str {
    text(object, &["metadata", "name"])
        .or_else(|| text(object, &["metadata", "generateName"]).map(|stem| stem.trim_end_matches('-')))
        .unwrap_or_default()
}

/// The annotations that are kept, of an object or of a pod template.
pub(super) fn annotations(object: &Value) -> Labels {
    let kept = |key: &str| {
        KEPT_ANNOTATIONS.iter().any(|kept| if kept.ends_with('/') { key.starts_with(kept) } else { key == *kept })
    };
    object
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"))
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(key, _)| kept(key))
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn timestamp(object: &Value, field: &str) -> Option<jiff::Timestamp> {
    text(object, &["metadata", field]).and_then(|time| time.parse().ok())
}

/// The newest entry of `managedFields`; writes to the status say nothing about who decides.
fn changed(object: &Value) -> Option<Change> {
    items(object, &["metadata", "managedFields"])
        .iter()
        .filter(|entry| text(entry, &["subresource"]) != Some("status"))
        .filter_map(|entry| Some((text(entry, &["time"])?.parse().ok()?, text(entry, &["manager"])?)))
        .max_by_key(|(at, _): &(jiff::Timestamp, &str)| *at)
        .map(|(at, by)| Change { at, by: by.to_owned() })
}
