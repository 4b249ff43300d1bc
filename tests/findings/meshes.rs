//! Every recorded mesh: random ones, a real cluster's, the scenarios'.

use kubectl_mtls::decode::{Assume, Loaded, manifests, snapshot};
use kubectl_mtls::model::snapshot::Snapshot;
use serde_json::Value;

use crate::scenario::file;

/// Each with its name.
pub(crate) fn all() -> Vec<(String, Snapshot)> {
    let recordings = [include_str!("../vectors/istiod-meshes.jsonl"), include_str!("../vectors/istiod-entries.jsonl")];
    let mut meshes: Vec<(String, Snapshot)> = recordings.into_iter().flat_map(random).collect();
    meshes.extend(cluster());
    meshes.extend(scenarios());
    assert!(meshes.len() > 480, "only {} meshes", meshes.len());
    meshes
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap()
}

fn random(lines: &str) -> Vec<(String, Snapshot)> {
    let of = |line: &str| {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let (objects, _) = manifests::parse("mesh.yaml", text(&recorded, "mesh"), "default");
        (text(&recorded, "id").to_owned(), snapshot(&objects, &Assume::default()).0)
    };
    lines.lines().map(of).collect()
}

fn cluster() -> Vec<(String, Snapshot)> {
    let base = include_str!("../vectors/cluster-base.json");
    let (base, _) = manifests::parse("cluster-base.json", base, "default");
    let of = |line: &str| {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let policies = recorded.get("objects").and_then(Value::as_array).unwrap();
        let policies = policies.iter().map(|object| Loaded { object: object.clone(), origin: None });
        let all: Vec<Loaded> = base.iter().cloned().chain(policies).collect();
        (text(&recorded, "id").to_owned(), snapshot(&all, &Assume::default()).0)
    };
    include_str!("../vectors/cluster-policies.jsonl").lines().map(of).collect()
}

fn scenarios() -> Vec<(String, Snapshot)> {
    let of = |scenario: file::Scenario| {
        let (objects, _) = manifests::parse("policies.yaml", &scenario.policies, "default");
        let (world, _) = manifests::parse("world.yaml", &scenario.world.manifests(), "default");
        let all: Vec<Loaded> = world.into_iter().chain(objects).collect();
        (scenario.id, snapshot(&all, &Assume::default()).0)
    };
    file::all().unwrap().into_iter().map(of).collect()
}
