//! What runs when somebody execs in a pod of the lab.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpStream;

use crate::lab::curl::{self, Connector};
use crate::lab::desired::PodId;
use crate::lab::kube_api::exec::{Exec, ExecOutcome, ExecRequest, ExecStreams};
use crate::lab::network::Network;
use crate::lab::store::{Key, Store, kinds};
use crate::lab::world::{self, Acting};
use crate::lab::{admin, pilot_agent, wget};

/// The containers of the lab's pods: which programs their images have.
#[derive(Debug, Clone)]
pub struct Containers {
    store: Store,
    network: Network,
}

/// A pod's network as the programs in it see it.
struct PodNetwork<'c> {
    network: &'c Network,
    pod: &'c PodId,
    /// Whether they run as the sidecar's own user, whose traffic is never captured.
    sidecar: bool,
}

// === impl Containers ===

impl Containers {
    /// Containers of the pods in this store, on this network.
    #[must_use]
    pub fn new(store: Store, network: Network) -> Self {
        Self { store, network }
    }

    /// The image of a container.
    fn image(&self, request: &ExecRequest) -> Option<String> {
        let key = Key::new(kinds::by_object("v1", "Pod")?, &request.pod.namespace, &request.pod.name);
        let pod = self.store.get(&key)?;
        let lists = ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"];
        let mut containers = lists.iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten();
        let container =
            containers.find(|container| container.get("name").and_then(|n| n.as_str()) == Some(&request.container))?;
        container.get("image")?.as_str().map(str::to_owned)
    }
}

impl Exec for Containers {
    async fn exec(&self, request: ExecRequest, streams: ExecStreams) -> ExecOutcome {
        let program = request.command.first().map(String::as_str).unwrap_or_default();
        let acting = self.image(&request).and_then(|image| world::application_of(&image));
        let has_curl = acting.is_some_and(Acting::has_curl);
        let arguments: Vec<String> = request.command.iter().skip(1).cloned().collect();
        let connector =
            PodNetwork { network: &self.network, pod: &request.pod, sidecar: acting == Some(Acting::Proxy) };
        match (program.rsplit('/').next(), has_curl) {
            (Some("curl"), true) => {
                let ExecStreams { stdin, stdout, stderr } = streams;
                ExecOutcome::Exited(curl::run(&connector, &arguments, stdin, stdout, stderr).await)
            }
            (Some("wget"), _) if acting == Some(Acting::BusyBox) => {
                ExecOutcome::Exited(wget::run(&connector, &arguments, streams).await)
            }
            (Some("pilot-agent"), _) if acting == Some(Acting::Proxy) => {
                let admin = Exec::connect(self, &request.pod, admin::PORT).await;
                ExecOutcome::Exited(pilot_agent::run(&arguments, admin, streams).await)
            }
            _ => ExecOutcome::NoSuchCommand(program.to_owned()),
        }
    }

    /// As the kubelet does: to the pod's own loopback, past whatever captures its traffic.
    async fn connect(&self, pod: &PodId, port: u16) -> io::Result<TcpStream> {
        self.network.connect(pod, SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await
    }
}

// === impl PodNetwork ===

impl Connector for PodNetwork<'_> {
    async fn resolve(&self, host: &str) -> Vec<IpAddr> {
        self.network.resolve(self.pod, host)
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        if self.sidecar {
            self.network.connect_as_sidecar(self.pod, to).await
        } else {
            self.network.connect(self.pod, to).await
        }
    }
}
