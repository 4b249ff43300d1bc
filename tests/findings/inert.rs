//! What is said to do nothing does nothing: without it, every pair of every recorded mesh stays what it is.

use std::collections::BTreeMap;

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::derivation::{PolicyKind, PolicyRef};
use kubectl_mtls::model::meta::Meta;
use kubectl_mtls::model::pair::PairIntent;
use kubectl_mtls::model::port::WorkloadPort;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::verdict::report::Finding;

use crate::findings::meshes;
use crate::findings::world::found;

/// Takes away what a finding says does nothing; `None` where it says something else.
fn without(snapshot: &Snapshot, finding: &Finding) -> Option<Snapshot> {
    let object = finding.objects.first().unwrap();
    match finding.code {
        "MTLS201" | "MTLS207" | "MTLS208" => Some(without_object(snapshot, object)),
        // One that keeps another from counting does something, and says so.
        "MTLS206" | "MTLS213" if finding.objects.len() == 1 => Some(without_object(snapshot, object)),
        "MTLS212" | "MTLS217" => Some(without_part(snapshot, finding)),
        "MTLS203" | "MTLS204" => Some(without_port(snapshot, object)),
        _ => None,
    }
}

fn without_object(snapshot: &Snapshot, object: &PolicyRef) -> Snapshot {
    let mut less = snapshot.clone();
    let other = |meta: &Meta| !is(meta, object);
    match object.kind {
        PolicyKind::PeerAuthentication => less.peer_authentications.retain(|policy| other(&policy.meta)),
        PolicyKind::DestinationRule => less.destination_rules.retain(|rule| other(&rule.meta)),
        PolicyKind::Sidecar => less.sidecars.retain(|sidecar| other(&sidecar.meta)),
        kind => panic!("{kind:?} cannot be taken away"),
    }
    less
}

/// A rule without the policy, or the entry of a port, that a finding says is not read.
fn without_part(snapshot: &Snapshot, finding: &Finding) -> Snapshot {
    let (mut less, object) = (snapshot.clone(), finding.objects.first().unwrap());
    let field = object.field.as_deref().unwrap();
    for rule in less.destination_rules.iter_mut().filter(|rule| is(&rule.meta, object)) {
        if finding.code == "MTLS212" {
            rule.traffic_policy = None;
            continue;
        }
        let entry = number(field.rsplit_once("portLevelSettings[").unwrap().1);
        let policy = match field.strip_prefix("spec.subsets[") {
            Some(rest) => rule.subsets.get_mut(number(rest)).and_then(|subset| subset.traffic_policy.as_mut()),
            None => rule.traffic_policy.as_mut(),
        };
        // Another finding may have taken the policy away before.
        if let Some(policy) = policy {
            policy.ports.remove(entry);
        }
    }
    less
}

/// `1` of `1].tls`.
fn number(text: &str) -> usize {
    text.split(']').next().unwrap().parse().unwrap()
}

fn without_port(snapshot: &Snapshot, object: &PolicyRef) -> Snapshot {
    let mut less = snapshot.clone();
    let (_, port) = object.field.as_deref().unwrap().split_once('[').unwrap();
    let port = WorkloadPort(port.trim_end_matches(']').parse().unwrap());
    for policy in less.peer_authentications.iter_mut().filter(|policy| is(&policy.meta, object)) {
        assert!(policy.ports.remove(&port).is_some(), "{object:?}");
    }
    less
}

fn is(meta: &Meta, object: &PolicyRef) -> bool {
    object.namespace.as_deref() == Some(&meta.namespace) && object.name.as_deref() == Some(&meta.name)
}

/// Everything about a pair but who is named as having spoken.
fn essence(pair: &PairIntent) -> String {
    let ends: Vec<String> = pair
        .endpoints
        .iter()
        .map(|end| format!("{:?} {:?} {:?} {:?} {:?}", end.pod, end.sends, end.accepts.mode, end.outcome, end.tcp))
        .collect();
    let sent = &pair.originates;
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {ends:?}",
        sent.kind, sent.mode, sent.route, sent.tls, pair.outcome, pair.tcp, pair.symptom, pair.conflict
    )
}

fn pairs(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mesh = Mesh::new(snapshot);
    let servers = mesh.servers();
    let clients = snapshot.pods.iter().filter(|pod| !pod.finished);
    clients
        .flat_map(|pod| servers.iter().map(move |server| (pod, server)))
        .map(|(pod, server)| {
            let key = format!("{}->{}/{}", pod.meta.key(), server.namespace, server.display_name());
            (key, essence(&mesh.pair(pod, server)))
        })
        .collect()
}

/// The pairs that change when something is taken away, each with what it was and is.
fn changes(before: &BTreeMap<String, String>, less: &Snapshot) -> Option<String> {
    let after = pairs(less);
    let (key, was) = before.iter().find(|(key, was)| after.get(*key) != Some(was))?;
    Some(format!("  {key}\n  was {was}\n  is  {:?}", after.get(key)))
}

#[test]
fn what_is_said_to_do_nothing_can_be_taken_away() {
    let (mut tried, mut wrong) = (BTreeMap::<&str, usize>::new(), Vec::new());
    for (name, snapshot) in meshes::all() {
        let findings: Vec<Finding> =
            found(&snapshot).into_iter().filter(|finding| without(&snapshot, finding).is_some()).collect();
        if findings.is_empty() {
            continue;
        }
        for finding in &findings {
            *tried.entry(finding.code).or_default() += 1;
        }
        let before = pairs(&snapshot);
        // All at once; one by one only where something changes.
        let none = findings.iter().fold(snapshot.clone(), |less, finding| without(&less, finding).unwrap());
        if changes(&before, &none).is_some() {
            let one_by_one = findings.iter().filter_map(|finding| {
                let change = changes(&before, &without(&snapshot, finding)?)?;
                Some(format!("{name}: {}\n{change}", finding.title))
            });
            let alone: Vec<String> = one_by_one.collect();
            wrong.push(if alone.is_empty() { format!("{name}: {findings:?} together") } else { alone.join("\n") });
        }
    }
    assert!(wrong.is_empty(), "{} of {tried:?}:\n{}", wrong.len(), wrong.join("\n"));
    for code in ["MTLS201", "MTLS203", "MTLS206", "MTLS207", "MTLS208", "MTLS212", "MTLS217"] {
        assert!(tried.get(code).is_some_and(|count| *count > 3), "{code} is hardly ever found: {tried:?}");
    }
}
