//! Counters read before a request and after it: what they say of that request, and where they say nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a recording that cannot be read is a failed test")]

use std::process::Command;

use kubectl_mtls::envoy::stats::Stats;
use kubectl_mtls::observed::counters::{Grown, explain, filter};
use serde_json::{Value, json};

const HOST: &str = "httpbin.foo.svc.cluster.local";

fn stats(text: &str) -> Stats {
    Stats::parse(text.as_bytes()).unwrap()
}

fn recorded(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/dumps/envoy");
    std::fs::read_to_string(format!("{folder}/{name}-stats.txt")).unwrap()
}

#[test]
fn the_filter_takes_what_is_read_of_a_real_proxy_and_nothing_else() {
    let kept = |file: &str, hosts: &[(&str, u16)], serves: bool| -> Vec<String> {
        let filter = regex::Regex::new(&filter(hosts.iter().copied(), serves).unwrap()).unwrap();
        let text = recorded(file);
        let lines = text.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name);
        lines.filter(|name| filter.is_match(name)).map(str::to_owned).collect()
    };
    let cluster = |counter: &str| format!("cluster.outbound|8000||{HOST};.{counter}");
    let client = kept("auto.http-client", &[(HOST, 8000)], false);
    let expected = ["ssl.connection_error", "ssl.fail_verify_error", "ssl.fail_verify_san", "ssl.handshake"];
    let expected = expected.into_iter().chain(["upstream_cx_connect_fail"]).map(cluster).collect::<Vec<_>>();
    assert_eq!(client, expected);
    assert!(kept("auto.http-client", &[(HOST, 8001), ("bar.foo.svc.cluster.local", 8000)], true).len() <= 4);
    let server = kept("strict.http-server", &[], true);
    let names: Vec<&str> = server.iter().filter_map(|name| Some(name.split_once("_15006.")?.1)).collect();
    assert_eq!(
        names,
        ["no_filter_chain_match", "ssl.fail_verify_error", "ssl.fail_verify_no_cert", "ssl.fail_verify_san"]
    );
    assert_eq!(filter(std::iter::empty(), false), None);
}

#[test]
fn growth_is_told_from_standing_still_and_from_not_being_shown() {
    let before = stats(&recorded("auto.http-client"));
    let name = format!("cluster.outbound|8000||{HOST};.ssl.handshake");
    let now = before.get(&name).unwrap();
    let after =
        stats(&recorded("auto.http-client").replace(&format!("{name}: {now}\n"), &format!("{name}: {}\n", now + 2)));
    let grown = Grown::of_cluster(&before, &after, HOST, 8000);
    assert_eq!(grown.grew().collect::<Vec<_>>(), [("ssl.handshake", 2)]);
    assert_eq!(grown.quiet().count(), 4);
    // Another port, another service, a proxy with Istio's own matcher: nothing is shown, so nothing stood still.
    for (host, port) in [(HOST, 8001), ("httpbin.bar.svc.cluster.local", 8000)] {
        assert_eq!(Grown::of_cluster(&before, &after, host, port), Grown::default(), "{host}:{port}");
    }
    let hidden = stats(&recorded("istio-default-stats.failing-client"));
    assert_eq!(Grown::of_cluster(&hidden, &hidden, HOST, 8000), Grown::default());
    assert_eq!(Grown::of_listener(&hidden, &hidden), Grown::default());
    // One that began anew between the readings.
    assert_eq!(Grown::of_cluster(&after, &before, HOST, 8000), Grown::default());
}

#[test]
fn what_all_callers_share_is_ours_only_where_it_counted_each_of_ours_once() {
    assert!(explain(1, &[false]) && explain(3, &[false, false, false]));
    // Somebody else's, or none of ours.
    assert!(!explain(2, &[false]) && !explain(1, &[false, false]) && !explain(1, &[]));
    // Two retries at most; of several requests nobody knows which was tried how often.
    assert!(explain(3, &[true]) && !explain(4, &[true]) && !explain(0, &[true]));
    assert!(!explain(3, &[true, false]) && !explain(2, &[true, true]));
}

fn pairs(args: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
        .args(["check", "--standalone", "-o", "json", "-f", "tests/cli/policies.yaml"])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    report["pairs"].as_array().unwrap().clone()
}

/// Three callers meet STRICT at `httpbin.bar` in plaintext, one at `httpbin.foo`: each listener counts its own.
#[test]
fn refused_plaintext_is_counted_by_the_server_that_refused_it() {
    let pairs = pairs(&[]);
    let (refused, taken): (Vec<&Value>, Vec<&Value>) = pairs.iter().partition(|pair| pair["verdict"] == "refused");
    assert_eq!((refused.len(), taken.len()), (4, 5));
    for pair in refused {
        let seen = &pair["observed"];
        assert_eq!(seen["causes"], json!(["plaintext-to-mutual-tls"]), "{}", pair["id"]);
        assert_eq!(seen["heard"]["server"], json!(["no_filter_chain_match"]), "{}", pair["id"]);
        let has_proxy = pair["client"]["proxy"] == "sidecar";
        let still =
            seen["heard"]["clientQuiet"].as_array().is_some_and(|quiet| quiet.contains(&json!("ssl.handshake")));
        assert_eq!(still, has_proxy, "{}: no handshake was tried", pair["id"]);
    }
    assert!(taken.iter().all(|pair| pair["observed"]["heard"].is_null()), "what is answered leaves nothing to count");
}

#[test]
fn without_the_proxies_nothing_is_counted_and_the_causes_stay_open() {
    let pairs = pairs(&["--no-proxy"]);
    let pair = pairs.iter().find(|pair| pair["id"] == "foo/sleep->bar/httpbin:8000").unwrap();
    assert!(pair["observed"]["heard"].is_null());
    assert!(pair["observed"]["causes"].as_array().unwrap().len() > 1, "{}", pair["observed"]);
}
