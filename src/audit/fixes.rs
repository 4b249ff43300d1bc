//! The smallest changes that would resolve a finding, each tried on the rules before it is proposed.

use std::collections::BTreeSet;

use crate::audit::candidates::{self, Candidate};
use crate::audit::consequence::{Asked, Before, Consequence, ports_of};
use crate::audit::edit::Edit;
use crate::intent::{Client, Mesh};
use crate::model::pair::ServerRef;
use crate::model::port::WorkloadPort;
use crate::model::snapshot::Snapshot;
use crate::verdict::report::{Finding, Fix, Moved, Pair, Report, Severity, Simulated};

/// What is proposed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    /// For every finding, not for errors only.
    pub all: bool,
    /// What makes a server take plaintext that it refuses now, too.
    pub weaker: bool,
}

/// More pods than this are not simulated beside a check: it would take longer than the check.
const MOST_PODS: usize = 20_000;
/// At most so many changes are tried for one report.
const MOST_TRIED: usize = 60;
/// At most so many pairs are asked for one change; beyond that those of the report's own servers.
const MOST_ASKED: usize = 30_000;
/// So many fixes are enough for one finding.
const MOST_FIXES: usize = 3;

/// Adds to each finding the fixes that were found to help and to make nothing worse.
pub fn propose(report: &mut Report, snapshot: &Snapshot, wanted: Wanted) {
    let concerned = |finding: &Finding| wanted.all || finding.severity == Severity::Error;
    let too_many = !wanted.all && snapshot.pods.len() > MOST_PODS;
    if too_many || !report.findings.iter().any(concerned) {
        return;
    }
    let mesh = Mesh::new(snapshot);
    let trial = Trial { clients: places(&mesh), servers: asked_servers(&mesh, report), ports: ports_of(&mesh) };
    let mut changed = snapshot.clone();
    let mut left = MOST_TRIED;
    let Report { findings, pairs, .. } = report;
    for finding in findings.iter_mut().filter(|finding| concerned(finding)) {
        finding.fixes = trial.fixes(finding, pairs, &mesh, &mut changed, wanted, &mut left);
    }
}

/// Every client that can call, by its place among the pods.
fn places(mesh: &Mesh<'_>) -> Vec<(String, usize)> {
    let place = |client: &Client<'_>| {
        let at = mesh.snapshot().pods.iter().position(|pod| std::ptr::eq(pod, client.pod))?;
        Some((format!("{}/{}", client.pod.meta.namespace, client.pod.meta.name), at))
    };
    mesh.clients().iter().filter_map(place).collect()
}

/// Every service port, or those of the report where the mesh is large.
fn asked_servers(mesh: &Mesh<'_>, report: &Report) -> Vec<ServerRef> {
    let mut servers = mesh.servers();
    let clients = mesh.snapshot().pods.len().max(1);
    if servers.len().saturating_mul(clients) > MOST_ASKED {
        servers.retain(|server| report.pairs.iter().any(|pair| is_server(pair, server)));
    }
    servers
}

pub(super) fn is_server(pair: &Pair, server: &ServerRef) -> bool {
    let name = pair.server.service.as_ref().or(pair.server.host.as_ref());
    pair.server.port == server.port.0
        && pair.server.namespace == server.namespace
        && pair.server.host.is_some() == server.entry
        && name == Some(&server.service)
}

/// Who is asked about each change.
struct Trial {
    clients: Vec<(String, usize)>,
    servers: Vec<ServerRef>,
    ports: Vec<BTreeSet<WorkloadPort>>,
}

// === impl Trial ===

impl Trial {
    fn fixes(
        &self,
        finding: &Finding,
        pairs: &[Pair],
        mesh: &Mesh<'_>,
        changed: &mut Snapshot,
        wanted: Wanted,
        left: &mut usize,
    ) -> Vec<Fix> {
        let concerned: Vec<&Pair> = pairs.iter().filter(|pair| finding.pairs.contains(&pair.id)).collect();
        let candidates = self.candidates(&concerned, changed, wanted);
        if candidates.is_empty() || *left == 0 {
            return Vec::new();
        }
        let asked = self.asked(&concerned);
        let before = Before::new(mesh, &self.servers, &asked).open(mesh, &self.ports);
        let mut tried: Vec<(Candidate, Consequence)> = Vec::new();
        for candidate in candidates {
            if *left == 0 {
                break;
            }
            *left -= 1;
            let Some(consequence) = before.after(&candidate.change, changed, &self.ports) else { continue };
            // Opening a port is worse, and only what is allowed to weaken may do it.
            let no_worse = consequence.worse == 0 && (candidate.weaker || consequence.weakened == 0);
            if consequence.better > 0 && no_worse {
                tried.push((candidate, consequence));
            }
        }
        // What weakens comes last; else what helps most, and of equals the first that was thought of, which is the smallest.
        tried.sort_by_key(|(candidate, consequence)| {
            (candidate.weaker, consequence.weakened, consequence.still_refused, std::cmp::Reverse(consequence.better))
        });
        tried.truncate(MOST_FIXES);
        tried.into_iter().filter_map(|(candidate, consequence)| fix(candidate, consequence, changed)).collect()
    }

    fn candidates(&self, concerned: &[&Pair], mesh: &Snapshot, wanted: Wanted) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for pair in concerned {
            let Some(server) = self.servers.iter().find(|server| is_server(pair, server)) else { continue };
            for candidate in candidates::of_pair(pair, server, mesh, wanted.weaker) {
                if !found.iter().any(|known| known.change == candidate.change) {
                    found.push(candidate);
                }
            }
        }
        found
    }

    fn asked(&self, concerned: &[&Pair]) -> Vec<(Asked, bool)> {
        let of_finding = |client: &str, server: &ServerRef| {
            concerned.iter().any(|pair| {
                is_server(pair, server) && format!("{}/{}", pair.client.namespace, pair.client.pod) == client
            })
        };
        let servers = self.servers.iter().enumerate();
        servers
            .flat_map(|(at, server)| {
                self.clients.iter().map(move |(client, pod)| ((*pod, at), of_finding(client, server)))
            })
            .collect()
    }
}

fn fix(candidate: Candidate, consequence: Consequence, mesh: &Snapshot) -> Option<Fix> {
    let edit = Edit::of(&candidate.change, mesh)?;
    let moved = consequence.moves.into_iter().map(|((from, http, to), pairs)| Moved {
        from: from.as_str(),
        http,
        to: to.as_str(),
        pairs,
    });
    Some(Fix {
        title: candidate.title,
        command: edit.command(),
        simulated: Simulated {
            moved: moved.collect(),
            still_refused: consequence.still_refused,
            worse: consequence.worse + consequence.weakened,
            weakened: consequence.weakened,
            pairs: consequence.pairs,
        },
        weaker: candidate.weaker,
        patch: edit.steps().iter().filter_map(|step| serde_json::to_value(step).ok()).collect(),
        manifest: match &edit {
            Edit::Create(manifest) => Some(manifest.clone()),
            Edit::Patch { .. } => None,
        },
        object: candidate.object,
    })
}
