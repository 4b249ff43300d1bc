//! The witnesses of a pair held against each other: policy, proxies and wire as the tool reports them, and the loop's own answer.

use std::collections::BTreeMap;

use anyhow::Result;
use kubectl_mtls::model::mesh::IstioVersion;
use serde_json::Value;

use crate::curl::{Shown, TIMED_OUT};
use crate::place::Place;
use crate::scenario::answer::{Answer, Observed};
use crate::scenario::file::Scenario;
use crate::scenario::lab::find;
use crate::scenario::row::{PairName, Peer};

/// What was held against what.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Pairs that were judged.
    pub(crate) pairs: usize,
    /// Pairs whose answers changed from one request to the next, for as long as they were asked.
    pub(crate) unstable: Vec<String>,
    /// What does not agree.
    pub(crate) disagreements: Vec<String>,
}

/// Holds a report against the loop's answers and a scenario's expectations.
pub(crate) fn judge(
    report: &Value,
    cells: &BTreeMap<PairName, Shown>,
    (place, scenario): (&Place, Option<&Scenario>),
) -> Result<Judgement> {
    let mut judgement = Judgement::default();
    for (cell, shown) in cells {
        let Some(pair) = find(report, cell) else {
            judgement.disagreements.push(format!("{cell}: the report has no such pair; the loop saw {shown}"));
            continue;
        };
        // Behind one Service pods that differ: one answer is as good as the other.
        let is_mixed = pair["intent"]["wire"] == "mixed";
        if !shown.stable && !is_mixed {
            judgement.unstable.push(format!("{cell}: {shown}"));
            continue;
        }
        judgement.pairs += 1;
        let seen = if is_mixed { Vec::new() } else { against_loop(pair, cell, (shown, place)) };
        let found = seen.into_iter().chain(among_themselves(pair));
        judgement.disagreements.extend(found.map(|what| format!("{cell}: {what}")));
    }
    if let Some(scenario) = scenario {
        judgement.disagreements.extend(against_scenario(report, scenario)?);
    }
    Ok(judgement)
}

/// What the tool says against what the loop saw.
fn against_loop(pair: &Value, cell: &PairName, (shown, place): (&Shown, &Place)) -> Vec<String> {
    let mut found = Vec::new();
    let wire = pair["intent"]["wire"].as_str().unwrap_or("nothing");
    if shown.exit == TIMED_OUT {
        return vec![format!("by policy {wire}; the loop's curl timed out")];
    }
    let target = (cell.server.clone(), cell.port);
    let tells_the_caller = place.tells_the_caller.contains(&target);
    for (witness, answer) in [("by policy", &pair["intent"]), ("as the tool's curl saw it", &pair["observed"])] {
        let is_said = answer.get("http").is_some();
        // An application that is no httpbin is asked for something that it does not have.
        let is_reached = place.is_probed && answer["http"] == "404" && shown.code == "200";
        if is_said
            && !is_reached
            && !(says(&answer["http"], &shown.code.as_str().into()) && says(&answer["exit"], &shown.exit.into()))
        {
            found.push(format!("{witness} {}/{}; the loop saw {shown}", answer["http"], answer["exit"]));
        } else if !is_said && wire == "tls" && witness == "by policy" {
            // The application decides, and these read no TLS.
            if shown.code == "200" {
                found.push(format!("by policy tls, which the application cannot read; the loop saw {shown}"));
            }
        } else if !is_said && (witness == "by policy" || tells_the_caller) {
            found.push(format!("{witness}: nothing; the loop saw {shown}; {}", pair["observed"]));
        }
    }
    if tells_the_caller {
        let expected = format!("spiffe://cluster.local/ns/{}/sa/{}", cell.client.namespace, cell.client.name);
        let expected = (wire == "mutual-tls").then_some(expected.as_str());
        if shown.peer() != expected {
            found.push(format!("by policy {wire}; the loop's application was called by {:?}", shown.peer()));
        }
        let told = pair["observed"]["peer"]["uri"].as_str();
        if told != shown.peer() {
            found.push(format!("the tool says that {told:?} called, the loop's application {:?}", shown.peer()));
        }
    }
    found
}

