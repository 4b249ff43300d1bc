//! One sidecar: obeys a [`ProxyConfig`] on two listeners, and answers, counts and logs as Envoy does.
//!
//! The reference is Envoy 1.40 configured by istiod, measured; where the two differ this one is wrong.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;

use crate::lab::authority::{Authority, AuthorityError};
use crate::lab::desired::{ClusterEndpoint, Limits, PodId, ProxyConfig, TransportSocket};
use crate::lab::envoy_config::Certificates;
use crate::lab::network::Network;
use crate::lab::proxy::access_log::AccessLogEntry;
use crate::lab::proxy::secrets::Secrets;
use crate::lab::proxy::telemetry::{HostCounters, Telemetry};
use crate::model::identity::SpiffeId;
use crate::model::port::WorkloadPort;

pub mod access_log;
mod failure;
mod headers;
mod http;
pub(crate) mod inbound;
mod jwt;
pub(crate) mod outbound;
pub mod secrets;
mod sniff;
mod status;
mod stream;
mod tcp;
pub mod telemetry;
mod tls;
mod upstream;

/// A running sidecar.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// The pod it stands before.
    pub(crate) pod: PodId,
    /// Its identity.
    pub(crate) identity: SpiffeId,
    /// When it began.
    pub(crate) started: jiff::Timestamp,
    /// What it counted and logged.
    pub(crate) telemetry: Telemetry,
    network: Network,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<Programmed>>,
    /// Whose turn it is, by cluster.
    turns: Mutex<HashMap<String, usize>>,
    /// Requests under way, by cluster.
    under_way: Mutex<HashMap<String, usize>>,
}

/// A request that counts as under way until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay<'p> {
    proxy: &'p Proxy,
    cluster: String,
}

/// A configuration in force, with the certificates it works with.
#[derive(Debug)]
pub(crate) struct Programmed {
    /// As it was told.
    config: ProxyConfig,
    secrets: Arc<Secrets>,
    /// TLS of the inbound listener, without ALPN; `None` while the certificate is missing.
    server_tls: Option<Arc<ServerConfig>>,
}

/// A cluster as one request or connection uses it.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// Envoy's name of the cluster.
    pub(crate) cluster: String,
    /// How it is connected to.
    pub(crate) transport: TransportSocket,
    /// Where to.
    pub(crate) endpoints: Vec<ClusterEndpoint>,
    /// What the endpoints' addresses mean.
    pub(crate) via: Via,
    /// How often a request whose connection failed is tried again.
    pub(crate) retries: u32,
    /// How long and how many.
    pub(crate) limits: Limits,
}

/// What a proxy dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// A virtual address.
    Network,
    /// The application of its own pod.
    Application(WorkloadPort),
}

// === impl Proxy ===

impl Proxy {
    /// A sidecar with a fresh certificate, not yet listening.
    pub(crate) fn new(
        pod: PodId,
        identity: SpiffeId,
        config: ProxyConfig,
        network: Network,
        authority: &Authority,
    ) -> Result<Self, AuthorityError> {
        let provider = Arc::clone(authority.provider());
        let secrets = Arc::new(Secrets::issue(authority, &identity, None)?);
        let programmed = Programmed::new(config, secrets, &provider).map_err(|error| tls_failed(&identity, &error))?;
        Ok(Self {
            pod,
            identity,
            started: jiff::Timestamp::now(),
            telemetry: Telemetry::default(),
            network,
            provider,
            current: RwLock::new(Arc::new(programmed)),
            turns: Mutex::default(),
            under_way: Mutex::default(),
        })
    }

    /// Puts a configuration in force for new connections, and for new requests on connections that clients keep open.
    pub(crate) fn program(&self, config: ProxyConfig) -> Result<(), AuthorityError> {
        let programmed = self.programmed();
        if programmed.config == config {
            return Ok(());
        }
        self.put_in_force(config, Arc::clone(&programmed.secrets))
    }

