//! The lab's admin endpoints: Envoy's shape, and both ways in.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::time::Duration;

use kube::config::Kubeconfig;
use kubectl_mtls::lab::mesh::Lab;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use kubectl_mtls::source::envoy_admin::{At, EnvoyAdmin, Patience, Unanswered};
use kubectl_mtls::source::exec::{Command, End};
use serde_json::Value;

mod access;
mod gate;
mod logs;
mod queries;
mod wire;

const SOON: Duration = Duration::from_secs(10);

/// A running mesh with every proxy in order.
async fn lab() -> (Lab, Cluster) {
    let lab = Lab::start(IstioVersion::NEWEST).await.unwrap();
    lab.settled(SOON).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
    let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await.unwrap();
    (lab, cluster)
}

/// The pod of a workload of the default mesh.
async fn pod(cluster: &Cluster, namespace: &str, app: &str) -> String {
    let pods = kubectl_mtls::source::list::Resource::new("", "v1", "pods", "Pod");
    let pods = cluster.list(&pods, Some(namespace)).await.unwrap();
    let of_app = |pod: &&Value| pod["metadata"]["labels"]["app"] == app;
    pods.iter().find(of_app).unwrap()["metadata"]["name"].as_str().unwrap().to_owned()
}

async fn run(cluster: &Cluster, pod: &str, container: &str, argv: &[&str]) -> (String, String, End) {
    let command = Command { namespace: "foo", pod, container, argv, stdin: "", timeout: SOON };
    let ran = cluster.exec(&command).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(ran.stdout), text(ran.stderr), ran.end)
}

