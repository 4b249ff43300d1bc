//! 122 random policy sets on a real cluster, and what curl showed for 27 pairs (format: `tests/vectors/README.md`).

use std::collections::BTreeMap;

use kubectl_mtls::decode::{Assume, Loaded, manifests, snapshot};
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::pair::ServerRef;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::wire::Wire;
use kubectl_mtls::model::workload::Pod;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    id: String,
    objects: Vec<serde_json::Value>,
    pairs: BTreeMap<String, Seen>,
}

#[derive(Deserialize)]
struct Seen {
    code: String,
    exit: u8,
    xfcc: Option<String>,
    #[serde(default)]
    stable: bool,
    #[serde(default)]
    stale: Option<String>,
    istiod: String,
}

/// curl's time-out: TLS bytes reached an application that waits for the end of a request.
const TIMED_OUT: u8 = 28;

#[test]
fn every_stable_pair_is_what_curl_showed_on_a_real_cluster() {
    let base = include_str!("../vectors/cluster-base.json");
    let (base, problems) = manifests::parse("cluster-base.json", base, "default");
    assert!(problems.is_empty(), "{problems:?}");
    let (mut judged, mut timed_out, mut differences) = (0, 0, Vec::new());
    for line in include_str!("../vectors/cluster-policies.jsonl").lines() {
        let case: Recorded = serde_json::from_str(line).unwrap();
        let snapshot = world(&base, &case.objects);
        let mesh = Mesh::new(&snapshot);
        for (key, seen) in case.pairs.iter().filter(|(_, seen)| seen.stable && seen.stale.is_none()) {
            let (client, server) = parse(&mesh, key);
            let pair = mesh.pair(client, &server);
            judged += 1;
            let wire = pair.outcome.wire.as_str() == seen.istiod;
            let shown = match &pair.symptom {
                _ if seen.exit == TIMED_OUT => {
                    timed_out += 1;
                    matches!(pair.outcome.wire, Wire::Tls | Wire::Refused)
                }
                Some(symptom) => symptom.http.contains(&seen.code) && symptom.exit.contains(&seen.exit),
                None => false,
            };
            // Only port 8000 can tell: the other ports' traffic runs through TCP chains on this cluster.
            let proven = server.port.0 != 8000 || (seen.xfcc.is_some() == (pair.outcome.wire == Wire::MutualTls));
            if !wire || !shown || !proven {
                differences.push(format!(
                    "{} {key}: ours {:?} {:?}, cluster {} {} xfcc {:?}, istiod {}",
                    case.id, pair.outcome, pair.symptom, seen.code, seen.exit, seen.xfcc, seen.istiod
                ));
            }
        }
    }
    let shown = differences.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {judged} pairs differ:\n{shown}", differences.len());
    assert!(judged >= 3_200, "only {judged} pairs were judged");
    assert!(timed_out < 100, "{timed_out} pairs timed out");
}

fn world(base: &[Loaded], objects: &[serde_json::Value]) -> Snapshot {
    let policies = objects.iter().map(|object| Loaded { object: object.clone(), origin: None });
    let all: Vec<Loaded> = base.iter().cloned().chain(policies).collect();
    let assume = Assume { istio_version: Some("1.31".parse().unwrap()), ..Assume::default() };
    let (mut snapshot, _) = snapshot(&all, &assume);
    // The cluster ran upstream Envoy, which lacks Istio's ALPN filter.
    snapshot.profiles.iter_mut().for_each(|profile| profile.alpn_filter = false);
    snapshot
}

/// `bar->foo:8000`: sleep.bar to httpbin.foo.
fn parse<'s>(mesh: &Mesh<'s>, key: &str) -> (&'s Pod, ServerRef) {
    let (client, rest) = key.split_once("->").unwrap();
    let (namespace, port) = rest.split_once(':').unwrap();
    let pod = mesh.snapshot().pods.iter().find(|pod| pod.display_name() == format!("sleep.{client}"));
    let server = mesh
        .servers()
        .into_iter()
        .find(|server| server.service == "httpbin" && server.namespace == namespace && server.port.to_string() == port);
    (pod.unwrap(), server.unwrap())
}
