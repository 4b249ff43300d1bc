//! Objects as YAML or JSON become the model, with file, line and field of whatever is wrong with them.
//!
//! Two steps. [`manifests::parse`] turns text into objects; an API server gives objects directly. [`snapshot`] turns objects,
//! wherever they came from, into the one input of the rules.

use serde_json::Value;

use crate::model::mesh::IstioVersion;
use crate::model::meta::Origin;

mod block;
mod capture;
mod control_plane;
mod diagnose;
mod documents;
mod injection;
mod istio;
mod json;
mod kind;
mod lean;
mod lines;
mod locate;
pub mod manifests;
pub mod mesh_config;
mod metadata;
mod objects;
mod oversights;
mod plain;
mod pod;
mod problem;
pub mod protocol;
pub mod schema;
mod service;
mod snapshot;
mod traffic_policy;
mod value;
mod virtual_service;
mod workload;
mod yaml;

pub use lean::lean;
pub use objects::Objects;
pub use problem::{Problem, ProblemSeverity};
pub use snapshot::snapshot;

/// One object from any source; a `List` has been taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The object as JSON.
    pub object: Value,
    /// Where it stands, if it was read from a file.
    pub origin: Option<Origin>,
}

/// What is taken for granted in place of, or beside, what the objects tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assume {
    /// Version of every control plane; wins over the images that were seen.
    pub istio_version: Option<IstioVersion>,
    /// `MeshConfig` of every control plane; wins over what was seen.
    pub mesh_config: Option<Value>,
    /// Where istiod runs; by default where one was seen, else `istio-system`.
    pub istio_namespace: Option<String>,
}
