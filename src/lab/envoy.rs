//! Sidecars as real Envoys: processes configured as istiod configures them, on loopback.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::lab::authority::{Authority, AuthorityError};
use crate::lab::desired::{Desired, PodId, ProxyConfig};
use crate::lab::envoy::admin::EnvoyAdmin;
use crate::lab::envoy::back::Back;
use crate::lab::envoy::directory::Directory;
use crate::lab::envoy::discovery::Discovery;
use crate::lab::envoy::loopback::Wiring;
use crate::lab::envoy::process::{Process, Start};
use crate::lab::envoy_config::{self, Logging, Sidecar};
use crate::lab::network::listener::Listener;
use crate::lab::network::{Network, SidecarSockets};
use crate::lab::proxy::secrets::Secrets;
use crate::lab::proxy::telemetry::Telemetry;
use crate::model::identity::SpiffeId;
use crate::model::port::WorkloadPort;

pub mod admin;
mod back;
mod directory;
mod discovery;
pub mod find;
mod forward;
mod log_line;
mod loopback;
mod process;
mod ready;
mod relay;

/// Lines of Envoy's own log that are kept for an error message.
const LAST_WORDS: usize = 5;
/// Processes of one lab; each takes about 60 MB.
pub(crate) const MOST: usize = 24;

/// A sidecar that is a real Envoy. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Envoy {
    /// The pod it stands before.
    pub(crate) pod: PodId,
    /// Its identity.
    pub(crate) identity: SpiffeId,
    /// What it logged.
    pub(crate) telemetry: Arc<Telemetry>,
    network: Network,
    discovery: Discovery,
    process: Mutex<Process>,
    /// The end of Envoy's own log.
    last_words: Arc<Mutex<Vec<String>>>,
    told: Mutex<Told>,
    sockets: Sockets,
    back: Arc<RwLock<Back>>,
    entrances: OnceLock<Entrances>,
    directory: Directory,
}

/// What it was told last.
#[derive(Debug)]
struct Told {
    config: ProxyConfig,
    secrets: Secrets,
    relays: BTreeMap<SocketAddr, Listener>,
}

/// Sockets of the lab that stay as long as the sidecar.
#[derive(Debug)]
struct Sockets {
    anywhere: Listener,
    own_ports: Listener,
    /// Bound and not listening: its port refuses connections, and nobody else can get it.
    _nobody: TcpSocket,
    nobody: SocketAddr,
}

/// Where Envoy listens.
#[derive(Debug)]
struct Entrances {
    sockets: SidecarSockets,
    /// Envoy's own; the lab's, in `sockets`, translates.
    admin: SocketAddr,
    _forward: Listener,
}

/// What surrounds a sidecar when it is told something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) desired: &'a Desired,
    /// Where the applications of its pod listen.
    pub(crate) application: &'a BTreeMap<WorkloadPort, SocketAddr>,
}

/// What a new sidecar needs.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) pod: &'a PodId,
    pub(crate) identity: &'a SpiffeId,
    pub(crate) config: &'a ProxyConfig,
    pub(crate) network: &'a Network,
    pub(crate) authority: &'a Authority,
}

/// Why there is no Envoy, or not the one that is wanted.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// No certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The process or a socket of it.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The binary.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// It did not come up, ended, or did not take its configuration.
    #[error("the Envoy of pod `{pod}` {what}{last_words}")]
    NotReady {
        /// Whose.
        pod: PodId,
        /// What it did or did not.
        what: String,
        /// The end of its log, if it wrote one.
        last_words: String,
    },
}

// === impl Envoy ===

impl Envoy {
    /// Starts the process and tells it its configuration; [`Self::settled`] says when it is in force.
    pub(crate) fn launch(launch: &Launch<'_>, around: Surroundings<'_>) -> Result<Self, EnvoyError> {
        let failed = |source| EnvoyError::Start { program: launch.program.display().to_string(), source };
        let secrets = Secrets::issue(launch.authority, launch.identity, None)?;
        let directory = Directory::create().map_err(failed)?;
        let discovery = Discovery::start(&directory.file("discovery")).map_err(failed)?;
        let sockets = Sockets::open(launch).map_err(failed)?;
        let telemetry = Arc::new(Telemetry::default());
        let back = Arc::new(RwLock::new(Back::default()));
        let last_words = Arc::default();
        let told = Told { config: launch.config.clone(), secrets, relays: BTreeMap::new() };
        let bootstrap = bootstrap(launch, around.desired, &directory);
        let file = directory.file("bootstrap.json");
        std::fs::write(&file, bootstrap.to_string()).map_err(failed)?;
        let start = Start {
            directory: directory.path(),
            program: launch.program,
            bootstrap: &file,
            admin_address: &directory.file("admin"),
        };
        let process = Process::start(&start, logging(&telemetry, &back), remembering(&last_words)).map_err(failed)?;
        let envoy = Self {
            pod: launch.pod.clone(),
            identity: launch.identity.clone(),
            telemetry,
            network: launch.network.clone(),
            discovery,
            process: Mutex::new(process),
            last_words,
            told: Mutex::new(told),
            sockets,
            back,
            entrances: OnceLock::new(),
            directory,
        };
        envoy.publish(around).map_err(failed)?;
        Ok(envoy)
    }

