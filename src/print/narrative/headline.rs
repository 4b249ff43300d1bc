//! Who calls what, and what comes of it, in one line.

use crate::model::evidence::Program;
use crate::model::wire::Wire;
use crate::print::columns::{server_name, wire_word};
use crate::print::narrative::group::{Group, Side};
use crate::verdict::report::{Cause, ClientView, ObservedView, OneOrMany, Pair, SeenView};

/// So many names are spelled out.
const MOST_NAMES: usize = 4;

/// `sleep.foo -> httpbin.bar:8000 (http, container port 80): CONFLICT, 503. TLS policy; the application is never reached.`
pub(super) fn of(group: &Group<'_>) -> String {
    let Some(pair) = group.pairs.first() else { return String::new() };
    let (server, protocol) = (server_name(&pair.server), pair.server.protocol);
    let mut ports: Vec<u16> = pair.endpoints.iter().map(|endpoint| endpoint.port).collect();
    ports.sort_unstable();
    ports.dedup();
    let port = match ports.as_slice() {
        [one] => format!(", container port {one}"),
        _ => String::new(),
    };
    let meaning = meaning(pair).map(|text| format!(". {text}")).unwrap_or_default();
    format!("{} -> {server} ({protocol}{port}): {}{}{meaning}", clients(group), result(pair), symptom(pair))
}

/// One line for clients that are not told in full.
pub(super) fn short(group: &Group<'_>) -> String {
    let Some(pair) = group.pairs.first() else { return String::new() };
    let mode = pair.endpoints.iter().find(|end| !end.is_self).map_or("nobody", |end| end.accepts.mode);
    let sends = sends(pair);
    let by = pair.decided_by.short();
    format!("{}: {}{}: {sends} to {mode}, decided by {by}", clients(group), result(pair), symptom(pair))
}

/// What the client sends.
pub(super) fn sends(pair: &Pair) -> String {
    let what = match pair.originates.kind {
        "mutual-tls" => "mTLS",
        "tls" => "TLS without a client certificate",
        "tls-client-cert" => "TLS with a certificate of its own",
        "mixed" => "mTLS to some endpoints and plaintext to others",
        other => other,
    };
    let why = if pair.originates.mode == "NO_PROXY" { " (no sidecar takes part)" } else { "" };
    format!("{what}{why}")
}

/// `accepts mTLS only (1 of 1 pods)`.
pub(super) fn accepts(side: &Side<'_>) -> String {
    let what = match side.endpoint.accepts.mode {
        "STRICT" => "accepts mTLS only",
        "PERMISSIVE" => "accepts mTLS and plaintext",
        "DISABLE" => "accepts plaintext only",
        _ => "has no sidecar before the port: the application gets what is sent",
    };
    let kind = if side.endpoint.pod.is_some() { "pods" } else { "addresses" };
    let name = side.endpoint.pod.as_deref().or(side.endpoint.address.as_deref()).unwrap_or("-");
    let named = if side.of > 1 && side.count < side.of { format!(": {name}") } else { String::new() };
    format!("{what} ({} of {} {kind}{named})", side.count, side.of)
}

/// The first few names.
pub(super) fn some(names: &[&str]) -> String {
    let more = names.len().saturating_sub(MOST_NAMES);
    let listed = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

fn clients(group: &Group<'_>) -> String {
    let names: Vec<String> = group.pairs.iter().map(|pair| client(&pair.client)).collect();
    some(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn client(client: &ClientView) -> String {
    let pod = if client.told_apart { format!("({})", client.pod) } else { String::new() };
    format!("{}{pod}.{}", client.workload, client.namespace)
}

/// What went over the wire counts, even where policy alone is a conflict.
fn result(pair: &Pair) -> String {
    let word = wire_word(pair.verdict);
    match (pair.conflict, pair.verdict) {
        (true, Wire::Refused) => "CONFLICT".to_owned(),
        (true, _) => format!("CONFLICT by policy, yet {word}"),
        (false, _) => word.to_owned(),
    }
}

fn symptom(pair: &Pair) -> String {
    let symptom = match &pair.observed {
        ObservedView::Seen(seen) => Some(flagged(seen)),
        ObservedView::Unseen(_) => match (&pair.intent.http, &pair.intent.exit) {
            (Some(OneOrMany::One(http)), Some(OneOrMany::One(exit))) => Some(code(http, *exit)),
            (Some(OneOrMany::Many(codes)), _) => Some(codes.join(" or ")),
            (Some(OneOrMany::One(http)), _) => Some(http.clone()),
            (None, _) => None,
        },
    };
    symptom.map(|symptom| format!(", {symptom}")).unwrap_or_default()
}

/// `503`, or `000, curl exits 56`.
pub(super) fn code(http: &str, exit: u8) -> String {
    if exit == 0 { http.to_owned() } else { format!("{http}, curl exits {exit}") }
}

/// `503 UC`: what curl printed, and Envoy's flags where the answer implies them.
pub(super) fn flagged(seen: &SeenView) -> String {
    let flags = if seen.flags.is_empty() { String::new() } else { format!(" {}", seen.flags.join(",")) };
    match (seen.program, seen.exit) {
        (Program::Curl, _) | (_, 0) => format!("{}{flags}", code(&seen.http, seen.exit)),
        (Program::Wget, exit) => format!("{}{flags}, where curl exits {exit}", seen.http),
    }
}

/// What it means: by policy where the wire does not speak against it, else what the wire leaves.
fn meaning(pair: &Pair) -> Option<String> {
    let cleared = match &pair.observed {
        ObservedView::Seen(seen) if fails(seen) => cleared(seen),
        ObservedView::Seen(_) | ObservedView::Unseen(_) => None,
    };
    cleared.or_else(|| by_policy(pair).map(str::to_owned))
}

/// TLS that is not to blame is worth as much as TLS that is.
fn cleared(seen: &SeenView) -> Option<String> {
    let tls = seen.causes.iter().any(|cause| cause.is_tls());
    match seen.causes.as_slice() {
        [] => None,
        [Cause::ApplicationAnswered] => Some("The application answered: TLS is not to blame.".to_owned()),
        [cause] if !tls => Some(format!("Not TLS: {}.", cause.words())),
        _ if !tls => Some("Not TLS.".to_owned()),
        _ => None,
    }
}

/// Whether the request came to nothing, or to an error.
pub(super) fn fails(seen: &SeenView) -> bool {
    seen.http == "000" || seen.http.starts_with(['4', '5'])
}

fn by_policy(pair: &Pair) -> Option<&'static str> {
    match (pair.verdict, pair.intent.why) {
        (Wire::Refused, Some("no-filter-chain" | "client-certificate-required")) => {
            Some("TLS policy; the application is never reached.")
        }
        (Wire::Refused, Some("application-gets-ciphertext")) => {
            Some("TLS bytes reach an application that expects none.")
        }
        (Wire::Refused, Some("tls-on-plaintext-http")) => Some("TLS policy: TLS is sent where plaintext is expected."),
        (Wire::Refused, Some("blocked-by-outbound-policy" | "no-route" | "no-cluster" | "not-http")) => {
            Some("The client's own sidecar refuses; nothing is sent.")
        }
        (Wire::None, Some("no-endpoints")) => Some("No pod is ready behind it; what follows is what would be sent."),
        (Wire::None, Some("only-itself")) => Some("The only endpoint is the client itself, which does not count."),
        (Wire::Unknown, _) => Some("Something that decides it could not be read."),
        (_, _) => None,
    }
}
