//! The rules against recorded facts: Istio's own code, a real cluster, Istio's tests, published tables.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot read its own recording has failed"
)]

mod blame;
mod classes;
mod cluster_policies;
mod edges;
mod istio_vectors;
mod istiod_meshes;
mod members;
mod properties;
mod seed_tables;
mod small;
mod support;
mod version_table;
mod virtual_services;
mod world;
