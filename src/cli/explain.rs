//! `explain`: why a pair is what it is, layer by layer.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use jiff::{SignedDuration, Timestamp};

use crate::audit::fixes::Wanted;
use crate::cli::answer::Answer;
use crate::cli::proxies::ProxyArgs;
use crate::cli::source::{ProbeArgs, SourceArgs};
use crate::cli::{Streams, notice};
use crate::exit::Exit;
use crate::gather::scope::Scope;
use crate::model::name::{ClientName, ServiceName};
use crate::print::narrative::Told;
use crate::print::{self, Format};

pub mod code;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The service, or one port of it: httpbin.bar, httpbin.bar:8000, bar/httpbin, a full host name; or the code or name of
    /// a finding: MTLS101, downgrade (a Service of that name is still svc/downgrade)
    #[arg(value_name = "SERVICE|CODE", add = ArgValueCompleter::new(code::codes))]
    service: ServiceName,
    /// Clients to explain it for: sleep.foo, deploy/sleep, app=sleep (repeatable; default: every workload)
    #[arg(long, value_name = "CLIENT")]
    from: Vec<ClientName>,
    /// Propose changes, too, by which a server takes plaintext that it refuses now
    #[arg(long)]
    allow_weaker: bool,
    #[command(flatten)]
    probes: ProbeArgs,
    #[command(flatten)]
    proxies: ProxyArgs,
    /// Output: text, or json and yaml as of check
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    #[command(flatten)]
    source: SourceArgs,
}

/// Runs `explain`; an answer is success, whatever it says.
pub fn run(args: &ExplainArgs, streams: &mut Streams<'_>) -> Exit {
    if let Some(exit) = code::explained(&args.service.text, args.output.as_ref(), streams) {
        return exit;
    }
    let from = if args.source.standalone && args.from.is_empty() {
        "app=sleep".parse().into_iter().collect()
    } else {
        args.from.clone()
    };
    let scope = Scope {
        services: vec![args.service.clone()],
        namespace: args.source.namespace().map(str::to_owned),
        from,
        probes: args.probes.probes(),
        debug_image: args.probes.debug_image.clone(),
        fixes: Wanted { all: true, weaker: args.allow_weaker },
        proxies: args.proxies.looks(),
        ..Scope::default()
    };
    let Answer { checked, refused } = match args.source.answer(&scope, streams) {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    notice::beside(streams, &checked);
    let printed = match &args.output {
        Some(format) => print::print(&checked.report, format, &print::Style::default(), streams.out),
        None => print::narrative::write(&checked.report, &args.told(checked.ahead), streams.out),
    };
    if let Err(exit) = notice::printed(streams, printed) {
        return exit;
    }
    if refused || checked.report.pairs.is_empty() { Exit::CouldNotWork } else { Exit::Clean }
}

impl ExplainArgs {
    fn told(&self, ahead: SignedDuration) -> Told {
        let now = Timestamp::now().checked_add(ahead).ok();
        Told { now, weaker: self.allow_weaker, source: self.source.flags() }
    }
}
