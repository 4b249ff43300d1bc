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
#[path = "cluster/suite/cost.rs"]
mod cost;
#[path = "cluster/suite/curl.rs"]
mod curl;
#[path = "cluster/suite/extras.rs"]
mod extras;
#[path = "cluster/suite/fresh.rs"]
mod fresh;
#[path = "cluster/suite/judge.rs"]
mod judge;
#[path = "cluster/suite/kubectl.rs"]
mod kubectl;
#[path = "cluster/suite/place.rs"]
mod place;
#[path = "cluster/suite/places.rs"]
mod places;
#[path = "cluster/suite/plugin.rs"]
mod plugin;
#[path = "meshes/generate/random.rs"]
mod random;
#[path = "cluster/suite/revisions.rs"]
mod revisions;
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
#[path = "meshes/shrink.rs"]
mod shrink;
#[path = "cluster/suite/stale.rs"]
mod stale;
#[path = "cluster/suite/tool.rs"]
mod tool;
#[path = "cluster/suite/waits.rs"]
mod waits;
#[path = "meshes/yaml.rs"]
mod yaml;

use std::process::ExitCode;

use anyhow::Result;

use crate::run::Tally;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    match asked(&arguments) {
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

/// `--fresh COUNT SEED`, or words that names of cases contain.
fn asked(arguments: &[String]) -> Result<Tally> {
    match arguments {
        [fresh, count, seed] if fresh == "--fresh" => run::fresh(count.parse()?, seed.parse()?),
        filters => run::suite(filters),
    }
}
