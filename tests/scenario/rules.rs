//! The rules, asked about a scenario as manifests.

use kubectl_mtls::decode::{self, Assume, Loaded, Problem, manifests};
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::snapshot::Snapshot;

use crate::scenario::answer::Answer;
use crate::scenario::file::Scenario;
use crate::scenario::mismatch::Mismatch;
use crate::scenario::row::PairName;

/// The name that problems in a scenario's policies carry.
const POLICIES: &str = "policies";

/// Every known version, oldest first.
fn versions() -> impl Iterator<Item = IstioVersion> {
    (IstioVersion::OLDEST.minor..=IstioVersion::NEWEST.minor).map(IstioVersion::minor)
}

/// What of a scenario the rules answer otherwise, at every version.
pub(crate) fn mismatches(scenario: &Scenario) -> Vec<Mismatch> {
    let (objects, _) = objects(scenario);
    let mut mismatches = Vec::new();
    for version in versions() {
        let (snapshot, _) = snapshot(&objects, version);
        let mesh = Mesh::new(&snapshot);
        for row in scenario.rows_at(version) {
            let Some(answer) = answer(&mesh, &row.pair) else {
                mismatches.push(Mismatch::unanswered(scenario, version, Some(&row.pair), "no such pair".to_owned()));
                continue;
            };
            mismatches.extend(Mismatch::all(scenario, version, row, answer.differences(row)));
        }
    }
    mismatches
}

/// What is said about a scenario's policies.
pub(crate) fn problems(scenario: &Scenario) -> Vec<Problem> {
    let (objects, mut problems) = objects(scenario);
    problems.extend(snapshot(&objects, IstioVersion::NEWEST).1);
    problems.retain(|problem| problem.file.as_deref() == Some(POLICIES));
    problems
}

fn objects(scenario: &Scenario) -> (Vec<Loaded>, Vec<Problem>) {
    let (mut objects, mut problems) = manifests::parse("world", &scenario.world.manifests(), "default");
    let (policies, more) = manifests::parse(POLICIES, &scenario.policies, "default");
    objects.extend(policies);
    problems.extend(more);
    (objects, problems)
}

fn snapshot(objects: &[Loaded], version: IstioVersion) -> (Snapshot, Vec<Problem>) {
    decode::snapshot(objects, &Assume { istio_version: Some(version), ..Assume::default() })
}

fn answer(mesh: &Mesh<'_>, pair: &PairName) -> Option<Answer> {
    let clients = mesh.clients();
    let client = clients.iter().find(|client| {
        (&client.reference.namespace, &client.reference.workload) == (&pair.client.namespace, &pair.client.name)
    })?;
    let servers = mesh.servers();
    let server = servers.iter().find(|server| {
        (&server.namespace, &server.service, server.port.0) == (&pair.server.namespace, &pair.server.name, pair.port)
    })?;
    Some(Answer::of_intent(&mesh.pair(client.pod, server), pair.port))
}
