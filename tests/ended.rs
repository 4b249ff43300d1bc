//! The program, run as a user would, and what came of it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::ffi::OsStr;
use std::process::Command;

use serde_json::Value;

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs it in the project's directory.
pub(crate) fn mtls(args: &[impl AsRef<OsStr>]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    Ended::of(command.args(args).current_dir(env!("CARGO_MANIFEST_DIR")))
}

impl Ended {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Its standard output, read as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stderr))
    }
}
