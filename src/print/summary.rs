//! The report without its pairs: what happens how often, the counts, the findings.

use std::io::{self, Write};

use serde::Serialize;

use crate::model::evidence::FailedLook;
use crate::print::columns::Column;
use crate::print::grid::{Cell, Grid};
use crate::print::{Style, footer, traffic};
use crate::verdict::report::traffic::TrafficView;
use crate::verdict::report::{ClassView, Finding, MeshView, Report, Summary};

/// What is left of a report whose pairs are not listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Digest<'r> {
    api_version: &'static str,
    kind: &'static str,
    mesh: &'r MeshView,
    summary: Summary,
    answers: usize,
    classes: &'r [ClassView],
    findings: &'r [Finding],
    unseen: &'r [FailedLook],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    traffic: &'r [TrafficView],
}

// === impl Digest ===

impl<'r> Digest<'r> {
    pub(super) fn of(report: &'r Report, answers: usize, classes: &'r [ClassView]) -> Self {
        Self {
            api_version: report.api_version,
            kind: report.kind,
            mesh: &report.mesh,
            summary: report.summary,
            answers,
            classes,
            findings: &report.findings,
            unseen: &report.unseen,
            traffic: &report.traffic,
        }
    }
}

/// Writes one row for pairs that fare alike, the counts, the findings and the next command.
pub(super) fn table(
    report: &Report,
    (answers, classes): (usize, &[ClassView]),
    columns: &[Column],
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    if report.summary.pairs == 0 && report.findings.is_empty() {
        return Ok(());
    }
    let told: Vec<&Column> = columns.iter().filter(|column| column.of_class).collect();
    let mut grid = Grid::default();
    let counts = ["PAIRS", "CLIENTS", "SERVICE-PORTS"].map(Cell::plain);
    grid.push(
        counts
            .into_iter()
            .chain(told.iter().map(|column| Cell::plain(column.header)))
            .chain([Cell::plain("FIRST")])
            .collect(),
    );
    for class in classes {
        let counts = [class.pairs, class.clients, class.service_ports].map(|count| Cell::plain(&count.to_string()));
        let first = Cell::plain(class.first.first().map_or("-", String::as_str));
        grid.push(
            counts.into_iter().chain(told.iter().map(|column| (column.cell)(&class.like))).chain([first]).collect(),
        );
    }
    grid.write(style.color, out)?;
    footer::summary(report, out)?;
    let kinds = if classes.len() == 1 { "1 class".to_owned() } else { format!("{} classes", classes.len()) };
    writeln!(out, "{kinds} of pairs, from {answers} answers")?;
    traffic::write(&report.traffic, out)?;
    footer::findings(report, style, out)?;
    footer::next(report, style, out)
}
