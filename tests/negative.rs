//! `check --negative-test`: what STRICT must refuse is sent, and an answer is a finding.

use kubectl_mtls::model::evidence::{Program, Transfer};
use kubectl_mtls::verdict::negative::{Attempt, Sent};
use serde_json::{Value, json};

use crate::ended::{Ended, mtls};

/// A check of the httpbins, of which those of foo and bar are STRICT, with requests of this kind alone.
fn check(args: &[&str]) -> Ended {
    const ALONE: [&str; 7] =
        ["check", "--standalone", "--no-probe", "--no-proxy", "--negative-test", "--severity", "MTLS101=off"];
    mtls(&[&ALONE, args].concat())
}

const POLICIES: [&str; 2] = ["-f", "tests/cli/policies.yaml"];
const JSON: [&str; 2] = ["-o", "json"];

#[test]
fn strict_refuses_plaintext_and_tls_without_a_certificate() {
    let ended = check(&[POLICIES, JSON].concat());
    let report = ended.json();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let tests = report["negativeTests"].as_array().unwrap();
    let of = |test: &Value| (test["namespace"].as_str().unwrap().to_owned(), test["port"].as_u64().unwrap());
    assert_eq!(tests.iter().map(of).collect::<Vec<_>>(), [("bar".to_owned(), 80), ("foo".to_owned(), 80)]);
    for test in tests {
        assert_eq!(test["result"], "refused", "{test}");
        // The container of a sidecar, whose own traffic no proxy sees.
        assert_eq!(test["from"]["container"], "istio-proxy", "{test}");
        assert_eq!(
            (&test["control"]["outcome"], &test["control"]["http"]),
            (&json!("answered"), &json!("200")),
            "{test}"
        );
        let plaintext = &test["plaintext"];
        assert!(plaintext["http"] == "000" && [52, 56].contains(&plaintext["exit"].as_u64().unwrap()), "{test}");
        assert!(test["tls"]["http"] == "000" && test["tls"]["outcome"] == "refused", "{test}");
    }
    assert!(report["findings"].as_array().unwrap().iter().all(|finding| finding["code"] != "MTLS305"));
}

#[test]
fn the_table_has_a_short_block() {
    let ended = check(&POLICIES);
    let block: Vec<&str> = ended.stdout.lines().skip_while(|line| *line != "Negative test").take(3).collect();
    assert!(block[1].starts_with(
        "  bar/httpbin port 80 (pa/httpbin.bar): plaintext refused (56), TLS without certificate refused ("
    ));
    assert!(block[2].starts_with("  foo/httpbin port 80 (pa/default.foo): plaintext refused (56), "), "{block:?}");
    assert!(block[2].contains(", sent by bar/sleep-") && block[2].ends_with(" (istio-proxy)"), "{block:?}");
}

/// Policy says STRICT, and the port answers: its sidecar was not given the policy, or is passed by.
#[test]
fn an_answer_is_an_error_whatever_the_format() {
    for drift in ["server=httpbin.foo", "bypass=httpbin.foo"] {
        for format in ["json", "table", "wide", "yaml", "name"] {
            let ended = check(&[&POLICIES[..], &["--drift", drift, "-o", format]].concat());
            assert_eq!(ended.status, 1, "{drift} {format}: {}", ended.stderr);
            if format != "json" {
                continue;
            }
            let report = ended.json();
            let found: Vec<&Value> =
                report["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == "MTLS305").collect();
            assert_eq!((found.len(), &found[0]["id"]), (1, &json!("MTLS305/foo/httpbin:80")), "{drift}");
            assert_eq!((&found[0]["severity"], &found[0]["objects"][0]["name"]), (&json!("error"), &json!("default")));
            let pairs =
                ["bar/sleep->foo/httpbin:8000", "foo/sleep->foo/httpbin:8000", "legacy/sleep->foo/httpbin:8000"];
            assert_eq!(found[0]["pairs"], json!(pairs), "{drift}");
            let named = |pair: &&Value| pair["findings"].as_array().unwrap().contains(&found[0]["id"]);
            assert_eq!(report["pairs"].as_array().unwrap().iter().filter(named).count(), 3);
            let results: Vec<&Value> =
                report["negativeTests"].as_array().unwrap().iter().map(|test| &test["result"]).collect();
            assert_eq!(results, ["refused", "answered"], "{drift}");
        }
    }
}

/// Nobody can send it: nothing is proven, and that is said.
#[test]
fn without_a_sender_nothing_is_proven() {
    let ended = check(&[&POLICIES[..], &JSON, &["--from", "httpbin.foo", "-n", "bar"]].concat());
    // The container of its sidecar does.
    assert_eq!(ended.json()["negativeTests"][0]["from"]["container"], "istio-proxy");
    let ended = check(&[&POLICIES[..], &JSON, &["--from", "httpbin.legacy", "-n", "bar"]].concat());
    let report = ended.json();
    assert_eq!(report["negativeTests"][0]["result"], "unproven");
    let why = report["negativeTests"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("nobody could send it (legacy/httpbin-") && why.contains("it has no curl"), "{why}");
    assert_eq!(ended.status, 4, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("warning: could not prove STRICT of 1 of 1 ports: bar/httpbin port 80: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_client_without_sidecar_sends_it_where_no_sidecar_can() {
    let ended = check(&[&POLICIES[..], &JSON, &["--from", "sleep.legacy", "-n", "bar"]].concat());
    let test = &ended.json()["negativeTests"][0];
    assert_eq!((&test["from"]["namespace"], &test["from"]["container"]), (&json!("legacy"), &json!("sleep")));
    assert_eq!((&test["result"], ended.status), (&json!("refused"), 0));
}

#[test]
fn where_nothing_is_strict_nothing_is_sent() {
    let report = check(&JSON).json();
    assert_eq!((report.get("negativeTests"), &report["unseen"]), (None, &json!([])));
}

/// Exit codes as measured of curl against Envoy: plaintext to STRICT, TLS without certificate to STRICT and to others.
#[test]
fn what_curl_says_is_judged_by_what_was_sent() {
    for (http, exit, message, sent, outcome) in [
        ("200", 0, "", Sent::Plaintext, "answered"),
        ("404", 0, "", Sent::Tls, "answered"),
        ("000", 56, "Recv failure: Connection reset by peer", Sent::Plaintext, "refused"),
        ("000", 52, "Empty reply from server", Sent::Plaintext, "refused"),
        ("000", 55, "Send failure: Connection reset by peer", Sent::Plaintext, "refused"),
        ("000", 56, "tlsv13 alert certificate required", Sent::Tls, "refused"),
        ("000", 35, "Recv failure: Connection reset by peer", Sent::Tls, "refused"),
        // An application without TLS answered the handshake in plaintext.
        ("000", 35, "error:1408F10B:SSL routines:ssl3_get_record:wrong version number", Sent::Tls, "answered"),
        ("000", 1, "Received HTTP/0.9 when not allowed", Sent::Plaintext, "answered"),
        ("000", 7, "Failed to connect", Sent::Plaintext, "unclear"),
        ("000", 28, "Connection timed out", Sent::Tls, "unclear"),
        ("000", 35, "", Sent::Plaintext, "unclear"),
    ] {
        let message = Some(message.to_owned()).filter(|text| !text.is_empty());
        let transfer = Transfer {
            http: http.to_owned(),
            exit,
            headers: Vec::new(),
            body: String::new(),
            message,
            program: Program::Curl,
        };
        assert_eq!(Attempt::of(&transfer, sent).outcome, outcome, "{transfer:?} {sent:?}");
    }
}
