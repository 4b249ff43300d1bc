//! Manifests into the store without a socket, by the same checks and with the same effects as through the API.

use serde_json::Value;

use crate::lab::kube_api::body::Reply;
use crate::lab::kube_api::patch::Patch;
use crate::lab::kube_api::query::{FieldValidation, WriteOptions};
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::kube_api::write::Writer;
use crate::lab::store::kinds::{self, Access};
use crate::lab::store::{Store, object};

/// Why a manifest was not applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// The lab has no such kind.
    #[error("no matches for kind `{kind}` in version `{api_version}`")]
    NoSuchKind {
        /// `kind` of the manifest.
        kind: String,
        /// `apiVersion` of the manifest.
        api_version: String,
    },
    /// The API server refused it.
    #[error("{0}")]
    Refused(Refusal),
}

/// Creates or changes an object as `kubectl apply --server-side --force-conflicts` would.
///
/// Fields that do not exist are dropped; the answer's warnings name them. Unlike over HTTP, an object of a live cluster keeps
/// its `creationTimestamp`, as the oldest policy wins.
pub fn apply(store: &Store, mut manifest: Value, default_namespace: &str) -> Result<Reply, ApplyError> {
    let (api_version, kind) = (object::text(&manifest, "/apiVersion"), object::text(&manifest, "/kind"));
    let known = kinds::by_object(api_version, kind).filter(|known| known.access == Access::Full);
    let Some(known) = known else {
        return Err(ApplyError::NoSuchKind { kind: kind.to_owned(), api_version: api_version.to_owned() });
    };
    let version = api_version.rsplit('/').next().unwrap_or_default().to_owned();
    let given = Some(object::namespace(&manifest)).filter(|namespace| !namespace.is_empty());
    let target = Target {
        kind: known,
        version,
        namespace: known.namespaced.then(|| given.unwrap_or(default_namespace).to_owned()),
        name: Some(object::name(&manifest).to_owned()),
        subresource: None,
    };
    for of_the_server in ["resourceVersion", "uid", "generation", "managedFields", "selfLink"] {
        object::remove(&mut manifest, &["metadata", of_the_server]);
    }
    let options = WriteOptions { field_validation: FieldValidation::Warn, force: true, ..WriteOptions::default() };
    Writer::new(store, &target, options, "kubectl").patch(&Patch::Apply(manifest)).map_err(ApplyError::Refused)
}
