//! Access logs are read where an answer leaves several causes, as far as the rights allow.

use kubectl_mtls::decode::manifests;
use kubectl_mtls::gather::check::{self, Known};
use kubectl_mtls::gather::progress::Progress;
use kubectl_mtls::gather::scope::{ProxyLooks, Scope};
use kubectl_mtls::lab::desired::{DesiredPod, PodId};
use kubectl_mtls::observed::probe::AGENT;
use serde_json::{Value, json};

use super::gate::{Gate, Says};
use super::{SOON, lab};
use crate::access_log::RECORDED;

const SIMPLE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: httpbin, namespace: foo}\n\
                      spec:\n  host: httpbin.foo.svc.cluster.local\n\
                      \x20 trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}\n";

/// What a check sees of `sleep.foo` and `sleep.bar` towards `httpbin.foo`, and what was asked for on the way; `logs` is
/// what each log has, with the addresses of the recording.
async fn checked(logs: &str, forbidden: &[&str]) -> (Vec<Value>, Value, Vec<String>) {
    let (lab, cluster) = lab().await;
    for loaded in manifests::parse("simple.yaml", SIMPLE, "default").0 {
        cluster.apply(&loaded.object).await.unwrap();
    }
    lab.settled(SOON).await.unwrap();
    let desired = lab.dataplane().desired();
    let of = |(id, pod): &(&PodId, &DesiredPod)| id.namespace == "foo" && pod.workload == "sleep";
    let client = desired.pods.iter().find(of).unwrap().1.address;
    let said = logs.replace("kubectl-mtls/0.1.0", AGENT).replace("10.244.0.5", &client.to_string());
    let says: Says = Box::new(move |path| path.contains("/log?").then(|| said.clone()));
    let gate = Gate::saying(&lab.kubeconfig(), forbidden, says).await;
    let looks = ProxyLooks { most: 50, ..ProxyLooks::default() };
    let scope = Scope { services: vec!["httpbin.foo".parse().unwrap()], proxies: looks, ..Scope::default() };
    let checked =
        check::cluster(&gate.cluster().await, &scope, &Known::default(), &Progress::new(false)).await.unwrap();
    let report = serde_json::to_value(&checked.report).unwrap();
    let pairs = report["pairs"].as_array().unwrap().iter();
    let by_sidecar = |pair: &&Value| pair["client"]["workload"] == "sleep" && pair["client"]["proxy"] == "sidecar";
    (pairs.filter(by_sidecar).map(|pair| pair["observed"].clone()).collect(), report["unseen"].clone(), gate.asked())
}

#[tokio::test]
async fn the_lines_of_the_very_request_narrow_what_it_may_have_failed_from() {
    let (open, unseen, asked) = checked("", &["/log"]).await;
    assert_eq!((open.len(), &unseen, asked.len()), (2, &json!([]), 0), "no right, no evidence, and nothing failed");
    for seen in &open {
        assert!(seen["causes"].as_array().unwrap().len() > 1, "{seen}");
    }
    let (seen, _, asked) = checked(RECORDED, &[]).await;
    for seen in &seen {
        assert_eq!(seen["causes"], json!(["foreign-tls"]), "{seen}");
        assert!(seen["heard"]["client"].as_array().unwrap().contains(&json!("URX,UF")), "{seen}");
    }
    // Whether a log can be read at all, then both clients' and the server's, each once, and bounded.
    let bounded = |path: &&String| path.contains("limitBytes=262144");
    assert_eq!((asked.len(), asked.iter().filter(bounded).count()), (4, 3), "{asked:?}");
    for path in &asked {
        assert!(path.contains("container=istio-proxy") && path.contains("limitBytes="), "{path}");
        let seconds = path.split(['?', '&']).find_map(|part| part.strip_prefix("sinceSeconds=")).unwrap();
        assert!((1..60).contains(&seconds.parse::<u32>().unwrap()), "{path}");
    }
}

#[tokio::test]
async fn lines_of_others_and_lines_that_differ_say_nothing() {
    let (open, ..) = checked("", &[]).await;
    let others = RECORDED.replace("kubectl-mtls/0.1.0", "curl/8").replace("10.244.0.5", "10.244.9.9");
    // The same request with another outcome: of two nobody knows which is ours.
    let twice = RECORDED.replace("httpbin.bar:8000", "httpbin.foo:8000").replace("10.244.0.7:80 ", "10.244.0.7:81 ");
    for text in [others, twice] {
        let (seen, ..) = checked(&text, &[]).await;
        let causes = |seen: &[Value]| seen.iter().map(|seen| seen["causes"].clone()).collect::<Vec<_>>();
        assert_eq!(causes(&seen), causes(&open), "{seen:?}");
    }
}
