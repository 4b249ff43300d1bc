//! Printers over one [`Report`]: each takes the report and a writer, none decides anything.

use std::io::{self, BufWriter, Write};

use crate::print::jsonpath::Template;
use crate::verdict::report::Report;

pub mod arrival;
mod columns;
mod document;
mod footer;
pub mod format;
mod grid;
pub mod jsonpath;
pub mod narrative;
mod negative;
mod rows;
pub mod span;
mod summary;
mod table;
mod traffic;

/// What `-o` asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Format {
    /// The table, its summary and the findings.
    #[default]
    Table,
    /// The table with more columns at the right.
    Wide,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// One pair id a line.
    Name,
    /// What a kubectl template makes of the JSON document.
    JsonPath(Template),
}

/// How a table is laid out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Style {
    /// Whether to colour; nothing is lost without.
    pub color: bool,
    /// Columns of the terminal. Only with a width are long names elided and findings wrapped.
    pub width: Option<usize>,
    /// Which pairs get rows.
    pub pairs: PairRows,
    /// Flags that choose the source again, like `--standalone` or `-f mesh.yaml`; empty for the cluster.
    pub source: String,
}

/// Which pairs get a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PairRows {
    /// Every pair.
    All,
    /// Conflicts, gaps and whatever an error is about.
    Problems,
    /// Every pair up to [`PairRows::LIMIT`]; beyond that the problem rows and one row for clients that fare alike.
    #[default]
    Auto,
}

/// Writes the report.
///
/// Beside the writer's own errors there is one: a JSONPath template that does not fit the report, as
/// [`io::ErrorKind::InvalidInput`] around a [`TemplateError`](jsonpath::TemplateError); nothing is written then.
pub fn print(report: &Report, format: &Format, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    match format {
        Format::Table => table::write(report, &columns::table(), style, &mut out)?,
        Format::Wide => table::write(report, &columns::wide(), style, &mut out)?,
        Format::Json => document::json(report, &mut out)?,
        Format::Yaml => document::yaml(report, &mut out)?,
        Format::Name => document::names(report, &mut out)?,
        Format::JsonPath(template) => document::template(report, template, &mut out)?,
    }
    out.flush()
}

// === impl PairRows ===

impl PairRows {
    /// More pairs than this make [`PairRows::Auto`] put clients that fare alike into one row.
    pub const LIMIT: usize = 50;
}
