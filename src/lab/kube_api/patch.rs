//! The four kinds of PATCH.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::lab::kube_api::body;
use crate::lab::kube_api::patch::lists::Lists;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::kinds::Kind;
use crate::model::json_patch::Step;

pub mod json_patch;
pub mod lists;
pub mod merge;

/// A patch, by its content type.
#[derive(Debug, Clone, PartialEq)]
pub enum Patch {
    /// `application/json-patch+json`, RFC 6902.
    Json(Vec<Step>),
    /// `application/merge-patch+json`, RFC 7386.
    Merge(Value),
    /// `application/strategic-merge-patch+json`.
    Strategic(Value),
    /// `application/apply-patch+yaml`: server-side apply.
    Apply(Value),
}

// === impl Patch ===

impl Patch {
    /// Reads a patch.
    pub fn parse(headers: &HeaderMap, bytes: &Bytes) -> Result<Self, Refusal> {
        match body::content_type(headers) {
            "application/json-patch+json" => json_patch::parse(bytes).map(Self::Json),
            "application/merge-patch+json" => body::parse_json(bytes).map(Self::Merge),
            "application/strategic-merge-patch+json" => body::parse_json(bytes).map(Self::Strategic),
            "application/apply-patch+yaml" => body::parse_yaml(bytes).map(Self::Apply),
            _ => Err(unknown_format()),
        }
    }

    /// The object as the patch makes it. Server-side apply also needs to know who owns what: [`Manager::apply`].
    ///
    /// [`Manager::apply`]: crate::lab::kube_api::managed_fields::Manager::apply
    pub fn apply(&self, kind: &Kind, before: &Value) -> Result<Value, Refusal> {
        let mut after = before.clone();
        match self {
            Self::Json(steps) => json_patch::apply(steps, &mut after)?,
            Self::Merge(patch) => merge::merge(&mut after, patch),
            Self::Strategic(_) if kind.is_istio() => return Err(unknown_format()),
            Self::Strategic(patch) => merge::strategic(&mut after, patch, "", Lists::of(kind)),
            Self::Apply(config) => merge::apply(&mut after, config, "", Lists::of(kind)),
        }
        Ok(after)
    }
}

/// The same for every kind that has no Go struct behind it.
fn unknown_format() -> Refusal {
    Refusal::unsupported_media_type(&[
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    ])
}