    /// Gives the proxy other certificates, as SDS would.
    pub(crate) fn replace_secrets(&self, secrets: Secrets) -> Result<(), AuthorityError> {
        self.put_in_force(self.programmed().config.clone(), Arc::new(secrets))
    }

    fn put_in_force(&self, config: ProxyConfig, secrets: Arc<Secrets>) -> Result<(), AuthorityError> {
        let programmed =
            Programmed::new(config, secrets, &self.provider).map_err(|error| tls_failed(&self.identity, &error))?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(programmed);
        Ok(())
    }

    /// The configuration in force.
    pub(crate) fn programmed(&self) -> Arc<Programmed> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes a line of the access log.
    fn finish(&self, entry: AccessLogEntry) {
        self.telemetry.log(entry);
    }

    /// The endpoint whose turn it is; `None` in an empty cluster.
    fn pick(&self, upstream: &Upstream) -> Option<ClusterEndpoint> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(upstream.cluster.clone()).or_default();
        let picked = upstream.endpoints.get(turn.checked_rem(upstream.endpoints.len())?).cloned();
        *turn = turn.wrapping_add(1);
        picked
    }

    /// Begins a request to a cluster; `None` where it has as many as it may.
    fn begin(&self, upstream: &Upstream) -> Option<UnderWay<'_>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.entry(upstream.cluster.clone()).or_default();
        if *count >= upstream.limits.requests {
            return None;
        }
        *count += 1;
        Some(UnderWay { proxy: self, cluster: upstream.cluster.clone() })
    }

    fn count(&self, name: impl Into<String>) {
        self.telemetry.count(name.into());
    }

    /// Counts for a cluster, with Istio's delimiter.
    fn count_cluster(&self, cluster: &str, counter: &str) {
        self.telemetry.count(format!("cluster.{cluster};.{counter}"));
    }

    /// Counts for one host of a cluster, as `/clusters` shows it.
    fn count_host(&self, cluster: &str, host: SocketAddr, count: impl FnOnce(&mut HostCounters)) {
        self.telemetry.count_host(cluster, host, count);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut under_way = self.proxy.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.cluster) {
            *count = count.saturating_sub(1);
        }
    }
}

fn tls_failed(identity: &SpiffeId, error: &rustls::Error) -> AuthorityError {
    AuthorityError::Key { what: format!("the sidecar `{identity}`"), reason: error.to_string() }
}

// === impl Programmed ===

impl Programmed {
    fn new(config: ProxyConfig, secrets: Arc<Secrets>, provider: &Arc<CryptoProvider>) -> Result<Self, rustls::Error> {
        let tls = |certificate| tls::server_config(certificate, &secrets.roots, &config.trust_domains, provider);
        let server_tls = secrets.certificate.as_ref().map(tls).transpose()?.map(Arc::new);
        Ok(Self { config, secrets, server_tls })
    }

    /// As it was told.
    pub(crate) fn config(&self) -> &ProxyConfig {
        &self.config
    }

    /// What its agent serves over SDS.
    pub(crate) fn served(&self) -> Certificates {
        self.secrets.served(&self.config)
    }
}

// === impl Upstream ===

impl Upstream {
    /// `PassthroughCluster`: plaintext to the address that was dialled.
    pub(crate) fn passthrough(destination: SocketAddr) -> Self {
        Self {
            cluster: "PassthroughCluster".to_owned(),
            transport: TransportSocket::RawBuffer,
            endpoints: vec![ClusterEndpoint { address: destination, marked: false }],
            via: Via::Network,
            // The routes of unknown hosts have no retry policy.
            retries: 0,
            limits: Limits::default(),
        }
    }

    /// `BlackHoleCluster`: no endpoint at all.
    pub(crate) fn black_hole() -> Self {
        Self {
            cluster: "BlackHoleCluster".to_owned(),
            transport: TransportSocket::RawBuffer,
            endpoints: Vec::new(),
            via: Via::Network,
            // The routes of unknown hosts have no retry policy.
            retries: 0,
            limits: Limits::default(),
        }
    }
}
