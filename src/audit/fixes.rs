//! The smallest changes that would resolve a contradiction, each tried on the rules before it is proposed.
//!
//! Nothing here weakens a server: STRICT stays STRICT.

use crate::audit::whatif::{Asked, Change, Consequence, compare};
use crate::model::derivation::{PolicyKind, PolicyRef};
use crate::model::policy::DestinationRule;
use crate::model::snapshot::Snapshot;
use crate::model::tls::MtlsMode;
use crate::verdict::finding::Code;
use crate::verdict::report::{Finding, Fix, Report};

/// Adds to each contradiction the fixes that were found to help; `asked` gives one entry per pair of the report, and is only
/// called where there is a contradiction.
pub fn propose(report: &mut Report, snapshot: &Snapshot, asked: impl FnOnce() -> Vec<Asked>) {
    let contradiction = |finding: &&mut Finding| finding.code == Code::ClientAndServerContradict.code();
    let mut contradictions = report.findings.iter_mut().filter(contradiction).peekable();
    if contradictions.peek().is_none() {
        return;
    }
    let asked = asked();
    for finding in contradictions {
        finding.fixes = fixes(finding, snapshot, &asked);
    }
}

fn fixes(finding: &Finding, snapshot: &Snapshot, asked: &[Asked]) -> Vec<Fix> {
    let candidates = finding.objects.iter().flat_map(|object| candidates(object, snapshot));
    candidates
        .filter_map(|candidate| {
            let consequence = compare(snapshot, &candidate.change, asked);
            let helps = consequence.to_mutual_tls + consequence.to_plaintext > 0 && consequence.worse == 0;
            helps.then(|| candidate.fix(consequence))
        })
        .collect()
}

/// A change, how it is called and how it is made.
struct Candidate {
    change: Change,
    title: String,
    command: String,
    managed_by: Option<String>,
}

fn candidates(object: &PolicyRef, snapshot: &Snapshot) -> Vec<Candidate> {
    let (Some(namespace), Some(name)) = (object.namespace.clone(), object.name.clone()) else { return Vec::new() };
    let key = (namespace, name);
    match object.kind {
        PolicyKind::DestinationRule => of_rule(object, snapshot, &key),
        PolicyKind::PeerAuthentication => of_disable(object, snapshot, &key),
        PolicyKind::Sidecar
        | PolicyKind::Service
        | PolicyKind::ServiceEntry
        | PolicyKind::WorkloadEntry
        | PolicyKind::VirtualService
        | PolicyKind::Pod
        | PolicyKind::MeshConfig
        | PolicyKind::DefaultPermissive
        | PolicyKind::AutoMtls
        | PolicyKind::NoProxy
        | PolicyKind::Passthrough => Vec::new(),
    }
}

/// A rule's TLS: take it away where it stands for all ports, or say `ISTIO_MUTUAL` in its place.
fn of_rule(object: &PolicyRef, snapshot: &Snapshot, key: &(String, String)) -> Vec<Candidate> {
    let rule = snapshot.destination_rules.iter().find(|rule| rule.meta.namespace == key.0 && rule.meta.name == key.1);
    let Some(policy) = rule.and_then(|rule| rule.traffic_policy.as_ref()) else { return Vec::new() };
    let entry = object.field.as_deref().and_then(port_entry);
    let by_json_patch = |operation: String| {
        format!("kubectl -n {} patch destinationrule {} --type=json -p '[{operation}]'", key.0, key.1)
    };
    let mut found = Vec::new();
    if entry.is_none() {
        // Istio refuses a trafficPolicy without any field (ValidateDestinationRule), so the last one takes it along.
        let path = if alone(rule) { "/spec/trafficPolicy" } else { "/spec/trafficPolicy/tls" };
        found.push(Candidate {
            change: Change::RemoveTls { rule: key.clone() },
            title: format!("remove the TLS settings of {}, so that automatic mutual TLS decides", object.short()),
            command: by_json_patch(format!(r#"{{"op":"remove","path":"{path}"}}"#)),
            managed_by: object.managed_by.clone(),
        });
    }
    let place = match entry {
        None => "/spec/trafficPolicy/tls".to_owned(),
        Some(index) => format!("/spec/trafficPolicy/portLevelSettings/{index}/tls"),
    };
    if entry.is_none_or(|index| index < policy.ports.len()) {
        let value = r#"{"mode":"ISTIO_MUTUAL"}"#;
        found.push(Candidate {
            change: Change::IstioMutual { rule: key.clone(), entry },
            title: format!("let {} send mutual TLS", object.short()),
            command: by_json_patch(format!(r#"{{"op":"replace","path":"{place}","value":{value}}}"#)),
            managed_by: object.managed_by.clone(),
        });
    }
    found
}

/// Whether `tls` is the only field of the rule's traffic policy.
fn alone(rule: Option<&DestinationRule>) -> bool {
    rule.and_then(|rule| rule.traffic_policy.as_ref()).is_some_and(|policy| {
        let settings = &policy.settings;
        policy.ports.is_empty()
            && settings.load_balancer.is_none()
            && !settings.connection_pool
            && !settings.outlier_detection
            && !settings.other
    })
}

/// `0` of `spec.trafficPolicy.portLevelSettings[0].tls.mode`.
fn port_entry(field: &str) -> Option<usize> {
    let (_, rest) = field.split_once("portLevelSettings[")?;
    rest.split_once(']')?.0.parse().ok()
}

/// A DISABLE that clients take for the whole namespace: PERMISSIVE lets them send mutual TLS and refuses nobody.
fn of_disable(object: &PolicyRef, snapshot: &Snapshot, key: &(String, String)) -> Vec<Candidate> {
    let found = snapshot.peer_authentications.iter().find(|pa| pa.meta.namespace == key.0 && pa.meta.name == key.1);
    if found.is_none_or(|policy| policy.mode != Some(MtlsMode::Disable) || !policy.ports.is_empty()) {
        return Vec::new();
    }
    let body = r#"{"spec":{"mtls":{"mode":"PERMISSIVE"}}}"#;
    vec![Candidate {
        change: Change::Mode { policy: key.clone(), mode: MtlsMode::Permissive },
        title: format!("let {} accept mutual TLS as well", object.short()),
        command: format!("kubectl -n {} patch peerauthentication {} --type=merge -p '{body}'", key.0, key.1),
        managed_by: object.managed_by.clone(),
    }]
}

impl Candidate {
    fn fix(self, consequence: Consequence) -> Fix {
        let mut parts = Vec::new();
        for (count, what) in [
            (consequence.to_mutual_tls, "refused -> mTLS"),
            (consequence.to_plaintext, "refused -> plaintext"),
            (consequence.still_refused, "still refused"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        let managed = self.managed_by.map(|by| format!("; managed by {by}: change it there, or it comes back"));
        Fix {
            title: format!("{} (simulated: {}, 0 worse{})", self.title, parts.join(", "), managed.unwrap_or_default()),
            command: self.command,
        }
    }
}
