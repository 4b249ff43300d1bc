//! The tool, asked as a user would, and its report.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::scenario::lab::{Output, finish};

/// `check` with these arguments.
pub(crate) fn check(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    command.arg("check").args(arguments);
    finish(command)
}

/// Its report.
pub(crate) fn report(arguments: &[&str]) -> Result<Value> {
    let output = check(&[arguments, &["-o", "json"]].concat())?;
    serde_json::from_str(&output.stdout).with_context(|| format!("exit {:?}: {}", output.code, output.stderr.trim()))
}

/// The pair of that id.
pub(crate) fn pair<'r>(report: &'r Value, id: &str) -> Option<&'r Value> {
    report["pairs"].as_array()?.iter().find(|pair| pair["id"] == id)
}
