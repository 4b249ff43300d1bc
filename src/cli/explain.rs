//! `explain`: why a pair is what it is, layer by layer.

use clap::Args;

use crate::audit::fixes::Wanted;
use crate::cli::answer::Answer;
use crate::cli::proxies::ProxyArgs;
use crate::cli::source::{ProbeArgs, SourceArgs};
use crate::cli::{Streams, notice};
use crate::exit::Exit;
use crate::gather::scope::Scope;
use crate::model::name::{ClientName, NotAName, ServiceName};
use crate::print::narrative::Told;
use crate::print::{self, Format};
use crate::verdict::finding::Code;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The service, or one port of it: httpbin.bar, httpbin.bar:8000, bar/httpbin, a full host name; or the code of a
    /// finding: MTLS101
    #[arg(value_name = "SERVICE|CODE")]
    subject: Subject,
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

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// A finding, by its code in upper case. A Service of that name is still `svc/mtls101` or `mtls101.bar`.
    Code(String),
    /// A service, or one port of it.
    Service(ServiceName),
}

impl std::str::FromStr for Subject {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.to_ascii_uppercase();
        let number = code.strip_prefix("MTLS").filter(|number| number.len() == 3);
        match number {
            Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self::Code(code)),
            Some(_) | None => text.parse().map(Self::Service),
        }
    }
}

/// Runs `explain`; an answer is success, whatever it says.
pub fn run(args: &ExplainArgs, streams: &mut Streams<'_>) -> Exit {
    match &args.subject {
        Subject::Code(code) => describe(code, streams),
        Subject::Service(service) => derive(args, service, streams),
    }
}

/// What a finding means.
fn describe(code: &str, streams: &mut Streams<'_>) -> Exit {
    let Some(found) = Code::ALL.into_iter().find(|known| known.code() == code) else {
        let known: Vec<&str> = Code::ALL.into_iter().map(Code::code).collect();
        notice::error(
            streams,
            &format!("no finding has the code `{code}`"),
            Some(&format!("there are {}", known.join(", "))),
        );
        return Exit::Usage;
    };
    let text = format!("{} {} ({})\n", found.code(), found.name(), found.severity().as_str());
    let printed = streams.out.write_all(text.as_bytes());
    notice::printed(streams, printed).err().unwrap_or(Exit::Clean)
}

fn derive(args: &ExplainArgs, service: &ServiceName, streams: &mut Streams<'_>) -> Exit {
    let from = if args.source.standalone && args.from.is_empty() {
        "app=sleep".parse().into_iter().collect()
    } else {
        args.from.clone()
    };
    let scope = Scope {
        services: vec![service.clone()],
        namespace: args.source.namespace().map(str::to_owned),
        from,
        probes: args.probes.probes(),
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
        None => print::narrative::write(&checked.report, &args.told(), streams.out),
    };
    if let Err(exit) = notice::printed(streams, printed) {
        return exit;
    }
    if refused || checked.report.pairs.is_empty() { Exit::CouldNotWork } else { Exit::Clean }
}

impl ExplainArgs {
    fn told(&self) -> Told {
        Told { now: Some(jiff::Timestamp::now()), weaker: self.allow_weaker, source: self.source.flags() }
    }
}
