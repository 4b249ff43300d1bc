//! `explain`: why a pair is what it is, layer by layer.

use clap::Args;

use crate::cli::answer::Answer;
use crate::cli::source::{ProbeArgs, SourceArgs};
use crate::cli::{Streams, notice};
use crate::exit::Exit;
use crate::gather::scope::Scope;
use crate::model::name::{ClientName, ServiceName};
use crate::print::{self, Format};

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The service, or one port of it: httpbin.bar, httpbin.bar:8000, bar/httpbin, a full host name
    #[arg(value_name = "SERVICE")]
    service: ServiceName,
    /// Clients to explain it for: sleep.foo, deploy/sleep, app=sleep (repeatable; default: every workload)
    #[arg(long, value_name = "CLIENT")]
    from: Vec<ClientName>,
    #[command(flatten)]
    probes: ProbeArgs,
    /// Output: text, or json and yaml as of check
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Runs `explain`; an answer is success, whatever it says.
pub fn run(args: &ExplainArgs, streams: &mut Streams<'_>) -> Exit {
    let from = if args.source.standalone && args.from.is_empty() {
        "app=sleep".parse().into_iter().collect()
    } else {
        args.from.clone()
    };
    let scope = Scope { services: vec![args.service.clone()], from, probes: args.probes.probes(), ..Scope::default() };
    let Answer { checked, refused } = match args.source.answer(&scope, streams) {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    notice::beside(streams, &checked);
    let printed = match &args.output {
        Some(format) => print::print(&checked.report, format, &print::Style::default(), streams.out),
        None => print::narrative::write(&checked.report, streams.out),
    };
    if let Err(exit) = notice::printed(streams, printed) {
        return exit;
    }
    if refused || checked.report.pairs.is_empty() { Exit::CouldNotWork } else { Exit::Clean }
}
