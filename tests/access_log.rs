//! Access logs of real sidecars, and what they say of a failure.

use std::collections::BTreeSet;

use kubectl_mtls::model::evidence::{Program, Transfer};
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::observed::access_log::{Line, lines};
use kubectl_mtls::observed::causes::{self, Cause, Heard};
use kubectl_mtls::observed::signature::Ends;

/// See tests/vectors/README.md.
pub(crate) const RECORDED: &str = include_str!("vectors/access-log.txt");
const RESET: &str = "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end";

fn recorded() -> Vec<Line> {
    lines(RECORDED).collect()
}

#[test]
fn a_line_tells_whose_request_it_was_and_what_became_of_it() {
    let lines = recorded();
    assert_eq!(lines.len(), 5);
    let reset = format!("upstream_reset_before_response_started{{remote_connection_failure|{RESET}}}");
    let first = Line {
        agent: Some("kubectl-mtls/0.1.0".to_owned()),
        authority: Some("httpbin.foo:8000".to_owned()),
        remote: Some("10.244.0.5".parse().unwrap()),
        port: Some(8000),
        words: vec!["URX,UF".to_owned(), reset, RESET.to_owned()],
    };
    assert_eq!(lines[0], first);
    // A connection that no chain took has neither agent nor authority.
    let refused = Line {
        remote: Some("10.244.0.5".parse().unwrap()),
        port: Some(80),
        words: vec!["NR".to_owned(), "filter_chain_not_found".to_owned()],
        ..Line::default()
    };
    assert_eq!(lines[3], refused);
    assert_eq!((lines[4].port, lines[4].words.as_slice()), (Some(8081), &["via_upstream".to_owned()][..]));
}

#[test]
fn the_same_fields_as_json_say_the_same() {
    let json = format!(
        "{{\"authority\":\"httpbin.foo:8000\",\"response_flags\":\"URX,UF\",\"downstream_remote_address\":\"10.244.0.5:42608\",\
         \"downstream_local_address\":\"10.96.29.56:8000\",\"user_agent\":\"kubectl-mtls/0.1.0\",\"response_code\":503,\
         \"connection_termination_details\":null,\"response_code_details\":\
         \"upstream_reset_before_response_started{{remote_connection_failure|{RESET}}}\",\"upstream_transport_failure_reason\":\"{RESET}\"}}"
    );
    assert_eq!(lines(&json).collect::<Vec<_>>(), recorded()[..1]);
}

#[test]
fn what_is_no_access_log_is_nothing() {
    let other = "2026-11-21T20:28:09Z info Envoy proxy is ready\n[Envoy (Epoch 0)] [critical] \"x\n\n{\"level\":\"info\"}\n{}\n\
                 [2026-11-21T20:28:35.291Z] \"GET / HTTP/1.1\" 200 custom format\n\u{0}\u{fffd}\n";
    assert_eq!(lines(other).count(), 0);
    // A line that breaks off in its middle.
    let first = RECORDED.lines().next().unwrap();
    assert!((0..first.len() - 40).all(|end| lines(&first[..end]).count() == 0));
}

/// Recorded: SIMPLE towards a PERMISSIVE port. The body is the same for a port that nothing listens on.
#[test]
fn the_log_tells_causes_apart_that_the_body_does_not() {
    let transfer = Transfer {
        http: "503".to_owned(),
        exit: 0,
        headers: vec![("server".to_owned(), "envoy".to_owned())],
        body: "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote \
               connection failure"
            .to_owned(),
        message: None,
        program: Program::Curl,
    };
    let ends = Ends { client_proxy: true, server_proxy: Some(true), class: PortClass::Http, echoes: true };
    let of = |heard: Heard| causes::of(&transfer, ends, &heard);
    let alone = of(Heard::default());
    assert!(alone.len() > 4, "{alone:?}");
    let lines = recorded();
    let client = of(Heard { client: lines[0].words.clone(), ..Heard::default() });
    assert!(client.contains(&Cause::ForeignTls) && !client.contains(&Cause::NothingListens), "{client:?}");
    let both = Heard { client: lines[0].words.clone(), server: lines[3].words.clone(), ..Heard::default() };
    assert_eq!(of(both), BTreeSet::from([Cause::ForeignTls]));
    // What went well narrows nothing.
    assert_eq!(of(Heard { server: lines[4].words.clone(), ..Heard::default() }), alone);
}
