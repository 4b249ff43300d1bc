//! `check`: for each client and service port, is it mutual TLS, does anything conflict, which layer decides.

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::cli::answer::Answer;
use crate::cli::explain::code;
use crate::cli::proxies::{ProxyArgs, WaitArgs};
use crate::cli::source::{NegativeArgs, ProbeArgs, SourceArgs};
use crate::cli::{Streams, notice};
use crate::exit::Exit;
use crate::gather::scope::{Detail, Probes, Scope};
use crate::model::name::{ClientName, LabelSelector, ServiceName};
use crate::print::{self, Format, PairRows, Style};
use crate::verdict::arrival::ArrivalView;
use crate::verdict::finding::Override;
use crate::verdict::report::{Report, Severity};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Service ports to look at: httpbin.bar, httpbin.bar:8000, bar/httpbin, svc/httpbin, a full host name
    #[arg(value_name = "SERVICE")]
    services: Vec<ServiceName>,
    /// Clients to look from: sleep.foo, deploy/sleep, app=sleep (repeatable; default: every workload)
    #[arg(long, value_name = "CLIENT")]
    from: Vec<ClientName>,
    /// Servers of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Labels of the servers' Services
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<LabelSelector>,
    #[command(flatten)]
    probes: ProbeArgs,
    #[command(flatten)]
    proxies: ProxyArgs,
    #[command(flatten)]
    waiting: WaitArgs,
    #[command(flatten)]
    negative: NegativeArgs,
    /// Output: table, wide, json, yaml, name, jsonpath=TEMPLATE
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Which pairs get a row of the table
    #[arg(long, value_enum, default_value_t, value_name = "PAIRS")]
    pairs: Rows,
    /// Counts, findings, and what happens how often, in place of the pairs; for meshes of any size
    #[arg(long, conflicts_with = "pairs")]
    summary: bool,
    /// Lowest severity that makes the exit status 1
    #[arg(long, value_enum, default_value_t, value_name = "SEVERITY")]
    fail_on: FailOn,
    /// Another severity for a code: MTLS105=warning, downgrade=off; off, info, warning or error (repeatable)
    #[arg(long, value_name = "CODE=SEVERITY", value_delimiter = ',', add = ArgValueCompleter::new(code::overrides))]
    severity: Vec<Override>,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Rows {
    /// All of them
    All,
    /// Conflicts, gaps and whatever an error is about
    Problems,
    /// All up to 50; beyond that the problems and one row for clients that fare alike
    #[default]
    Auto,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum FailOn {
    Info,
    Warning,
    #[default]
    Error,
    /// Never
    Never,
}

/// Runs `check`.
pub fn run(args: &CheckArgs, streams: &mut Streams<'_>) -> Exit {
    let Answer { mut checked, refused } = match args.source.answer(&args.scope(), streams) {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    Override::apply(&args.severity, &mut checked.report);
    notice::beside(streams, &checked);
    let printed = match (&checked.report.arrival, &args.output) {
        (Some(arrival), Format::Table | Format::Wide | Format::Name) => print::arrival::write(arrival, streams.out),
        (Some(_) | None, _) => print::print(&checked.report, &args.output, &args.style(streams), streams.out),
    };
    if let Err(exit) = notice::printed(streams, printed) {
        return exit;
    }
    let undecided = checked.unread && checked.report.summary.pairs == 0;
    [
        if refused || !checked.unmatched.is_empty() || undecided { Exit::CouldNotWork } else { Exit::Clean },
        match &checked.report.arrival {
            Some(arrival) => arrived(arrival),
            None if found(&checked.report, args.fail_on) => Exit::Findings,
            None => Exit::Clean,
        },
        if checked.failed_looks { Exit::Inconclusive } else { Exit::Clean },
    ]
    .into_iter()
    .fold(Exit::Clean, Exit::worst)
}

/// Whether it has arrived, and nothing else: what is wrong with the policies themselves is for a check that does not wait.
fn arrived(arrival: &ArrivalView) -> Exit {
    let only_blind = arrival.lagging.iter().all(|pod| pod.state == "unseen");
    match (arrival.arrived, only_blind) {
        (true, _) => Exit::Clean,
        (false, true) => Exit::Inconclusive,
        (false, false) => Exit::Findings,
    }
}

fn found(report: &Report, fail_on: FailOn) -> bool {
    let at_least = match fail_on {
        FailOn::Never => return false,
        FailOn::Info => Severity::Info,
        FailOn::Warning => Severity::Warning,
        FailOn::Error => Severity::Error,
    };
    report.findings.iter().any(|finding| finding.severity >= at_least)
}

impl CheckArgs {
    fn scope(&self) -> Scope {
        let namespace = self.source.namespace().filter(|_| !self.all_namespaces).map(str::to_owned);
        let named = !self.services.is_empty() || self.all_namespaces || namespace.is_some() || self.selector.is_some();
        let from = if self.source.standalone && self.from.is_empty() {
            // The reference mesh is there to be asked by its sleep pods.
            "app=sleep".parse().into_iter().collect()
        } else {
            self.from.clone()
        };
        Scope {
            services: self.services.clone(),
            own_namespace_only: self.source.is_cluster() && !self.all_namespaces,
            namespace,
            labels: self.selector.clone(),
            echo_servers_only: self.source.standalone && !named,
            from,
            probes: if self.waiting.wait.is_some() { Probes::None } else { self.probes.probes() },
            wait: self.waiting.wait,
            debug_image: self.probes.debug_image.clone(),
            negative_test: self.negative.negative_test,
            proxies: self.proxies.looks(),
            detail: self.detail(),
            ..Scope::default()
        }
    }

    fn detail(&self) -> Detail {
        if self.waiting.wait.is_some() {
            return Detail::Each;
        }
        match (self.summary, &self.output, self.pairs) {
            (true, _, _) => Detail::Summary,
            (false, Format::Table | Format::Wide, Rows::Auto | Rows::Problems) => Detail::Rows,
            (false, Format::Table | Format::Wide, Rows::All)
            | (false, Format::Json | Format::Yaml | Format::Name | Format::JsonPath(_), _) => Detail::Each,
        }
    }

    fn style(&self, streams: &Streams<'_>) -> Style {
        Style {
            color: streams.color,
            width: streams.width,
            pairs: match self.pairs {
                Rows::All => PairRows::All,
                Rows::Problems => PairRows::Problems,
                Rows::Auto => PairRows::Auto,
            },
            source: self.source.flags(),
        }
    }
}
