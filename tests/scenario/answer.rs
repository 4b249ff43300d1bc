//! An answer about one pair in the words of a row, from the rules or from a report, and its comparison with a row.

use anyhow::{Context as _, Result};
use kubectl_mtls::model::derivation::PolicyRef;
use kubectl_mtls::model::pair::PairIntent;
use serde::Deserialize;
use serde_json::Value;

use crate::scenario::file::Scenario;
use crate::scenario::row::{Curl, Peer, Row, Verdict};
use crate::scenario::words::{client_words, decider, server_words};

/// What a witness says about a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `wire`, as the report spells it.
    pub(crate) wire: String,
    /// Whether the two ends contradict each other.
    pub(crate) conflict: bool,
    /// The reason code, where all endpoints share one.
    pub(crate) why: Option<String>,
    /// What curl would show.
    pub(crate) curl: Option<Curl>,
    /// What the client is told, in a row's words.
    pub(crate) client: String,
    /// Workload of each endpoint that counts, and what it accepts.
    pub(crate) server: Vec<(String, String)>,
    /// What has to change, in a row's words.
    pub(crate) responsible: Vec<String>,
}

/// What went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observed {
    /// `wire` as observed.
    pub(crate) wire: String,
    /// What curl showed.
    pub(crate) curl: Curl,
    /// The caller and the server that XFCC named.
    pub(crate) peer: Result<Identities, String>,
}

/// `uri` and `by` of the last XFCC element.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Identities {
    /// Who called.
    pub(crate) uri: String,
    /// Who answered.
    pub(crate) by: String,
}

