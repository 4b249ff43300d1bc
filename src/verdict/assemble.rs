//! The report from its pairs: order, findings, counts.

use std::collections::{BTreeSet, HashMap};

use crate::intent::Mesh;
use crate::model::evidence::FailedLook;
use crate::model::mesh::MeshProfile;
use crate::model::snapshot::Snapshot;
use crate::verdict::report::{MeshView, Pair, Report, RevisionView, Summary};
use crate::verdict::{policies, proxies, rules};

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
    let mut findings = rules::findings(&pairs);
    findings.extend(policies::findings(mesh, &pairs, namespaces));
    findings.extend(proxies::findings(&pairs));
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    let mut about: HashMap<&str, Vec<String>> = HashMap::new();
    for finding in &findings {
        for pair in &finding.pairs {
            about.entry(pair.as_str()).or_default().push(finding.id.clone());
        }
    }
    for pair in &mut pairs {
        pair.findings = about.remove(pair.id.as_str()).unwrap_or_default();
    }
    Report {
        api_version: "kubectl-mtls/v1",
        kind: "Report",
        mesh: mesh_view(mesh.snapshot()),
        summary: Summary::of(&pairs),
        pairs,
        findings,
        unseen,
        traffic: Vec::new(),
        also_broken: Vec::new(),
    }
}

/// Byte order of client namespace, workload, pod, server namespace, service, port.
fn order(pair: &Pair) -> (&str, &str, &str, &str, &str, u16) {
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
    }
}