/// Whether an answer, or one of several that race, is this.
fn says(answer: &Value, shown: &Value) -> bool {
    answer.as_array().map_or(answer == shown, |several| several.contains(shown))
}

/// What the tool's own witnesses say against each other.
fn among_themselves(pair: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let wire = &pair["intent"]["wire"];
    for witness in ["programmed", "observed"] {
        let said = &pair[witness]["wire"];
        // Of pods that differ one answers; that one's wire is what is seen.
        let is_one_of_several = witness == "observed" && wire == "mixed";
        // TLS that no proxy ends is the application's to take, and these do not.
        let is_not_taken = witness == "observed" && wire == "tls" && said == "refused";
        // No proxy is told what listens behind the other.
        let is_unheard = witness == "programmed" && pair["intent"]["why"] == "nothing-listens";
        if !said.is_null() && said != wire && !is_one_of_several && !is_not_taken && !is_unheard {
            found.push(format!("by policy {wire}, {witness} {said}: {}", pair[witness]));
        }
    }
    let has_sidecar = pair["client"]["proxy"] == "sidecar"
        || pair["endpoints"].as_array().is_some_and(|ends| ends.iter().any(|end| end["proxy"] == "sidecar"));
    if has_sidecar && pair["programmed"]["wire"].is_null() {
        found.push(format!("the proxies were not read: {}", pair["programmed"]));
    }
    if pair["gaps"].as_array().is_none_or(|gaps| !gaps.is_empty()) {
        found.push(format!("gaps: {}", pair["gaps"]));
    }
    found.extend(sides(pair));
    found
}

/// Which object decides at the client, by policy and by what its proxy names; what each pod accepts, likewise.
fn sides(pair: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let (policy, proxy) = (&pair["originates"], &pair["programmed"]["originates"]);
    for field in ["kind", "mode"] {
        if !proxy[field].is_null() && proxy[field] != policy[field] {
            found.push(format!("the client's {field}: {} by policy, {} by its proxy", policy[field], proxy[field]));
        }
    }
    let differs = |field| proxy["decidedBy"][field] != policy["decidedBy"][field];
    let is_ruled = |side: &Value| side["decidedBy"]["kind"] == "DestinationRule";
    if (is_ruled(policy) || is_ruled(proxy))
        && proxy["decidedBy"].is_object()
        && ["kind", "namespace", "name"].into_iter().any(differs)
    {
        found.push(format!(
            "the client is decided by {} by policy, by {} in its proxy",
            policy["decidedBy"], proxy["decidedBy"]
        ));
    }
    for end in pair["endpoints"].as_array().into_iter().flatten() {
        let (policy, proxy) = (&end["accepts"]["mode"], &end["programmed"]["accepts"]["mode"]);
        if !proxy.is_null() && proxy != policy {
            found.push(format!("{} accepts {policy} by policy, {proxy} by its proxy", end["pod"]));
        }
    }
    found
}

/// What a scenario file expects.
fn against_scenario(report: &Value, scenario: &Scenario) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for row in scenario.rows_at(IstioVersion::NEWEST) {
        let Some(pair) = find(report, &row.pair) else {
            wrong.push(format!("{}: the report has no such pair", row.pair));
            continue;
        };
        let mut found = Answer::of_report(pair)?.differences(row);
        match Observed::of_report(pair)? {
            Ok(observed) => found.extend(observed.differences(scenario, row)),
            // Only HTTP ports are asked.
            Err(_) if row.peer == Peer::NotAsked => {}
            Err(why) => found.push(("observed", "something".to_owned(), why)),
        }
        let told = found.into_iter().map(|(what, expected, got)| {
            format!("{} (line {}): {what}: expected `{expected}`, got `{got}`", row.pair, row.line)
        });
        wrong.extend(told);
    }
    Ok(wrong)
}
