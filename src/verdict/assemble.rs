//! The report from its pairs: order, findings, counts.

use std::collections::{BTreeSet, HashMap};

use crate::intent::{Members, Mesh};
use crate::model::evidence::FailedLook;
use crate::model::mesh::MeshProfile;
use crate::model::snapshot::Snapshot;
use crate::model::workload::{OperatingSystem, Pod};
use crate::verdict::concerned::Alike;
use crate::verdict::policies::Concerns;
use crate::verdict::proxies;
use crate::verdict::report::{Finding, Listed, MeshView, NotJudged, Pair, Report, RevisionView, Summary, WhyNotJudged};
use crate::verdict::rules::Causes;

/// Puts pairs in their order, finds what is worth telling, worst first, and counts.
///
/// `namespaces` are those that were asked about; `None` = all.
#[must_use]
pub fn report(
    mesh: &Mesh<'_>,
    mut pairs: Vec<Pair>,
    unseen: Vec<FailedLook>,
    namespaces: Option<&BTreeSet<String>>,
) -> Report {
    pairs.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut concerns = Concerns::of(mesh, usize::MAX);
    concerns.add_pairs(&pairs);
    let of_rules = of_rules(&pairs, &concerns);
    let findings = [of_rules, concerns.findings(namespaces), proxies::findings(&pairs)];
    let findings = worst_first(findings);
    let mut about: HashMap<&str, Vec<String>> = HashMap::new();
    for finding in &findings {
        for pair in &finding.pairs {
            about.entry(pair.as_str()).or_default().push(finding.id.clone());
        }
    }
    for pair in &mut pairs {
        pair.findings = about.remove(pair.id.as_str()).unwrap_or_default();
    }
    let summary = Summary::of(&pairs);
    Report { summary, pairs, findings, unseen, ..empty(mesh.snapshot()) }
}

/// The findings about these pairs, which are in the report's order.
fn of_rules(pairs: &[Pair], concerns: &Concerns<'_>) -> Vec<Finding> {
    let mut names: Vec<String> = Vec::new();
    let mut causes = Causes::naming(usize::MAX);
    for (server, pair) in pairs.iter().enumerate() {
        let name = format!("{}.{}", pair.client.workload, pair.client.namespace);
        if names.last() != Some(&name) {
            names.push(name);
        }
        let (clients, id) = (Members::These(vec![names.len() - 1]), |_| pair.id.clone());
        causes.add(&Alike { pair, server, clients: &clients, id: &id }, concerns);
    }
    causes.findings(&names)
}

pub(super) fn worst_first(findings: impl IntoIterator<Item = Vec<Finding>>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = findings.into_iter().flatten().collect();
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    findings
}

/// A report that says what was looked at and nothing else.
pub(super) fn empty(snapshot: &Snapshot) -> Report {
    Report {
        api_version: "kubectl-mtls/v1",
        kind: "Report",
        mesh: mesh_view(snapshot),
        summary: Summary::default(),
        pairs: Vec::new(),
        findings: Vec::new(),
        unseen: Vec::new(),
        traffic: Vec::new(),
        arrival: None,
        negative_tests: Vec::new(),
        debug_containers: Vec::new(),
        also_broken: Vec::new(),
        listed: Listed::Each,
    }
}

/// Byte order of client namespace, workload, pod, server namespace, service, port.
pub(super) fn order(pair: &Pair) -> (&str, &str, &str, &str, &str, u16) {
    let server = &pair.server;
    let name = server.service.as_deref().or(server.host.as_deref()).unwrap_or_default();
    (&pair.client.namespace, &pair.client.workload, &pair.client.pod, &server.namespace, name, server.port)
}

fn mesh_view(snapshot: &Snapshot) -> MeshView {
    let default = MeshProfile::default();
    let first = snapshot.profiles.first().unwrap_or(&default);
    MeshView {
        root_namespace: first.config.root_namespace.clone(),
        auto_mtls: first.config.auto_mtls,
        trust_domain: first.config.trust_domain.clone(),
        revisions: snapshot
            .profiles
            .iter()
            .map(|profile| RevisionView {
                name: profile.revision.clone(),
                istio_version: profile.version.to_string(),
                version_seen: profile.version_seen,
            })
            .collect(),
        not_judged: not_judged(snapshot),
    }
}

fn not_judged(snapshot: &Snapshot) -> Vec<NotJudged> {
    let named = |why, counts: fn(&Pod) -> bool| {
        let pods = snapshot.pods.iter().filter(|pod| !pod.finished && counts(pod));
        let mut pods: Vec<String> = pods.map(|pod| format!("{}/{}", pod.namespace(), pod.meta.name)).collect();
        pods.sort_unstable();
        (!pods.is_empty()).then_some(NotJudged { why, pods })
    };
    [
        named(WhyNotJudged::Ambient, |pod| pod.proxy.is_ambient()),
        named(WhyNotJudged::Windows, |pod| pod.os == OperatingSystem::Windows),
    ]
    .into_iter()
    .flatten()
    .collect()
}
