//! The running data plane: brings pods, sidecars and names to what is desired, and keeps them there until dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use rustls::ServerConfig;
use serde_json::Value;

use crate::lab::authority::{Authority, AuthorityError};
use crate::lab::dataplane::sidecar::{Applications, Sidecar, Wanted};
use crate::lab::desired::{Application, Desired, DesiredPod, PodId};
use crate::lab::envoy::admin::EnvoyAdmin;
use crate::lab::envoy::{Envoy, EnvoyError, MOST, Surroundings};
use crate::lab::network::listener::Listener;
use crate::lab::network::{Network, PodSockets, Table};
use crate::lab::proxy::Proxy;
use crate::lab::proxy::access_log::AccessLogEntry;
use crate::lab::proxy::secrets::{CertificateFault, Secrets};
use crate::lab::proxy::telemetry::Counters;
use crate::lab::{drift, echo, envoy_config, httpbin};
use crate::model::port::WorkloadPort;

mod sidecar;

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
    /// The Envoy that sidecars are; `None` for the lab's own proxy.
    envoy: Option<PathBuf>,
    /// TLS of the TLS echoes.
    echo_tls: Arc<ServerConfig>,
    pods: Mutex<BTreeMap<PodId, Pod>>,
    /// What was applied last, and when.
    applied: Mutex<(Arc<Desired>, Timestamp)>,
    /// Pods whose sidecar refused its newest listener.
    rejected: Mutex<BTreeSet<PodId>>,
    /// Whether pushes look old.
    old: AtomicBool,
}

/// A running pod.
#[derive(Debug)]
struct Pod {
    sidecar: Option<Sidecar>,
    applications: BTreeMap<WorkloadPort, (Application, Listener)>,
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
    /// No Envoy, or not the one that is wanted.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// More processes than a machine should run.
    #[error("{0} sidecars are wanted, and at most {MOST} are run as real Envoys; take fewer, or the reference proxy")]
    TooMany(usize),
}

// === impl Dataplane ===

impl Dataplane {
    /// An empty data plane with a fresh root, whose sidecars are the lab's own proxy.
    pub async fn start() -> Result<Self, DataplaneError> {
        Self::start_with(None).await
    }

    /// An empty data plane with a fresh root, whose sidecars are this Envoy.
    #[expect(clippy::unused_async, reason = "listeners need a running tokio, which an async signature makes plain")]
    pub async fn start_with(envoy: Option<PathBuf>) -> Result<Self, DataplaneError> {
        let running = Running {
            authority: Authority::new(TRUST_DOMAIN)?,
            network: Network::default(),
            envoy,
            echo_tls: echo::tls_config()?,
            pods: Mutex::default(),
            applied: Mutex::new((Arc::default(), Timestamp::now())),
            rejected: Mutex::default(),
            old: AtomicBool::new(false),
        };
        Ok(Self { running: Arc::new(running) })
    }

    /// Brings everything to what is desired: pods that are gone stop, new ones start, the others get their configuration.
    ///
    /// On return every listener is up and the configuration is in force for new connections and new requests. The lab's
    /// own proxies pool no upstream connections, so none carries requests under an old configuration; real Envoys pool.
    /// Counters and logs of pods that stay are kept; a pod whose identity changed, or that gained or lost its sidecar, gets
    /// a new one.
    pub async fn apply(&self, desired: Desired) -> Result<(), DataplaneError> {
        let desired = Arc::new(desired);
        let envoys = self.reconcile(&desired)?;
        futures_util::future::try_join_all(envoys.iter().map(|envoy| envoy.settled())).await?;
        self.connect(&desired);
        *self.running.applied.lock().unwrap_or_else(PoisonError::into_inner) = (desired, Timestamp::now());
        Ok(())
    }

    /// Starts and tells; the processes that have yet to take what they were told are returned.
    fn reconcile(&self, desired: &Desired) -> Result<Vec<Arc<Envoy>>, DataplaneError> {
        let sidecars = desired.pods.values().filter(|pod| pod.sidecar.is_some()).count();
        if self.running.envoy.is_some() && sidecars > MOST {
            return Err(DataplaneError::TooMany(sidecars));
        }
        let mut pods = self.running.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.retain(|id, _| desired.pods.contains_key(id));
        for (id, wanted) in &desired.pods {
            let pod = pods.entry(id.clone()).or_insert_with(Pod::empty);
            pod.reconcile(id, wanted, desired, &self.running)?;
        }
        Ok(pods.values().filter_map(|pod| pod.sidecar.as_ref()?.envoy()).collect())
    }

    /// Puts the sockets of all pods in force.
    fn connect(&self, desired: &Desired) {
        let pods = self.running.pods.lock().unwrap_or_else(PoisonError::into_inner);
        let sockets = desired.pods.iter().filter_map(|(id, wanted)| Some((id.clone(), pods.get(id)?.sockets(wanted))));
        self.running.network.replace(Table::new(sockets.collect(), desired.services.clone()));
    }

    /// Breaks the certificates of a pod's sidecar, or mends them with fresh ones, for new connections. Nothing happens
    /// where there is no such sidecar.
    pub async fn break_certificates(&self, pod: &PodId, fault: Option<CertificateFault>) -> Result<(), DataplaneError> {
        let Some(sidecar) = self.sidecar(pod) else { return Ok(()) };
        let secrets = Secrets::issue(&self.running.authority, sidecar.identity(), fault)?;
        let desired = self.applied().0;
        let application = self.applications(pod);
        sidecar.replace_secrets(pod, secrets, Surroundings { desired: &desired, application: &application })?;
        if let Some(envoy) = sidecar.envoy() {
            envoy.settled().await?;
        }
        Ok(())
    }

