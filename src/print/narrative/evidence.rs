//! What each witness says, or why it is silent.

use std::io::{self, Write};

use crate::model::wire::Wire;
use crate::print::grid::visible;
use crate::print::narrative::group::Group;
use crate::print::narrative::headline::{fails, flagged};
use crate::print::traffic;
use crate::verdict::report::told::{EndpointToldView, ProgrammedView, ToldView};
use crate::verdict::report::traffic::TrafficView;
use crate::verdict::report::{ObservedView, Pair, PeerView, UnseenView};

/// What there were more of than the bound, and the option that moves it.
const MORE_PROXIES: &str = "proxies: --max-proxies asks more of them";

/// Writes it.
pub(super) fn write(group: &Group<'_>, traffic: &[TrafficView], out: &mut dyn Write) -> io::Result<()> {
    let Some(pair) = group.pairs.first() else { return Ok(()) };
    writeln!(out, "Evidence")?;
    let why = pair.intent.why.unwrap_or("endpoints-differ");
    writeln!(out, "  policy   {}: {why}; {}", pair.intent.wire.as_str(), pair.intent.because)?;
    if let Some(tcp) = &pair.tcp {
        writeln!(out, "           raw TCP {}: {}", tcp.wire.as_str(), tcp.why.unwrap_or("endpoints-differ"))?;
    }
    proxies(pair, out)?;
    writeln!(out, "  wire     {}", wire(pair, group.pairs.len()))?;
    if let Some(again) = again(pair) {
        writeln!(out, "           {again}")?;
    }
    if let Some(causes) = causes(pair) {
        writeln!(out, "           {causes}")?;
    }
    if let Some(heard) = heard(pair) {
        writeln!(out, "           {heard}")?;
    }
    for line in watched(pair, traffic) {
        writeln!(out, "{line}")?;
    }
    for gap in &pair.gaps {
        writeln!(out, "  gap      {}: {}", gap.at, gap.what)?;
    }
    Ok(())
}

/// What the proxies of both ends hold, and where it stands.
fn proxies(pair: &Pair, out: &mut dyn Write) -> io::Result<()> {
    let told = match &pair.programmed {
        ProgrammedView::Unseen(unseen) => {
            return writeln!(out, "  proxies  {}", silent(unseen, MORE_PROXIES));
        }
        ProgrammedView::Seen(told) => told,
    };
    writeln!(out, "  proxies  {}: {}: {}", agrees(told.wire, pair.intent.wire), told.wire.as_str(), told.why)?;
    if told.wire == Wire::Unknown {
        for (end, unseen) in unread(pair, told) {
            writeln!(out, "           {end}: {}", silent(&unseen, MORE_PROXIES))?;
        }
    }
    if let Some(tcp) = told.tcp {
        writeln!(out, "           raw TCP {}: {}", tcp.wire.as_str(), tcp.why.as_str())?;
    }
    for evidence in told.originates.iter().flat_map(|originates| &originates.evidence) {
        writeln!(out, "           {}: {}", evidence.pod, visible(&evidence.says))?;
    }
    for trouble in &told.troubles {
        writeln!(out, "           {}: {}", trouble.pod, visible(&trouble.what))?;
    }
    Ok(())
}

/// The ends whose proxies were not read: the client, and the first of the servers.
fn unread(pair: &Pair, told: &ToldView) -> Vec<(String, UnseenView)> {
    let client = told.unseen.map(|unseen| UnseenView { unseen, detail: told.detail.clone() });
    let client = client.map(|unseen| (format!("{}.{}", pair.client.workload, pair.client.namespace), unseen));
    let server = pair.endpoints.iter().find_map(|endpoint| match &endpoint.programmed {
        EndpointToldView::Unseen(unseen) => Some((format!("{}.{}", endpoint.workload, endpoint.namespace), unseen)),
        EndpointToldView::Seen(_) => None,
    });
    client.into_iter().chain(server.map(|(name, unseen)| (name, unseen.clone()))).collect()
}

fn agrees(shown: Wire, demanded: Wire) -> &'static str {
    match shown {
        Wire::Unknown => "leaves it open",
        shown if shown == demanded => "agrees",
        _ => "disagrees",
    }
}

