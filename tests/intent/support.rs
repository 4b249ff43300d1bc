//! Meshes as text, and the words of the recordings.

use jiff::Timestamp;
use kubectl_mtls::decode::{Assume, manifests, snapshot};
use kubectl_mtls::model::meta::Meta;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::wire::Handling;

/// Reads a mesh; objects without a creation time get the recordings' own.
pub(crate) fn recorded(text: &str, assume: &Assume) -> Snapshot {
    let mut mesh = plain(text, assume);
    let epoch: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let date = |meta: &mut Meta| meta.created = meta.created.or(Some(epoch));
    mesh.peer_authentications.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.destination_rules.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.sidecars.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.services.iter_mut().for_each(|object| date(&mut object.meta));
    mesh.service_entries.iter_mut().for_each(|object| date(&mut object.meta));
    mesh
}

/// Reads a mesh as it stands.
pub(crate) fn plain(text: &str, assume: &Assume) -> Snapshot {
    let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
    assert!(problems.is_empty(), "{problems:?}");
    let (mesh, _) = snapshot(&objects, assume);
    mesh
}

/// The recordings' word for a handling.
pub(crate) fn handling(handling: Handling) -> String {
    match handling {
        Handling::Pass => "pass".to_owned(),
        Handling::Terminate => "terminate".to_owned(),
        Handling::TerminateIfMeshCertificate => "terminate-if-mesh-certificate".to_owned(),
        Handling::Refuse(why) => format!("refuse:{}", why.as_str()),
    }
}
