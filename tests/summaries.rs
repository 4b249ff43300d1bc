//! A summary against the list of all pairs, on every recorded mesh and on made ones: the same counts, the same findings to the
//! last word and pair, though a summary asks once for all clients that fare alike.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot read its recordings has failed")]

use std::collections::BTreeSet;

use kubectl_mtls::decode::{manifests, snapshot};
use kubectl_mtls::intent::{Detail, Mesh};
use kubectl_mtls::model::evidence::{Reading, Unseen};
use kubectl_mtls::model::pair::{ClientRef, PairIntent, ServerRef};
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::programmed::Proxies;
use kubectl_mtls::verdict::report::{Listed, Pair, Report};
use kubectl_mtls::verdict::tallied::{Shared, Tallied};
use kubectl_mtls::verdict::{assemble, join};

use crate::cli::summary;
use crate::meshes::compare;
use crate::meshes::recorded::Recorded;

fn recorded() -> impl Iterator<Item = (String, Snapshot)> {
    let files = [
        include_str!("vectors/istiod-meshes.jsonl"),
        include_str!("vectors/istiod-entries.jsonl"),
        include_str!("vectors/istiod-found.jsonl"),
        include_str!("vectors/istiod-kinds.jsonl"),
    ];
    let meshes = files.into_iter().flat_map(str::lines).map(|line| serde_json::from_str::<Recorded>(line).unwrap());
    meshes.map(|mesh| (mesh.id, compare::read(&mesh.mesh, &compare::newest()).0))
}

fn made() -> impl Iterator<Item = (String, Snapshot)> {
    [1, 2, 7, 18, 30].into_iter().map(|services| {
        let (objects, problems) = manifests::parse("mesh.yaml", &summary::mesh(services), "default");
        assert!(problems.is_empty(), "{problems:?}");
        (format!("{services} services"), snapshot(&objects, &compare::newest()).0)
    })
}

fn pair(client: &ClientRef, server: &ServerRef, intent: PairIntent) -> Pair {
    let programmed = Proxies::default().told(client, server, &intent);
    join::pair(client, server, intent, &programmed, &Reading::Unseen(Unseen::NotRequested))
}

/// Every pair, each asked of a mesh that has answered nobody else.
fn listed(mesh: &Mesh<'_>, namespaces: Option<&BTreeSet<String>>) -> Report {
    let servers = mesh.servers();
    let mut pairs = Vec::new();
    for client in mesh.clients() {
        let alone = Mesh::new(mesh.snapshot());
        let intents = servers.iter().map(|server| pair(&client.reference, server, alone.pair(client.pod, server)));
        pairs.extend(intents);
    }
    assemble::report(mesh, pairs, Vec::new(), namespaces)
}

/// The same by class, with every pair of a finding named.
fn summed(mesh: &Mesh<'_>, namespaces: Option<&BTreeSet<String>>) -> Report {
    let clients = mesh.clients();
    let references: Vec<&ClientRef> = clients.iter().map(|client| &client.reference).collect();
    let crowd = mesh.crowd(&clients);
    let mut tallied = Tallied::new(mesh, &references, usize::MAX, false);
    for (number, server) in mesh.servers().iter().enumerate() {
        for class in mesh.classes(&crowd, server, false, Detail::Deciders) {
            let Some(first) = class.members.first() else { continue };
            let pair = pair(references[first], server, class.intent);
            tallied.add(&Shared { pair, server: number, clients: class.members });
        }
    }
    tallied.report(mesh.snapshot(), Vec::new(), namespaces)
}

#[test]
fn a_summary_says_what_the_list_says_but_for_the_list() {
    for (id, snapshot) in recorded().chain(made()) {
        let mesh = Mesh::new(&snapshot);
        for namespaces in [None, Some(BTreeSet::from(["foo".to_owned(), "team-1".to_owned()]))] {
            let (listed, summed) = (listed(&mesh, namespaces.as_ref()), summed(&mesh, namespaces.as_ref()));
            assert_eq!(summed.summary, listed.summary, "{id}");
            let findings = |report: &Report| serde_json::to_value(&report.findings).unwrap();
            assert_eq!(findings(&summed), findings(&listed), "{id}");
            let Listed::Summary { classes, .. } = &summed.listed else { panic!("{id}: no summary") };
            assert_eq!(classes.iter().map(|class| class.pairs).sum::<usize>(), listed.pairs.len(), "{id}");
        }
    }
}
