//! What the age of a policy, of an update and of a connection makes of a disagreement.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::evidence::{Program, Reading, Transfer, Unseen};
use kubectl_mtls::model::pair::{ClientRef, PairIntent, ServerRef};
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::observed::causes::{self, Heard};
use kubectl_mtls::observed::repeats::Repeats;
use kubectl_mtls::observed::signature::{Conclusion, Ends};
use kubectl_mtls::programmed::proxy::Wanted;
use kubectl_mtls::programmed::told::{End, Programmed, Trouble, TroubleKind};
use kubectl_mtls::verdict::join::{self, Seen};
use kubectl_mtls::verdict::report::Pair;

use crate::programmed::cluster::{mesh_of, proxies};

/// When the policy was changed.
const CHANGED: &str = "2026-11-20T10:00:00Z";

fn at(seconds: i64) -> jiff::Timestamp {
    CHANGED.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds)
}

struct Both {
    client: ClientRef,
    server: ServerRef,
    intent: PairIntent,
    programmed: Programmed,
}

/// `sleep.foo` towards `httpbin.bar` under the policies of one recording, with the dumps of another.
fn between(policies: &str, dumps: &str) -> Both {
    let snapshot = mesh_of(policies);
    let mesh = Mesh::new(&snapshot);
    let proxies = proxies(dumps, &snapshot, &Wanted::all());
    let client = mesh.clients().into_iter().find(|one| one.pod.display_name() == "sleep.foo").unwrap();
    let server = mesh.servers().into_iter().find(|one| one.namespace == "bar" && one.port.0 == 8000).unwrap();
    let mut intent = mesh.pair(client.pod, &server);
    intent.originates.decided_by.changed_at = Some(at(0));
    intent.endpoints.iter_mut().for_each(|endpoint| endpoint.accepts.decided_by.changed_at = Some(at(0)));
    let programmed = proxies.told(&client.reference, &server, &intent);
    Both { client: client.reference, server, intent, programmed }
}

fn joined(ends: &Both, seen: &Reading<Seen>) -> Pair {
    join::pair(&ends.client, &ends.server, ends.intent.clone(), &ends.programmed, seen)
}

fn unseen() -> Reading<Seen> {
    Reading::Unseen(Unseen::NotRequested)
}

/// The policies have the client send plaintext and the server refuse it; both dumps are from before.
fn drifted(read: i64, told: i64) -> Both {
    let mut ends = between("e-dr-disable", "a-none");
    ends.programmed.read_at = Some(at(read));
    let Reading::Seen(client) = &mut ends.programmed.client else { panic!("its dump was recorded") };
    client.changed = Some(at(told));
    for endpoint in &mut ends.programmed.endpoints {
        let Reading::Seen(accepts) = &mut endpoint.accepts else { panic!("its dump was recorded") };
        accepts.changed = Some(at(told));
    }
    ends
}

fn states(pair: &Pair) -> Vec<(&str, Option<&str>)> {
    pair.gaps.iter().map(|gap| (gap.at, gap.state)).collect()
}

#[test]
fn a_policy_younger_than_a_minute_is_being_pushed_and_no_gap() {
    let pair = joined(&drifted(59, -3600), &unseen());
    assert_eq!(states(&pair), []);
    let pushed: Vec<&str> = pair.being_pushed.iter().map(|gap| gap.at).collect();
    assert_eq!(pushed, ["client", "server"]);
    assert!(pair.being_pushed[0].what.ends_with("changed 59 s before the proxy was read"), "{:?}", pair.being_pushed);
}

#[test]
fn a_proxy_that_was_updated_last_before_the_policy_changed_is_stale() {
    let pair = joined(&drifted(60, -3600), &unseen());
    assert_eq!(states(&pair), [("client", Some("stale")), ("server", Some("stale"))]);
    // Updated since: why it differs is not told by its age.
    let pair = joined(&drifted(7200, 3600), &unseen());
    assert_eq!(states(&pair), [("client", None), ("server", None)]);
}

#[test]
fn a_rejected_update_explains_the_gap_at_its_own_end_alone() {
    let mut ends = drifted(7200, -3600);
    let (what, pod) = ("update of virtualInbound rejected: duplicate matcher".to_owned(), "bar/httpbin".to_owned());
    ends.programmed.troubles =
        vec![Trouble { kind: TroubleKind::Rejected, at: End::Server, pod, what: what.clone(), evidence: Vec::new() }];
    let pair = joined(&ends, &unseen());
    assert_eq!(states(&pair), [("client", Some("stale")), ("server", Some("rejected"))]);
    assert!(pair.gaps[1].what.ends_with(&what), "{}", pair.gaps[1].what);
}

