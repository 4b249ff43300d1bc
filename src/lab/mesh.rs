//! The reference mesh as a whole: objects, control plane, data plane, and the API server before them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::decode::{self, Assume, Loaded};
use crate::lab::access::Policies;
use crate::lab::container::Containers;
use crate::lab::control_plane;
use crate::lab::controllers::Controllers;
use crate::lab::dataplane::Dataplane;
use crate::lab::desired::{Application, Desired, PodId};
use crate::lab::drift::{self, Drift};
use crate::lab::kube_api::{ApiServer, ServerCertificate};
use crate::lab::store::{Objects, Store};
use crate::lab::world;
use crate::model::mesh::{IstioVersion, MeshConfig};
use crate::model::port::WorkloadPort;
use crate::model::snapshot::Snapshot;
use crate::model::workload::{Pod, ProxyKind};

/// A running reference mesh. Dropping it ends everything it started.
#[derive(Debug)]
pub struct Lab {
    api: ApiServer,
    store: Store,
    pushed: watch::Receiver<Pushed>,
    control_plane: JoinHandle<()>,
    dataplane: Dataplane,
}

/// What kind of reference mesh is wanted.
#[derive(Debug, Clone)]
pub struct LabSettings {
    /// Version of the control plane.
    pub version: IstioVersion,
    /// Where proxies do not do what policy demands.
    pub drifts: Vec<Drift>,
    /// The Envoy that sidecars are; `None` for the lab's own proxy.
    pub envoy: Option<PathBuf>,
    /// How long the control plane takes to push what changed once the mesh runs.
    pub push_delay: Duration,
}

/// How far the control plane is.
#[derive(Debug, Clone, Default)]
struct Pushed {
    /// The objects that every proxy obeys.
    revision: u64,
    /// Objects that the proxies did not take, and why.
    failed: Option<(u64, String)>,
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
    /// The data plane could not be brought to what the objects say.
    #[error("the proxies did not take the newest configuration: {0}")]
    NotTaken(String),
}

// === impl Lab ===

impl Lab {
    /// Starts the default mesh with a control plane of that version. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`LabError::Start`] when loopback gives no port or a certificate cannot be made.
    pub async fn start(version: IstioVersion) -> Result<Self, LabError> {
        Self::of(LabSettings { version, ..LabSettings::default() }).await
    }

    /// The same with proxies that do not do what policy demands.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn drifting(version: IstioVersion, drifts: Vec<Drift>) -> Result<Self, LabError> {
        Self::of(LabSettings { version, drifts, ..LabSettings::default() }).await
    }

    /// The same as it is wanted.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn of(settings: LabSettings) -> Result<Self, LabError> {
        let LabSettings { version, drifts, envoy, push_delay } = settings;
        let failed = |part: &'static str| move |reason: String| LabError::Start { part, reason };
        let dataplane = Dataplane::start_with(envoy).await.map_err(|e| failed("data plane")(e.to_string()))?;
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
        let (push, pushed) = watch::channel(Pushed::default());
        let control_plane = tokio::spawn(run(store.clone(), dataplane.clone(), (version, drifts, push_delay), push));
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

    /// The workloads as `name.namespace`, each with whether a sidecar stands before one of its pods.
    #[must_use]
    pub fn workloads(&self) -> BTreeMap<String, bool> {
        let mut workloads = BTreeMap::new();
        for pod in decoded(&self.store.snapshot_objects(), IstioVersion::NEWEST).pods {
            *workloads.entry(pod.display_name()).or_default() |= pod.proxy == ProxyKind::Sidecar;
        }
        workloads
    }

    /// Makes policies and pushes look two hours old, so that a drift is no push under way.
    pub fn let_time_pass(&self) {
        self.dataplane.let_time_pass();
        drift::let_time_pass(&self.store);
    }

    /// Waits until every proxy obeys the objects as they are now.
    ///
    /// # Errors
    /// [`LabError::NotPushed`] when that takes longer than `within`.
    pub async fn settled(&self, within: Duration) -> Result<(), LabError> {
        let newest = self.store.revision();
        let mut pushed = self.pushed.clone();
        match tokio::time::timeout(within, pushed.wait_for(|pushed| pushed.is_past(newest))).await {
            Ok(Ok(pushed)) if pushed.revision >= newest => Ok(()),
            Ok(Ok(pushed)) => Err(LabError::NotTaken(pushed.failed.clone().map(|failed| failed.1).unwrap_or_default())),
            Ok(Err(_)) | Err(_) => Err(LabError::NotPushed(within)),
        }
    }
}

// === impl LabSettings ===

impl Default for LabSettings {
    fn default() -> Self {
        Self { version: IstioVersion::NEWEST, drifts: Vec::new(), envoy: None, push_delay: Duration::ZERO }
    }
}

// === impl Pushed ===

impl Pushed {
    /// Whether these objects were pushed, well or not.
    fn is_past(&self, revision: u64) -> bool {
        self.revision >= revision || self.failed.as_ref().is_some_and(|(failed, _)| *failed >= revision)
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
    (version, drifts, delay): (IstioVersion, Vec<Drift>, Duration),
    push: watch::Sender<Pushed>,
) {
    let mut changes = store.subscribe();
    loop {
        changes.borrow_and_update();
        let state = store.snapshot_objects();
        let snapshot = decoded(&state, version);
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
        give_access(&mut desired, &snapshot, &state);
        match dataplane.apply(desired).await {
            Ok(()) => push.send_modify(|pushed| pushed.revision = state.revision),
            Err(error) => push.send_modify(|pushed| pushed.failed = Some((state.revision, error.to_string()))),
        }
        if changes.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(delay).await;
    }
}

/// Tells every sidecar what it asks of its callers.
fn give_access(desired: &mut Desired, snapshot: &Snapshot, state: &Objects) {
    let root = snapshot.profile(None).map(|profile| profile.config.root_namespace.clone());
    let root = root.unwrap_or_else(|| MeshConfig::default().root_namespace);
    let policies = Policies::among(&state.objects, &root);
    for pod in &snapshot.pods {
        let id = PodId { namespace: pod.meta.namespace.clone(), name: pod.meta.name.clone() };
        if let Some(sidecar) = desired.pods.get_mut(&id).and_then(|pod| pod.sidecar.as_mut()) {
            sidecar.access = policies.of(pod);
        }
    }
}

fn decoded(state: &Objects, version: IstioVersion) -> Snapshot {
    let objects: Vec<Loaded> =
        state.objects.iter().map(|object| Loaded { object: (**object).clone(), origin: None }).collect();
    decode::snapshot(&objects, &Assume { istio_version: Some(version), ..Assume::default() }).0
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
