//! Workloads of other kinds than the seeds': what the tool says of each by policy and by the proxies, and what curl sees.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::kubectl::{applied, delete_policies, printed};
use crate::place::Place;
use crate::settle::Mark;
use crate::tool::{check, pair, report};

/// Service, port, scheme.
const SERVICES: [(&str, u16, &str); 6] = [
    ("bare", 8000, "http"),
    ("echo", 9000, "http"),
    ("excluded", 8000, "http"),
    ("headless", 8000, "http"),
    ("hosted", 8000, "http"),
    ("secure", 8443, "https"),
];
const CLIENTS: [&str; 3] = ["foo", "bar", "legacy"];
const ROLLOUTS: [&str; 7] = [
    "deploy/bare",
    "deploy/echo",
    "deploy/excluded",
    "deploy/hosted",
    "deploy/secure",
    "deploy/wget",
    "statefulset/headless",
];

/// What is not as it should be.
pub(crate) fn other_workloads() -> Result<Vec<String>> {
    delete_policies()?;
    applied(include_str!("../world/extras.yaml"))?;
    for rollout in ROLLOUTS {
        printed(&["rollout", "status", "-n", "extras", rollout, "--timeout=110s"])?;
    }
    printed(&["wait", "-n", "extras", "--for=condition=Complete", "job/finished", "--timeout=110s"])?;
    Mark::apply()?.await_everywhere(&Place::own().sidecars, &[])?;
    let seen = CLIENTS.iter().map(|client| loop_of(client)).collect::<Result<Vec<_>>>()?;
    let report = report(&["-n", "extras", "--from", "sleep.foo", "--from", "sleep.bar", "--from", "sleep.legacy"])?;
    let mut wrong = Vec::new();
    for (client, answers) in CLIENTS.iter().zip(seen) {
        for ((service, port, _), answer) in SERVICES.iter().zip(answers) {
            let id = format!("{client}/sleep->extras/{service}:{port}");
            wrong.extend(differences(&report, &id, &answer).into_iter().map(|what| format!("{id}: {what}")));
        }
    }
    wrong.extend(clients()?);
    wrong.extend(without_curl()?);
    wrong.extend(with_a_container_that_has_it()?);
    wrong.extend(with_wget_alone()?);
    printed(&["delete", "namespace", "extras", "--timeout=110s"])?;
    Ok(wrong)
}

/// Status and exit code of curl for each service, the last of three.
fn loop_of(client: &str) -> Result<Vec<(String, u8)>> {
    let requests =
        SERVICES.map(|(service, port, scheme)| format!("{scheme}://{service}.extras:{port}/headers")).join(" ");
    let script = format!(
        "for url in {requests}; do \
           for try in 1 2 3; do code=$(curl -sk -m 5 -o /dev/null -w '%{{http_code}}' $url); exit=$?; done; \
           echo $code $exit; \
         done"
    );
    let text =
        printed(&["exec", "-n", client, "deploy/sleep", "-c", "sleep", "--", "timeout", "110", "sh", "-c", &script])?;
    let answer = |line: &str| -> Result<(String, u8)> {
        let (code, exit) = line.split_once(' ').context("the loop printed a line of one word")?;
        Ok((code.to_owned(), exit.parse()?))
    };
    text.lines().map(answer).collect()
}

/// A curl that was answered by the application: the echo sends the request back, which curl takes for HTTP 0.9 and refuses with 1;
/// the DNS server knows no such path.
fn was_answered((code, exit): &(String, u8)) -> bool {
    ["200", "404"].contains(&code.as_str()) || *exit == 1
}

fn differences(report: &Value, id: &str, answer: &(String, u8)) -> Vec<String> {
    let Some(pair) = pair(report, id) else {
        return vec!["the report has no such pair".to_owned()];
    };
    let mut wrong = Vec::new();
    let (wire, http, (code, exit)) = (&pair["intent"]["wire"], &pair["intent"]["http"], answer);
    let should_reach = ["mutual-tls", "plaintext", "tls"].iter().any(|word| wire == word);
    if was_answered(answer) != should_reach {
        wrong.push(format!("by policy {wire} ({}), curl saw {code}/{exit}", pair["intent"]["because"]));
    }
    if !should_reach && !http.is_null() && http != code {
        wrong.push(format!("by policy {http}/{}, curl saw {code}/{exit}", pair["intent"]["exit"]));
    }
    let programmed = &pair["programmed"]["wire"];
    if !programmed.is_null() && programmed != wire {
        wrong.push(format!("by policy {wire}, by the proxies {programmed}: {}", pair["gaps"]));
    }
    if pair["gaps"].as_array().is_none_or(|gaps| !gaps.is_empty()) {
        wrong.push(format!("gaps: {}", pair["gaps"]));
    }
    wrong
}

/// A job that has finished calls nobody.
fn clients() -> Result<Vec<String>> {
    let report = report(&["httpbin.foo:8000", "--no-probe", "--no-proxy"])?;
    let pairs = report["pairs"].as_array().into_iter().flatten();
    let jobs = pairs.filter(|pair| pair["client"]["workload"] == "finished");
    Ok(jobs.map(|pair| format!("a job that has finished is called a client: {}", pair["id"])).collect())
}

/// An image without curl is named, and what to do about it.
fn without_curl() -> Result<Vec<String>> {
    let output = check(&["httpbin.foo:8000", "--from", "bare.extras", "--probe"])?;
    let said = ["(container bare): the container has neither curl nor wget:", "--from app=sleep"];
    let missing = said.iter().filter(|text| !output.stderr.contains(**text));
    Ok(missing.map(|text| format!("`{text}` is not in standard error: {}", output.stderr.trim())).collect())
}

/// Requests from the pod's own network, by a container that is added to it.
fn with_a_container_that_has_it() -> Result<Vec<String>> {
    mutual(&["httpbin.foo:8000", "--from", "bare.extras", "--debug-image", "localhost/app:1"], &[])
}

/// Requests by BusyBox, from an image that has nothing else.
fn with_wget_alone() -> Result<Vec<String>> {
    mutual(&["httpbin.foo:8000", "--from", "wget.extras", "--probe"], &[("/observed/program", "wget")])
}

/// Whether the one pair of a check was seen to be mutual TLS.
fn mutual(arguments: &[&str], also: &[(&str, &str)]) -> Result<Vec<String>> {
    let report = report(arguments)?;
    let pair = report["pairs"].get(0).context("the report has no pair")?;
    let said = [("/observed/wire", "mutual-tls"), ("/observed/http", "200"), ("/observed/peer/uri", PEER)];
    let said = [&said, also].concat();
    let wrong = said.iter().filter(|(path, due)| pair.pointer(path).is_none_or(|said| said != due));
    Ok(wrong.map(|(path, due)| format!("{path}: {:?}, not {due}: {}", pair.pointer(path), report["unseen"])).collect())
}

const PEER: &str = "spiffe://cluster.local/ns/extras/sa/default";