    /// The way in: names and connections as a pod's application has them.
    #[must_use]
    pub fn network(&self) -> Network {
        self.running.network.clone()
    }

    /// What the lab's own proxy of a pod counted; `None` where there is no such pod or it has no such proxy.
    #[must_use]
    pub fn counters(&self, pod: &PodId) -> Option<Counters> {
        self.proxy(pod).map(|proxy| proxy.telemetry.counters())
    }

    /// The admin interface of the real Envoy before a pod; `None` where there is none.
    #[must_use]
    pub fn envoy(&self, pod: &PodId) -> Option<EnvoyAdmin> {
        self.sidecar(pod)?.envoy()?.admin()
    }

    /// The access log of a pod's sidecar, oldest first; empty where there is none.
    #[must_use]
    pub fn access_log(&self, pod: &PodId) -> Vec<AccessLogEntry> {
        self.sidecar(pod).map(|sidecar| sidecar.telemetry().access_log()).unwrap_or_default()
    }

    /// `/config_dump?include_eds` of the lab's own proxy of a pod; `None` where there is no such pod or it has no such proxy.
    #[must_use]
    pub fn config_dump(&self, pod: &PodId) -> Option<Value> {
        let (desired, pushed) = self.applied();
        let old = self.running.old.load(Ordering::Relaxed);
        let pushed = if old { pushed.checked_sub(drift::AGE).unwrap_or(pushed) } else { pushed };
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
        match self.sidecar(pod) {
            Some(sidecar) => sidecar.telemetry().until(wanted).await,
            None => Vec::new(),
        }
    }

    /// Makes every push look as if it was long ago.
    pub(crate) fn let_time_pass(&self) {
        self.running.old.store(true, Ordering::Relaxed);
    }

    /// Says whose sidecars refused their newest listener, for what they show.
    pub(crate) fn mark_rejected(&self, pods: BTreeSet<PodId>) {
        *self.running.rejected.lock().unwrap_or_else(PoisonError::into_inner) = pods;
    }

    /// What was applied last.
    #[must_use]
    pub fn desired(&self) -> Arc<Desired> {
        self.applied().0
    }

    /// The mesh's root.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.running.authority
    }

    fn applied(&self) -> (Arc<Desired>, Timestamp) {
        self.running.applied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn applications(&self, pod: &PodId) -> Applications {
        let pods = self.running.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.get(pod).map(Pod::applications).unwrap_or_default()
    }

    fn sidecar(&self, pod: &PodId) -> Option<Sidecar> {
        let pods = self.running.pods.lock().unwrap_or_else(PoisonError::into_inner);
        pods.get(pod)?.sidecar.clone()
    }

    fn proxy(&self, pod: &PodId) -> Option<Arc<Proxy>> {
        match self.sidecar(pod)? {
            Sidecar::Reference(reference) => Some(Arc::clone(&reference.proxy)),
            Sidecar::Envoy(_) => None,
        }
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

    fn reconcile(
        &mut self,
        id: &PodId,
        wanted: &DesiredPod,
        desired: &Desired,
        running: &Arc<Running>,
    ) -> Result<(), DataplaneError> {
        self.applications.retain(|port, (application, _)| wanted.application.get(port) == Some(application));
        for (port, application) in &wanted.application {
            if !self.applications.contains_key(port) {
                let listener = serve(*application, &running.echo_tls)
                    .map_err(|source| DataplaneError::Listen { what: format!("port {port} of pod `{id}`"), source })?;
                self.applications.insert(*port, (*application, listener));
            }
        }
        let kept = self.sidecar.take().filter(|sidecar| *sidecar.identity() == wanted.identity);
        let Some(config) = &wanted.sidecar else { return Ok(()) };
        let application = self.applications();
        let around = Surroundings { desired, application: &application };
        let wanted = Wanted { id, identity: &wanted.identity, config, around };
        self.sidecar = Some(match kept {
            Some(sidecar) => {
                sidecar.program(&wanted)?;
                sidecar
            }
            None => Sidecar::start(&wanted, running)?,
        });
        Ok(())
    }

    fn sockets(&self, wanted: &DesiredPod) -> PodSockets {
        PodSockets {
            address: wanted.address,
            capture: wanted.capture.clone(),
            sidecar: self.sidecar.as_ref().and_then(Sidecar::sockets),
            applications: self.applications(),
        }
    }

    fn applications(&self) -> Applications {
        self.applications.iter().map(|(port, (_, listener))| (*port, listener.address)).collect()
    }
}

fn serve(application: Application, echo_tls: &Arc<ServerConfig>) -> io::Result<Listener> {
    // The caller's virtual address is not known here; httpbin shows the proxy's, as it does behind a real sidecar.
    let peer = SocketAddr::from(([127, 0, 0, 6], 0));
    match application {
        Application::Httpbin => Listener::start(move |stream| httpbin::serve(stream, peer, "http")),
        Application::TcpEcho => Listener::start(echo::serve_tcp),
        Application::Mute => Listener::start(echo::serve_nothing),
        Application::Reset => Listener::start(echo::reset),
        Application::Full => Listener::full(),
        Application::TlsEcho => {
            let tls = Arc::clone(echo_tls);
            Listener::start(move |stream| echo::serve_tls(stream, peer, Arc::clone(&tls)))
        }
    }
}
