//! Options about what is shown.

use super::Takes::{File, Switch, Text};
use super::{Known, Parser, Stop, attempt, set};
use crate::lab::curl::arguments::Mistake;
use crate::lab::curl::operation::{Operation, Output};

/// What is written and where.
pub(super) const OPTIONS: &[Known] = &[
    set("silent", Switch, |p, _, on| p.plan.silent = on).letter('s'),
    set("show-error", Switch, |p, _, on| p.plan.show_error = on).letter('S'),
    set("verbose", Switch, |p, _, on| p.plan.verbose = on).letter('v'),
    set("progress-meter", Switch, |p, _, on| p.plan.no_meter = !on),
    set("progress-bar", Switch, |p, _, on| p.plan.bar = on).letter('#'),
    set("include", Switch, |p, _, on| p.operation.include = on).letter('i'),
    set("dump-header", File, |p, v, _| p.operation.dump_header = Some(v.to_owned())).letter('D'),
    attempt("output", File, |p, v, _| {
        if v.is_empty() {
            p.warn("output file name has no length");
            return Err(Mistake::BadUse.into());
        }
        p.output(Output::File(v.to_owned()));
        Ok(())
    })
    .letter('o'),
    set("remote-name", Switch, |p, _, on| p.output(if on { Output::RemoteName } else { Output::Stdout })).letter('O'),
    set("remote-name-all", Switch, |p, _, on| p.remote_name_all = on),
    attempt("write-out", Text, |p, v, _| write_out(p, v)).letter('w'),
    attempt("fail", Switch, |p, _, on| fail(p, |operation| operation.fail = on)).letter('f'),
    attempt("fail-with-body", Switch, |p, _, on| fail(p, |operation| operation.fail_with_body = on)),
    set("fail-early", Switch, |p, _, on| p.plan.fail_early = on),
    set("parallel", Switch, |p, _, on| p.plan.parallel = on).letter('Z'),
    set("stderr", File, |p, v, _| {
        if v == "-" {
            p.plan.errors_to_stdout = true;
        } else {
            p.warn(&format!("Failed to open {v}!"));
        }
    }),
    attempt("help", Switch, |_, v, on| if on { Err(Stop::Help(v.to_owned())) } else { Ok(()) }).letter('h'),
    attempt("manual", Switch, |_, _, on| if on { Err(Stop::Manual) } else { Ok(()) }).letter('M'),
    attempt("version", Switch, |_, _, on| if on { Err(Stop::Version) } else { Ok(()) }).letter('V'),
];

/// `@file` reads the format from a file, without its line ends.
fn write_out(p: &mut Parser<'_>, value: &str) -> Result<(), Stop> {
    let Some(name) = value.strip_prefix('@') else {
        p.operation.write_out = Some(value.to_owned());
        return Ok(());
    };
    if let Ok(bytes) = p.read(name)? {
        let text = String::from_utf8_lossy(&bytes);
        p.operation.write_out = Some(text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect());
    } else {
        p.operation.write_out = None;
        // curl forgot the line end here.
        p.warn_openly(&format!("Failed to read {name}"));
    }
    Ok(())
}

fn fail(p: &mut Parser<'_>, set: impl FnOnce(&mut Operation)) -> Result<(), Stop> {
    set(&mut p.operation);
    if p.operation.fail && p.operation.fail_with_body {
        p.error("You must select either --fail or --fail-with-body, not both.");
        return Err(Mistake::BadUse.into());
    }
    Ok(())
}
