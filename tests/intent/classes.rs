//! Answers by class against answers pair by pair, on every recorded mesh: a class may never say what a member would not hear.

use std::sync::LazyLock;

use kubectl_mtls::intent::{Detail, Mesh};
use kubectl_mtls::model::pair::PairIntent;
use kubectl_mtls::model::snapshot::Snapshot;

use crate::meshes::compare;
use crate::meshes::recorded::Recorded;

static MESHES: LazyLock<Vec<(String, Snapshot)>> = LazyLock::new(|| {
    let files = [include_str!("../vectors/istiod-meshes.jsonl"), include_str!("../vectors/istiod-entries.jsonl")];
    let meshes = files.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str::<Recorded>(line).unwrap());
    let assume = compare::newest();
    meshes.map(|mesh| (mesh.id, compare::read(&mesh.mesh, &assume).0)).collect()
});

/// For each client a mesh of its own, so that no answer is shared with anybody.
fn alone(snapshot: &Snapshot, clients: usize) -> Vec<Mesh<'_>> {
    (0..clients).map(|_| Mesh::new(snapshot)).collect()
}

#[test]
fn a_class_answers_as_each_of_its_members_would_be_answered() {
    for (id, snapshot) in MESHES.iter() {
        let mesh = Mesh::new(snapshot);
        let clients = mesh.clients();
        let own = alone(snapshot, clients.len());
        let crowd = mesh.crowd(&clients);
        for server in mesh.servers() {
            let classes = mesh.classes(&crowd, &server, true, Detail::Layers);
            let mut asked: Vec<usize> = classes.iter().flat_map(|class| class.members.numbers()).collect();
            asked.sort_unstable();
            assert_eq!(asked, (0..clients.len()).collect::<Vec<_>>(), "{id} {}: everyone once", server.host);
            for class in &classes {
                assert_eq!(class.members.numbers().count(), class.members.count());
                for member in class.members.numbers() {
                    let client = clients[member].pod;
                    let place = format!("{id}: {} -> {}:{}", client.meta.name, server.host, server.port);
                    assert_eq!(class.intent, own[member].pair(client, &server), "{place}");
                }
            }
        }
    }
}

#[test]
fn clients_that_are_endpoints_and_alike_share_all_but_names() {
    for (id, snapshot) in MESHES.iter() {
        let mesh = Mesh::new(snapshot);
        let clients = mesh.clients();
        let alone = alone(snapshot, clients.len());
        let crowd = mesh.crowd(&clients);
        for server in mesh.servers() {
            for class in mesh.classes(&crowd, &server, false, Detail::Layers) {
                for member in class.members.numbers() {
                    let client = clients[member].pod;
                    let (own, shared) = (alone[member].pair(client, &server), &class.intent);
                    let place = format!("{id}: {} -> {}:{}", client.meta.name, server.host, server.port);
                    let told = |answer: &PairIntent| {
                        let mut modes: Vec<_> =
                            answer.endpoints.iter().filter(|end| !end.is_self).map(|end| end.accepts.mode).collect();
                        modes.sort_unstable();
                        let of_policy = (answer.conflict, answer.responsible.clone(), answer.originates.clone());
                        (answer.outcome, answer.tcp, answer.symptom.clone(), of_policy, modes)
                    };
                    assert_eq!(told(&own), told(shared), "{place}");
                }
            }
        }
    }
}

#[test]
fn answers_without_layers_are_the_same_in_everything_else() {
    for (id, snapshot) in MESHES.iter() {
        let mesh = Mesh::new(snapshot);
        let clients = mesh.clients();
        let crowd = mesh.crowd(&clients);
        for server in mesh.servers() {
            let classes = |detail| mesh.classes(&crowd, &server, true, detail);
            for (mut told, bare) in classes(Detail::Layers).into_iter().zip(classes(Detail::Deciders)) {
                told.intent.originates.layers.clear();
                told.intent.endpoints.iter_mut().for_each(|endpoint| endpoint.accepts.layers.clear());
                assert_eq!(bare.members, told.members, "{id} {}", server.host);
                let mut intent = bare.intent;
                // What leaves the client without its proxy, or for nowhere, is told in one step.
                intent.originates.layers.clear();
                intent.endpoints.iter_mut().for_each(|endpoint| endpoint.accepts.layers.clear());
                assert_eq!(intent, told.intent, "{id} {}", server.host);
            }
            assert_eq!(classes(Detail::Layers).len(), classes(Detail::Deciders).len(), "{id} {}", server.host);
        }
    }
}
