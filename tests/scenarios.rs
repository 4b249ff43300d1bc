//! Runs every file of `tests/scenarios` against the rules and against the lab, and accounts for every entry of the seeds.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

use crate::scenario::answer::{Answer, Observed};
use crate::scenario::file::{self, Refused, Scenario};
use crate::scenario::lab;
use crate::scenario::mismatch::{Mismatch, report};
use crate::scenario::row::{Curl, Peer, Row};
use crate::scenario::rules;
use crate::scenario::seeds::{Entry, SeedRow, Seeds};
use kubectl_mtls::model::mesh::IstioVersion;

// === the files ===

#[test]
fn every_file_is_understood_and_says_something_of_its_own() {
    let scenarios = file::all().unwrap();
    let names = scenarios.iter().map(|scenario| &scenario.name).collect::<BTreeSet<_>>();
    assert_eq!(names.len(), scenarios.len(), "two files have the same `name`");
}

#[test]
fn every_entry_of_the_seeds_is_acted_or_waits_with_a_reason() {
    let (seeds, scenarios, waiting) = (Seeds::read().unwrap(), file::all().unwrap(), waiting().unwrap());
    let acted = scenarios.iter().flat_map(|scenario| &scenario.seed).collect::<Vec<_>>();
    for id in acted.iter().copied().chain(waiting.keys()) {
        seeds.entry(id).unwrap();
    }
    for Entry { id, .. } in &seeds.entries {
        let times = acted.iter().filter(|acted| **acted == id).count() + usize::from(waiting.contains_key(id));
        assert_eq!(times, 1, "`{id}` must be in `seed` of one scenario, or wait in tests/scenarios/README.md");
    }
}

