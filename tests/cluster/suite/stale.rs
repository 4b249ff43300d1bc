//! A push that istiod owes a proxy and does not know of: the tool has to name it, where `istioctl proxy-status` sees nothing wrong.
//!
//! Two DestinationRules of one namespace: the wider host first, the narrower one, for other workloads only, after it. By the rules the
//! narrower host wins and, not being meant for this client, leaves it to auto mTLS. A proxy that runs is not told.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::kubectl::{applied, delete_policies, printed};
use crate::place::Place;
use crate::run::check;
use crate::scenario::lab::finish;
use crate::scenario::row::Name;
use crate::settle::{Mark, admin};

const WIDER: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: wider, namespace: bar}\n\
                     spec: {host: '*.local', trafficPolicy: {tls: {mode: SIMPLE}}}\n";
const NARROWER: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: narrower, namespace: bar}\n\
                        spec:\n  host: '*.foo.svc.cluster.local'\n  workloadSelector: {matchLabels: {app: httpbin}}\n  \
                        trafficPolicy: {tls: {mode: SIMPLE}}\n";
/// A change at the servers, which has istiod write all clusters anew.
const OTHER: &str = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: foo}\n\
                     spec: {mtls: {mode: STRICT}}\n";

const CLIENT: &str = "sleep.bar";
/// A proxy that the narrower rule is meant for.
const MEANT: &str = "httpbin.bar";

/// What is not as it should be.
pub(crate) fn stale_push() -> Result<Vec<String>> {
    let place = Place::own();
    delete_policies()?;
    Mark::apply()?.await_everywhere(&place.sidecars, &[])?;
    applied(WIDER)?;
    until("sleep.bar holds the wider rule", || names(CLIENT, "wider"))?;
    applied(NARROWER)?;
    until("httpbin.bar holds the narrower rule", || names(MEANT, "narrower"))?;
    ensure!(names(CLIENT, "wider")?, "istiod told sleep.bar: it is not stale, and this test has lost its object");

    let mut wrong = Vec::new();
    let seen = curl()?;
    if seen != "503" {
        wrong.push(format!("the wire should show what the proxy holds, 503; curl saw {seen}"));
    }
    let status = finish({
        let mut command = Command::new("istioctl");
        command.args(["proxy-status"]);
        command
    })?;
    if status.stdout.contains("STALE") {
        wrong.push(format!("istioctl knows of it:\n{}", status.stdout));
    }
    // A policy younger than a minute counts as being pushed.
    let mut pair = Value::Null;
    until("the tool says that the client's proxy has a gap", || {
        pair = the_pair(&check(&place)?)?;
        Ok(pair["gaps"].as_array().is_some_and(|gaps| !gaps.is_empty()))
    })?;
    let gap = pair["gaps"].as_array().into_iter().flatten().find(|gap| gap["at"] == "client");
    let what = gap.and_then(|gap| gap["what"].as_str()).unwrap_or_default();
    for piece in ["mutual-tls", "dr/wider.bar"] {
        if !what.contains(piece) {
            wrong.push(format!("no gap at the client that names {piece}: {}", pair["gaps"]));
        }
    }
    for (what, said, due) in [
        ("policy", &pair["intent"]["wire"], "mutual-tls"),
        ("the proxies", &pair["programmed"]["wire"], "refused"),
        ("the wire", &pair["observed"]["wire"], "refused"),
    ] {
        if said != due {
            wrong.push(format!("{what}: {said}, not {due}"));
        }
    }

    applied(OTHER)?;
    until("another change pushes what is owed", || Ok(!names(CLIENT, "wider")?))?;
    until("curl gets through", || Ok(curl()? == "200"))?;
    let pair = the_pair(&check(&place)?)?;
    if pair["verdict"] != "mutual-tls" || pair["gaps"] != Value::Array(Vec::new()) {
        wrong.push(format!("after the push: {}, gaps {}", pair["verdict"], pair["gaps"]));
    }
    delete_policies()?;
    Ok(wrong)
}

/// Whether the cluster of a proxy for httpbin.foo names a DestinationRule.
fn names(proxy: &str, rule: &str) -> Result<bool> {
    let dump = admin(
        &Name::parse(proxy)?,
        "config_dump?resource=dynamic_active_clusters&name_regex=outbound.8000..httpbin.foo.*",
    )?;
    ensure!(dump.contains("httpbin.foo"), "{proxy} has no cluster for httpbin.foo");
    Ok(dump.contains(&format!("destination-rule/{rule}\"")))
}

fn curl() -> Result<String> {
    let url = "http://httpbin.foo:8000/headers";
    printed(&[
        "exec",
        "-n",
        "bar",
        "deploy/sleep",
        "-c",
        "sleep",
        "--",
        "curl",
        "-s",
        "-m",
        "5",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        url,
    ])
}

fn the_pair(report: &Value) -> Result<Value> {
    let pairs = report["pairs"].as_array().context("no pairs")?;
    let pair = pairs.iter().find(|pair| pair["id"] == "bar/sleep->foo/httpbin:8000");
    pair.cloned().context("the report has no pair bar/sleep->foo/httpbin:8000")
}

fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    const PATIENCE: Duration = Duration::from_mins(3);
    let began = Instant::now();
    while !holds()? {
        ensure!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
    }
    Ok(())
}
