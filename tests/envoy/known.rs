//! What is compared, and where the two proxies are known to differ, with the reason.

use std::collections::BTreeSet;

use crate::envoy::side::{Answer, Proxy};
use crate::lab_dataplane::caller::Said;
use crate::lab_dataplane::recording::Shown;

/// Envoy names TLS failures in the body before this version (Envoy #44746), words them otherwise in its log, and reports a
/// reset of a TCP upstream as an end.
const QUIET_BODY: (u32, u32) = (1, 38);
/// The version whose logs and counters the reference proxy has.
pub(crate) const REFERENCE: (u32, u32) = (1, 40);

/// Exit statuses of curl that depend on who closes first, also between two runs of the same Envoy.
const RACE: [i32; 3] = [52, 55, 56];

/// Where two answers differ.
pub(crate) fn answers(got: &Answer, expected: &Answer, version: (u32, u32)) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |what: &str, got: String, expected: String| {
        if got != expected {
            found.push(format!("{what}: Envoy {got}, reference {expected}"));
        }
    };
    compare("status", got.status.to_string(), expected.status.to_string());
    if !is_race(got.exit, expected.exit) {
        compare("exit", got.exit.to_string(), expected.exit.to_string());
    }
    compare("XFCC", format!("{:?}", got.xfcc), format!("{:?}", expected.xfcc));
    compare("answered by", format!("{:?}", got.by), format!("{:?}", expected.by));
    compare("headers", format!("{:?}", got.headers), format!("{:?}", expected.headers));
    if version >= QUIET_BODY {
        compare("body", got.body.clone(), expected.body.clone());
    }
    found
}

/// Whether two exit statuses of curl are outcomes of one race.
pub(crate) fn is_race(one: i32, other: i32) -> bool {
    [one, other].iter().all(|exit| RACE.contains(exit))
}

/// Where two sidecars logged or counted different things.
pub(crate) fn proxies(got: &Proxy, expected: &Proxy, version: (u32, u32)) -> Vec<String> {
    let mut found = Vec::new();
    if version < REFERENCE {
        return found;
    }
    let (got_log, expected_log) = (lines(&got.log), lines(&expected.log));
    for (who, more, less) in [("Envoy", &got_log, &expected_log), ("the reference", &expected_log, &got_log)] {
        found.extend(more.difference(less).map(|line| format!("only {who} logged {line:?}")));
    }
    for (who, more, less) in
        [("Envoy", &got.counters, &expected.counters), ("the reference", &expected.counters, &got.counters)]
    {
        found.extend(more.difference(less).map(|counter| format!("only {who} counted {counter}")));
    }
    found
}

/// Lines that say something: Envoy's listener logs every connection once more, in no case with a reason of its own.
pub(crate) fn lines(log: &BTreeSet<Shown>) -> BTreeSet<Shown> {
    let says = |(log, _, flags, _, _, downstream, _): &&Shown| {
        log != "listener" || flags.contains("NR") || !downstream.is_empty()
    };
    log.iter().filter(says).cloned().map(reset_in_handshake).map(reset_or_end).collect()
}

/// How a proxy learns that its peer reset the connection in the handshake: by reading, by writing, or by the end alone.
/// Which of them comes first is a race that two runs of one Envoy settle differently.
const RESETS: [&str; 3] = [
    "",
    "TLS_error:|33554464:system_library:OPENSSL_internal:Broken_pipe:TLS_error_end",
    "TLS_error:|33554536:system_library:OPENSSL_internal:Connection_reset_by_peer:TLS_error_end",
];

/// A body that names the transport's failure, without which of the [`RESETS`] it was.
pub(crate) fn without_reset(body: &str) -> &str {
    let named = [
        ", transport failure reason: TLS_error:|33554464:system library:OPENSSL_internal:Broken pipe:TLS_error_end",
        ", transport failure reason: TLS_error:|33554536:system library:OPENSSL_internal:Connection reset by peer:TLS_error_end",
    ];
    named.iter().find_map(|end| body.strip_suffix(end)).unwrap_or(body)
}

fn reset_in_handshake((log, status, flags, details, upstream, downstream, count): Shown) -> Shown {
    let reset = details.starts_with("upstream_reset_before_response_started{remote_connection_failure")
        && RESETS.contains(&upstream.as_str());
    let (details, upstream) =
        if reset { ("<reset in the handshake>".to_owned(), String::new()) } else { (details, upstream) };
    (log, status, flags, details, upstream, downstream, count)
}

/// A server that refuses a raw TCP connection closes it: the client's proxy reads a reset where bytes of the caller were
/// on their way, and an end where they were not. curl shows the same race as exit 52 or 56.
fn reset_or_end((log, status, mut flags, details, upstream, downstream, count): Shown) -> Shown {
    if status == 0 && flags.len() == 1 && flags.remove("UR") {
        flags.insert("-".to_owned());
    }
    (log, status, flags, details, upstream, downstream, count)
}

/// An answer's body without ids and hashes.
pub(crate) fn stable_body(said: &Said) -> String {
    let Some(echoed) = said.echoed() else { return said.body.clone() };
    let shown = echoed.iter().map(|(name, value)| {
        let value = value.as_str().unwrap_or_default();
        let value = match name.as_str() {
            "X-Request-Id" => "<id>".to_owned(),
            "X-Forwarded-Client-Cert" => without_hash(value),
            _ => value.to_owned(),
        };
        format!("{name}: {value}")
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// XFCC without the certificate's hash.
pub(crate) fn without_hash(xfcc: &str) -> String {
    let parts = xfcc.split(';').map(|part| if part.starts_with("Hash=") { "Hash=<hash>" } else { part });
    parts.collect::<Vec<_>>().join(";")
}
