//! What stands below the table: the counts, the findings, and what to ask next.

use std::io::{self, Write};

use crate::model::wire::Wire;
use crate::print::Style;
use crate::print::columns::{server_name, wire_word};
use crate::print::grid::{Cell, Tone, visible, wrap};
use crate::verdict::report::{Finding, Listed, Pair, Report, Severity};

/// A finding is not wrapped into fewer columns than this.
const LEAST_TITLE: usize = 30;

/// `9 pairs: 2 mTLS, 3 plaintext, 4 refused (2 by conflict)`; only what there is.
pub(super) fn summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let summary = &report.summary;
    if summary.pairs == 0 {
        return Ok(());
    }
    let counts = [
        (Wire::MutualTls, summary.mutual_tls),
        (Wire::Plaintext, summary.plaintext),
        (Wire::Tls, summary.tls),
        (Wire::Refused, summary.refused),
        (Wire::Mixed, summary.mixed),
        (Wire::Depends, summary.depends),
        (Wire::None, summary.none),
        (Wire::Unknown, summary.unknown),
    ];
    let parts: Vec<String> =
        counts.iter().filter(|(_, count)| *count > 0).map(|(wire, count)| part(report, *wire, *count)).collect();
    let noun = if summary.pairs == 1 { "pair" } else { "pairs" };
    writeln!(out, "{} {noun}: {}", summary.pairs, parts.join(", "))
}

fn part(report: &Report, wire: Wire, count: usize) -> String {
    let word = wire_word(wire);
    match conflicts(report, wire) {
        0 => format!("{count} {word}"),
        conflicts if wire == Wire::Refused => format!("{count} {word} ({conflicts} by conflict)"),
        conflicts => format!("{count} {word} ({conflicts} in conflict)"),
    }
}

/// Conflicts among the pairs with that verdict. The summary counts them all, even where pairs are not listed, and
/// nearly all of them are refused.
fn conflicts(report: &Report, wire: Wire) -> usize {
    let count = |keep: &dyn Fn(&Pair) -> bool| -> usize {
        let keep = |pair: &Pair| pair.conflict && keep(pair);
        match &report.listed {
            Listed::Summary { classes, .. } => classes.iter().filter(|c| keep(&c.like)).map(|class| class.pairs).sum(),
            Listed::Each | Listed::ByClass => report.pairs.iter().filter(|p| keep(p)).map(|pair| 1 + pair.more).sum(),
        }
    };
    if wire == Wire::Refused {
        report.summary.conflicts.saturating_sub(count(&|pair| pair.verdict != Wire::Refused))
    } else {
        count(&|pair| pair.verdict == wire)
    }
}

/// More findings than this are not all spelled out: the answer is to fit on a screen.
const ALL: usize = 20;
/// How many of one code are spelled out then.
const SPELLED: usize = 3;

/// `MTLS101 error  <title>`, one finding a line, aligned, in the report's order. Of many those of each code that concern most
/// pairs, and how many more there are.
pub(super) fn findings(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.len() <= ALL {
        return list(&report.findings.iter().collect::<Vec<_>>(), &report.findings, style, out);
    }
    for of_code in report.findings.chunk_by(|a, b| a.code == b.code) {
        let mut sorted: Vec<&Finding> = of_code.iter().collect();
        sorted.sort_by_key(|finding| std::cmp::Reverse(finding.pair_count));
        let (first, more) = sorted.split_at(sorted.len().min(SPELLED));
        list(first, &report.findings, style, out)?;
        if let Some(finding) = more.first() {
            let pairs: usize = more.iter().map(|finding| finding.pair_count).sum();
            let (code, severity) = widths(&report.findings);
            write!(out, "{:code$} {:severity$}  ", finding.code, finding.severity.as_str())?;
            writeln!(out, "and {} more: {pairs} pairs; -o json lists them", more.len())?;
        }
    }
    Ok(())
}

/// Some findings, aligned as if all were there.
fn list(findings: &[&Finding], all: &[Finding], style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (code, severity) = widths(all);
    let indent = code + 1 + severity + 2;
    for finding in findings {
        let word = Cell::toned(finding.severity.as_str(), tone(finding.severity));
        write!(out, "{:code$} ", finding.code)?;
        word.write(style.color, out)?;
        write!(out, "{:pad$}", "", pad = severity - word.text.len() + 2)?;
        let title = visible(&finding.title);
        let lines = match style.width {
            Some(width) => wrap(&title, width.saturating_sub(indent).max(LEAST_TITLE)),
            None => vec![title.into_owned()],
        };
        writeln!(out, "{}", lines.join(&format!("\n{:indent$}", "")))?;
    }
    Ok(())
}

/// The width of the codes and that of the severities.
fn widths(findings: &[Finding]) -> (usize, usize) {
    let widest = |text: fn(&Finding) -> &'static str| findings.iter().map(|f| text(f).len()).max().unwrap_or(0);
    (widest(|finding| finding.code), widest(|finding| finding.severity.as_str()))
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Plain,
        Severity::Warning => Tone::Warn,
        Severity::Error => Tone::Bad,
    }
}

/// The command that explains the worst error: of its first pair, or of its code where it is about none.
pub(super) fn next(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let Some(finding) = report.findings.iter().find(|finding| finding.severity == Severity::Error) else {
        return Ok(());
    };
    let find = |id: &String| match &report.listed {
        Listed::Summary { classes, .. } => {
            let like = || classes.iter().map(|class| class.like.as_ref());
            like().find(|pair| pair.id == *id).or_else(|| like().find(|pair| pair.conflict))
        }
        Listed::Each | Listed::ByClass => report.pairs.iter().find(|pair| pair.id == *id),
    };
    match finding.pairs.iter().find_map(find) {
        Some(pair) => {
            let (server, client) = (server_name(&pair.server), &pair.client);
            write!(out, "Next: kubectl mtls explain {server} --from {}.{}", client.workload, client.namespace)?;
            if !style.source.is_empty() {
                write!(out, " {}", style.source)?;
            }
            writeln!(out)
        }
        None => writeln!(out, "Next: kubectl mtls explain {}", finding.code),
    }
}
