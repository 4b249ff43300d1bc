//! Known connections at a running server's proxy, and what its counters make of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kubectl_mtls::decode::{self, Assume, manifests};
use kubectl_mtls::gather;
use kubectl_mtls::gather::proxies::questions;
use kubectl_mtls::gather::proxies::sample::Question;
use kubectl_mtls::gather::traffic::paths;
use kubectl_mtls::intent;
use kubectl_mtls::lab::desired::{DesiredPod, PodId};
use kubectl_mtls::lab::mesh::{Lab, LabSettings};
use kubectl_mtls::observed::traffic::{Counters, Listener, Port, PortTraffic, Traffic};
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use kubectl_mtls::source::envoy_admin::{At, EnvoyAdmin, Patience};

use crate::lab_dataplane::caller::Curl;

const STARTS: Duration = Duration::from_mins(2);
/// Counters of Envoy's workers reach its main thread within a moment.
const COUNTS: Duration = Duration::from_secs(20);

const STRICT: &str = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: foo}\n\
                      spec: {mtls: {mode: STRICT}}\n";

struct Mesh {
    lab: Lab,
    cluster: Cluster,
}

impl Mesh {
    async fn start(envoy: Option<PathBuf>) -> Self {
        let lab = Lab::of(LabSettings { envoy, ..LabSettings::default() }).await.unwrap();
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
        let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await.unwrap();
        for loaded in manifests::parse("strict.yaml", STRICT, "default").0 {
            cluster.apply(&loaded.object).await.unwrap();
        }
        lab.settled(STARTS).await.unwrap();
        Self { lab, cluster }
    }

    fn pod(&self, workload: &str, namespace: &str) -> PodId {
        let desired = self.lab.dataplane().desired();
        let of = |(id, pod): &(&PodId, &DesiredPod)| id.namespace == namespace && pod.workload == workload;
        desired.pods.iter().find(of).map(|(id, _)| id.clone()).unwrap()
    }

    /// One request of `sleep` of a namespace to `httpbin` of another; its exit code and status.
    async fn call(&self, from: &str, to: &str) -> (i32, u16) {
        let (dataplane, client) = (self.lab.dataplane(), self.pod("sleep", from));
        let host = format!("httpbin.{to}");
        let address = dataplane.network().resolve(&client, &host).first().copied().unwrap();
        let identity = dataplane.desired().pods[&client].identity.clone();
        let certificate = dataplane.authority().issue_workload(&identity).unwrap();
        let curl = Curl::get(&format!("{host}:8000"), "/headers");
        let said = curl.run(dataplane, &client, SocketAddr::new(address, 8000), &certificate).await;
        (said.exit, said.status)
    }

    async fn counters(&self, namespace: &str) -> Counters {
        let admin = EnvoyAdmin::new(&self.cluster, Patience::default());
        let pod = self.pod("httpbin", namespace).name;
        let bodies = admin.ask(At { namespace, pod: &pod }, &paths()).await.unwrap();
        let bodies: Vec<Vec<u8>> = bodies.into_iter().map(Result::unwrap).collect();
        Counters::read(&bodies[0], &bodies[1]).unwrap()
    }

    /// What grew, once it is what is awaited or the time is over.
    async fn grown(&self, namespace: &str, before: &Counters, enough: impl Fn(&Traffic) -> bool) -> Traffic {
        let until = tokio::time::Instant::now() + COUNTS;
        loop {
            let traffic = self.counters(namespace).await.since(before).unwrap();
            if enough(&traffic) || tokio::time::Instant::now() > until {
                return traffic;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Mutual TLS and plaintext to a PERMISSIVE server, plaintext to a STRICT one.
pub(crate) async fn counted(envoy: Option<PathBuf>) {
    let mesh = Mesh::start(envoy).await;
    let (permissive, strict) = (mesh.counters("bar").await, mesh.counters("foo").await);
    assert_eq!(mesh.call("foo", "bar").await, (0, 200));
    assert_eq!(mesh.call("legacy", "bar").await, (0, 200));
    assert_eq!(mesh.call("legacy", "foo").await, (56, 0));
    let taken = |traffic: &Traffic| traffic.ports.iter().any(|port| port.grew.requests >= 2);
    let expected = Traffic {
        listener: Some(Listener { connections: 2, handshakes: 1, ..Listener::default() }),
        ports: vec![PortTraffic { port: 80, grew: Port { connections: 2, tls: 1, requests: 2 } }],
        calls: Vec::new(),
    };
    let at_bar = mesh.grown("bar", &permissive, taken).await;
    assert_eq!(at_bar, expected);
    assert_eq!((at_bar.listener.unwrap().passed(), at_bar.ports[0].grew.plaintext()), (1, 1));
    let refused = |traffic: &Traffic| traffic.listener.is_some_and(|listener| listener.unmatched > 0);
    let at_foo = mesh.grown("foo", &strict, refused).await;
    assert_eq!(at_foo.listener, Some(Listener { unmatched: 1, ..Listener::default() }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_kind_of_connection_is_counted_where_it_belongs() {
    counted(None).await;
}

/// The most that a client's proxy is asked and answers about one service, in bytes.
const CLIENT: usize = 20_000;
/// The same of a server's proxy: Envoy gives its inbound listener whole or not at all, and on a real cluster that alone was
/// recorded with 40 to 64 kB.
const SERVER: usize = 100_000;

/// What both ends of one service answer, by what a check asks: a line for each.
pub(crate) async fn cost(envoy: Option<PathBuf>) -> Vec<String> {
    let mut told = Vec::new();
    let mesh = Mesh::start(envoy).await;
    let look = gather::mesh::look(
        &mesh.cluster,
        &gather::mesh::Places { istio: "istio-system".to_owned(), everywhere: true, ..gather::mesh::Places::default() },
    )
    .await
    .unwrap();
    let (snapshot, _) = decode::snapshot(&look.objects, &Assume::default());
    let rules = intent::Mesh::new(&snapshot);
    let server =
        rules.servers().into_iter().find(|server| server.service == "httpbin" && server.namespace == "bar").unwrap();
    for (workload, namespace, calls, serves) in
        [("sleep", "foo", BTreeSet::from([server.clone()]), false), ("httpbin", "bar", BTreeSet::new(), true)]
    {
        let name = mesh.pod(workload, namespace).name;
        let pod = snapshot.pods.iter().find(|pod| pod.meta.name == name).unwrap();
        let asked = questions::first(&Question { pod, stands_for: Vec::new(), calls, serves }, &snapshot);
        let paths: Vec<String> = asked.into_iter().map(|asked| asked.path).collect();
        let admin = EnvoyAdmin::new(&mesh.cluster, Patience::default());
        let bodies = admin.ask(At { namespace, pod: &name }, &paths).await.unwrap();
        let bodies: Vec<Vec<u8>> = bodies.into_iter().map(Result::unwrap).collect();
        let bytes: usize = paths.iter().map(String::len).sum::<usize>() + bodies.iter().map(Vec::len).sum::<usize>();
        told.push(format!("{workload}.{namespace}: {bytes} bytes in {} answers", bodies.len()));
        assert!(bytes > 1000 && bytes < if serves { SERVER } else { CLIENT }, "{workload}.{namespace}: {bytes} bytes");
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_service_is_read_with_little() {
    eprintln!("{}", cost(None).await.join("\n"));
}
