//! The live oracle: random meshes answered by the rules and by Istio's own code, compared, and disagreements made small.
//!
//! `tests/oracle/run --seeds 1..2000` builds what is needed and starts this; `tests/oracle/README.md` tells the rest.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a measurement prints, and one that cannot be made has failed"
)]

mod meshes;
#[path = "oracle/options.rs"]
mod options;
#[path = "oracle/process.rs"]
mod process;
#[path = "oracle/report.rs"]
mod report;
#[path = "oracle/sweep.rs"]
mod sweep;

use std::process::ExitCode;

use crate::options::{Options, Task};

fn main() -> ExitCode {
    let outcome = Options::read(std::env::args().skip(1)).and_then(|options| match &options.task {
        Task::Print(seed) => {
            print!("{}", sweep::text(*seed, &options.features));
            Ok(true)
        }
        Task::Compare(seeds) => sweep::compare(&options, seeds),
        Task::Mesh(file) => report::one(&options, file),
        Task::Record(seeds) => report::record(&options, seeds),
        Task::RecordMeshes(files) => report::record_meshes(&options, files),
        Task::Recordings(files) => report::recordings(&options, files),
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("oracle: {error}");
            ExitCode::from(2)
        }
    }
}
