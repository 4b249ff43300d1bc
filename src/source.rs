//! Where snapshots, probes and what proxies were told come from: a cluster, manifests.
//!
//! Returns what was read, raw; the pure parts parse it.

pub mod apply;
mod ask;
pub(crate) mod clock;
pub mod cluster;
mod credentials;
pub mod debug_container;
pub mod envoy_admin;
pub mod exec;
pub mod failure;
mod kubeconfig;
pub mod list;
pub mod manifests;
pub mod needs;
pub mod pod_log;
pub mod port_forward;
pub mod rights;
pub mod text;
