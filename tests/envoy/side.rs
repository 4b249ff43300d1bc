//! One run of a scenario in a lab: what every caller got, what every sidecar logged and counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kubectl_mtls::decode::manifests;
use kubectl_mtls::lab::dataplane::Dataplane;
use kubectl_mtls::lab::desired::PodId;
use kubectl_mtls::lab::mesh::{Lab, LabSettings};
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};

use crate::envoy::known;
use crate::lab_dataplane::caller::{Curl, Said};
use crate::lab_dataplane::recording::{Shown, compared, shown};
use crate::scenario::file::Scenario;
use crate::scenario::row::PairName;

/// Four Envoys on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long a proxy may take to log a connection that is over for its caller.
const SETTLE: Duration = Duration::from_secs(3);

/// What came of a scenario in one lab.
pub(crate) struct Side {
    answers: BTreeMap<PairName, Answer>,
    proxies: BTreeMap<PodId, Proxy>,
    _lab: Lab,
}

/// What a caller got, without what differs from run to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) exit: i32,
    pub(crate) status: u16,
    pub(crate) xfcc: Option<String>,
    /// Headers that tell who answered.
    pub(crate) by: BTreeMap<String, Option<String>>,
    pub(crate) headers: BTreeSet<String>,
    pub(crate) body: String,
}

/// What a sidecar logged and which of the counters that we read grew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) log: BTreeSet<Shown>,
    pub(crate) counters: BTreeSet<String>,
}

// === impl Side ===

impl Side {
    /// Runs every pair of a scenario once, in a lab of its own.
    pub(crate) async fn act(scenario: &Scenario, envoy: Option<PathBuf>) -> Self {
        let lab = Lab::of(LabSettings { envoy, ..LabSettings::default() }).await.unwrap();
        apply(&lab, scenario).await;
        lab.settled(PATIENCE).await.unwrap();
        let dataplane = lab.dataplane();
        let mut answers = BTreeMap::new();
        for row in scenario.rows_at(IstioVersion::NEWEST) {
            answers.insert(row.pair.clone(), Answer::of(&ask(dataplane, &row.pair).await));
        }
        let desired = dataplane.desired();
        let sidecars = desired.pods.iter().filter(|(_, pod)| pod.sidecar.is_some());
        let looks = sidecars.map(|(id, _)| async move { (id.clone(), Proxy::of(dataplane, id).await) });
        let proxies = futures_util::future::join_all(looks).await.into_iter().collect();
        Self { answers, proxies, _lab: lab }
    }

    /// How many pairs were compared, and everything that differs and is not known to.
    pub(crate) fn differences(&self, reference: &Self, version: (u32, u32)) -> (usize, Vec<String>) {
        let mut found = Vec::new();
        for (pair, expected) in &reference.answers {
            let Some(got) = self.answers.get(pair) else {
                found.push(format!("{pair:?}: not asked"));
                continue;
            };
            let place = format!(
                "{}.{} -> {}.{}",
                pair.client.name, pair.client.namespace, pair.server.name, pair.server.namespace
            );
            found.extend(known::answers(got, expected, version).into_iter().map(|what| format!("{place}: {what}")));
        }
        for (id, expected) in by_workload(&reference.proxies) {
            let got = by_workload(&self.proxies).remove(&id).unwrap_or_default();
            found.extend(
                known::proxies(&got, &expected, version).into_iter().map(|what| format!("sidecar {id}: {what}")),
            );
        }
        (self.answers.len(), found)
    }
}

/// Pods of two labs have names of their own, their workloads do not.
fn by_workload(proxies: &BTreeMap<PodId, Proxy>) -> BTreeMap<String, Proxy> {
    let mut by_workload: BTreeMap<String, Proxy> = BTreeMap::new();
    for (id, proxy) in proxies {
        let mut parts = id.name.rsplitn(3, '-');
        let workload = parts.nth(2).unwrap_or(&id.name);
        let known = by_workload.entry(format!("{workload}.{}", id.namespace)).or_default();
        known.log.extend(proxy.log.iter().cloned());
        known.counters.extend(proxy.counters.iter().cloned());
    }
    by_workload
}

async fn apply(lab: &Lab, scenario: &Scenario) {
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
    let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await.unwrap();
    for text in [scenario.world.manifests_beside_the_lab(), scenario.policies.clone()] {
        let (objects, _) = manifests::parse("scenario.yaml", &text, "default");
        for loaded in objects {
            // A refusal is part of the scenario, and the same for both labs.
            cluster.apply(&loaded.object).await.unwrap();
        }
    }
}

async fn ask(dataplane: &Dataplane, pair: &PairName) -> Said {
    let desired = dataplane.desired();
    let client = |id: &&PodId, workload: &str| id.namespace == pair.client.namespace && workload == pair.client.name;
    let (id, caller) = desired.pods.iter().find(|(id, pod)| client(id, &pod.workload)).expect("the client's pod");
    let host = format!("{}.{}", pair.server.name, pair.server.namespace);
    let address = dataplane.network().resolve(id, &host).first().copied().expect("an address");
    let certificate = dataplane.authority().issue_workload(&caller.identity).unwrap();
    let curl = Curl::get(&format!("{host}:{}", pair.port), "/headers?show_env=1");
    curl.run(dataplane, id, SocketAddr::new(address, pair.port), &certificate).await
}

// === impl Answer ===

impl Answer {
    fn of(said: &Said) -> Self {
        let of = |name: &str| (name.to_owned(), said.header(name).map(str::to_owned));
        let by = ["server", "content-type", "location", "x-envoy-attempt-count"].map(of);
        let names = said.headers.iter().map(|(name, _)| name.clone()).filter(|name| !name.is_empty());
        Self {
            exit: said.exit,
            status: said.status,
            xfcc: said.xfcc().as_deref().map(known::without_hash),
            by: by.into_iter().collect(),
            headers: names.collect(),
            body: known::stable_body(said),
        }
    }
}

// === impl Proxy ===

impl Proxy {
    async fn of(dataplane: &Dataplane, id: &PodId) -> Self {
        // A connection is logged when it is closed: all are, since every caller is done.
        quiet(dataplane, id).await;
        let counters = if let Some(admin) = dataplane.envoy(id) {
            admin.counters().await.expect("counters")
        } else {
            dataplane.counters(id).expect("a sidecar")
        };
        let log = dataplane.access_log(id).iter().map(shown).collect();
        Self { log, counters: counters.iter().map(|(name, _)| name.to_owned()).filter(|name| compared(name)).collect() }
    }
}

/// Until a log has not grown for a moment.
async fn quiet(dataplane: &Dataplane, id: &PodId) {
    let grows = |known: usize| dataplane.access_log_until(id, move |log| log.len() > known);
    let settle = async {
        loop {
            let known = dataplane.access_log(id).len();
            if tokio::time::timeout(SETTLE / 10, grows(known)).await.is_err() {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(SETTLE, settle).await;
}
