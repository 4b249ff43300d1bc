//! The running data plane: brings pods, sidecars and names to what is desired, and keeps them there until dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use rustls::ServerConfig;
use serde_json::Value;

use crate::lab::authority::{Authority, AuthorityError};
use crate::lab::desired::{Application, Desired, DesiredPod, PodId, ProxyConfig};
use crate::lab::network::listener::Listener;
use crate::lab::network::{Network, PodSockets, SidecarSockets, Table};
use crate::lab::proxy::access_log::AccessLogEntry;
use crate::lab::proxy::secrets::{CertificateFault, Secrets};
use crate::lab::proxy::telemetry::Counters;
use crate::lab::proxy::{Proxy, inbound, outbound};
use crate::lab::{admin, drift, echo, envoy_config, httpbin};
use crate::model::identity::SpiffeId;
use crate::model::port::WorkloadPort;

/// The trust domain in the root's subject; workloads may have any.
const TRUST_DOMAIN: &str = "cluster.local";

/// A handle on the data plane; when the last clone is dropped every listener, connection and task ends.
#[derive(Debug, Clone)]
pub struct Dataplane {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    authority: Authority,
    network: Network,
    /// TLS of the TLS echoes.
    echo_tls: Arc<ServerConfig>,
    pods: Mutex<BTreeMap<PodId, Pod>>,
    /// What was applied last, and when.
    applied: Mutex<(Arc<Desired>, Timestamp)>,
    /// Pods whose sidecar refused its newest listener.
    rejected: Mutex<BTreeSet<PodId>>,
}

/// A running pod.
#[derive(Debug)]
struct Pod {
    sidecar: Option<Sidecar>,
    applications: BTreeMap<WorkloadPort, (Application, Listener)>,
}

/// A running sidecar.
#[derive(Debug)]
struct Sidecar {
    proxy: Arc<Proxy>,
    inbound: Listener,
    outbound: Listener,
    admin: Listener,
}

/// What the sidecars were told, for their admin endpoints; does not keep the data plane alive.
#[derive(Debug, Clone)]
pub(crate) struct Told(Weak<Running>);

/// Why the data plane could not be brought to what is desired.
#[derive(Debug, thiserror::Error)]
pub enum DataplaneError {
    /// No certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// No socket.
    #[error("cannot listen on 127.0.0.1 for {what}: {source}; look at the limit of open files (ulimit -n)")]
    Listen {
        /// What would have listened.
        what: String,
        /// What the system says.
        source: io::Error,
    },
}

// === impl Dataplane ===

impl Dataplane {
    /// An empty data plane with a fresh root.
    #[expect(clippy::unused_async, reason = "listeners need a running tokio, which an async signature makes plain")]
    pub async fn start() -> Result<Self, DataplaneError> {
        let running = Running {
            authority: Authority::new(TRUST_DOMAIN)?,
            network: Network::default(),
            echo_tls: echo::tls_config()?,
            pods: Mutex::default(),
            applied: Mutex::new((Arc::default(), Timestamp::now())),
            rejected: Mutex::default(),
        };
        Ok(Self { running: Arc::new(running) })
    }

    /// Brings everything to what is desired: pods that are gone stop, new ones start, the others get their configuration.
    ///
    /// On return every listener is up and the configuration is in force for new connections and new requests. Proxies
    /// pool no upstream connections, so none carries requests under an old configuration. Counters and logs of pods that
    /// stay are kept; a pod whose identity changed, or that gained or lost its sidecar, gets a new one.
    #[expect(clippy::unused_async, reason = "listeners need a running tokio, which an async signature makes plain")]
    pub async fn apply(&self, desired: Desired) -> Result<(), DataplaneError> {
        let mut pods = self.running.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.retain(|id, _| desired.pods.contains_key(id));
        let mut sockets = BTreeMap::new();
        for (id, wanted) in &desired.pods {
            let pod = pods.entry(id.clone()).or_insert_with(Pod::empty);
            pod.reconcile(id, wanted, &self.running)?;
            sockets.insert(id.clone(), pod.sockets(wanted.clone()));
        }
        self.running.network.replace(Table::new(sockets, desired.services.clone()));
        *self.running.applied.lock().unwrap_or_else(PoisonError::into_inner) = (Arc::new(desired), Timestamp::now());
        Ok(())
    }

    /// Breaks the certificates of a pod's sidecar, or mends them with fresh ones, for new connections. Nothing happens
    /// where there is no such sidecar.
    pub fn break_certificates(&self, pod: &PodId, fault: Option<CertificateFault>) -> Result<(), DataplaneError> {
        let Some(proxy) = self.proxy(pod) else { return Ok(()) };
        let secrets = Secrets::issue(&self.running.authority, &proxy.identity, fault)?;
        Ok(proxy.replace_secrets(secrets)?)
    }

    /// The way in: names and connections as a pod's application has them.
    #[must_use]
    pub fn network(&self) -> Network {
        self.running.network.clone()
    }

    /// What the sidecar of a pod counted; `None` where there is no such pod or no sidecar.
    #[must_use]
    pub fn counters(&self, pod: &PodId) -> Option<Counters> {
        self.proxy(pod).map(|proxy| proxy.telemetry.counters())
    }

    /// The access log of a pod's sidecar, oldest first; empty where there is none.
    #[must_use]
    pub fn access_log(&self, pod: &PodId) -> Vec<AccessLogEntry> {
        self.proxy(pod).map(|proxy| proxy.telemetry.access_log()).unwrap_or_default()
    }

