//! The table, and below it what it comes to.

use std::io::{self, Write};

use crate::print::columns::Column;
use crate::print::grid::{Cell, Grid};
use crate::print::{PairRows, Style, footer, negative, rows, summary, traffic};
use crate::verdict::report::{Listed, Report};

/// A name is not elided to fewer columns than this: nobody would recognise it.
const LEAST_NAME: usize = 16;

/// Writes rows, summary, findings and the next command; nothing at all for a report about nothing.
pub(super) fn write(report: &Report, columns: &[Column], style: &Style, out: &mut dyn Write) -> io::Result<()> {
    if let Listed::Summary { answers, classes } = &report.listed {
        return summary::table(report, (*answers, classes), columns, style, out);
    }
    if report.summary.pairs == 0 && report.findings.is_empty() {
        return Ok(());
    }
    let rows = rows::of(report, columns, style.pairs);
    if !rows.is_empty() {
        let mut grid = Grid::default();
        grid.push(columns.iter().map(|column| Cell::plain(column.header)).collect());
        for row in &rows {
            grid.push(columns.iter().map(|column| column.of_row(row)).collect());
        }
        fit(&mut grid, columns, style);
        grid.write(style.color, out)?;
    }
    footer::summary(report, out)?;
    if !report.pairs.is_empty() && rows.len() < report.summary.pairs {
        writeln!(out, "{}", left_out(rows.len(), report.summary.pairs, style.pairs))?;
    }
    traffic::write(&report.traffic, out)?;
    negative::write(&report.negative_tests, out)?;
    footer::findings(report, style, out)?;
    footer::next(report, style, out)
}

/// Elides names where that makes a line fit the terminal, and only there: half a name is worse than a long line.
fn fit(grid: &mut Grid, columns: &[Column], style: &Style) {
    if let Some(width) = style.width {
        let names: Vec<usize> = columns.iter().enumerate().filter(|(_, c)| c.name).map(|(at, _)| at).collect();
        grid.fit(width, &names, LEAST_NAME);
    }
}

fn left_out(rows: usize, pairs: usize, wanted: PairRows) -> String {
    match wanted {
        PairRows::All | PairRows::Auto => {
            format!("{rows} rows for {pairs} pairs: clients that fare alike share one; --pairs all shows every pair")
        }
        PairRows::Problems => format!("{rows} of {pairs} pairs shown; --pairs all shows every pair"),
    }
}
