//! The lab's network: names, virtual addresses, and the one place where they become sockets on loopback.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::net::TcpStream;

use crate::lab::admin::PORT as ADMIN;
use crate::lab::desired::{DesiredService, PodId};
use crate::lab::network::proxy_protocol::Dialled;
use crate::model::port::WorkloadPort;
use crate::model::workload::Capture;

mod dns;
pub mod listener;
pub mod proxy_protocol;

/// A handle on the network; clones see the same pods.
#[derive(Debug, Clone, Default)]
pub struct Network {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    table: RwLock<Arc<Table>>,
    /// Where kube-proxy's round robin stands, over all Services.
    turn: AtomicUsize,
}

/// Where everything is at one moment.
#[derive(Debug, Default)]
pub struct Table {
    /// Running pods.
    pub pods: BTreeMap<PodId, PodSockets>,
    /// Services, for names and virtual addresses.
    pub services: Vec<DesiredService>,
    /// Pods by virtual address: several where they share their node's.
    by_address: HashMap<IpAddr, Vec<PodId>>,
}

/// The real sockets of a pod.
#[derive(Debug, Clone)]
pub struct PodSockets {
    /// Its virtual address.
    pub address: IpAddr,
    /// Which of its traffic its sidecar catches.
    pub capture: Capture,
    /// The listeners of its sidecar, where it has one.
    pub sidecar: Option<SidecarSockets>,
    /// Where its applications listen, by port.
    pub applications: BTreeMap<WorkloadPort, SocketAddr>,
}

/// The listeners of a sidecar; those for traffic expect a PROXY header.
#[derive(Debug, Clone, Copy)]
pub struct SidecarSockets {
    /// Stands for 15006.
    pub inbound: SocketAddr,
    /// Stands for 15001.
    pub outbound: SocketAddr,
    /// Stands for 15000, on the pod's loopback only.
    pub admin: SocketAddr,
}

/// Who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialler {
    /// The pod's application.
    Application,
    /// The pod's sidecar, whose own traffic is never captured (iptables: `--uid-owner 1337 -j RETURN`).
    Sidecar,
}

/// A socket, and what its PROXY header names as the original destination where it expects one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hop {
    socket: SocketAddr,
    original: Option<SocketAddr>,
}

/// Istio's readiness port.
const HEALTH: u16 = 15021;

// === impl Network ===

impl Network {
    /// What cluster DNS answers a pod: the pod's search path applies, headless Services give their ready pods.
    ///
    /// Empty for unknown names. An address is its own answer.
    #[must_use]
    pub fn resolve(&self, from: &PodId, host: &str) -> Vec<IpAddr> {
        dns::resolve(&self.table().services, &from.namespace, host)
    }

    /// Dials a virtual address as the application of a pod.
    ///
    /// The pod's sidecar catches it, or kube-proxy picks an endpoint of the ClusterIP, or it is a pod. Nobody there is
    /// `ConnectionRefused`. An address that is nobody's is `HostUnreachable` at once: a real network drops the packets, and
    /// a caller would wait for its own time-out.
    pub async fn connect(&self, from: &PodId, destination: SocketAddr) -> io::Result<TcpStream> {
        self.dial(from, destination, Dialler::Application).await
    }

    /// Dials a virtual address as the sidecar of a pod.
    pub(crate) async fn connect_as_sidecar(&self, from: &PodId, destination: SocketAddr) -> io::Result<TcpStream> {
        self.dial(from, destination, Dialler::Sidecar).await
    }

    /// Connects to the application of a pod itself, past its sidecar.
    pub(crate) async fn connect_to_application(&self, pod: &PodId, port: WorkloadPort) -> io::Result<TcpStream> {
        let table = self.table();
        let socket = table.pods.get(pod).and_then(|pod| pod.applications.get(&port)).copied();
        open(socket.ok_or(io::ErrorKind::ConnectionRefused)?).await
    }

