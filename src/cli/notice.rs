//! What goes to standard error: what was looked at, warnings, errors with their hints.

use std::io::Write;

use jiff::SignedDuration;

use crate::cli::Streams;
use crate::exit::Exit;
use crate::gather::check::Checked;
use crate::gather::scope::Unmatched;
use crate::model::evidence::{Added, FailedLook};
use crate::print::span::span;
use crate::verdict::report::{NotJudged, WhyNotJudged};

/// An error and what to do about it.
pub fn error(streams: &mut Streams<'_>, text: &str, hint: Option<&str>) {
    line(streams.err, &format!("error: {text}"));
    if let Some(hint) = hint {
        line(streams.err, &format!("hint: {hint}"));
    }
}

/// A line of its own; a closed stream is nobody's problem.
pub fn line(out: &mut dyn Write, text: &str) {
    let _ = writeln!(out, "{text}");
}

/// Everything that has to be said beside the report.
pub fn beside(streams: &mut Streams<'_>, checked: &Checked) {
    line(streams.err, &checked.looked_at);
    if let Some(text) = clock(checked.ahead) {
        line(streams.err, &text);
    }
    for problem in &checked.problems {
        line(streams.err, &problem.to_string());
    }
    for Added { namespace, pod, container, image } in &checked.report.debug_containers {
        let what = format!("container {container} of image {image} was added to pod {namespace}/{pod}");
        line(streams.err, &format!("note: {what} and stays there as long as the pod does"));
    }
    for NotJudged { why, pods } in &checked.report.mesh.not_judged {
        let what = match why {
            WhyNotJudged::Ambient => "in ambient mode",
            WhyNotJudged::Windows => "on Windows, where Istio has no proxy",
        };
        let (s, named) = (if pods.len() == 1 { "" } else { "s" }, few(pods));
        line(streams.err, &format!("not judged: {} pod{s} {what}: {named}", pods.len()));
    }
    if !checked.istio {
        line(streams.err, "warning: the server knows no Istio kinds: this is no Istio mesh");
    }
    for Unmatched { text, what, because, nearest } in &checked.unmatched {
        let because = because.as_ref().map(|because| format!(": {because}")).unwrap_or_default();
        line(streams.err, &format!("error: no {what} is named `{text}`{because}"));
        if !nearest.is_empty() {
            line(streams.err, &format!("hint: did you mean `{}`?", nearest.join("` or `")));
        }
    }
    for FailedLook { tried, why, next } in &checked.report.unseen {
        line(streams.err, &format!("warning: could not {tried}: {why}"));
        if let Some(next) = next {
            line(streams.err, &format!("hint: {next}"));
        }
    }
    if checked.report.summary.pairs == 0 && checked.unmatched.is_empty() {
        if checked.unread {
            return line(streams.err, "error: nothing can be decided: what is there could not be read");
        }
        let text = match &checked.namespace {
            Some(namespace) => {
                format!("No resources found in {namespace} namespace: no client and service port. -A looks everywhere.")
            }
            None => "No resources found: there is no client and service port in this scope.".to_owned(),
        };
        line(streams.err, &text);
    }
}

/// Where the clocks differ by enough to be seen in an age.
fn clock(ahead: SignedDuration) -> Option<String> {
    let seconds = ahead.as_secs().unsigned_abs();
    if seconds < 60 {
        return None;
    }
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    Some(format!("note: the server's clock is {} {side} this machine's; ages are told by the server's", span(seconds)))
}

/// The first of many names.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// What printing came to: a closed pipe is success, for whoever closed it has read enough.
///
/// # Errors
/// The exit status when the report could not be written.
pub fn printed(streams: &mut Streams<'_>, outcome: std::io::Result<()>) -> Result<(), Exit> {
    match outcome {
        Err(failure) if failure.kind() != std::io::ErrorKind::BrokenPipe => {
            error(streams, &format!("cannot print the report: {failure}"), None);
            Err(Exit::CouldNotWork)
        }
        Err(_) | Ok(()) => Ok(()),
    }
}