#[test]
fn a_scenario_of_a_seed_expects_what_the_seed_printed_or_says_why_not() {
    let (seeds, scenarios) = (Seeds::read().unwrap(), file::all().unwrap());
    let mut wrong = Vec::new();
    for scenario in &scenarios {
        for id in &scenario.seed {
            let entry = seeds.entry(id).unwrap();
            wrong.extend(against_printed(scenario, entry).unwrap());
            wrong.extend(against_modern(scenario, entry).unwrap());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_scenario_of_a_seed_has_the_policies_of_the_seed() {
    let (seeds, scenarios) = (Seeds::read().unwrap(), file::all().unwrap());
    for scenario in &scenarios {
        for id in &scenario.seed {
            let entry = seeds.entry(id).unwrap();
            let same = documents(&entry.policies().unwrap()).unwrap() == documents(&scenario.policies).unwrap();
            let rebuilt = scenario.rebuilt.is_some();
            assert!(
                same != rebuilt,
                "{}: policies of `{id}`: same: {same}, `rebuilt` is there: {rebuilt}",
                scenario.id
            );
        }
    }
}

// === the rules ===

#[test]
fn the_example_of_the_readme_is_a_scenario_that_holds() {
    let readme = std::fs::read_to_string(file::folder().join("README.md")).unwrap();
    let (_, example) = readme.split_once("```yaml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let scenario = Scenario::parse("README", example).unwrap();
    report(&rules::mismatches(&scenario)).unwrap_or_else(|list| panic!("{list}"));
}

#[test]
fn the_rules_say_what_every_scenario_expects_at_every_version() {
    let mismatches = file::all().unwrap().iter().flat_map(rules::mismatches).collect::<Vec<_>>();
    report(&mismatches).unwrap_or_else(|list| panic!("{list}"));
}

#[test]
fn what_the_api_would_refuse_is_told_with_its_line_and_field() {
    let mut wrong = Vec::new();
    for scenario in &file::all().unwrap() {
        let told = rules::problems(scenario);
        for Refused { line, field, says } in &scenario.refused {
            let found = told.iter().any(|problem| {
                problem.line == Some(*line)
                    && problem.field.as_deref() == Some(field)
                    && problem.message.contains(says.as_str())
            });
            if !found {
                wrong.push(format!("{}: nobody says `{says}` of `{field}` in line {line} of `policies`", scenario.id));
            }
        }
        if told.len() != scenario.refused.len() {
            let told = told.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n");
            wrong.push(format!("{}: {} expected in `refused`, told:\n{told}", scenario.id, scenario.refused.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// === the lab ===

#[test]
fn a_report_is_compared_with_a_row_field_by_field() {
    let scenario = Scenario::parse("sample", SAMPLE).unwrap();
    let rows = scenario.rows_at(IstioVersion::NEWEST);
    let good: Value = serde_json::from_str(SAMPLE_REPORT).unwrap();
    let differences = |report: &Value, row: &Row| {
        let pair = lab::find(report, &row.pair).unwrap();
        let mut found = Answer::of_report(pair).unwrap().differences(row);
        found.extend(Observed::of_report(pair).unwrap().unwrap().differences(&scenario, row));
        found.into_iter().map(|(what, ..)| what).collect::<Vec<_>>()
    };
    assert!(rows.iter().all(|row| differences(&good, row).is_empty()), "{:?}", differences(&good, rows[0]));
    for (pointer, value, what) in [
        ("/verdict", "\"plaintext\"", vec!["result"]),
        ("/conflict", "false", vec!["result"]),
        ("/intent/why", "\"not-http\"", vec!["reason"]),
        ("/intent/http", "\"200\"", vec!["curl by policy"]),
        ("/intent/exit", "[0, 56]", vec!["curl by policy"]),
        ("/originates/mode", "\"SIMPLE\"", vec!["client"]),
        ("/originates/decidedBy/namespace", "\"foo\"", vec!["client"]),
        ("/endpoints/0/accepts/mode", "\"PERMISSIVE\"", vec!["server"]),
        ("/endpoints/0/accepts/decidedBy/layer", "\"namespace\"", vec!["server"]),
        ("/endpoints/0/accepts/decidedBy/field", "\"spec.portLevelMtls[8000].mode\"", vec!["server"]),
        ("/responsible", "[]", vec!["responsible", "responsible"]),
        ("/observed/wire", "\"plaintext\"", vec!["wire"]),
        ("/observed/http", "\"000\"", vec!["curl"]),
        ("/observed/exit", "56", vec!["curl"]),
        ("/observed/peer", "{\"absent\": \"plaintext\"}", vec!["peer"]),
    ] {
        let mut bad = good.clone();
        *bad["pairs"][0].pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
        assert_eq!(differences(&bad, rows[0]), what, "with {pointer} = {value}");
    }
    let mut bad = good;
    bad["pairs"][1]["observed"]["peer"]["by"] = "spiffe://cluster.local/ns/foo/sa/sleep".into();
    assert_eq!(differences(&bad, rows[1]), ["peer By"]);
}

#[test]
fn the_lab_shows_what_every_scenario_expects() {
    let reports = lab::reports().as_ref().unwrap();
    let scenarios = file::all().unwrap();
    let mut mismatches = Vec::new();
    for ((id, version), answer) in reports {
        let scenario = scenarios.iter().find(|scenario| scenario.id == *id).unwrap();
        match answer {
            Ok(answer) => mismatches.extend(against_report(scenario, *version, answer)),
            Err(why) => mismatches.push(Mismatch::unanswered(scenario, *version, None, why.clone())),
        }
    }
    report(&mismatches).unwrap_or_else(|list| panic!("{list}"));
}

#[test]
fn the_lab_prints_what_the_seeds_printed() {
    let (seeds, scenarios) = (Seeds::read().unwrap(), file::all().unwrap());
    let reports = lab::reports().as_ref().unwrap();
    let (mut rows, mut wrong) = (0, Vec::new());
    for entry in &seeds.entries {
        // Entries without a scenario wait, see the README; only an httpbin is sent requests.
        let Some(scenario) = scenarios.iter().find(|scenario| scenario.seed.contains(&entry.id)) else { continue };
        if !scenario.world.only_httpbin() {
            continue;
        }
        let tables = BTreeMap::from([(entry.version(), entry.printed()), (IstioVersion::NEWEST, entry.modern())]);
        for (version, table) in tables {
            for seed in table {
                let row = row_of(scenario, version, &seed).unwrap();
                let is_printed = version != IstioVersion::NEWEST;
                if is_printed && scenario.printed.iter().any(|printed| printed.pair == row.pair) {
                    continue;
                }
                rows += 1;
                let place = format!("{} at {version}: {}", entry.id, row.pair);
                match seen(&reports[&(scenario.id.clone(), version)], row) {
                    Ok((curl, peer, by)) => {
                        wrong.extend(
                            seed.differences(Some(&curl), &peer, &by).iter().map(|what| format!("{place}: {what}")),
                        );
                    }
                    Err(why) => wrong.push(format!("{place}: {why:#}")),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} complaints about {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(rows >= 510, "only {rows} rows were compared");
}

// === what the tests share ===

/// Entries that cannot be acted yet, with the reason, from the list in the README.
fn waiting() -> Result<BTreeMap<String, String>> {
    let readme = std::fs::read_to_string(file::folder().join("README.md"))?;
    let (_, list) = readme.split_once("## Waiting").context("README.md has no heading `## Waiting`")?;
    let mut waiting = BTreeMap::new();
    for line in list.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (id, why) = line.split_once("` |").with_context(|| format!("README.md: `{line}`"))?;
        let why = why.trim().trim_end_matches('|').trim();
        ensure!(!why.is_empty(), "README.md: say why `{id}` waits");
        ensure!(waiting.insert(id.to_owned(), why.to_owned()).is_none(), "README.md: `{id}` waits twice");
    }
    Ok(waiting)
}

/// The row of a scenario that a row of its seed is about.
fn row_of<'a>(scenario: &'a Scenario, version: IstioVersion, seed: &SeedRow) -> Result<&'a Row> {
    let ends = seed.ends()?;
    let mut rows = scenario.rows_at(version).into_iter();
    rows.find(|row| (&row.pair.client, &row.pair.server) == (&ends.0, &ends.1))
        .with_context(|| format!("{}: no row for {} -> {}", scenario.id, ends.0, ends.1))
}

/// Rows that are neither as printed nor excused, and excuses for rows that are as printed.
fn against_printed(scenario: &Scenario, entry: &Entry) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for seed in entry.printed() {
        let row = row_of(scenario, entry.version(), &seed)?;
        let found = seed.differences(row.curl.as_ref(), &row.peer, &scenario.world.identities(&row.pair.server));
        let excused = scenario.printed.iter().any(|printed| printed.pair == row.pair);
        let place = format!("{}.yaml:{}, `{}` at {}", scenario.id, row.line, entry.id, entry.version());
        if excused && found.is_empty() {
            wrong.push(format!("{place}: `printed` excuses a row that is as printed"));
        } else if !excused {
            wrong.extend(found.iter().map(|what| format!("{place}: {what}")));
        }
    }
    Ok(wrong)
}

/// Rows that are not what the newest Istio answers.
fn against_modern(scenario: &Scenario, entry: &Entry) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for seed in entry.modern() {
        let row = row_of(scenario, IstioVersion::NEWEST, &seed)?;
        let found = seed.differences(row.curl.as_ref(), &row.peer, &scenario.world.identities(&row.pair.server));
        wrong.extend(
            found.iter().map(|what| format!("{}.yaml:{}, `{}` today: {what}", scenario.id, row.line, entry.id)),
        );
    }
    Ok(wrong)
}

/// What the lab showed of a row.
fn seen(report: &Result<Value, String>, row: &Row) -> Result<(Curl, Peer, Vec<String>)> {
    let report = report.as_ref().map_err(|why| anyhow!("{why}"))?;
    let pair = lab::find(report, &row.pair).context("the report has no such pair")?;
    let observed = Observed::of_report(pair)?.map_err(|why| anyhow!("not observed: {why}"))?;
    Ok((observed.curl.clone(), observed.seen_peer(), observed.seen_by().cloned().into_iter().collect()))
}

/// A whole report against a scenario.
fn against_report(scenario: &Scenario, version: IstioVersion, report: &Value) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for row in scenario.rows_at(version) {
        let Some(pair) = lab::find(report, &row.pair) else {
            mismatches.push(Mismatch::unanswered(scenario, version, Some(&row.pair), "no such pair".to_owned()));
            continue;
        };
        let found = Answer::of_report(pair).map(|answer| answer.differences(row)).and_then(|mut found| {
            match Observed::of_report(pair)? {
                Ok(observed) => {
                    found.extend(observed.differences(scenario, row));
                    for witness in ["intent", "observed"] {
                        if !pair["confirmedBy"].as_array().is_some_and(|by| by.contains(&witness.into())) {
                            found.push(("confirmedBy", witness.to_owned(), pair["confirmedBy"].to_string()));
                        }
                    }
                }
                Err(_) if row.peer == Peer::NotAsked => {}
                Err(why) => found.push(("observed", "something".to_owned(), why)),
            }
            if pair["gaps"] != Value::Array(Vec::new()) {
                found.push(("gaps", "none".to_owned(), pair["gaps"].to_string()));
            }
            Ok(found)
        });
        match found {
            Ok(found) => mismatches.extend(Mismatch::all(scenario, version, row, found)),
            Err(why) => mismatches.push(Mismatch::unanswered(scenario, version, Some(&row.pair), format!("{why:#}"))),
        }
    }
    mismatches
}

/// The documents of a YAML text, in no particular order.
fn documents(text: &str) -> Result<Vec<String>> {
    let mut documents = serde_saphyr::from_multiple::<Value>(text)?.iter().map(sorted).collect::<Vec<_>>();
    documents.sort();
    Ok(documents)
}

/// JSON with its keys in order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| (key, sorted(value))).collect::<BTreeMap<_, _>>();
            format!("{fields:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(sorted).collect::<Vec<_>>()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// A scenario for the comparison itself.
const SAMPLE: &str = "
name: sample
source: the report of the design
world: foo bar
expect: |
  sleep.foo -> httpbin.bar:8000 CONFLICT 503 no-filter-chain client: DISABLE by dr/httpbin.bar server: STRICT by port 80 of pa/httpbin.bar peer: no-answer
  sleep.foo -> httpbin.foo:8000 mTLS 200 client: auto mTLS server: PERMISSIVE by default peer: ns/foo/sa/sleep
";

/// What the command prints for it, cut to what is compared.
const SAMPLE_REPORT: &str = r#"{ "pairs": [
  { "client": { "namespace": "foo", "workload": "sleep" }, "server": { "namespace": "bar", "service": "httpbin", "port": 8000 },
    "verdict": "refused", "conflict": true,
    "originates": { "kind": "plaintext", "mode": "DISABLE", "decidedBy": { "layer": "trafficPolicy", "kind": "DestinationRule",
      "namespace": "bar", "name": "httpbin", "field": "spec.trafficPolicy.tls.mode" } },
    "endpoints": [ { "workload": "httpbin", "accepts": { "mode": "STRICT", "decidedBy": { "layer": "port",
      "kind": "PeerAuthentication", "namespace": "bar", "name": "httpbin", "field": "spec.portLevelMtls[80].mode" } } } ],
    "intent": { "wire": "refused", "why": "no-filter-chain", "http": "503", "exit": 0 },
    "observed": { "wire": "refused", "http": "503", "exit": 0, "peer": { "absent": "no-answer" } },
    "responsible": [
      { "layer": "trafficPolicy", "kind": "DestinationRule", "namespace": "bar", "name": "httpbin", "field": "spec.trafficPolicy.tls.mode" },
      { "layer": "port", "kind": "PeerAuthentication", "namespace": "bar", "name": "httpbin", "field": "spec.portLevelMtls[80].mode" } ],
    "gaps": [] },
  { "client": { "namespace": "foo", "workload": "sleep" }, "server": { "namespace": "foo", "service": "httpbin", "port": 8000 },
    "verdict": "mutual-tls", "conflict": false,
    "originates": { "kind": "mutual-tls", "mode": "AUTO", "decidedBy": { "layer": "default", "kind": "AutoMtls" } },
    "endpoints": [
      { "workload": "sleep", "self": true, "accepts": { "mode": "STRICT", "decidedBy": { "layer": "default", "kind": "DefaultPermissive" } } },
      { "workload": "httpbin", "accepts": { "mode": "PERMISSIVE", "decidedBy": { "layer": "default", "kind": "DefaultPermissive" } } } ],
    "intent": { "wire": "mutual-tls", "why": "mutual-tls", "http": "200", "exit": 0 },
    "observed": { "wire": "mutual-tls", "http": "200", "exit": 0,
      "peer": { "uri": "spiffe://cluster.local/ns/foo/sa/sleep", "by": "spiffe://cluster.local/ns/foo/sa/httpbin" } },
    "responsible": [], "gaps": [] } ] }"#;
