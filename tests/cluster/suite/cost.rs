//! What one command costs the API server, by its own audit log: one list of each kind, one exec for each client pod.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::kubectl::delete_policies;
use crate::place::Place;
use crate::run::check;
use crate::settle::Mark;

/// Lists, and execs by pod, with how often.
type Counts = BTreeMap<String, usize>;

/// Kinds that the rules cannot do without.
const NEEDED: [&str; 4] = ["pods", "services", "peerauthentications", "destinationrules"];

/// What is not as it should be.
pub(crate) fn what_a_check_costs() -> Result<Vec<String>> {
    delete_policies()?;
    let place = Place::own();
    Mark::apply()?.await_everywhere(&place.sidecars, &[])?;
    let mut log = File::open(std::env::var_os("CLUSTER_AUDIT_LOG").context("CLUSTER_AUDIT_LOG is not set")?)?;
    log.seek(SeekFrom::End(0))?;
    check(&place)?;
    // A request is written down before it is answered: nothing of the command is still to come.
    let mut text = String::new();
    log.read_to_string(&mut text)?;
    let (lists, execs) = counted(&text)?;

    let mut wrong = Vec::new();
    for kind in NEEDED {
        ensure!(lists.contains_key(kind), "no list of {kind} was counted: {lists:?}");
    }
    for (what, times) in lists.iter().filter(|(_, times)| **times > 1) {
        wrong.push(format!("{what} was listed {times} times"));
    }
    let clients = place.clients.iter().map(|client| client.namespace.as_str()).collect::<Vec<_>>();
    let expected = clients.iter().map(|namespace| ((*namespace).to_owned(), 1)).collect::<Counts>();
    if execs != expected {
        wrong.push(format!("execs by namespace: {execs:?}, not {expected:?}"));
    }
    Ok(wrong)
}

/// Lists by kind, and execs into pods by namespace: each namespace has one client.
fn counted(text: &str) -> Result<(Counts, Counts)> {
    let (mut lists, mut execs) = (Counts::new(), Counts::new());
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| format!("no audit event: {line}"))?;
        let object = &event["objectRef"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match (event["stage"].as_str(), event["verb"].as_str(), object["subresource"].as_str()) {
            (Some("ResponseComplete"), Some("list"), _) => *lists.entry(word(&object["resource"])).or_default() += 1,
            // An exec lasts: it is told when it begins and when it ends.
            (Some("ResponseStarted"), _, Some("exec")) => *execs.entry(word(&object["namespace"])).or_default() += 1,
            _ => {}
        }
    }
    Ok((lists, execs))
}