/// What is compared, in order.
pub(crate) type Found = Vec<(&'static str, String, String)>;

// === impl Answer ===

impl Answer {
    /// From the rules.
    pub(crate) fn of_intent(pair: &PairIntent, port: u16) -> Self {
        let counted = pair.endpoints.iter().filter(|endpoint| !endpoint.is_self);
        Self {
            wire: pair.outcome.wire.as_str().to_owned(),
            conflict: pair.conflict,
            why: Some(pair.outcome.why.as_str().to_owned()),
            curl: pair.symptom.as_ref().map(|symptom| Curl { http: symptom.http.clone(), exit: symptom.exit.clone() }),
            client: client_words(
                pair.originates.kind.as_str(),
                pair.originates.mode.as_str(),
                &pair.originates.decided_by,
                port,
            ),
            server: counted
                .map(|end| {
                    (end.workload.clone(), server_words(end.accepts.mode.as_str(), &end.accepts.decided_by, port))
                })
                .collect(),
            responsible: pair.responsible.iter().map(|by| decider(by, port)).collect(),
        }
    }

    /// From a pair of the report, policy's part.
    pub(crate) fn of_report(pair: &Value) -> Result<Self> {
        let originates = &pair["originates"];
        let port = pair.pointer("/server/port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
        let port = port.context("`server.port` is no port")?;
        let endpoints = pair["endpoints"].as_array().context("`endpoints` is no list")?;
        let counted = endpoints.iter().filter(|endpoint| endpoint["self"] != true);
        Ok(Self {
            wire: text(&pair["verdict"])?,
            conflict: pair["conflict"].as_bool().context("`conflict` is no boolean")?,
            why: pair.pointer("/intent/why").and_then(Value::as_str).map(str::to_owned),
            curl: curl_of(&pair["intent"])?,
            client: client_words(
                &text(&originates["kind"])?,
                &text(&originates["mode"])?,
                &policy(&originates["decidedBy"]).context("originates.decidedBy")?,
                port,
            ),
            server: counted
                .map(|end| {
                    let accepts = &end["accepts"];
                    let by = policy(&accepts["decidedBy"]).context("accepts.decidedBy")?;
                    Ok((text(&end["workload"])?, server_words(&text(&accepts["mode"])?, &by, port)))
                })
                .collect::<Result<_>>()?,
            responsible: pair["responsible"]
                .as_array()
                .context("`responsible` is no list")?
                .iter()
                .map(|by| policy(by).map(|by| decider(&by, port)))
                .collect::<Result<_>>()?,
        })
    }

    /// What of a row is not so.
    pub(crate) fn differences(&self, row: &Row) -> Found {
        let mut found = Found::new();
        let mut compare = |what, expected: String, got: String| {
            if expected != got {
                found.push((what, expected, got));
            }
        };
        compare("result", row.verdict.to_string(), self.verdict());
        if row.verdict != Verdict::Mixed {
            compare("reason", row.why.to_owned(), self.why.clone().unwrap_or_else(|| "none given".to_owned()));
        }
        compare("curl by policy", status(row.curl.as_ref()), status(self.curl.as_ref()));
        compare("client", row.client.clone(), self.client.clone());
        compare("server", expected_server(row), self.got_server(row));
        if row.verdict == Verdict::Conflict {
            for object in objects_of(row) {
                let named = self.responsible.contains(&object);
                compare(
                    "responsible",
                    format!("{object} among them"),
                    if named { format!("{object} among them") } else { self.responsible.join(", ") },
                );
            }
        }
        found
    }

    /// The row's word for the wire.
    fn verdict(&self) -> String {
        match (self.wire.as_str(), self.conflict) {
            ("mutual-tls", false) => "mTLS".to_owned(),
            ("refused", true) => "CONFLICT".to_owned(),
            (wire, false) => wire.to_owned(),
            (wire, true) => format!("{wire}, called a conflict"),
        }
    }

    /// One side where all endpoints agree and the row names none, else each with its workload.
    fn got_server(&self, row: &Row) -> String {
        let mut sides = self.server.iter().map(|(_, side)| side.clone()).collect::<Vec<_>>();
        sides.dedup();
        match (sides.as_slice(), row.server.as_slice()) {
            ([], _) => "no endpoint".to_owned(),
            ([side], [(None, _)]) => side.clone(),
            _ => {
                let mut named =
                    self.server.iter().map(|(workload, side)| format!("{workload} {side}")).collect::<Vec<_>>();
                named.sort();
                named.dedup();
                named.join(", ")
            }
        }
    }
}

/// The server's part of a row.
fn expected_server(row: &Row) -> String {
    let mut sides = row
        .server
        .iter()
        .map(|(workload, side)| workload.as_ref().map_or_else(|| side.clone(), |workload| format!("{workload} {side}")))
        .collect::<Vec<_>>();
    sides.sort();
    sides.join(", ")
}

/// The objects that a row says decide at either end; for a conflict each of them has to be named as responsible.
fn objects_of(row: &Row) -> Vec<String> {
    let sides = std::iter::once(&row.client).chain(row.server.iter().map(|(_, side)| side));
    sides.filter_map(|side| side.split_once(" by ")).map(|(_, by)| by.to_owned()).filter(|by| by != "default").collect()
}

// === impl Observed ===

impl Observed {
    /// From a pair of the report; `Err` is the reason why nothing was observed.
    pub(crate) fn of_report(pair: &Value) -> Result<Result<Self, String>> {
        let observed = &pair["observed"];
        if let Some(why) = observed["unseen"].as_str() {
            return Ok(Err(why.to_owned()));
        }
        let peer = &observed["peer"];
        Ok(Ok(Self {
            wire: text(&observed["wire"])?,
            curl: curl_of(observed)?.context("`observed.http` is missing")?,
            peer: match peer["absent"].as_str() {
                Some(why) => Err(why.to_owned()),
                None => Ok(Identities::deserialize(peer).context("observed.peer")?),
            },
        }))
    }

    /// What of a row is not so.
    pub(crate) fn differences(&self, scenario: &Scenario, row: &Row) -> Found {
        let mut found = Found::new();
        // A probe of a server that is no httpbin is answered with whatever status its application has for it.
        let own_status = |curl: &Curl| curl.http == ["200"] && !scenario.world.is_httpbin(&row.pair.server);
        if let Some(expected) = row.curl.as_ref().filter(|curl| !own_status(curl))
            && !(self.curl.http.iter().all(|http| expected.http.contains(http))
                && self.curl.exit.iter().all(|exit| expected.exit.contains(exit)))
        {
            found.push(("curl", expected.to_string(), self.curl.to_string()));
        }
        if row.verdict != Verdict::Mixed && self.wire != row.verdict.wire() {
            found.push(("wire", row.verdict.wire().to_owned(), self.wire.clone()));
        }
        let got = self.seen_peer();
        if row.peer != Peer::NotAsked && row.peer != got {
            found.push(("peer", row.peer.to_string(), got.to_string()));
        }
        if let Some(by) = self.seen_by() {
            let identities = scenario.world.identities(&row.pair.server);
            if !identities.contains(by) {
                found.push(("peer By", identities.join(" or "), by.clone()));
            }
        }
        found
    }

    /// The peer in a row's words.
    pub(crate) fn seen_peer(&self) -> Peer {
        match self.peer.as_ref().map_err(String::as_str) {
            Ok(Identities { uri, .. }) => Peer::Uri(uri.clone()),
            Err("plaintext" | "no-proxy-at-server") => Peer::Absent,
            Err("no-answer") => Peer::NoAnswer,
            Err(_) => Peer::NotAsked,
        }
    }

    /// Who answered.
    pub(crate) fn seen_by(&self) -> Option<&String> {
        self.peer.as_ref().ok().map(|Identities { by, .. }| by)
    }
}

fn status(curl: Option<&Curl>) -> String {
    curl.map_or_else(|| "-".to_owned(), Curl::to_string)
}

// === JSON ===

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("a text is missing, there is {value}"))
}

fn policy(value: &Value) -> Result<PolicyRef> {
    PolicyRef::deserialize(value).with_context(|| format!("{value} names no decider"))
}

/// `http` and `exit`, each one value or a list.
fn curl_of(value: &Value) -> Result<Option<Curl>> {
    let many = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    if value["http"].is_null() {
        return Ok(None);
    }
    let exit = many(&value["exit"]).into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
    Ok(Some(Curl {
        http: many(&value["http"]).iter().map(text).collect::<Result<_>>()?,
        exit: exit.context("`exit` is no number")?,
    }))
}
