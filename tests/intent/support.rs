//! Meshes as text.

use kubectl_mtls::decode::{Assume, manifests, snapshot};
use kubectl_mtls::model::snapshot::Snapshot;

/// Reads a mesh as it stands.
pub(crate) fn plain(text: &str, assume: &Assume) -> Snapshot {
    let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
    assert!(problems.is_empty(), "{problems:?}");
    let (mesh, _) = snapshot(&objects, assume);
    mesh
}
