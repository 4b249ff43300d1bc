//! The negative control of a STRICT claim: what must be refused is sent, and what comes back is judged.
//!
//! It goes from where no client's proxy sees it straight to a pod's address, so that only the server's proxy can refuse it.

use serde::Serialize;

use crate::model::derivation::PolicyRef;
use crate::model::evidence::Transfer;
use crate::verdict::assemble::worst_first;
use crate::verdict::finding::Code;
use crate::verdict::report::{Finding, Report};

/// A port that policy has accept mutual TLS only, and what came of sending it something else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NegativeTest {
    /// The server's namespace.
    pub namespace: String,
    /// The server's workload.
    pub workload: String,
    /// The pod that was called.
    pub pod: String,
    /// Its address.
    pub address: String,
    /// The port on it.
    pub port: u16,
    /// The policy that says STRICT.
    pub decided_by: PolicyRef,
    /// `refused`, `answered` or `unproven`.
    pub result: &'static str,
    /// Why nothing is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// From where it was sent; absent where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Sender>,
    /// A request that must be answered: the health port of the same pod's proxy, which takes plaintext from everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<Attempt>,
    /// Plaintext, which must be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plaintext: Option<Attempt>,
    /// TLS without a client certificate, which must be refused too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Attempt>,
}

/// Where the requests came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sender {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// `%{http_code}`.
    pub http: String,
    /// curl's exit status.
    pub exit: u8,
    /// `answered`, `refused`, or `unclear` where it proves neither.
    pub outcome: &'static str,
    /// curl's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether a request was encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was not.
    Plaintext,
    /// It was, without a client certificate.
    Tls,
}

// === impl Attempt ===

impl Attempt {
    /// What a transfer shows.
    ///
    /// Exit codes: curl's `CURLE_*`; what Envoy makes of each request as measured (plaintext to STRICT 52, 55 or 56, TLS
    /// without certificate 16, 35, 55 or 56 with an alert).
    #[must_use]
    pub fn of(transfer: &Transfer, sent: Sent) -> Self {
        let says = |text: &str| transfer.message.as_deref().is_some_and(|message| message.contains(text));
        let outcome = match (transfer.http.as_str(), transfer.exit, sent) {
            // Something that is no HTTP came back: the bytes reached an application.
            ("000", 1 | 8, _) => "answered",
            ("000", 35, Sent::Tls) if says("wrong version number") => "answered",
            ("000", 52 | 55 | 56, _) | ("000", 16 | 35, Sent::Tls) => "refused",
            ("000", _, _) => "unclear",
            (_, _, _) => "answered",
        };
        Self { http: transfer.http.clone(), exit: transfer.exit, outcome, message: transfer.message.clone() }
    }
}

// === impl NegativeTest ===

impl NegativeTest {
    /// Judges what came back.
    pub fn judge(&mut self, control: Attempt, plaintext: Attempt, tls: Attempt) {
        let unclear = [("plaintext", &plaintext), ("TLS", &tls)].into_iter().find(|(_, a)| a.outcome == "unclear");
        let answered = plaintext.outcome == "answered" || tls.outcome == "answered";
        (self.result, self.why) = match (answered, control.outcome, unclear) {
            (true, _, _) => ("answered", None),
            (false, "answered", None) => ("refused", None),
            (false, "answered", Some((what, attempt))) => {
                ("unproven", Some(format!("{what} ended with curl's {}{}", attempt.exit, attempt.words())))
            }
            (false, _, _) => {
                let why = format!("the control was not answered: curl's {}{}", control.exit, control.words());
                ("unproven", Some(why))
            }
        };
        (self.control, self.plaintext, self.tls) = (Some(control), Some(plaintext), Some(tls));
    }
}

impl Attempt {
    fn words(&self) -> String {
        self.message.as_ref().map(|message| format!(" ({message})")).unwrap_or_default()
    }

    /// `answered 200`, `refused (56)`.
    #[must_use]
    pub fn short(&self) -> String {
        match (self.outcome, self.http.as_str()) {
            ("answered", "000") => format!("ANSWERED ({})", self.exit),
            ("answered", http) => format!("ANSWERED {http}"),
            (outcome, _) => format!("{outcome} ({})", self.exit),
        }
    }
}

/// Puts the tests into the report, with a finding for each port that gave an answer.
pub fn add(report: &mut Report, tests: Vec<NegativeTest>) {
    let found: Vec<Finding> =
        tests.iter().filter(|test| test.result == "answered").map(|test| finding(report, test)).collect();
    for finding in &found {
        for pair in report.pairs.iter_mut().filter(|pair| finding.pairs.contains(&pair.id)) {
            pair.findings.push(finding.id.clone());
            pair.findings.sort();
        }
    }
    report.findings = worst_first([std::mem::take(&mut report.findings), found]);
    report.negative_tests = tests;
}

fn finding(report: &Report, test: &NegativeTest) -> Finding {
    let code = Code::StrictNotEnforced;
    let place = format!("{}/{}", test.namespace, test.workload);
    let answered = [("plaintext", &test.plaintext), ("TLS without a client certificate", &test.tls)];
    let answered = answered.into_iter().filter_map(|(what, attempt)| {
        let attempt = attempt.as_ref().filter(|attempt| attempt.outcome == "answered")?;
        Some(format!("{what} got {}", if attempt.http == "000" { "an answer" } else { attempt.http.as_str() }))
    });
    let of_port = |pair: &&crate::verdict::report::Pair| {
        pair.endpoints.iter().any(|endpoint| {
            !endpoint.is_self
                && (&endpoint.namespace, &endpoint.workload, endpoint.port)
                    == (&test.namespace, &test.workload, test.port)
        })
    };
    let pairs: Vec<String> = report.pairs.iter().filter(of_port).map(|pair| pair.id.clone()).collect();
    Finding {
        id: format!("{}/{place}:{}", code.code(), test.port),
        code: code.code(),
        severity: code.severity(),
        title: format!(
            "{place} port {}: {} although {} says STRICT",
            test.port,
            answered.collect::<Vec<_>>().join(", "),
            test.decided_by.short()
        ),
        pair_count: pairs.len(),
        pairs,
        objects: [&test.decided_by].into_iter().filter(|object| object.is_object()).cloned().collect(),
        fixes: Vec::new(),
    }
}
