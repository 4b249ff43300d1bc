//! Envoy's admin interface, read: only the fields that are used, tolerant of all others and of every version.
//!
//! Field names are Envoy's own (snake case); istiod's debug endpoint writes the same messages in camel case, which is read
//! as well. Private keys, node metadata and environment have no field here and are never kept.

pub mod certs;
pub mod cluster;
pub mod clusters;
pub mod config_dump;
pub mod endpoint;
pub mod init_dump;
pub mod listener;
pub mod listeners;
pub mod lossy;
pub mod metadata;
pub mod prometheus;
pub mod refusal;
pub mod route;
pub mod secret;
pub mod server_info;
pub mod stats;
pub mod tls;
