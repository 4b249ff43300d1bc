//! The rules' answers for a mesh, held against those of Istio's own code.

mod call;
mod client;
mod server;

use kubectl_mtls::decode::{Assume, Problem, manifests, snapshot};
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::meta::Meta;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::workload::Pod;

pub(crate) use crate::meshes::compare::call::{calls, marks};
pub(crate) use crate::meshes::compare::client::origins;
pub(crate) use crate::meshes::compare::server::servers;
use crate::meshes::recorded::{Expected, Recorded};
use crate::meshes::tally::Tally;

/// Compares everything that was answered.
pub(crate) fn all(id: &str, expected: &Expected, mesh: &Mesh<'_>) -> Tally {
    let mut tally = Tally::default();
    for part in [servers, origins, calls, marks] {
        part(id, expected, mesh, &mut tally);
    }
    tally
}

/// Reads a mesh and compares everything. What only one side refuses to read is a difference too.
pub(crate) fn answer(recorded: &Recorded) -> Tally {
    let (mesh, problems) = read(&recorded.mesh, &newest());
    let mut tally = Tally::default();
    let refused = &recorded.expected.invalid;
    if refused.is_empty() && problems.is_empty() {
        return all(&recorded.id, &recorded.expected, &Mesh::new(&mesh));
    }
    if refused.is_empty() != problems.is_empty() {
        tally.differ("admission", &recorded.id, format!("{problems:?}"), format!("{refused:?}"));
    }
    tally
}

/// The version of Istio that the recordings are of.
pub(crate) fn newest() -> Assume {
    Assume { istio_version: Some(IstioVersion::NEWEST), ..Assume::default() }
}

/// Reads a mesh; objects without a creation time get the recordings' own.
pub(crate) fn read(text: &str, assume: &Assume) -> (Snapshot, Vec<Problem>) {
    let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
    let (mut mesh, _) = snapshot(&objects, assume);
    let epoch = "2026-01-01T00:00:00Z".parse().ok();
    let date = |meta: &mut Meta| meta.created = meta.created.or(epoch);
    mesh.peer_authentications.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.destination_rules.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.sidecars.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.services.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.virtual_services.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.workload_entries.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.service_entries.iter_mut().for_each(|object| date(&mut object.meta));
    (mesh, problems)
}

/// A pod of the mesh, or a difference.
fn pod<'s>(mesh: &Mesh<'s>, id: &str, key: &str, tally: &mut Tally) -> Option<&'s Pod> {
    let found = mesh.snapshot().pods.iter().find(|pod| pod.meta.key() == key);
    if found.is_none() {
        tally.differ("pod", &format!("{id} {key}"), "no such pod".to_owned(), "a pod".to_owned());
    }
    found
}
