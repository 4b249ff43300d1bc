//! Where snapshots and probes come from: a cluster, manifests.
//!
//! Returns what was read, raw; the pure parts parse it.

pub mod apply;
pub mod cluster;
pub mod exec;
pub mod failure;
pub mod list;
pub mod manifests;
