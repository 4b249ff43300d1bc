//! One case after the other: apply, wait until the proxies hold it, ask the loop, ask the tool, judge.

use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::case::{self, Case};
use crate::cost;
use crate::curl;
use crate::extras;
use crate::fresh;
use crate::judge::{Judgement, judge};
use crate::kubectl::{apply, delete_policies, printed};
use crate::place::Place;
use crate::places;
use crate::plugin;
use crate::revisions;
use crate::scenario::lab::finish;
use crate::settle::Mark;
use crate::stale;
use crate::waits;

/// Cases by how they ended, and what was judged in them.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Every witness agrees.
    pub(crate) passed: usize,
    /// Some do not, or the case could not be judged.
    pub(crate) failed: usize,
    pairs: usize,
    unstable: usize,
}

/// What is not a set of policies that every pair is judged under: its name, and how to learn what is wrong.
type Special = (&'static str, fn() -> Result<Vec<String>>);

const SPECIAL: [Special; 8] = [
    ("stale-push", stale::stale_push),
    ("as-a-plugin", plugin::as_a_plugin),
    ("what-a-check-costs", cost::what_a_check_costs),
    ("an-application-that-waits", waits::an_application_that_waits),
    ("other-workloads", extras::other_workloads),
    ("a-namespace-without-istiod", places::another_namespace),
    ("in-a-pod", places::in_a_pod),
    ("a-second-control-plane", revisions::a_second_control_plane),
];

/// Runs the cases whose name contains one of the words, or all.
pub(crate) fn suite(filters: &[String]) -> Result<Tally> {
    let (cases, not_run) = case::all()?;
    let (mut tally, began) = (Tally::default(), Instant::now());
    let wanted = |id: &str| filters.is_empty() || filters.iter().any(|word| id.contains(word.as_str()));
    for case in cases.iter().filter(|case| wanted(&case.id)) {
        tally.judged(case);
    }
    for special in SPECIAL.iter().filter(|(id, _)| wanted(id)) {
        tally.looked(special);
    }
    tally.ends()?;
    let (scenarios, recorded): (Vec<_>, Vec<_>) = not_run.iter().partition(|left| !left.why.starts_with("recorded"));
    for left in &scenarios {
        println!("not run: {}: {}", left.id, left.why);
    }
    println!("not run: {} scenario files (above), {} recorded sets", scenarios.len(), recorded.len());
    let Tally { pairs, unstable, .. } = tally;
    println!("{pairs} pairs judged, {unstable} whose answers did not settle, {} s", began.elapsed().as_secs());
    Ok(tally)
}

/// Judges random sets, those of `count` seeds from the first on; one that disagrees is made small and printed.
pub(crate) fn fresh(count: u64, first: u64) -> Result<Tally> {
    let mut tally = Tally::default();
    for seed in first..first.saturating_add(count) {
        let set = fresh::set(seed);
        if !tally.judged(&Case::of_set(format!("seed {seed}"), set.clone())) {
            let disagrees = |set: &[Value]| {
                run_twice(&Case::of_set(String::new(), set.to_vec()))
                    .is_ok_and(|judged| !judged.disagreements.is_empty())
            };
            println!("as small as it goes:\n{}", fresh::smallest(set, disagrees));
        }
    }
    tally.ends()?;
    Ok(tally)
}

// === impl Tally ===

impl Tally {
    /// Judges a case; whether all witnesses agree.
    fn judged(&mut self, case: &Case) -> bool {
        let started = Instant::now();
        let judgement = run_twice(case)
            .unwrap_or_else(|error| Judgement { disagreements: vec![format!("{error:#}")], ..Judgement::default() });
        self.pairs += judgement.pairs;
        self.unstable += judgement.unstable.len();
        let what = format!("{} ({} pairs, {:.1} s)", case.id, judgement.pairs, started.elapsed().as_secs_f32());
        self.count(&what, judgement.disagreements.is_empty());
        for line in judgement.disagreements.iter().chain(&judgement.unstable) {
            println!("       {line}");
        }
        judgement.disagreements.is_empty()
    }

    /// What every run ends with.
    fn ends(&mut self) -> Result<()> {
        delete_policies()?;
        let rejected = rejected()?;
        let what = format!("no update of istiod was rejected by a proxy (`ACK ERROR` in its log: {rejected})");
        self.count(&what, rejected == 0);
        Ok(())
    }

    fn looked(&mut self, (id, look): &Special) {
        let started = Instant::now();
        let wrong = look().unwrap_or_else(|error| vec![format!("{error:#}")]);
        self.count(&format!("{id} ({:.1} s)", started.elapsed().as_secs_f32()), wrong.is_empty());
        for line in wrong {
            println!("       {line}");
        }
    }

    fn count(&mut self, what: &str, is_so: bool) {
        let (count, word) = if is_so { (&mut self.passed, "ok") } else { (&mut self.failed, "FAILED") };
        *count += 1;
        println!("{word:6} {what}");
    }
}

/// A disagreement counts if it is still there when asked anew.
fn run_twice(case: &Case) -> Result<Judgement> {
    let first = run(case)?;
    if first.disagreements.is_empty() {
        return Ok(first);
    }
    let again = run(case)?;
    if again.disagreements.is_empty() {
        for line in &first.disagreements {
            println!("       once only: {line}");
        }
    }
    Ok(again)
}

fn run(case: &Case) -> Result<Judgement> {
    delete_policies()?;
    let place = case.place()?;
    let refused = if case.policies.trim().is_empty() { None } else { apply(&case.policies)? };
    let is_expected = case.scenario.as_ref().is_some_and(|scenario| !scenario.refused.is_empty());
    if let Some(message) = refused.as_ref().filter(|_| !is_expected) {
        bail!("kubectl apply: {}", message.trim());
    }
    ensure!(refused.is_some() == is_expected, "the API server took what the scenario expects it to refuse");
    Mark::apply()?.await_everywhere(&place.sidecars, &case.with_sidecar)?;
    let cells = curl::all(&place)?;
    judge(&check(&place)?, &cells, (&place, case.scenario.as_ref()))
}

/// The tool, as people run it.
pub(crate) fn check(place: &Place) -> Result<Value> {
    let output = finish(place.check())?;
    let report: Value = serde_json::from_str(&output.stdout)
        .with_context(|| format!("exit {:?}, stdout is no JSON; stderr: {}", output.code, output.stderr.trim()))?;
    let errors = report["findings"].as_array().into_iter().flatten().filter(|finding| finding["severity"] == "error");
    let expected = i32::from(errors.count() > 0);
    ensure!(output.code == Some(expected), "exit {:?}, not {expected}; stderr: {}", output.code, output.stderr.trim());
    Ok(report)
}

/// How many updates the proxies rejected; with one of them, answers are those of the configuration before.
fn rejected() -> Result<usize> {
    let log = printed(&["logs", "-n", "istio-system", "deploy/istiod", "--tail=-1"])?;
    Ok(log.lines().filter(|line| line.contains("ACK ERROR")).count())
}