    /// `/config_dump?include_eds` of a pod's sidecar; `None` where there is no such pod or no sidecar.
    #[must_use]
    pub fn config_dump(&self, pod: &PodId) -> Option<Value> {
        let (desired, pushed) = self.running.applied.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let programmed = self.proxy(pod)?.programmed();
        let certificates = programmed.served();
        let sidecar = envoy_config::Sidecar {
            id: pod,
            config: programmed.config(),
            desired: &desired,
            certificates: &certificates,
            logging: envoy_config::Logging::Text,
        };
        Some(envoy_config::config_dump(&sidecar, pushed))
    }

    /// Waits until the access log of a pod's sidecar is as wanted: a connection is logged when it is over, which its
    /// caller may know earlier. Returns at once where there is no sidecar.
    pub async fn access_log_until(
        &self,
        pod: &PodId,
        wanted: impl Fn(&[AccessLogEntry]) -> bool,
    ) -> Vec<AccessLogEntry> {
        match self.proxy(pod) {
            Some(proxy) => proxy.telemetry.until(wanted).await,
            None => Vec::new(),
        }
    }

    /// Says whose sidecars refused their newest listener, for what they show.
    pub(crate) fn mark_rejected(&self, pods: BTreeSet<PodId>) {
        *self.running.rejected.lock().unwrap_or_else(PoisonError::into_inner) = pods;
    }

    /// The mesh's root.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.running.authority
    }

    fn proxy(&self, pod: &PodId) -> Option<Arc<Proxy>> {
        let pods = self.running.pods.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&pods.get(pod)?.sidecar.as_ref()?.proxy))
    }
}

// === impl Told ===

impl Told {
    /// The sections of a sidecar's `/config_dump?include_eds`; none once the data plane is gone.
    pub(crate) fn sections(&self, pod: &PodId) -> Vec<Value> {
        let Some(running) = self.0.upgrade() else { return Vec::new() };
        let rejected = running.rejected.lock().unwrap_or_else(PoisonError::into_inner).contains(pod);
        let dump = Dataplane { running }.config_dump(pod);
        let Some(Value::Array(mut sections)) = dump.and_then(|mut dump| dump.get_mut("configs").map(Value::take))
        else {
            return Vec::new();
        };
        if rejected {
            drift::show_rejected(&mut sections);
        }
        sections
    }
}

// === impl Pod ===

impl Pod {
    fn empty() -> Self {
        Self { sidecar: None, applications: BTreeMap::new() }
    }

    fn reconcile(&mut self, id: &PodId, wanted: &DesiredPod, running: &Arc<Running>) -> Result<(), DataplaneError> {
        self.applications.retain(|port, (application, _)| wanted.application.get(port) == Some(application));
        for (port, application) in &wanted.application {
            if !self.applications.contains_key(port) {
                let listener = serve(*application, &running.echo_tls)
                    .map_err(|source| DataplaneError::Listen { what: format!("port {port} of pod `{id}`"), source })?;
                self.applications.insert(*port, (*application, listener));
            }
        }
        let kept = self.sidecar.take().filter(|sidecar| sidecar.proxy.identity == wanted.identity);
        self.sidecar = match (&wanted.sidecar, kept) {
            (None, _) => None,
            (Some(config), Some(sidecar)) => {
                sidecar.proxy.program(config.clone())?;
                Some(sidecar)
            }
            (Some(config), None) => Some(Sidecar::start(id, &wanted.identity, config.clone(), running)?),
        };
        Ok(())
    }

    fn sockets(&self, wanted: DesiredPod) -> PodSockets {
        let sidecar = |sidecar: &Sidecar| SidecarSockets {
            inbound: sidecar.inbound.address,
            outbound: sidecar.outbound.address,
            admin: sidecar.admin.address,
        };
        PodSockets {
            address: wanted.address,
            capture: wanted.capture,
            sidecar: self.sidecar.as_ref().map(sidecar),
            applications: self.applications.iter().map(|(port, (_, listener))| (*port, listener.address)).collect(),
        }
    }
}

// === impl Sidecar ===

impl Sidecar {
    fn start(
        id: &PodId,
        identity: &SpiffeId,
        config: ProxyConfig,
        running: &Arc<Running>,
    ) -> Result<Self, DataplaneError> {
        let proxy = Proxy::new(id.clone(), identity.clone(), config, running.network.clone(), &running.authority)?;
        let proxy = Arc::new(proxy);
        let failed = |source| DataplaneError::Listen { what: format!("the sidecar of pod `{id}`"), source };
        let of_inbound = Arc::clone(&proxy);
        let of_outbound = Arc::clone(&proxy);
        let of_admin = Arc::clone(&proxy);
        let told = Told(Arc::downgrade(running));
        Ok(Self {
            inbound: Listener::start(move |stream| inbound::accept(Arc::clone(&of_inbound), stream)).map_err(failed)?,
            outbound: Listener::start(move |stream| outbound::accept(Arc::clone(&of_outbound), stream))
                .map_err(failed)?,
            admin: Listener::start(move |stream| admin::serve(Arc::clone(&of_admin), told.clone(), stream))
                .map_err(failed)?,
            proxy,
        })
    }
}

fn serve(application: Application, echo_tls: &Arc<ServerConfig>) -> io::Result<Listener> {
    // The caller's virtual address is not known here; httpbin shows the proxy's, as it does behind a real sidecar.
    let peer = SocketAddr::from(([127, 0, 0, 6], 0));
    match application {
        Application::Httpbin => Listener::start(move |stream| httpbin::serve(stream, peer, "http")),
        Application::TcpEcho => Listener::start(echo::serve_tcp),
        Application::TlsEcho => {
            let tls = Arc::clone(echo_tls);
            Listener::start(move |stream| echo::serve_tls(stream, peer, Arc::clone(&tls)))
        }
    }
}
