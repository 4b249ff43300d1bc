//! `check --wait`: who holds what policy demands, and who lags.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use kubectl_mtls::decode::manifests;
use kubectl_mtls::lab::mesh::{Lab, LabSettings};
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::ended::{Ended, mtls};

const POLICIES: &str = "tests/cli/policies.yaml";

fn arrival(ended: &Ended) -> Value {
    ended.json()["arrival"].clone()
}

/// The policies contradict each other, which is another question.
#[test]
fn what_has_arrived_is_told_at_once() {
    let ended = mtls(&["check", "--standalone", "-f", POLICIES, "--wait"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    // Four pods with a sidecar: sleep and httpbin of foo and bar.
    let line = "4/4 pods hold what policy demands, 0 lag, 0 draining, 0 rejected: arrived after ";
    assert!(ended.stdout.starts_with(line) && ended.stdout.lines().count() == 1, "{}", ended.stdout);
    assert!(!ended.stderr.contains("waiting:"), "{}", ended.stderr);
}

#[test]
fn a_proxy_that_drifted_lags_and_never_arrives_whatever_the_format() {
    for format in ["table", "wide", "name", "json", "yaml", "jsonpath={.arrival.holding}"] {
        let args =
            ["check", "--standalone", "-f", POLICIES, "--drift", "server=httpbin.foo", "--wait=1s", "-o", format];
        let ended = mtls(&args);
        assert_eq!(ended.status, 1, "{format}: {}", ended.stderr);
        let waiting = "waiting: 3/4 pods hold what policy demands, 1 lag, 0 draining, 0 rejected; foo/httpbin-";
        assert!(ended.stderr.contains(waiting), "{format}: {}", ended.stderr);
        match format {
            "json" => {
                let arrival = arrival(&ended);
                assert_eq!(
                    (&arrival["arrived"], &arrival["pods"], &arrival["holding"]),
                    (&json!(false), &json!(4), &json!(3))
                );
                let lagging = &arrival["lagging"][0];
                assert_eq!((&lagging["namespace"], &lagging["state"]), (&json!("foo"), &json!("lags")));
                let what = lagging["what"].as_str().unwrap();
                assert!(
                    what.ends_with("accept STRICT on port 80 (pa/default.foo), its proxy accepts PERMISSIVE"),
                    "{what}"
                );
            }
            "yaml" => assert!(ended.stdout.contains("arrived: false"), "{}", ended.stdout),
            "table" | "wide" | "name" => {
                let lines: Vec<&str> = ended.stdout.lines().collect();
                assert_eq!(lines.len(), 2, "{}", ended.stdout);
                assert!(
                    lines[0].starts_with("foo/httpbin-") && lines[0].contains(" lags: policy has httpbin-"),
                    "{}",
                    lines[0]
                );
                let end = "3/4 pods hold what policy demands, 1 lag, 0 draining, 0 rejected: not arrived after 1 s";
                assert_eq!(lines[1], end);
            }
            _ => assert_eq!(ended.stdout, "3"),
        }
    }
}

#[test]
fn a_refused_update_and_a_client_that_lags_are_told_apart() {
    let args =
        ["check", "--standalone", "-f", POLICIES, "--drift", "rejected=httpbin.foo", "--drift", "client=sleep.foo"];
    let ended = mtls(&[&args[..], &["--wait=1s", "-o", "json"]].concat());
    let arrival = arrival(&ended);
    let of = |pod: &Value| (pod["namespace"].as_str().unwrap().to_owned(), pod["state"].as_str().unwrap().to_owned());
    let states: Vec<_> = arrival["lagging"].as_array().unwrap().iter().map(of).collect();
    let expected = [("foo", "rejected"), ("foo", "lags")].map(|(at, state)| (at.to_owned(), state.to_owned()));
    assert_eq!((states.as_slice(), &arrival["rejected"]), (&expected[..], &json!(1)));
    assert_eq!(ended.status, 1);
}

/// A mesh whose proxies get STRICT of foo so much later than it is there, and where its kubeconfig is written.
async fn late(push_delay: Duration) -> (Lab, Kubeconfig, TempDir) {
    let lab = Lab::of(LabSettings { push_delay, ..LabSettings::default() }).await.unwrap();
    lab.settled(Duration::from_mins(1)).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
    let cluster = Cluster::from_kubeconfig(kubeconfig.clone(), &ClusterRequest::default()).await.unwrap();
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("config"), lab.kubeconfig()).unwrap();
    let strict = "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: default, namespace: foo}, \
                  spec: {mtls: {mode: STRICT}}}";
    for policy in manifests::parse("strict.yaml", strict, "default").0 {
        cluster.apply(&policy.object).await.unwrap();
    }
    (lab, kubeconfig, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_comes_late_is_waited_for() {
    let (_lab, _, home) = late(Duration::from_secs(3)).await;
    let kubeconfig = format!("--kubeconfig={}", home.path().join("config").display());
    let wait = move || mtls(&["check", "httpbin.foo", "--from", "app=sleep", "--wait=1m", &kubeconfig, "-o", "json"]);
    let ended = tokio::task::spawn_blocking(wait).await.unwrap();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    // Both sleep with a sidecar, and httpbin.foo.
    let arrival = arrival(&ended);
    assert_eq!((&arrival["arrived"], &arrival["holding"], &arrival["lagging"]), (&json!(true), &json!(3), &json!([])));
    assert!(ended.stderr.contains("waiting: 2/3 pods hold what policy demands, 1 lag"), "{}", ended.stderr);
    assert!((1..30).contains(&arrival["seconds"].as_u64().unwrap()), "{arrival}");
}

/// A pod that is replaced while it is waited for: the one in its place is asked.
#[tokio::test(flavor = "multi_thread")]
async fn pods_that_go_away_meanwhile_are_not_waited_for() {
    let (_lab, kubeconfig, home) = late(Duration::from_secs(10)).await;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    command.args(["check", "httpbin.foo", "--from", "sleep.bar", "--wait=1m", "-o", "json", "--kubeconfig"]);
    command.arg(home.path().join("config"));
    let mut waiting = command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut said = BufReader::new(waiting.stderr.take().unwrap()).lines();
    let mut old = String::new();
    let mut told = Vec::new();
    while let Some(line) = said.next_line().await.unwrap() {
        if old.is_empty() && line.contains("waiting: 1/2 pods hold what policy demands, 1 lag") {
            let pods: Api<Pod> = Api::namespaced(Client::try_from(config.clone()).unwrap(), "foo");
            let all = pods.list(&ListParams::default().labels("app=httpbin")).await.unwrap();
            old = all.items[0].metadata.name.clone().unwrap();
            pods.delete(&old, &DeleteParams::default()).await.unwrap();
        }
        told.push(line);
    }
    let output = waiting.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{told:?}");
    assert!(told.iter().any(|line| line.contains("pods that were asked are gone")), "{told:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["arrival"]["pods"], &report["arrival"]["holding"]), (&json!(2), &json!(2)));
    let now = report["pairs"][0]["endpoints"][0]["pod"].as_str().unwrap();
    assert!(!old.is_empty() && now != old, "{old}, {now}");
}

#[test]
fn waiting_is_for_meshes_that_run() {
    let ended = mtls(&["check", "-f", POLICIES, "--wait"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("--wait asks the proxies of a mesh that runs"), "{}", ended.stderr);
    for args in [["--wait", "--no-proxy"], ["--wait", "--summary"], ["--wait=soon", "--no-probe"], ["--wait=0s", "-A"]]
    {
        assert_eq!(mtls(&[&["check", "--standalone"], &args[..]].concat()).status, 2, "{args:?}");
    }
}
