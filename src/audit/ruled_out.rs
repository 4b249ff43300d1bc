//! What the evidence at hand rules out, each with the evidence: never more than it proves.

use crate::model::wire::Wire;
use crate::observed::causes::Cause;
use crate::verdict::report::told::ProgrammedView;
use crate::verdict::report::{ObservedView, Pair, PeerView, RuledOut, SeenView};

/// What is ruled out for a pair.
#[must_use]
pub fn of(pair: &Pair) -> Vec<RuledOut> {
    let mut found = Vec::new();
    let mut out = |what, because: &str| found.push(RuledOut { what, because: because.to_owned() });
    if let ProgrammedView::Seen(told) = &pair.programmed
        && told.wire == pair.intent.wire
        && told.troubles.is_empty()
        && told.wire != Wire::Unknown
    {
        out("stale config", "the proxies hold what policy says");
    }
    let ObservedView::Seen(seen) = &pair.observed else { return found };
    let reached = matches!(seen.answered_by, "application");
    let failed = fails(seen);
    let none = |is: fn(&Cause) -> bool| failed && !seen.causes.is_empty() && !seen.causes.iter().any(is);
    if none(|cause| cause.is_tls()) {
        out("TLS", &clears_tls(seen));
    }
    if none(|cause| cause.is_application()) && seen.wire == Wire::Refused {
        out("application", "every cause that is left lies before it");
    }
    // An HTTP filter that denies answers 403 over a connection that stands (`envoy.filters.http.rbac`).
    if pair.server.protocol != "tcp" && pair.server.protocol != "tls" && seen.http != "000" && seen.http != "403" {
        let because = format!("it would have answered 403, not {}", seen.http);
        out("AuthorizationPolicy", &because);
    }
    if none(|cause| cause.is_certificate()) && sends_plaintext(pair) && is_closed(seen) {
        out("certificates", "plaintext is sent, so there is no handshake");
    }
    if let PeerView::Seen { uri, .. } = &seen.peer {
        out("certificates", &format!("the handshake was completed: the server saw {uri}"));
        out("network", "the request arrived");
    } else if reached && seen.http != "000" {
        out("network", "the application answered");
    }
    found
}

/// Whether the request came to nothing, or to an error.
fn fails(seen: &SeenView) -> bool {
    seen.http == "000" || seen.http.starts_with(['4', '5'])
}

/// What tells that TLS is not to blame.
fn clears_tls(seen: &SeenView) -> String {
    let stands = matches!(seen.answered_by, "server-proxy" | "server-side" | "application");
    let causes: Vec<&str> = seen.causes.iter().map(|cause| cause.words()).collect();
    let stands = if stands { "the answer came over a connection that stands: " } else { "" };
    format!("{stands}{}", causes.join(", or "))
}

/// Whether every endpoint is sent plaintext, by what policy says.
fn sends_plaintext(pair: &Pair) -> bool {
    pair.originates.kind == "plaintext"
}

/// Whether the connection was closed by the other side rather than not made at all.
fn is_closed(seen: &SeenView) -> bool {
    matches!(seen.why, "connection-termination" | "connection-reset" | "empty-reply")
}
