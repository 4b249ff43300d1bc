//! Sets of policies for the fixed world of the test-bed: the scenario files, and sets that were recorded on another cluster.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::scenario::file::{self, Scenario};

/// Recorded sets that are applied: those that come first.
const RECORDED: usize = 40;

/// Policies to apply, and what is known of them.
pub(crate) struct Case {
    /// Name of the scenario file, or of the recorded set.
    pub(crate) id: String,
    /// Manifests.
    pub(crate) policies: String,
    /// What is expected of each pair, where a scenario file says so.
    pub(crate) scenario: Option<Scenario>,
    /// Namespaces with a Sidecar, which may hide things from the proxies there.
    pub(crate) with_sidecar: Vec<String>,
}

/// Something that is not run, and why.
pub(crate) struct NotRun {
    /// Its name.
    pub(crate) id: String,
    /// Why.
    pub(crate) why: String,
}

/// Everything there is, split in what can be run and what cannot.
pub(crate) fn all() -> Result<(Vec<Case>, Vec<NotRun>)> {
    let (mut cases, mut not_run) = (Vec::new(), Vec::new());
    for scenario in file::all().map_err(|wrong| anyhow!("{wrong:?}"))? {
        match why_not(&scenario) {
            Some(why) => not_run.push(NotRun { id: scenario.id, why }),
            None => cases.push(Case {
                id: scenario.id.clone(),
                policies: scenario.policies.clone(),
                with_sidecar: Vec::new(),
                scenario: Some(scenario),
            }),
        }
    }
    let recorded = include_str!("../../vectors/cluster-policies.jsonl");
    for (number, line) in recorded.lines().enumerate() {
        let case = recorded_set(serde_json::from_str(line)?);
        if number < RECORDED {
            cases.push(case);
        } else {
            not_run.push(NotRun { id: case.id, why: format!("recorded; the first {RECORDED} are applied") });
        }
    }
    Ok((cases, not_run))
}

/// Why a scenario does not fit the world of the test-bed.
fn why_not(scenario: &Scenario) -> Option<String> {
    let rows = scenario.rows_at(kubectl_mtls::model::mesh::IstioVersion::NEWEST);
    let names = rows.iter().flat_map(|row| [&row.pair.client, &row.pair.server]);
    let strangers = names.filter(|name| {
        !crate::curl::NAMESPACES.contains(&name.namespace.as_str())
            || !["sleep", "httpbin"].contains(&name.name.as_str())
    });
    let mut strangers = strangers.map(ToString::to_string).collect::<Vec<_>>();
    strangers.sort();
    strangers.dedup();
    (!strangers.is_empty()).then(|| format!("the test-bed has no {}", strangers.join(", ")))
}

fn recorded_set(mut set: Value) -> Case {
    let id = set["id"].as_str().unwrap_or_default().to_owned();
    let mut objects = set["objects"].take();
    let mut with_sidecar = Vec::new();
    for object in objects.as_array_mut().into_iter().flatten() {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("creationTimestamp");
        }
        if object["kind"] == "Sidecar" {
            with_sidecar.extend(object["metadata"]["namespace"].as_str().map(str::to_owned));
        }
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    Case { id, policies: list.to_string(), scenario: None, with_sidecar }
}
