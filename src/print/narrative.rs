//! `explain` as text: for each pair the two derivations, what each witness says, what has to change.

use std::io::{self, Write};

use crate::model::derivation::{Effect, Step};
use crate::model::wire::Wire;
use crate::print::grid::visible;
use crate::verdict::report::told::ProgrammedView;
use crate::verdict::report::{EndpointView, ObservedView, OneOrMany, Pair, PeerView, Report};

/// Writes the explanation of every pair of the report.
///
/// # Errors
/// Those of the writer.
pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for (number, pair) in report.pairs.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        explain(report, pair, out)?;
    }
    Ok(())
}

fn explain(report: &Report, pair: &Pair, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", headline(pair))?;
    writeln!(out, "Client sends {} ({})", pair.originates.kind, pair.originates.mode)?;
    layers(&pair.originates.layers, out)?;
    for endpoint in distinct(pair) {
        writeln!(out, "Server {} accepts {}", endpoint_name(endpoint), endpoint.accepts.mode)?;
        layers(&endpoint.accepts.layers, out)?;
    }
    writeln!(out, "Evidence")?;
    let why = pair.intent.why.unwrap_or("endpoints-differ");
    writeln!(out, "  policy   {}: {why}; {}", pair.intent.wire.as_str(), pair.intent.because)?;
    proxies(&pair.programmed, out)?;
    writeln!(out, "  wire     {}", wire(pair))?;
    for gap in &pair.gaps {
        writeln!(out, "  gap      {}: {}", gap.at, gap.what)?;
    }
    if !pair.responsible.is_empty() {
        let names: Vec<String> = pair
            .responsible
            .iter()
            .map(|policy| match &policy.field {
                Some(field) => format!("{} {field}", policy.short()),
                None => policy.short(),
            })
            .collect();
        writeln!(out, "To change: {}", names.join(" or "))?;
    }
    for finding in report.findings.iter().filter(|finding| finding.pairs.contains(&pair.id)) {
        writeln!(out, "{} {}  {}", finding.code, finding.severity.as_str(), finding.title)?;
        for (number, fix) in finding.fixes.iter().enumerate() {
            writeln!(out, "Fix {}: {}\n  {}", number + 1, fix.title, fix.command)?;
        }
    }
    Ok(())
}

/// `sleep.foo -> httpbin.bar:8000 (http): CONFLICT, 503.`
fn headline(pair: &Pair) -> String {
    let name = pair.server.service.as_ref().map_or_else(
        || pair.server.host.clone().unwrap_or_default(),
        |service| format!("{service}.{}", pair.server.namespace),
    );
    // What went over the wire counts, even where policy alone is a conflict.
    let result = match (pair.conflict, pair.verdict) {
        (true, Wire::Refused) => "CONFLICT".to_owned(),
        (true, wire) => format!("CONFLICT by policy, yet {}", wire.as_str()),
        (false, wire) => wire.as_str().to_owned(),
    };
    let symptom = match &pair.observed {
        ObservedView::Seen(seen) => Some(code(&seen.http, seen.exit)),
        ObservedView::Unseen(_) => match (&pair.intent.http, &pair.intent.exit) {
            (Some(OneOrMany::One(http)), Some(OneOrMany::One(exit))) => Some(code(http, *exit)),
            (Some(_) | None, _) => None,
        },
    };
    let symptom = symptom.map(|symptom| format!(", {symptom}")).unwrap_or_default();
    let (client, port, protocol) = (&pair.client, pair.server.port, pair.server.protocol);
    let pod = if client.told_apart { format!("({})", client.pod) } else { String::new() };
    format!("{}{pod}.{} -> {name}:{port} ({protocol}): {result}{symptom}", client.workload, client.namespace)
}

fn code(http: &str, exit: u8) -> String {
    if exit == 0 { http.to_owned() } else { format!("{http}, curl exits {exit}") }
}

/// Endpoints that count, one for each way of accepting.
fn distinct(pair: &Pair) -> Vec<&EndpointView> {
    let mut kept: Vec<&EndpointView> = Vec::new();
    for endpoint in pair.endpoints.iter().filter(|endpoint| !endpoint.is_self) {
        let known = |other: &&EndpointView| {
            other.accepts.mode == endpoint.accepts.mode && other.accepts.decided_by == endpoint.accepts.decided_by
        };
        if !kept.iter().any(known) {
            kept.push(endpoint);
        }
    }
    kept
}

fn endpoint_name(endpoint: &EndpointView) -> String {
    let pod = endpoint.pod.as_deref().or(endpoint.address.as_deref()).unwrap_or("-");
    format!("{pod} port {}", endpoint.port)
}

/// One line a layer: who, what it said, what became of it and why.
fn layers(steps: &[Step], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 4]> = steps.iter().map(row).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let (who, said) = (width(1), width(2));
    for [mark, name, says, effect] in &rows {
        writeln!(out, "{}", format!("  {mark} {name:who$}  {says:said$}  {effect}").trim_end())?;
    }
    Ok(())
}

fn row(step: &Step) -> [String; 4] {
    let (mark, effect) = match step.effect {
        Effect::Effective => ("*", "effective"),
        Effect::Overridden => (" ", "overridden"),
        Effect::Inherited => (" ", "inherited"),
        Effect::Ignored => (" ", "ignored"),
    };
    let says = match &step.policy.field {
        Some(field) => format!("{field}: {}", step.says),
        None => step.says.clone(),
    };
    let why = step.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let from = step.policy.file.as_ref().map(|file| format!("  {file}")).unwrap_or_default();
    [mark.to_owned(), step.policy.short(), says, format!("{effect}{why}{from}")]
}

fn wire(pair: &Pair) -> String {
    let seen = match &pair.observed {
        ObservedView::Unseen(unseen) => return format!("unseen: {}", unseen.unseen),
        ObservedView::Seen(seen) => seen,
    };
    let agrees = match (seen.wire, pair.intent.wire) {
        (Wire::Unknown, _) => "leaves it open",
        (seen, demanded) if seen == demanded => "agrees",
        _ => "disagrees",
    };
    let said = seen.message.as_ref().or(seen.body.as_ref());
    let said = said.map(|text| format!(" \"{}\"", visible(text))).unwrap_or_default();
    let peer = match &seen.peer {
        PeerView::Seen { uri, .. } => format!("XFCC names {}", visible(uri)),
        PeerView::Absent { absent } => format!("no XFCC: {absent}"),
    };
    let (symptom, by, why) = (code(&seen.http, seen.exit), seen.answered_by, seen.why);
    format!("{agrees}: {symptom}{said}; answered by {by} ({why}); {peer}")
}

/// What the proxies say, with the place in their configuration that shows it.
fn proxies(programmed: &ProgrammedView, out: &mut dyn Write) -> io::Result<()> {
    let told = match programmed {
        ProgrammedView::Unseen(unseen) => return writeln!(out, "  proxies  unseen: {}", unseen.unseen),
        ProgrammedView::Seen(told) => told,
    };
    writeln!(out, "  proxies  {}: {}", told.wire.as_str(), told.why)?;
    for evidence in told.originates.iter().flat_map(|originates| &originates.evidence) {
        writeln!(out, "           {}: {}", evidence.pod, evidence.says)?;
    }
    for trouble in &told.troubles {
        writeln!(out, "           {}: {}", trouble.pod, trouble.what)?;
    }
    Ok(())
}
