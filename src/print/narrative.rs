//! `explain` as text: for each class of clients the two derivations, what each witness says, what it is not, what to change.

use std::io::{self, Write};

use crate::model::wire::Wire;
use crate::print::columns::server_name;
use crate::print::narrative::group::{Group, Server};
use crate::verdict::report::{Pair, Report};

mod evidence;
mod fixes;
mod group;
mod headline;
mod layers;

/// How it is told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The time, for ages.
    pub now: Option<jiff::Timestamp>,
    /// Whether fixes that weaken a server were looked for.
    pub weaker: bool,
    /// Flags that choose the source again, for the commands that are proposed.
    pub source: String,
}

/// More classes of clients than this and all but the worst get one line each.
const MOST_TOLD: usize = 3;

/// Writes the explanation of every pair of the report.
///
/// # Errors
/// Those of the writer.
pub fn write(report: &Report, told: &Told, out: &mut dyn Write) -> io::Result<()> {
    let mut fixes = fixes::Numbered::default();
    for (number, server) in group::servers(report).iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        explain(report, server, told, out)?;
        fixes.write(report, &server.pairs(), told, out)?;
    }
    Ok(())
}

fn explain(report: &Report, server: &Server<'_>, told: &Told, out: &mut dyn Write) -> io::Result<()> {
    let many = server.groups.len() > MOST_TOLD;
    let whole = if many { MOST_TOLD - 1 } else { server.groups.len() };
    for (number, group) in server.groups.iter().take(whole).enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        derivation(report, group, told, out)?;
    }
    if many {
        writeln!(out, "\nOther clients (--from shows why)")?;
        for group in server.groups.iter().skip(whole) {
            writeln!(out, "  {}", headline::short(group))?;
        }
    }
    also_broken(report, server, out)
}

fn derivation(report: &Report, group: &Group<'_>, told: &Told, out: &mut dyn Write) -> io::Result<()> {
    let Some(pair) = group.pairs.first() else { return Ok(()) };
    writeln!(out, "{}", headline::of(group))?;
    writeln!(out, "Client sends {}", headline::sends(pair))?;
    layers::write(&pair.originates.layers, told, out)?;
    for side in group::sides(pair) {
        writeln!(out, "Server {}", headline::accepts(&side))?;
        layers::write(&side.endpoint.accepts.layers, told, out)?;
    }
    evidence::write(group, &report.traffic, out)?;
    let ruled_out: Vec<String> =
        pair.ruled_out.iter().map(|ruled_out| format!("{} ({})", ruled_out.what, ruled_out.because)).collect();
    if !ruled_out.is_empty() {
        writeln!(out, "Ruled out: {}", ruled_out.join(", "))?;
    }
    to_change(pair, out)
}

fn to_change(pair: &Pair, out: &mut dyn Write) -> io::Result<()> {
    let name = |policy: &crate::model::derivation::PolicyRef| match &policy.field {
        Some(field) => format!("{} {field}", policy.short()),
        None => policy.short(),
    };
    let names: Vec<String> = pair.responsible.iter().map(name).collect();
    if names.is_empty() || pair.verdict != Wire::Refused {
        return Ok(());
    }
    writeln!(out, "To change: {}", names.join(" or "))
}

fn also_broken(report: &Report, server: &Server<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(pair) = server.pairs().first().copied() else { return Ok(()) };
    let key = pair.id.split_once("->").map_or("", |(_, server)| server);
    for also in report.also_broken.iter().filter(|also| also.server == key) {
        let name = server_name(&pair.server);
        for (what, clients) in [("broken", &also.conflicts), ("refused", &also.refused)] {
            let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
            if !clients.is_empty() {
                writeln!(out, "Also {what} towards {name}: {}", headline::some(&clients))?;
            }
        }
    }
    Ok(())
}
