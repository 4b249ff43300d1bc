//! What an API server and Istio's webhook would say about an object.
//!
//! Fields, types and words come from Istio's CRDs (`crds.json`, trimmed by `from_crds.py`); rules that a schema cannot say are in
//! `rules`. Objects of Kubernetes itself are read leniently: only what would be lost or refused and matters here is checked.

use serde_json::Value;

mod crd;
mod duration;
mod kubernetes;
mod path;
mod prune;
mod rules;
mod suggest;
mod walk;

pub(super) use path::{Path, Step};

/// Something wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// Its path: `spec.selector.mtls`, `spec.rules[0].from`, `spec.portLevelMtls[80].mode`.
    pub path: String,
    /// What is wrong.
    pub kind: FieldProblemKind,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldProblemKind {
    /// No such field: an API server drops it, or refuses the object under strict validation.
    Unknown {
        /// Path of the field that was probably meant.
        nearest: Option<String>,
    },
    /// A word that is not in the closed list.
    WrongEnum {
        /// The word that stands there.
        value: String,
        /// The words that may.
        allowed: Vec<String>,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// A value of another type.
    WrongType {
        /// `string`, `integer`, `number`, `boolean`, `list` or `object`.
        expected: String,
        /// The same, or `null`.
        found: String,
    },
    /// Anything else that is refused; reads on after the path: "must be between 1 and 65535".
    Invalid(String),
}

/// A problem with its place, as the walk finds it.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) path: Path,
    pub(super) kind: FieldProblemKind,
    pub(super) hint: Option<String>,
}

/// Checks an object. Kinds that are not known here have no problems.
#[must_use]
pub fn check(object: &Value) -> Vec<FieldProblem> {
    inspect(object).into_iter().map(FieldProblem::from).collect()
}

/// Drops what an API server drops from an object of Istio: fields that the schema does not know, and `null`s.
pub fn prune(object: &mut Value) {
    if let Some(crd) = crd::of(object) {
        prune::prune(&crd.root, object);
    }
}

/// The versions that are served, where the object is of a kind of Istio's but of none of them.
pub(super) fn unserved(object: &Value) -> Option<&'static [String]> {
    let crd = crd::of(object)?;
    let (_, version) = super::kind::group_version(object.get("apiVersion")?.as_str()?);
    (!crd.versions.iter().any(|served| served == version)).then_some(crd.versions.as_slice())
}

/// The API group of a kind of Istio's.
pub(super) fn group_of(kind: &str) -> Option<&'static str> {
    crd::named(kind).map(|crd| crd.group.as_str())
}

/// Checks an object and keeps the places.
pub(super) fn inspect(object: &Value) -> Vec<Finding> {
    match crd::of(object) {
        Some(crd) => {
            let mut found = walk::walk(&crd.root, object);
            // Rules are written for objects of the right shape, as in an API server.
            if !found.iter().any(Finding::is_refusal) {
                found.extend(rules::check(object));
            }
            found
        }
        None => kubernetes::check(object),
    }
}

// === impl Finding ===

impl Finding {
    /// Whether the object does not get in.
    pub(super) fn is_refusal(&self) -> bool {
        self.kind.is_refusal()
    }

    /// A rule that is broken at a path.
    fn invalid(path: Path, why: impl Into<String>) -> Self {
        Self { path, kind: FieldProblemKind::Invalid(why.into()), hint: None }
    }
}

// === impl FieldProblem ===

impl FieldProblem {
    /// What is wrong, in one sentence that names the field.
    #[must_use]
    pub fn message(&self) -> String {
        let path = &self.path;
        match &self.kind {
            FieldProblemKind::Unknown { .. } => {
                format!("`{path}` is no field: an API server drops it, or refuses the object under strict validation")
            }
            FieldProblemKind::WrongEnum { value, allowed, .. } => {
                format!("`{path}` cannot be `{value}`; it is one of {}", allowed.join(", "))
            }
            FieldProblemKind::WrongType { expected, found } => {
                format!("`{path}` must be {}, not {}", article(expected), article(found))
            }
            FieldProblemKind::Invalid(why) => format!("`{path}` {why}"),
        }
    }

    /// Whether an API server or Istio's webhook refuses the object for it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.kind.is_refusal()
    }
}

fn article(noun: &str) -> String {
    match noun {
        "null" => noun.to_owned(),
        _ if noun.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {noun}"),
        _ => format!("a {noun}"),
    }
}

impl From<Finding> for FieldProblem {
    fn from(finding: Finding) -> Self {
        Self { path: finding.path.to_string(), kind: finding.kind, hint: finding.hint }
    }
}

// === impl FieldProblemKind ===

impl FieldProblemKind {
    fn is_refusal(&self) -> bool {
        match self {
            Self::Unknown { .. } => false,
            Self::WrongEnum { .. } | Self::WrongType { .. } | Self::Invalid(_) => true,
        }
    }
}
