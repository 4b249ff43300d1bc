//! What curl saw, held against what real Envoys did: the conclusion must always leave room for the truth.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a recorded case that cannot be read is a failed test"
)]

use kubectl_mtls::model::evidence::{Program, Transfer};
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::model::wire::Wire;
use kubectl_mtls::observed::signature::{Answerer, Conclusion, Ends, Peer};
use serde_json::Value;

/// Recorded on Envoy 1.40.0; see tests/vectors/README.md.
const CASES: &str = include_str!("vectors/envoy-cases-signature.jsonl");

fn text<'v>(case: &'v Value, pointer: &str) -> &'v str {
    case.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn transfer(case: &Value) -> Transfer {
    let headers = case["response_headers"].as_array().into_iter().flatten();
    Transfer {
        http: text(case, "/curl/http_code").to_owned(),
        exit: u8::try_from(case["curl"]["exit"].as_u64().unwrap()).unwrap(),
        headers: headers
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned()))
            .filter(|(name, _)| !name.is_empty())
            .collect(),
        body: text(case, "/response_body").to_owned(),
        message: None,
        program: Program::Curl,
    }
}

fn ends(case: &Value) -> Ends {
    Ends {
        client_proxy: text(case, "/client_kind") != "none",
        server_proxy: Some(text(case, "/server_effective_mode") != "none"),
        class: match text(case, "/port_protocol") {
            "tcp" => PortClass::Tcp,
            "auto" => PortClass::Auto,
            _ => PortClass::Http,
        },
        echoes: true,
    }
}

/// What went over the wire, by the counters of both proxies: they saw the handshakes.
fn truth(case: &Value) -> Wire {
    let counted = |side: &str, name: &str| {
        let stats = case.pointer(&format!("/{side}/stats")).and_then(Value::as_object);
        stats.is_some_and(|stats| stats.iter().any(|(key, count)| key.ends_with(name) && count.as_u64() != Some(0)))
    };
    let answered_by_application = !case["echoed_headers"].is_null();
    match (answered_by_application, counted("server_proxy", "ssl.handshake"), text(case, "/client_kind")) {
        (false, _, _) => Wire::Refused,
        (true, true, _) => Wire::MutualTls,
        (true, false, _) => Wire::Plaintext,
    }
}

#[test]
fn the_conclusion_leaves_room_for_the_truth_and_none_for_its_opposite() {
    let mut wrong = Vec::new();
    let mut decided = 0;
    let mut cases = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let conclusion = Conclusion::of(&transfer(&case), ends(&case));
        let truth = truth(&case);
        cases += 1;
        decided += usize::from(conclusion.wires == [truth]);
        if !conclusion.wires.contains(&truth) {
            wrong.push(format!(
                "{}: {:?} ({}) but it was {truth:?}",
                text(&case, "/id"),
                conclusion.wires,
                conclusion.why
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 60 && decided * 10 >= cases * 7, "only {decided} of {cases} are decided by curl alone");
}

#[test]
fn the_last_element_of_the_header_names_the_caller() {
    let body = r#"{"headers": {"X-Forwarded-Client-Cert": "URI=spiffe://forged/ns/a/sa/b,By=spiffe://cluster.local/ns/foo/sa/httpbin;Hash=ab;Subject=\"\";URI=spiffe://cluster.local/ns/foo/sa/sleep"}}"#;
    let transfer = Transfer {
        http: "200".to_owned(),
        exit: 0,
        headers: vec![
            ("server".to_owned(), "envoy".to_owned()),
            ("x-envoy-upstream-service-time".to_owned(), "2".to_owned()),
        ],
        body: body.to_owned(),
        message: None,
        program: Program::Curl,
    };
    let ends = Ends { client_proxy: true, server_proxy: Some(true), class: PortClass::Http, echoes: true };
    let conclusion = Conclusion::of(&transfer, ends);
    assert_eq!(conclusion.answered_by, Answerer::ServerSide);
    let uri = "spiffe://cluster.local/ns/foo/sa/sleep".to_owned();
    assert_eq!(conclusion.peer, Peer::Seen { uri, by: "spiffe://cluster.local/ns/foo/sa/httpbin".to_owned() });
    // Before a server without sidecar nobody verified it: the caller may have written it itself.
    let forged = Conclusion::of(&transfer, Ends { server_proxy: Some(false), ..ends });
    assert!(!forged.wires.contains(&Wire::MutualTls), "{forged:?}");
}
