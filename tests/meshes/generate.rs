//! Random small meshes that press on the rules of mutual TLS. The same seed and features make the same mesh.
//!
//! Each part of a mesh draws from a source of its own, so that switching a feature off leaves the rest as it was.

mod config;
mod entries;
mod external;
mod features;
mod places;
mod pods;
mod policies;
mod random;
mod routes;
mod rules;
mod services;
mod sidecars;

use serde_json::{Value, json};

pub(crate) use crate::meshes::generate::features::{Feature, Features};
use crate::meshes::generate::places::World;
use crate::meshes::generate::random::Random;

/// The documents of the mesh of a seed.
pub(crate) fn mesh(seed: u64, features: &Features) -> Vec<Value> {
    let mut world = World::new(&Random::of(seed, "world"));
    let part = |name: &str| Random::of(seed, name);
    pods::add(&mut world, &part("pods"));
    services::add(&mut world, &part("services"));
    if features.has(Feature::ExternalNames) {
        external::add(&mut world, &part("external"));
    }
    entries::add(&mut world, &part("entries"));
    if features.has(Feature::WorkloadEntries) {
        entries::machines(&mut world, &part("machines"));
    }
    policies::add(&mut world, &part("policies"));
    rules::add(&mut world, &part("rules"));
    sidecars::add(&mut world, &part("sidecars"), features.has(Feature::SidecarIngress));
    if features.has(Feature::VirtualServices) {
        routes::add(&mut world, &part("routes"));
    }
    let config = config::mesh(&world, &part("config"));
    let mut config_documents = world.config;
    part("order").shuffle(&mut config_documents);
    let namespace = |name: &String| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut documents: Vec<Value> = world.namespaces.iter().map(namespace).collect();
    documents.extend(config);
    documents.extend(world.workloads);
    documents.extend(config_documents);
    documents
}