fn paths(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

const ASKED: [&str; 4] = ["/ready", "/server_info", "/clusters?format=json", "/stats?filter=ssl"];

/// The four answers, whichever way they came.
fn check(bodies: &[Vec<u8>], pod: &str) {
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
    assert_eq!(bodies.len(), ASKED.len());
    assert!(bodies[0].starts_with(b"LIVE\n"));
    let node = &json(&bodies[1])["node"];
    assert_eq!((node["metadata"]["NAME"].as_str(), node["metadata"]["NAMESPACE"].as_str()), (Some(pod), Some("foo")));
    let clusters = &json(&bodies[2])["cluster_statuses"];
    let named = |name: &str| clusters.as_array().unwrap().iter().any(|cluster| cluster["name"] == name);
    assert!(named("outbound|8000||httpbin.bar.svc.cluster.local") && named("PassthroughCluster"), "{clusters}");
    let stats = String::from_utf8_lossy(&bodies[3]);
    assert!(stats.lines().any(|line| line.starts_with("listener.0.0.0.0_15006.ssl.handshake: ")), "{stats}");
}

#[tokio::test]
async fn a_sidecar_answers_by_port_forward_and_by_exec() {
    let (_lab, cluster) = lab().await;
    let pod = pod(&cluster, "foo", "sleep").await;
    let admin = EnvoyAdmin::new(&cluster, Patience::default());
    let at = At { namespace: "foo", pod: &pod };
    let bodies = admin.ask(at, &paths(&ASKED)).await.unwrap().into_iter().map(Result::unwrap).collect::<Vec<_>>();
    check(&bodies, &pod);
    let mut printed = Vec::new();
    for path in ASKED {
        let (stdout, stderr, end) = run(&cluster, &pod, "istio-proxy", &["pilot-agent", "request", "GET", path]).await;
        assert_eq!((stderr.as_str(), end), ("", End::Exited(0)), "{path}");
        printed.push(stdout.into_bytes());
    }
    check(&printed, &pod);
    for container in ["istio-proxy", "sleep"] {
        let (stdout, _, end) = run(&cluster, &pod, container, &["curl", "-s", "localhost:15000/ready"]).await;
        assert_eq!((stdout.as_str(), end), ("LIVE\n", End::Exited(0)), "{container}");
    }
}

#[tokio::test]
async fn what_the_endpoint_refuses_keeps_its_words() {
    let (_lab, cluster) = lab().await;
    let pod = pod(&cluster, "foo", "sleep").await;
    let asked = "/config_dump?resource=nonsense";
    let admin = EnvoyAdmin::new(&cluster, Patience::default());
    let answers = admin.ask(At { namespace: "foo", pod: &pod }, &paths(&[asked, "/ready"])).await.unwrap();
    let text = "nonsense not found in config dump".to_owned();
    assert_eq!(answers[0], Err(Unanswered::Refused { path: asked.to_owned(), status: 404, text }));
    assert_eq!(answers[1], Ok(b"LIVE\n".to_vec()), "and the next question is answered");
    let argv = ["pilot-agent", "request", "GET", "/stats?filter=("];
    let (stdout, stderr, end) = run(&cluster, &pod, "istio-proxy", &argv).await;
    let told = "Error: received unsuccessful status code 400: Invalid re2 regex: missing ): (\n";
    assert_eq!((stdout.as_str(), stderr.as_str(), end), ("", told, End::Exited(255)));
}

#[tokio::test]
async fn a_pod_without_sidecar_and_a_body_beyond_the_bound_say_why() {
    let (_lab, cluster) = lab().await;
    let legacy = pod(&cluster, "legacy", "sleep").await;
    let admin = EnvoyAdmin::new(&cluster, Patience::default());
    let none = admin.ask(At { namespace: "legacy", pod: &legacy }, &paths(&["/ready"])).await.unwrap_err();
    let refused = format!("error forwarding port 15000 to pod legacy/{legacy}: connection refused");
    assert_eq!(none, Unanswered::Failed(refused));
    let foo = pod(&cluster, "foo", "sleep").await;
    let narrow = EnvoyAdmin::new(&cluster, Patience { largest: 100, ..Patience::default() });
    let large = narrow.ask(At { namespace: "foo", pod: &foo }, &paths(&["/ready", "/clusters"])).await.unwrap();
    let beyond = Unanswered::TooLarge { path: "/clusters".to_owned(), most: 100 };
    assert_eq!(large, [Ok(b"LIVE\n".to_vec()), Err(beyond)]);
}

/// What was sent is counted where Envoy counts it: for the cluster, and for its host.
#[tokio::test]
async fn counters_show_what_was_sent() {
    let (_lab, cluster) = lab().await;
    let pod = pod(&cluster, "foo", "sleep").await;
    for _ in 0..3 {
        let (_, _, end) =
            run(&cluster, &pod, "sleep", &["curl", "-s", "-o", "/dev/null", "httpbin.bar:8000/headers"]).await;
        assert_eq!(end, End::Exited(0));
    }
    let admin = EnvoyAdmin::new(&cluster, Patience::default());
    let asked = paths(&["/clusters?format=json&filter=httpbin.bar", "/stats/prometheus?usedonly"]);
    let answers = admin.ask(At { namespace: "foo", pod: &pod }, &asked).await.unwrap();
    let clusters: Value = serde_json::from_slice(answers[0].as_ref().unwrap()).unwrap();
    let stats = &clusters["cluster_statuses"][0]["host_statuses"][0]["stats"];
    let count =
        |name: &str| stats.as_array().unwrap().iter().find(|stat| stat["name"] == name).unwrap()["value"].clone();
    assert_eq!((count("rq_success"), count("rq_error")), (Value::from("3"), Value::Null), "{stats}");
    let prometheus = String::from_utf8_lossy(answers[1].as_ref().unwrap()).into_owned();
    let line = "envoy_cluster_upstream_rq_total{cluster_name=\"outbound|8000||httpbin.bar.svc.cluster.local\"} 3";
    assert!(prometheus.lines().any(|found| found == line), "{prometheus}");
}

#[tokio::test]
async fn where_port_forward_is_forbidden_exec_is_asked_and_remembered() {
    let (lab, cluster) = lab().await;
    let pod = pod(&cluster, "foo", "sleep").await;
    let gate = gate::Gate::before(&lab.kubeconfig(), &["/portforward"]).await;
    let behind = gate.cluster().await;
    let admin = EnvoyAdmin::new(&behind, Patience::default());
    let at = At { namespace: "foo", pod: &pod };
    for _ in 0..2 {
        let bodies = admin.ask(at, &paths(&ASKED)).await.unwrap().into_iter().map(Result::unwrap).collect::<Vec<_>>();
        check(&bodies, &pod);
    }
    assert_eq!(gate.refused(), 1, "the second proxy is asked by exec at once");
}

#[tokio::test]
async fn where_both_ways_are_forbidden_both_are_named() {
    let (lab, cluster) = lab().await;
    let pod = pod(&cluster, "foo", "sleep").await;
    let gate = gate::Gate::before(&lab.kubeconfig(), &["/portforward", "/exec"]).await;
    let behind = gate.cluster().await;
    let admin = EnvoyAdmin::new(&behind, Patience::default());
    let none = admin.ask(At { namespace: "foo", pod: &pod }, &paths(&["/ready"])).await.unwrap_err();
    let text = "you may not use /portforward; you may not use /exec";
    assert_eq!(none, Unanswered::Forbidden(text.to_owned()));
}