/// An answer as from behind two sidecars, with the client's certificate in it.
fn answered() -> Reading<Seen> {
    let xfcc = "By=spiffe://cluster.local/ns/bar/sa/httpbin;Hash=00;URI=spiffe://cluster.local/ns/foo/sa/sleep";
    let transfer = Transfer {
        http: "200".to_owned(),
        exit: 0,
        headers: vec![
            ("server".to_owned(), "envoy".to_owned()),
            ("x-envoy-upstream-service-time".to_owned(), "2".to_owned()),
        ],
        body: serde_json::json!({ "headers": { "X-Forwarded-Client-Cert": xfcc } }).to_string(),
        message: None,
        program: Program::Curl,
    };
    let ends = Ends { client_proxy: true, server_proxy: Some(true), class: PortClass::Http, echoes: true };
    Reading::Seen(Seen {
        conclusion: Conclusion::of(&transfer, ends),
        causes: causes::of(&transfer, ends, &Heard::default()),
        flags: Vec::new(),
        transfer,
        heard: Heard::default(),
        repeats: None,
    })
}

#[test]
fn an_answer_over_a_connection_older_than_the_listener_is_named_as_such() {
    let with = |changed: i64, draining: bool| {
        let mut ends = between("e-dr-disable", "e-dr-disable");
        ends.programmed.read_at = Some(at(7200));
        for endpoint in &mut ends.programmed.endpoints {
            let Reading::Seen(accepts) = &mut endpoint.accepts else { panic!("its dump was recorded") };
            (accepts.changed, accepts.draining) = (Some(at(changed)), draining);
        }
        joined(&ends, &answered())
    };
    // Refused by both dumps, answered all the same.
    let pair = with(7200 - 3599, false);
    assert_eq!((states(&pair), pair.verdict.as_str()), (vec![("wire", Some("old-connection"))], "mutual-tls"));
    assert!(pair.gaps[0].what.ends_with("a pooled connection may be older"), "{}", pair.gaps[0].what);
    assert_eq!(states(&with(0, true)), [("wire", Some("old-connection"))]);
    assert_eq!(states(&with(7200 - 3601, false)), [("wire", None)]);
}

/// An answer after several: how they went, and whether the last of them agreed.
fn after(answers: &[&str], settled: bool, last: Transfer) -> Reading<Seen> {
    let Reading::Seen(seen) = answered() else { panic!("an answer") };
    let ends = Ends { client_proxy: true, server_proxy: Some(true), class: PortClass::Http, echoes: true };
    let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let (conclusion, repeats) = (Conclusion::of(&last, ends), Some(Repeats { answers, settled }));
    Reading::Seen(Seen { transfer: last, conclusion, repeats, ..seen })
}

/// What a real mesh showed: each connection from before a policy serves one more request, and no third one.
#[test]
fn answers_that_stay_are_told_apart_from_those_of_old_connections() {
    let mut ends = between("e-dr-disable", "e-dr-disable");
    ends.programmed.read_at = Some(at(7200));
    let fresh = |ends: &mut Both, changed: i64| {
        for endpoint in &mut ends.programmed.endpoints {
            let Reading::Seen(accepts) = &mut endpoint.accepts else { panic!("its dump was recorded") };
            (accepts.changed, accepts.draining) = (Some(at(changed)), false);
        }
    };
    fresh(&mut ends, 7100);
    let Reading::Seen(Seen { transfer: taken, .. }) = answered() else { panic!("an answer") };
    let pair = joined(&ends, &after(&["200", "200", "200"], true, taken));
    assert_eq!(states(&pair), [("wire", None)]);
    assert!(pair.gaps[0].what.ends_with("the wire shows mutual-tls, 3 times in a row"), "{}", pair.gaps[0].what);
    let body = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
    let refused = Transfer {
        http: "503".to_owned(),
        exit: 0,
        headers: vec![("server".to_owned(), "envoy".to_owned())],
        body: body.to_owned(),
        message: None,
        program: Program::Curl,
    };
    let at_first = |ends: &Both, settled: bool| {
        let pair = joined(ends, &after(&["200", "200", "503", "503"], settled, refused.clone()));
        assert_eq!((states(&pair), pair.verdict.as_str()), (Vec::new(), "refused"));
        let seen = serde_json::to_value(&pair).unwrap()["observed"].clone();
        assert_eq!((&seen["requests"], seen["unsettled"] == true), (&4.into(), !settled));
        seen["atFirst"].as_str().map(str::to_owned)
    };
    assert_eq!(at_first(&ends, true).as_deref(), Some("old-connection"));
    assert_eq!(at_first(&ends, false), None);
    // Nothing was changed for long: why it differed at first is not told.
    fresh(&mut ends, 0);
    assert_eq!(at_first(&ends, true).as_deref(), Some("changed"));
}
