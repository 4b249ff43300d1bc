//! Random meshes, answered by Istio's own control-plane code (format: `tests/vectors/README.md`).

use std::collections::BTreeSet;
use std::sync::LazyLock;

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::derivation::Effect;
use kubectl_mtls::model::meta::Meta;
use kubectl_mtls::model::pair::PairIntent;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::workload::Pod;

use crate::meshes::compare;
use crate::meshes::recorded::{Expected, Recorded};
use crate::meshes::tally::{Difference, Tally};

/// The recordings, read once for all tests.
static CASES: LazyLock<Vec<(Recorded, Snapshot)>> = LazyLock::new(|| {
    read(&[include_str!("../vectors/istiod-meshes.jsonl"), include_str!("../vectors/istiod-entries.jsonl")])
});

/// Recordings of machines, aliases, Sidecars with ingress and routes.
static KINDS: LazyLock<Vec<(Recorded, Snapshot)>> = LazyLock::new(|| {
    read(&[include_str!("../vectors/istiod-kinds.jsonl"), include_str!("../vectors/istiod-routes.jsonl")])
});

fn read(files: &[&str]) -> Vec<(Recorded, Snapshot)> {
    let assume = compare::newest();
    let read = |line| {
        let case: Recorded = serde_json::from_str(line).unwrap();
        let (snapshot, problems) = compare::read(&case.mesh, &assume);
        assert!(problems.is_empty(), "{}: {problems:?}", case.id);
        (case, snapshot)
    };
    files.iter().copied().flat_map(str::lines).map(read).collect()
}

/// Compares one part of every recording.
fn each(part: impl Fn(&str, &Expected, &Mesh<'_>, &mut Tally)) -> Tally {
    let mut tally = Tally::default();
    for (case, snapshot) in CASES.iter() {
        part(&case.id, &case.expected, &Mesh::new(snapshot), &mut tally);
    }
    tally
}

/// Fails where anything differed, or where too little was compared to mean something.
fn agreed(tally: &Tally, least: usize) {
    let shown: Vec<String> = tally.differences.iter().take(60).map(Difference::to_string).collect();
    let count = shown.len();
    assert!(count == 0, "{count} or more of {} checks differ:\n{}", tally.checks, shown.join("\n"));
    assert!(tally.checks >= least, "only {} checks were made", tally.checks);
}

fn pod<'s>(mesh: &Mesh<'s>, key: &str) -> &'s Pod {
    let found = mesh.snapshot().pods.iter().find(|pod| pod.meta.key() == key);
    found.unwrap_or_else(|| panic!("no pod {key}"))
}

#[test]
fn every_server_port_accepts_what_istiod_programs() {
    agreed(&each(compare::servers), 15_000);
}

#[test]
fn every_client_originates_what_istiod_programs() {
    agreed(&each(compare::origins), 10_000);
}

#[test]
fn every_pair_meets_what_istiod_programs() {
    agreed(&each(compare::calls), 10_500);
}

#[test]
fn every_endpoint_is_marked_as_istiod_marks_it() {
    agreed(&each(compare::marks), 2_000);
}

#[test]
fn machines_aliases_ingress_listeners_and_routes_are_answered_as_istiod_does() {
    let mut sum = Tally::default();
    for (case, snapshot) in KINDS.iter() {
        sum.add(compare::all(&case.id, &case.expected, &Mesh::new(snapshot)));
    }
    agreed(&sum, 20_000);
}

/// Meshes on which the rules once disagreed with Istio's own code, made small.
#[test]
fn what_was_once_wrong_is_right() {
    let mut sum = Tally::default();
    for line in include_str!("../vectors/istiod-found.jsonl").lines() {
        let case: Recorded = serde_json::from_str(line).unwrap();
        sum.add(compare::answer(&case));
    }
    agreed(&sum, 450);
}

#[test]
fn the_order_of_the_objects_changes_nothing() {
    let mut pairs = 0;
    for (case, snapshot) in CASES.iter().step_by(3).chain(KINDS.iter().step_by(2)) {
        let mut turned = snapshot.clone();
        turned.pods.reverse();
        turned.services.reverse();
        turned.service_entries.reverse();
        turned.workload_entries.reverse();
        turned.peer_authentications.reverse();
        turned.destination_rules.reverse();
        turned.sidecars.reverse();
        turned.virtual_services.reverse();
        turned.endpoint_slices.reverse();
        turned.namespaces.reverse();
        let (one, other) = (Mesh::new(snapshot), Mesh::new(&turned));
        assert_eq!(one.servers(), other.servers(), "{}", case.id);
        for client in &case.expected.servers {
            for server in one.servers() {
                let (a, b) = (one.pair(pod(&one, &client.pod), &server), other.pair(pod(&other, &client.pod), &server));
                let short = |pair: PairIntent| (pair.outcome, pair.tcp, pair.conflict, pair.originates, pair.symptom);
                assert_eq!(short(a), short(b), "{} {} -> {}", case.id, client.pod, server.display_name());
                pairs += 1;
            }
        }
    }
    assert!(pairs > 1_000, "only {pairs} pairs");
}

#[test]
fn a_policy_that_is_said_to_be_ignored_can_be_taken_away() {
    let (mut asked, mut wrong) = (0, Vec::new());
    for (case, snapshot) in CASES.iter() {
        let mesh = Mesh::new(snapshot);
        for client in &case.expected.servers {
            for server in mesh.servers() {
                let pair = mesh.pair(pod(&mesh, &client.pod), &server);
                let ignored = ignored(&pair);
                if ignored.is_empty() {
                    continue;
                }
                asked += 1;
                let kept =
                    |kind: &str, meta: &Meta| !ignored.contains(&format!("{kind}/{}.{}", meta.name, meta.namespace));
                let mut less = snapshot.clone();
                less.peer_authentications.retain(|policy| kept("pa", &policy.meta));
                less.destination_rules.retain(|rule| kept("dr", &rule.meta));
                let other = Mesh::new(&less);
                let again = other.pair(pod(&other, &client.pod), &server);
                if (pair.outcome, pair.tcp) != (again.outcome, again.tcp) {
                    wrong.push(format!("{} {} -> {}: {ignored:?}", case.id, client.pod, server.display_name()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {asked} pairs change without what they ignore:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(asked >= 1_000, "only {asked} pairs ignore anything");
}

/// Policies that are among an answer's layers and matter at none.
fn ignored(pair: &PairIntent) -> BTreeSet<String> {
    let steps = || pair.endpoints.iter().flat_map(|end| &end.accepts.layers).chain(&pair.originates.layers);
    let named = |wanted: bool| {
        let of = steps().filter(move |step| (step.effect == Effect::Ignored) == wanted);
        of.map(|step| step.policy.short()).collect::<BTreeSet<_>>()
    };
    named(true).difference(&named(false)).cloned().collect()
}
