//! The report as a document, for programs.

use std::io::{self, Write};

use crate::print::jsonpath::Template;
use crate::print::summary::Digest;
use crate::verdict::report::{Listed, Report};

/// One JSON document, indented, with a line break at its end.
pub(super) fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    match &report.listed {
        Listed::Summary { answers, classes } => {
            serde_json::to_writer_pretty(&mut *out, &Digest::of(report, *answers, classes))?;
        }
        Listed::Each | Listed::ByClass => serde_json::to_writer_pretty(&mut *out, report)?,
    }
    writeln!(out)
}

/// One YAML document in block style. Whatever YAML 1.1 would read as a number, a time or a boolean is quoted.
pub(super) fn yaml(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    // A line stays a line, so that `grep` finds it.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let written = match &report.listed {
        Listed::Summary { answers, classes } => {
            serde_saphyr::to_io_writer_with_options(&mut &mut *out, &Digest::of(report, *answers, classes), options)
        }
        Listed::Each | Listed::ByClass => serde_saphyr::to_io_writer_with_options(&mut &mut *out, report, options),
    };
    written.map_err(|error| match error {
        // A closed pipe has to stay one.
        serde_saphyr::ser_error::Error::IO { error } => error,
        other => io::Error::other(other),
    })
}

/// One pair id a line; of a summary those that it names.
pub(super) fn names(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if let Listed::Summary { classes, .. } = &report.listed {
        return classes.iter().flat_map(|class| &class.first).try_for_each(|id| writeln!(out, "{id}"));
    }
    report.pairs.iter().try_for_each(|pair| writeln!(out, "{}", pair.id))
}

/// What a template makes of the document. Like kubectl it adds no line break.
pub(super) fn template(report: &Report, template: &Template, out: &mut dyn Write) -> io::Result<()> {
    let document = match &report.listed {
        Listed::Summary { answers, classes } => serde_json::to_value(Digest::of(report, *answers, classes))?,
        Listed::Each | Listed::ByClass => serde_json::to_value(report)?,
    };
    let text = template.render(&document).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    out.write_all(text.as_bytes())
}
