//! From symptoms to causes: every recorded case, by what curl saw alone and with what both proxies said.

#![expect(clippy::unwrap_used, reason = "a recorded case that cannot be read is a failed test")]

use std::collections::BTreeSet;

use kubectl_mtls::model::evidence::{Program, Transfer};
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::model::wire::{Handling, Outcome, Sends, Why, Wire};
use kubectl_mtls::observed::causes::{self, Cause, Heard, blames_tls};
use kubectl_mtls::observed::flags;
use kubectl_mtls::observed::signature::{Answerer, Conclusion, Ends};
use kubectl_mtls::verdict::causes::{Held, left};
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

    fn transfer(&self) -> Transfer {
        Transfer {
            http: self.http.clone(),
            exit: self.exit,
            headers: self.headers.clone(),
            body: self.body.clone(),
            message: None,
            program: Program::Curl,
        }
    }

    fn ends(&self) -> Ends {
        Ends {
            client_proxy: !self.client.starts_with("none"),
            server_proxy: Some(self.server != "none"),
            class: match self.protocol.as_str() {
                "tcp" => PortClass::Tcp,
                "auto" => PortClass::Auto,
                _ => PortClass::Http,
            },
            echoes: true,
        }
    }

    fn causes(&self, heard: &Heard) -> BTreeSet<Cause> {
        causes::of(&self.transfer(), self.ends(), heard)
    }

    /// What such a client's cluster says; `None` where the application itself begins TLS.
    fn sends(&self) -> Option<Sends> {
        if self.id.contains("https") {
            return None;
        }
        Some(match self.client.as_str() {
            "none" | "auto-nolabel" | "dr-disable" | "passthrough-http" => Sends::Plaintext,
            "auto" | "dr-istio-mutual" => Sends::MutualTls,
            "dr-simple-insecure" | "dr-simple-system" | "dr-simple-ca" | "dr-simple-ca-san" => Sends::Tls,
            _ => Sends::TlsClientCert,
        })
    }

    /// What the server's chains make of it (Istio: `pilot/pkg/networking/core/listener_inbound.go`).
    fn meets(&self, sends: Sends) -> Outcome {
        let http = self.ends().class == PortClass::Http;
        let foreign = matches!(sends, Sends::Tls | Sends::TlsClientCert);
        let handling = match (self.server.as_str(), sends) {
            ("none", _) => None,
            ("STRICT", Sends::Plaintext) => Some(Handling::Refuse(Why::NoFilterChain)),
            ("PERMISSIVE", _) if foreign && http => Some(Handling::Refuse(Why::NoFilterChain)),
            ("STRICT", _) | ("PERMISSIVE", Sends::MutualTls) => Some(Handling::Terminate),
            ("DISABLE", sends) if http && sends != Sends::Plaintext => Some(Handling::Refuse(Why::TlsOnPlaintextHttp)),
            _ => Some(Handling::Pass),
        };
        Outcome::of(sends, handling)
    }

    /// The causes once both ends' dumps were read, by the rule of the join: proxies that contradict the wire count for nothing.
    fn left(&self) -> BTreeSet<Cause> {
        let alone = self.causes(&Heard::default());
        let class = self.ends().class;
        let mut held = Held { sends: Vec::new(), meets: Vec::new(), class };
        if let Some(sends) = self.sends() {
            let meets = self.meets(sends);
            let wire = Conclusion::of(&self.transfer(), self.ends()).wire(meets.wire);
            if wire == meets.wire || wire == Wire::Unknown {
                held = Held { sends: vec![sends], meets: vec![meets], class };
            }
        }
        left(&alone, &held)
    }

    fn heard(&self) -> Heard {
        Heard { client: self.client_said.clone(), server: self.server_said.clone(), ..Heard::default() }
    }

    /// What two readings of the counters alone tell: which of those that are asked for grew, and which stood still.
    fn counted(&self) -> Heard {
        let of = |said: &[String], place: &str, names: &[&str]| {
            let grew =
                |name: &&str| said.iter().any(|word| word.contains(place) && word.ends_with(&format!(".{name}")));
            let (grown, quiet): (Vec<&str>, Vec<&str>) = names.iter().copied().partition(grew);
            let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
            (owned(grown), owned(quiet))
        };
        let verified = ["ssl.fail_verify_error", "ssl.fail_verify_san"];
        let of_cluster =
            [&verified[..], &["ssl.connection_error", "ssl.handshake", "upstream_cx_connect_fail"]].concat();
        let of_listener = [&verified[..], &["ssl.fail_verify_no_cert", "no_filter_chain_match"]].concat();
        let (client, client_quiet) = match self.client.as_str() {
            client if client.starts_with("none") || client.starts_with("passthrough") => Default::default(),
            _ => of(&self.client_said, "cluster.outbound|", &of_cluster),
        };
        let (server, server_quiet) = match self.server.as_str() {
            "none" => Default::default(),
            _ => of(&self.server_said, "_15006.", &of_listener),
        };
        Heard { client, server, client_quiet, server_quiet }
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

/// Counters alone, without any log: what Istio's default keeps to itself, and upstream Envoy shows.
#[test]
fn counters_narrow_the_causes_and_never_take_the_true_one() {
    let cases = Case::all();
    let (mut ambiguous, mut narrowed, mut single) = (0, 0, 0);
    for case in cases.iter().filter(|case| !case.id.contains("https")) {
        let (alone, counted) = (case.causes(&Heard::default()), case.causes(&case.counted()));
        assert!(counted.iter().any(|cause| cause.as_str() == case.cause), "{}: {alone:?} to {counted:?}", case.id);
        ambiguous += usize::from(alone.len() > 1);
        narrowed += usize::from(counted.len() < alone.len());
        single += usize::from(alone.len() > 1 && counted.len() == 1);
    }
    assert!(
        narrowed * 10 >= ambiguous * 9 && single * 3 >= ambiguous,
        "{ambiguous}: {narrowed} narrowed, {single} to one"
    );
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

#[test]
fn what_both_ends_hold_narrows_the_causes_and_never_takes_the_true_one() {
    let cases = Case::all();
    let mut wrong = Vec::new();
    let (mut narrowed, mut single) = (0, 0);
    for case in &cases {
        let (alone, left) = (case.causes(&Heard::default()), case.left());
        if !left.iter().any(|cause| cause.as_str() == case.cause) {
            wrong.push(format!("{}: {} went from {alone:?}, {left:?} is left", case.id, case.cause));
        }
        narrowed += usize::from(left.len() < alone.len());
        single += usize::from(alone.len() > 1 && left.len() == 1);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(narrowed > 60 && single > 25, "{narrowed} narrowed, {single} of them to one cause");
}

#[test]
fn flags_are_those_that_envoy_logged() {
    /// What Envoy's access log has in `%RESPONSE_FLAGS%` of the recorded cases.
    const FLAGS: [&str; 9] = ["DC", "DPE", "NR", "UC", "UF", "UO", "UPE", "URX", "UT"];
    let logged = |said: &[String]| -> BTreeSet<String> {
        let flags = said.iter().filter(|word| word.split(',').all(|flag| FLAGS.contains(&flag)));
        flags.flat_map(|word| word.split(',').map(str::to_owned)).collect()
    };
    let mut implied = 0;
    for case in Case::all().iter().filter(|case| case.http != "200") {
        let flags: BTreeSet<String> =
            flags::implied(&case.transfer(), case.ends()).into_iter().map(str::to_owned).collect();
        let by = Conclusion::of(&case.transfer(), case.ends()).answered_by;
        let expected = match by {
            Answerer::ClientProxy => logged(&case.client_said),
            Answerer::ServerProxy => logged(&case.server_said),
            Answerer::ServerSide | Answerer::Application | Answerer::Nobody => BTreeSet::new(),
        };
        assert_eq!(flags, expected, "{}: {by:?} {:?}", case.id, case.body);
        implied += usize::from(!flags.is_empty());
    }
    assert!(implied > 100, "{implied}");
}
