//! The tool on a real cluster: each set of policies is judged by what the tool says and by the seeds' own loop of curl.
//!
//! `tests/cluster/run` brings up what is needed and starts this; `tests/cluster/README.md` tells the rest.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a measurement prints, and one that cannot be made has failed"
)]

#[path = "cluster/suite/case.rs"]
mod case;
#[path = "cluster/suite/curl.rs"]
mod curl;
#[path = "cluster/suite/judge.rs"]
mod judge;
#[path = "cluster/suite/kubectl.rs"]
mod kubectl;
#[path = "cluster/suite/plugin.rs"]
mod plugin;
#[path = "cluster/suite/run.rs"]
mod run;
#[expect(
    dead_code,
    unused_imports,
    reason = "the scenarios are read and compared here; the rules and the lab are asked in another binary"
)]
mod scenario;
#[path = "cluster/suite/settle.rs"]
mod settle;
#[path = "cluster/suite/stale.rs"]
mod stale;

use std::process::ExitCode;

fn main() -> ExitCode {
    let filters = std::env::args().skip(1).collect::<Vec<_>>();
    match run::suite(&filters) {
        Ok(tally) => {
            println!("{} passed, {} failed", tally.passed, tally.failed);
            if tally.failed == 0 && tally.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("cluster: {error:#}");
            ExitCode::from(2)
        }
    }
}