/// `unseen: not-http (the port does not speak HTTP)`.
///
/// `bounded` is what there were more of than the bound, and the option that moves it.
fn silent(unseen: &UnseenView, bounded: &str) -> String {
    let beyond = format!("beyond the number of {bounded}");
    let words = match unseen.unseen {
        "not-requested" => Some("nobody looked"),
        "not-a-test-pair" => Some("no test client or no echo server; --probe sends a request all the same"),
        "pod-not-ready" => Some("the client's pod is not ready"),
        "forbidden" => Some("the rights do not allow it"),
        "no-curl" => Some("the client's container has no curl"),
        "through-service" => Some("the answer came through the Service and names no pod"),
        "not-http" => Some("the port does not speak HTTP"),
        "no-endpoints" => Some("there is nothing to call"),
        "budget" => Some(beyond.as_str()),
        _ => None,
    };
    let all: Vec<&str> = words.into_iter().chain(unseen.detail.as_deref()).collect();
    match all.as_slice() {
        [] => format!("unseen: {}", unseen.unseen),
        parts => format!("unseen: {} ({})", unseen.unseen, visible(&parts.join(": "))),
    }
}

fn wire(pair: &Pair, alike: usize) -> String {
    let seen = match &pair.observed {
        ObservedView::Unseen(unseen) => return silent(unseen, "requests: --max-probes sends more of them"),
        ObservedView::Seen(seen) => seen,
    };
    let agrees = agrees(seen.wire, pair.intent.wire);
    let said = seen.message.as_ref().or(seen.body.as_ref());
    let said = said.map(|text| format!(" \"{}\"", visible(text))).unwrap_or_default();
    let peer = match &seen.peer {
        PeerView::Seen { uri, .. } if alike == 1 => format!("XFCC names {}", visible(uri)),
        PeerView::Seen { uri, .. } => format!("XFCC names each client, like {}", visible(uri)),
        PeerView::Absent { absent } => format!("no XFCC: {absent}"),
    };
    let (symptom, by, why) = (flagged(seen), seen.answered_by, seen.why);
    format!("{agrees}: {symptom}{said}; answered by {by} ({why}); {peer}")
}

/// What came of sending the request again.
fn again(pair: &Pair) -> Option<String> {
    let ObservedView::Seen(seen) = &pair.observed else { return None };
    let why = match seen.at_first {
        Some("old-connection") => {
            ": the first perhaps over a connection that is older than the change of the server's proxy"
        }
        Some(_) => ": it has changed since the first",
        None if seen.unsettled => ": not settled",
        None => "",
    };
    (!seen.answers.is_empty()).then(|| format!("asked {} times: {}{why}", seen.answers.len(), seen.answers.join(", ")))
}

/// What a failure may come from, as far as both ends leave it.
fn causes(pair: &Pair) -> Option<String> {
    let ObservedView::Seen(seen) = &pair.observed else { return None };
    let words: Vec<&str> = seen.causes.iter().map(|cause| cause.words()).collect();
    match words.as_slice() {
        _ if !fails(seen) => None,
        [] => None,
        [one] => Some(format!("cause: {one}")),
        several => Some(format!("cause, one of: {}", several.join("; "))),
    }
}

/// What both proxies counted and logged of a request that failed.
fn heard(pair: &Pair) -> Option<String> {
    let ObservedView::Seen(seen) = &pair.observed else { return None };
    let at = |end: &str, names: &[String]| (!names.is_empty()).then(|| format!("{end} {}", visible(&names.join(", "))));
    let sides = [at("client", &seen.heard.client), at("server", &seen.heard.server)];
    let sides: Vec<String> = sides.into_iter().flatten().collect();
    (fails(seen) && !sides.is_empty()).then(|| format!("counted and logged: {}", sides.join("; ")))
}

/// What the counters of the servers behind a pair did.
fn watched(pair: &Pair, all: &[TrafficView]) -> Vec<String> {
    let stands_behind = |view: &&TrafficView| {
        pair.endpoints
            .iter()
            .any(|end| end.namespace == view.namespace && end.pod.as_deref() == Some(view.pod.as_str()))
    };
    let lines: Vec<String> = all.iter().filter(stands_behind).flat_map(traffic::lines).collect();
    let label = |at: usize| if at == 0 { "traffic" } else { "" };
    lines.iter().enumerate().map(|(at, line)| format!("  {:<8} {line}", label(at))).collect()
}
