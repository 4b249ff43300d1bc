//! Which pairs get a row of their own, and which share one.

use std::collections::{HashMap, HashSet};

use crate::print::PairRows;
use crate::print::columns::Column;
use crate::verdict::report::{Pair, Report, Severity};

/// A row: a pair, and the pairs to the same service port whose clients fare alike.
#[derive(Debug)]
pub(super) struct Row<'r> {
    /// The first pair in the report's order.
    pub(super) pair: &'r Pair,
    /// The others.
    pub(super) alike: Vec<&'r Pair>,
}

/// The rows of a report, in its order.
pub(super) fn of<'r>(report: &'r Report, columns: &[Column], wanted: PairRows) -> Vec<Row<'r>> {
    let own_row = |pair: &'r Pair| Row { pair, alike: Vec::new() };
    let problems = Problems::of(report);
    match wanted {
        PairRows::All => report.pairs.iter().map(own_row).collect(),
        PairRows::Problems => report.pairs.iter().filter(|pair| problems.contain(pair)).map(own_row).collect(),
        PairRows::Auto if report.summary.pairs <= PairRows::LIMIT => report.pairs.iter().map(own_row).collect(),
        PairRows::Auto => alike(report, columns, &problems),
    }
}

/// One row per service port and class of clients; a problem keeps its own.
fn alike<'r>(report: &'r Report, columns: &[Column], problems: &Problems<'_>) -> Vec<Row<'r>> {
    let mut rows: Vec<Row<'r>> = Vec::new();
    let mut classes: HashMap<Vec<String>, usize> = HashMap::new();
    for pair in &report.pairs {
        if !problems.contain(pair) {
            let row = *classes.entry(class(pair, columns)).or_insert(rows.len());
            if let Some(row) = rows.get_mut(row) {
                row.alike.push(pair);
                continue;
            }
        }
        rows.push(Row { pair, alike: Vec::new() });
    }
    rows
}

/// Clients are of one class where every column that is not about the client itself says the same.
fn class(pair: &Pair, columns: &[Column]) -> Vec<String> {
    columns.iter().filter(|column| !column.of_client).map(|column| (column.cell)(pair).text).collect()
}

/// Conflicts, gaps, and the pairs of findings that are errors.
#[derive(Debug)]
struct Problems<'r> {
    of_errors: HashSet<&'r str>,
    errors: HashSet<&'r str>,
}

// === impl Problems ===

impl<'r> Problems<'r> {
    fn of(report: &'r Report) -> Self {
        let errors = || report.findings.iter().filter(|finding| finding.severity == Severity::Error);
        Self {
            of_errors: errors().flat_map(|finding| &finding.pairs).map(String::as_str).collect(),
            errors: errors().map(|finding| finding.id.as_str()).collect(),
        }
    }

    fn contain(&self, pair: &Pair) -> bool {
        pair.conflict
            || !pair.gaps.is_empty()
            || self.of_errors.contains(pair.id.as_str())
            // Findings do not name every pair where pairs are not listed one by one.
            || pair.findings.iter().any(|finding| self.errors.contains(finding.as_str()))
    }
}
