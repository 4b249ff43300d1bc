//! The makers of random meshes: what is made, how it is written, how it is made small. The live oracle relies on them.

use std::collections::BTreeSet;

use kubectl_mtls::decode::manifests;
use serde_json::{Value, json};

use crate::meshes::generate::{Features, mesh};
use crate::meshes::{shrink, yaml};

const SEEDS: u64 = 120;

fn all() -> Features {
    Features::all()
}

#[test]
fn a_seed_always_makes_the_same_mesh() {
    assert_eq!(mesh(7, &all()), mesh(7, &all()));
    assert_ne!(mesh(7, &all()), mesh(8, &all()));
}

#[test]
fn a_feature_that_is_left_out_leaves_the_rest_as_it_was() {
    let kinds = |documents: &[Value], kind: &str| {
        documents.iter().filter(|document| document["kind"] == kind).cloned().collect::<Vec<_>>()
    };
    let without = all().without("virtual-services,workload-entries").unwrap_or_else(|error| unreachable!("{error}"));
    let mut left_out = 0;
    for seed in 1..SEEDS {
        let (with, fewer) = (mesh(seed, &all()), mesh(seed, &without));
        assert_eq!(kinds(&with, "Pod"), kinds(&fewer, "Pod"), "seed {seed}");
        assert!(kinds(&fewer, "VirtualService").is_empty() && kinds(&fewer, "WorkloadEntry").is_empty(), "seed {seed}");
        left_out += usize::from(with.len() > fewer.len());
    }
    assert!(left_out > 20, "only {left_out} meshes had what was left out");
    assert!(all().without("virtual-service").is_err(), "a feature by a wrong name");
}

#[test]
fn every_mesh_is_let_in_and_reads_back_as_it_was_made() {
    let mut kinds = BTreeSet::new();
    let mut texts = String::new();
    for seed in 1..SEEDS {
        let documents = mesh(seed, &all());
        let text = yaml::documents(&documents);
        let (objects, problems) = manifests::parse("mesh.yaml", &text, "default");
        assert!(problems.is_empty(), "seed {seed}: {problems:?}");
        let read: Vec<Value> = objects.into_iter().map(|loaded| loaded.object).collect();
        assert_eq!(read, documents, "seed {seed}:\n{text}");
        kinds.extend(documents.iter().filter_map(|document| document["kind"].as_str().map(str::to_owned)));
        texts.push_str(&text);
    }
    for kind in ["Pod", "Service", "ServiceEntry", "WorkloadEntry", "PeerAuthentication", "DestinationRule", "Sidecar"]
    {
        assert!(kinds.contains(kind), "no {kind} was made");
    }
    for word in ["ExternalName", "VirtualService", "ingress:", "workloadSelector", "exportTo", "subsets:", "weight:"] {
        assert!(texts.contains(word), "no mesh says {word}");
    }
}

#[test]
fn what_matters_is_all_that_is_left() {
    let documents = vec![
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "x", "labels": {"app": "a", "b": "c"}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "x"},
               "spec": {"ports": [{"port": 1, "name": "one"}, {"port": 2, "name": "two"}, {"port": 3}], "selector": {"app": "a"}}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "x"},
               "data": {"mesh": "enableAutoMtls: false\nrootNamespace: x\n"}}),
    ];
    let small = shrink::smallest(documents, |smaller| {
        let text = yaml::documents(smaller);
        text.contains("name: two") && text.contains("enableAutoMtls")
    });
    let left = [
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "x"},
               "spec": {"ports": [{"name": "two"}]}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "istio", "namespace": "x"},
               "data": {"mesh": "enableAutoMtls: false\n"}}),
    ];
    assert_eq!(small, left);
}

#[test]
fn nothing_is_taken_away_from_what_shows_nothing() {
    let documents = mesh(3, &all());
    assert_eq!(shrink::smallest(documents.clone(), |_| false), documents);
}
