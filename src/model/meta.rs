//! What every object has: where it lives, how it is labelled, how old it is and where it was read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels, annotations or a `matchLabels`: an ordered map, so that output never depends on input order.
pub type Labels = BTreeMap<String, String>;

/// Whether every label of `selector` is carried with the same value; an empty selector selects everything.
///
/// Istio: `pkg/config/labels/instance.go:Instance.SubsetOf`.
#[must_use]
pub fn selects(selector: &Labels, labels: &Labels) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// The part of an object's metadata that the rules and the reader need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: Labels,
    /// Only the annotations that a rule reads.
    pub annotations: Labels,
    /// `metadata.creationTimestamp`; absent on manifests that were never applied.
    pub created: Option<jiff::Timestamp>,
    /// Who changed it last and when, from `metadata.managedFields`.
    pub changed: Option<Change>,
    /// File and line of the manifest, where it came from one.
    pub origin: Option<Origin>,
}

/// The last change of an object as its `managedFields` tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// When the newest manager wrote.
    pub at: jiff::Timestamp,
    /// Its name, e.g. `argocd-controller`.
    pub by: String,
}

/// Where a manifest stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// Path as the user gave it; `-` for standard input.
    pub file: String,
    /// First line of the object, from 1.
    pub line: u64,
}

// === impl Meta ===

impl Meta {
    /// `namespace/name`, or the bare name where there is no namespace.
    #[must_use]
    pub fn key(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }

    /// The control-plane revision that the object is meant for (`istio.io/rev`), if it names one.
    #[must_use]
    pub fn revision(&self) -> Option<&str> {
        self.labels.get("istio.io/rev").map(String::as_str)
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// An annotation's value.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
