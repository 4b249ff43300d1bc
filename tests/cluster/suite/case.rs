//! Sets of policies: the scenario files, in the test-bed's own world or in theirs, and sets that were recorded on another cluster.

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::place::Place;
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
    let scenarios = file::all().map_err(|wrong| anyhow!("{wrong:?}"))?;
    let (own, others): (Vec<_>, Vec<_>) =
        scenarios.into_iter().partition(|scenario| scenario.world.is_of_the_test_bed());
    cases.extend(own.into_iter().map(Case::of_scenario));
    let recorded = include_str!("../../vectors/cluster-policies.jsonl");
    for (number, line) in recorded.lines().enumerate() {
        let case = recorded_set(serde_json::from_str(line)?);
        if number < RECORDED {
            cases.push(case);
        } else {
            not_run.push(NotRun { id: case.id, why: format!("recorded; the first {RECORDED} are applied") });
        }
    }
    // What they add stays where it is, and costs: last.
    cases.extend(others.into_iter().map(Case::of_scenario));
    Ok((cases, not_run))
}

// === impl Case ===

impl Case {
    fn of_scenario(scenario: Scenario) -> Self {
        Self {
            id: scenario.id.clone(),
            policies: scenario.policies.clone(),
            with_sidecar: Vec::new(),
            scenario: Some(scenario),
        }
    }

    /// A set of policies for the test-bed's own world.
    pub(crate) fn of_set(id: String, set: Vec<Value>) -> Self {
        Self { id, policies: list(&set.into()), scenario: None, with_sidecar: Vec::new() }
    }

    /// Where it is acted; what is not there yet is brought up.
    pub(crate) fn place(&self) -> Result<Place> {
        match &self.scenario {
            Some(scenario) if !scenario.world.is_of_the_test_bed() => Place::of(&scenario.world),
            _ => Ok(Place::own()),
        }
    }
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
    Case { id, policies: list(&objects), scenario: None, with_sidecar }
}

fn list(objects: &Value) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}
