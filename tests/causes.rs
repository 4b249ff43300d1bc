//! From symptoms to causes: every recorded case, by what curl saw alone and with what both proxies said.

#![expect(clippy::unwrap_used, reason = "a recorded case that cannot be read is a failed test")]

use std::collections::BTreeSet;

use kubectl_mtls::model::evidence::Transfer;
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::observed::causes::{self, Cause, Heard, blames_tls};
use kubectl_mtls::observed::signature::Ends;
use serde::Deserialize;

/// A recorded case and the cause that it was built to have; see tests/vectors/README.md.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    id: String,
    cause: String,
    client: String,
    server: String,
    protocol: String,
    http: String,
    exit: u8,
    headers: Vec<(String, String)>,
    body: String,
    client_said: Vec<String>,
    server_said: Vec<String>,
}

impl Case {
    fn all() -> Vec<Self> {
        let lines = include_str!("vectors/envoy-cases-causes.jsonl").lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn causes(&self, heard: &Heard) -> BTreeSet<Cause> {
        let transfer = Transfer {
            http: self.http.clone(),
            exit: self.exit,
            headers: self.headers.clone(),
            body: self.body.clone(),
            message: None,
        };
        let ends = Ends {
            client_proxy: !self.client.starts_with("none"),
            server_proxy: Some(self.server != "none"),
            class: match self.protocol.as_str() {
                "tcp" => PortClass::Tcp,
                "auto" => PortClass::Auto,
                _ => PortClass::Http,
            },
            echoes: true,
        };
        causes::of(&transfer, ends, heard)
    }

    fn heard(&self) -> Heard {
        Heard { client: self.client_said.clone(), server: self.server_said.clone() }
    }
}

#[test]
fn every_set_of_causes_has_the_true_one_in_it() {
    let cases = Case::all();
    let mut wrong = Vec::new();
    let mut single = 0;
    for case in &cases {
        for heard in [Heard::default(), case.heard()] {
            let found = case.causes(&heard);
            if !found.iter().any(|cause| cause.as_str() == case.cause) {
                wrong.push(format!("{}: {} is not in {found:?} ({heard:?})", case.id, case.cause));
            }
        }
        single += usize::from(case.causes(&case.heard()).len() == 1);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(cases.len(), 304);
    assert!(single * 10 >= cases.len() * 8, "only {single} of {} are decided by both proxies' words", cases.len());
}

#[test]
fn what_is_ambiguous_alone_stays_so_and_tls_is_cleared_where_it_can_be() {
    let cases = Case::all();
    for case in &cases {
        let alone = case.causes(&Heard::default());
        let reset = case.exit == 56 || case.body.contains("reset reason: connection termination");
        if reset {
            assert!(alone.len() > 1, "{}: a reset alone names {alone:?}", case.id);
        }
    }
    let cleared = cases.iter().filter(|case| blames_tls(&case.causes(&Heard::default())) == Some(false));
    let failed: Vec<&str> = cleared.filter(|case| case.http != "200").map(|case| case.id.as_str()).collect();
    assert!(failed.contains(&"authz.allow-nothing.auto.strict"), "{failed:?}");
    assert!(failed.len() > 40, "{failed:?}");
}