    /// Puts another table in force for new connections.
    pub(crate) fn replace(&self, table: Table) {
        *self.shared.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.shared.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn dial(&self, from: &PodId, destination: SocketAddr, dialler: Dialler) -> io::Result<TcpStream> {
        let table = self.table();
        let turn = || self.shared.turn.fetch_add(1, Ordering::Relaxed);
        let hop = table.hop(from, destination, dialler, turn)?;
        let mut stream = open(hop.socket).await?;
        if let Some(destination) = hop.original {
            let port = stream.local_addr()?.port();
            let source = table.pods.get(from).map_or(stream.local_addr()?.ip(), |pod| pod.address);
            Dialled { source: SocketAddr::new(source, port), destination }.write(&mut stream).await?;
        }
        Ok(stream)
    }
}

// === impl Table ===

impl Table {
    /// A table over these pods and Services.
    #[must_use]
    pub fn new(pods: BTreeMap<PodId, PodSockets>, services: Vec<DesiredService>) -> Self {
        let mut by_address: HashMap<IpAddr, Vec<PodId>> = HashMap::new();
        for (id, pod) in &pods {
            by_address.entry(pod.address).or_default().push(id.clone());
        }
        Self { pods, services, by_address }
    }

    /// The first real socket on the way from a pod to a virtual address.
    fn hop(
        &self,
        from: &PodId,
        destination: SocketAddr,
        dialler: Dialler,
        turn: impl Fn() -> usize,
    ) -> io::Result<Hop> {
        let dialling = self.pods.get(from);
        if let Some(pod) = dialling {
            // Loopback and a pod's own address never leave it: the application is reached directly.
            let own = destination.ip() == pod.address && dialler == Dialler::Application;
            if let (true, ADMIN, Some(sidecar)) = (destination.ip().is_loopback(), destination.port(), pod.sidecar) {
                return Ok(Hop { socket: sidecar.admin, original: None });
            }
            if destination.ip().is_loopback() || own {
                return pod.application(destination.port());
            }
            if let (Dialler::Application, Some(sidecar)) = (dialler, pod.sidecar)
                && pod.capture.outbound(destination.ip(), destination.port())
            {
                return Ok(Hop { socket: sidecar.outbound, original: Some(destination) });
            }
        }
        let destination = self.endpoint(destination, turn)?;
        self.pod_at(destination).ok_or(io::ErrorKind::HostUnreachable)?.arrival(destination)
    }

    /// What kube-proxy makes of a destination: an endpoint of the ClusterIP, in turn, or the destination itself.
    fn endpoint(&self, destination: SocketAddr, turn: impl Fn() -> usize) -> io::Result<SocketAddr> {
        let Some(service) = self.services.iter().find(|service| service.addresses.contains(&destination.ip())) else {
            return Ok(destination);
        };
        let endpoints = service.ports.iter().find(|(port, _)| port.0 == destination.port()).map(|(_, ready)| ready);
        // kube-proxy rejects ports of a ClusterIP that have no endpoint.
        let endpoints = endpoints.filter(|ready| !ready.is_empty()).ok_or(io::ErrorKind::ConnectionRefused)?;
        let picked = endpoints.get(turn() % endpoints.len()).copied();
        Ok(picked.ok_or(io::ErrorKind::ConnectionRefused)?)
    }

    fn pod_at(&self, destination: SocketAddr) -> Option<&PodSockets> {
        let sharing = self.by_address.get(&destination.ip())?;
        let pods = || sharing.iter().filter_map(|id| self.pods.get(id));
        let port = WorkloadPort(destination.port());
        pods().find(|pod| pod.applications.contains_key(&port)).or_else(|| pods().next())
    }
}

// === impl PodSockets ===

impl PodSockets {
    /// Where a connection to this address of the pod arrives.
    fn arrival(&self, destination: SocketAddr) -> io::Result<Hop> {
        let port = destination.port();
        match self.sidecar {
            // Istio's readiness listener takes plaintext from everybody, whatever policy says.
            Some(sidecar) if port == HEALTH => Ok(Hop { socket: sidecar.admin, original: None }),
            Some(sidecar) if self.capture.inbound(WorkloadPort(port)) => {
                Ok(Hop { socket: sidecar.inbound, original: Some(destination) })
            }
            Some(_) | None => self.application(port),
        }
    }

    fn application(&self, port: u16) -> io::Result<Hop> {
        let socket = self.applications.get(&WorkloadPort(port)).copied();
        Ok(Hop { socket: socket.ok_or(io::ErrorKind::ConnectionRefused)?, original: None })
    }
}

async fn open(socket: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(socket).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
