//! The reference mesh as a whole: objects, control plane, data plane, and the API server before them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::decode::{self, Assume, Loaded};
use crate::lab::container::Containers;
use crate::lab::control_plane;
use crate::lab::controllers::Controllers;
use crate::lab::dataplane::Dataplane;
use crate::lab::desired::{Application, PodId};
use crate::lab::drift::{self, Drift};
use crate::lab::kube_api::{ApiServer, ServerCertificate};
use crate::lab::store::Store;
use crate::lab::world;
use crate::model::mesh::IstioVersion;
use crate::model::port::WorkloadPort;
use crate::model::workload::Pod;

/// A running reference mesh. Dropping it ends everything it started.
#[derive(Debug)]
pub struct Lab {
    api: ApiServer,
    store: Store,
    pushed: watch::Receiver<u64>,
    control_plane: JoinHandle<()>,
    dataplane: Dataplane,
}

/// Why the reference mesh does not run.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A part could not be started.
    #[error("{part}: {reason}")]
    Start {
        /// Which part.
        part: &'static str,
        /// Why.
        reason: String,
    },
    /// The control plane did not get to the newest objects in time.
    #[error("the proxies did not get the newest configuration within {0:?}")]
    NotPushed(Duration),
}

// === impl Lab ===

impl Lab {
    /// Starts the default mesh with a control plane of that version. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`LabError::Start`] when loopback gives no port or a certificate cannot be made.
    pub async fn start(version: IstioVersion) -> Result<Self, LabError> {
        Self::drifting(version, Vec::new()).await
    }

    /// The same with proxies that do not do what policy demands.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn drifting(version: IstioVersion, drifts: Vec<Drift>) -> Result<Self, LabError> {
        let failed = |part: &'static str| move |reason: String| LabError::Start { part, reason };
        let dataplane = Dataplane::start().await.map_err(|e| failed("data plane")(e.to_string()))?;
        let store = Store::new(Controllers { version });
        world::load(&store, version).map_err(|e| failed("default mesh")(e.to_string()))?;
        let issued = dataplane
            .authority()
            .issue_server(&["localhost", "kubernetes.default.svc"], &[IpAddr::V4(Ipv4Addr::LOCALHOST)])
            .map_err(|e| failed("certificate of the API server")(e.to_string()))?;
        let certificate = ServerCertificate {
            chain: issued.chain().to_vec(),
            key: issued.key(),
            authority_pem: dataplane.authority().root_pem(),
        };
        let containers = Containers::new(store.clone(), dataplane.network());
        let api = ApiServer::start(store.clone(), containers, certificate, &token())
            .await
            .map_err(|e| failed("API server")(e.to_string()))?;
        let (push, pushed) = watch::channel(0);
        let control_plane = tokio::spawn(run(store.clone(), dataplane.clone(), (version, drifts), push));
        Ok(Self { api, store, pushed, control_plane, dataplane })
    }

    /// A kubeconfig that leads to it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.api.kubeconfig()
    }

    /// The data plane, for what only its own counters and logs can tell.
    #[must_use]
    pub fn dataplane(&self) -> &Dataplane {
        &self.dataplane
    }

    /// Waits until every proxy obeys the objects as they are now.
    ///
    /// # Errors
    /// [`LabError::NotPushed`] when that takes longer than `within`.
    pub async fn settled(&self, within: Duration) -> Result<(), LabError> {
        let newest = self.store.revision();
        let mut pushed = self.pushed.clone();
        match tokio::time::timeout(within, pushed.wait_for(|revision| *revision >= newest)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(LabError::NotPushed(within)),
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.control_plane.abort();
    }
}

/// istiod's loop: whenever objects changed, work out what the proxies should do and push it.
async fn run(
    store: Store,
    dataplane: Dataplane,
    (version, drifts): (IstioVersion, Vec<Drift>),
    push: watch::Sender<u64>,
) {
    let mut changes = store.subscribe();
    loop {
        changes.borrow_and_update();
        let state = store.snapshot_objects();
        let objects: Vec<Loaded> =
            state.objects.iter().map(|object| Loaded { object: (**object).clone(), origin: None }).collect();
        let assume = Assume { istio_version: Some(version), ..Assume::default() };
        let (snapshot, _) = decode::snapshot(&objects, &assume);
        let mut desired = control_plane::desired(&snapshot, &applications);
        if !drifts.is_empty() {
            let before = control_plane::desired(&drift::without_policies(&snapshot), &applications);
            for drift in &drifts {
                drift.apply(&snapshot, &before, &mut desired);
            }
            let rejects = |pod: &&Pod| drifts.iter().any(|drift| drift.rejects(pod));
            let id = |pod: &Pod| PodId { namespace: pod.meta.namespace.clone(), name: pod.meta.name.clone() };
            dataplane.mark_rejected(snapshot.pods.iter().filter(rejects).map(id).collect());
        }
        match dataplane.apply(desired).await {
            Ok(()) => drop(push.send(state.revision)),
            Err(error) => tracing::error!(%error, "the data plane did not take its configuration"),
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// What a pod's images do, on the ports their containers declare.
fn applications(pod: &Pod) -> BTreeMap<WorkloadPort, Application> {
    let containers = pod.containers.iter().filter(|container| container.name != "istio-proxy");
    let acted =
        containers.filter_map(|container| Some((container, world::application_of(&container.image)?.serves()?)));
    acted.flat_map(|(container, what)| container.ports.iter().map(move |port| (port.port, what))).collect()
}

/// A bearer token nobody can guess: the standard library's hash keys are random for each process.
fn token() -> String {
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
