//! Which requests are sent again: those whose answer contradicts what the proxies were told, counted where they leave.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::config::Kubeconfig;
use kubectl_mtls::decode::manifests;
use kubectl_mtls::gather::check::{self, Known};
use kubectl_mtls::gather::progress::Progress;
use kubectl_mtls::gather::scope::{ProxyLooks, Scope};
use kubectl_mtls::lab::desired::{DesiredPod, PodId};
use kubectl_mtls::lab::mesh::Lab;
use kubectl_mtls::model::evidence::{Program, Transfer};
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::observed::repeats::{MOST, Repeats};
use kubectl_mtls::observed::signature::Ends;
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use serde_json::{Value, json};

const STARTS: Duration = Duration::from_mins(1);

/// The report of a check of a drifting mesh, and how often `sleep.foo` called each httpbin by its proxy's own log.
async fn checked(drift: &str, looks: ProxyLooks) -> (Value, BTreeMap<String, usize>) {
    let lab = Lab::drifting(IstioVersion::NEWEST, vec![drift.parse().unwrap()]).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&lab.kubeconfig()).unwrap();
    let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await.unwrap();
    let policies = std::fs::read_to_string("tests/cli/policies.yaml").unwrap();
    for loaded in manifests::parse("policies.yaml", &policies, "default").0 {
        cluster.apply(&loaded.object).await.unwrap();
    }
    lab.settled(STARTS).await.unwrap();
    lab.let_time_pass();
    lab.settled(STARTS).await.unwrap();
    let scope = Scope { echo_servers_only: true, proxies: looks, ..Scope::default() };
    let checked = check::cluster(&cluster, &scope, &Known::default(), &Progress::new(false)).await.unwrap();
    let desired = lab.dataplane().desired();
    let of = |(id, pod): &(&PodId, &DesiredPod)| id.namespace == "foo" && pod.workload == "sleep";
    let (client, _) = desired.pods.iter().find(of).unwrap();
    let mut calls = BTreeMap::new();
    for line in lab.dataplane().access_log(client) {
        *calls.entry(line.authority.unwrap()).or_default() += 1;
    }
    (serde_json::to_value(&checked.report).unwrap(), calls)
}

fn calls(bar: usize) -> BTreeMap<String, usize> {
    [("httpbin.bar:8000", bar), ("httpbin.foo:8000", 1), ("httpbin.legacy:8000", 1)]
        .map(|(to, n)| (to.to_owned(), n))
        .into()
}

#[tokio::test]
async fn a_request_is_sent_again_where_the_wire_contradicts_the_proxies_and_nowhere_else() {
    let all = ProxyLooks { most: 50, ..ProxyLooks::default() };
    let (report, sent) = checked("bypass=httpbin.bar", all).await;
    assert_eq!(sent, calls(3), "the answer in doubt, and two that agree");
    for pair in report["pairs"].as_array().unwrap().iter().filter(|pair| pair["client"]["workload"] == "sleep") {
        let seen = &pair["observed"];
        let expected = if pair["server"]["namespace"] == "bar" { json!(["200", "200", "200"]) } else { Value::Null };
        assert_eq!(seen["answers"], expected, "{}", pair["id"]);
        assert_eq!(seen["requests"], expected.as_array().map_or(1, Vec::len), "{}", pair["id"]);
        let gaps: Vec<&str> =
            pair["gaps"].as_array().unwrap().iter().map(|gap| gap["what"].as_str().unwrap()).collect();
        assert_eq!(gaps.iter().any(|what| what.ends_with("3 times in a row")), !expected.is_null(), "{gaps:?}");
    }
    // A client that was not given the rule is a gap as well, and its proxy explains what was seen.
    let (report, sent) = checked("client=sleep.foo", all).await;
    assert_eq!(sent, calls(1));
    assert!(report["pairs"].as_array().unwrap().iter().any(|pair| pair["gaps"][0]["at"] == "client"));
    // Policy alone is contradicted, and nobody knows what the proxies were told.
    let (_, sent) = checked("bypass=httpbin.bar", ProxyLooks::default()).await;
    assert_eq!(sent, calls(1));
}

/// Sends again until the answers settle, as often as is allowed.
fn asked(answers: &[(&str, u8)]) -> Repeats {
    let ends = Ends { client_proxy: true, server_proxy: Some(true), class: PortClass::Http, echoes: false };
    let transfers = answers.iter().map(|(http, exit)| Transfer {
        http: (*http).to_owned(),
        exit: *exit,
        headers: Vec::new(),
        body: String::new(),
        message: None,
        program: Program::Curl,
    });
    let mut before = transfers.clone().next().unwrap();
    let mut repeats = Repeats::of(&before);
    for next in transfers.skip(1).take(MOST) {
        if repeats.settled {
            break;
        }
        repeats.add(&before, &next, ends);
        before = next;
    }
    repeats
}

/// The sequences that a real mesh showed after a policy was changed: a pooled connection for each worker serves one more.
#[test]
fn answers_settle_once_two_of_those_after_the_first_agree() {
    let (taken, refused) = (("200", 0), ("503", 0));
    let settled = |answers: &[(&str, u8)]| {
        let repeats = asked(answers);
        (repeats.answers.len(), repeats.settled, repeats.changed())
    };
    assert_eq!(settled(&[taken, taken, refused, refused, refused]), (4, true, true));
    assert_eq!(settled(&[taken, refused, refused, refused, taken]), (3, true, true));
    assert_eq!(settled(&[taken; 5]), (3, true, false));
    let restless = [taken, refused, taken, refused, taken, refused, taken, refused];
    assert_eq!(settled(&restless), (1 + MOST, false, true));
    // Which code of a closed connection comes is a race, and no change.
    assert_eq!(settled(&[taken, ("000", 52), ("000", 56), taken]), (3, true, true));
    assert_eq!(asked(&[taken, ("000", 52), ("000", 56)]).answers, ["200", "000/52", "000/56"]);
}
