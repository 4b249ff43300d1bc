//! Envoy configuration as istiod writes it, from what the lab programs its proxies with.
//!
//! One writer for two readers: real Envoy is run with it, and the reference proxies show it at `/config_dump`. Addresses
//! are virtual and ports Istio's own; `lab::envoy` translates them to loopback for real Envoy.

use jiff::Timestamp;
use serde_json::Value;

use crate::lab::desired::{Desired, PodId, ProxyConfig};

mod access;
mod access_log;
mod bootstrap;
mod cluster;
mod dump;
mod endpoints;
mod http;
mod inbound;
mod inspectors;
mod outbound;
mod route;
pub(crate) mod secret;
mod tls;

pub use access_log::Logging;
pub use secret::{Certificates, Served};

/// A sidecar whose configuration is written.
#[derive(Debug, Clone, Copy)]
pub struct Sidecar<'a> {
    /// Its pod.
    pub id: &'a PodId,
    /// What it obeys; not always what the control plane wants.
    pub config: &'a ProxyConfig,
    /// The pods and Services around it.
    pub desired: &'a Desired,
    /// What its agent serves over SDS.
    pub certificates: &'a Certificates,
    /// What its access log looks like.
    pub logging: Logging,
}

/// Everything a proxy is told by discovery, by kind. Elements have `@type`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// `Cluster`.
    pub clusters: Vec<Value>,
    /// `ClusterLoadAssignment`, one for each cluster of type `EDS`.
    pub endpoints: Vec<Value>,
    /// `Listener`.
    pub listeners: Vec<Value>,
    /// `RouteConfiguration` that listeners name.
    pub routes: Vec<Value>,
    /// `Secret`, keys included.
    pub secrets: Vec<Value>,
}

/// What a proxy is told by discovery.
#[must_use]
pub fn resources(sidecar: &Sidecar<'_>) -> Resources {
    let clusters = cluster::all(sidecar);
    Resources {
        endpoints: endpoints::all(sidecar),
        listeners: outbound::listeners(sidecar).into_iter().chain([inbound::listener(sidecar)]).collect(),
        routes: route::outbound(sidecar),
        secrets: secret::all(sidecar, &clusters),
        clusters,
    }
}

/// What a proxy is told before discovery.
#[must_use]
pub fn bootstrap(sidecar: &Sidecar<'_>) -> Value {
    bootstrap::bootstrap(sidecar)
}

/// A cluster of the bootstrap that is asked over HTTP/2 on a socket in the file system.
#[must_use]
pub(crate) fn pipe_cluster(name: &str, path: &str) -> Value {
    bootstrap::pipe(name, path)
}

/// `/config_dump?include_eds` of a proxy that took all of it at `pushed`.
#[must_use]
pub fn config_dump(sidecar: &Sidecar<'_>, pushed: Timestamp) -> Value {
    dump::config_dump(&bootstrap(sidecar), resources(sidecar), pushed)
}