    /// Tells it another configuration.
    pub(crate) fn program(&self, config: &ProxyConfig, around: Surroundings<'_>) -> io::Result<()> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).config = config.clone();
        self.publish(around)
    }

    /// Gives it other certificates.
    pub(crate) fn replace_secrets(&self, secrets: Secrets, around: Surroundings<'_>) -> io::Result<()> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).secrets = secrets;
        self.publish(around)
    }

    /// Where it listens; `None` before it is ready.
    pub(crate) fn sockets(&self) -> Option<SidecarSockets> {
        self.entrances.get().map(|entrances| entrances.sockets)
    }

    /// Its admin interface; `None` before it is ready.
    pub(crate) fn admin(&self) -> Option<EnvoyAdmin> {
        self.entrances.get().map(|entrances| EnvoyAdmin::new(entrances.admin, Arc::clone(&self.back)))
    }

    fn publish(&self, around: Surroundings<'_>) -> io::Result<()> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = self.endpoints(&mut told, around.desired)?;
        let wiring = Wiring {
            endpoints,
            application: around.application.clone(),
            anywhere: self.sockets.anywhere.address,
            own_ports: self.sockets.own_ports.address,
            nobody: self.sockets.nobody,
        };
        *self.back.write().unwrap_or_else(PoisonError::into_inner) = self.back_from(&wiring, around.desired);
        let certificates = told.secrets.served(&told.config);
        let sidecar = Sidecar {
            id: &self.pod,
            config: &told.config,
            desired: around.desired,
            certificates: &certificates,
            logging: Logging::Json,
        };
        self.discovery.publish(wiring.rewire(envoy_config::resources(&sidecar)));
        Ok(())
    }

    /// A socket for each endpoint where somebody listens.
    fn endpoints(&self, told: &mut Told, desired: &Desired) -> io::Result<BTreeMap<SocketAddr, SocketAddr>> {
        let mut relays = BTreeMap::new();
        let endpoints = told.config.outbound.iter().flat_map(|port| &port.cluster.endpoints);
        for address in endpoints.map(|endpoint| endpoint.address).filter(|address| desired.arrives(*address)) {
            if relays.contains_key(&address) {
                continue;
            }
            let relay = match told.relays.remove(&address) {
                Some(relay) => relay,
                None => relay::to(self.network.clone(), self.pod.clone(), address)?,
            };
            relays.insert(address, relay);
        }
        told.relays = relays;
        Ok(told.relays.iter().map(|(address, relay)| (*address, relay.address)).collect())
    }

    fn back_from(&self, wiring: &Wiring, desired: &Desired) -> Back {
        let own = desired.pods.get(&self.pod).map(|pod| pod.address);
        let application =
            wiring.application.iter().filter_map(|(port, socket)| Some((*socket, SocketAddr::new(own?, port.0))));
        let endpoints = wiring.endpoints.iter().map(|(address, socket)| (*socket, *address));
        Back::new(endpoints.chain(application))
    }
}

impl Sockets {
    fn open(launch: &Launch<'_>) -> io::Result<Self> {
        let nobody = TcpSocket::new_v4()?;
        nobody.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            anywhere: relay::anywhere(launch.network.clone(), launch.pod.clone())?,
            own_ports: relay::application(launch.network.clone(), launch.pod.clone())?,
            nobody: nobody.local_addr()?,
            _nobody: nobody,
        })
    }
}

fn bootstrap(launch: &Launch<'_>, desired: &Desired, directory: &Directory) -> Value {
    let certificates = envoy_config::Certificates::default();
    let sidecar =
        Sidecar { id: launch.pod, config: launch.config, desired, certificates: &certificates, logging: Logging::Json };
    let mut bootstrap = envoy_config::bootstrap(&sidecar);
    loopback::ask_the_lab(&mut bootstrap);
    let socket = directory.file("discovery");
    if let Some(clusters) = bootstrap.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut) {
        clusters.push(envoy_config::pipe_cluster(loopback::DISCOVERY, &socket.to_string_lossy()));
    }
    if let Some(admin) = bootstrap.pointer_mut("/admin/address/socket_address/port_value") {
        *admin = json!(0);
    }
    bootstrap
}

fn logging(telemetry: &Arc<Telemetry>, back: &Arc<RwLock<Back>>) -> impl Fn(&str) + Send + 'static {
    let (telemetry, back) = (Arc::clone(telemetry), Arc::clone(back));
    move |line| {
        let entry = log_line::parse(line, &back.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(entry) = entry {
            telemetry.log(entry);
        }
    }
}

fn remembering(last_words: &Arc<Mutex<Vec<String>>>) -> impl Fn(&str) + Send + 'static {
    let last_words = Arc::clone(last_words);
    move |line| {
        tracing::debug!(envoy = line);
        let mut kept = last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == LAST_WORDS {
            kept.remove(0);
        }
        kept.push(line.to_owned());
    }
}
