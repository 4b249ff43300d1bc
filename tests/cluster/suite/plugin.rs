//! The tool as kubectl runs it: found on the PATH, its streams and exit status passed through, its completion asked.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::kubectl::{apply, delete_policies};
use crate::place::Place;
use crate::scenario::lab::{Output, finish};
use crate::settle::Mark;

/// DISABLE at the client against STRICT: a finding that counts.
const CONFLICT: &str = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: foo}\n\
                        spec: {mtls: {mode: STRICT}}\n---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
                        metadata: {name: httpbin, namespace: foo}\n\
                        spec: {host: httpbin.foo.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}\n";

/// What is not as it should be.
pub(crate) fn as_a_plugin() -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    symlink(env!("CARGO_BIN_EXE_kubectl-mtls"), folder.path().join("kubectl-mtls"))?;
    let completion = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions/kubectl_complete-mtls");
    std::fs::copy(completion, folder.path().join("kubectl_complete-mtls"))?;
    delete_policies()?;
    Mark::apply()?.await_everywhere(&Place::own().sidecars, &[])?;

    let mut wrong = Vec::new();
    let mut expect = |what: &str, output: &Output, is_so: bool| {
        if !is_so {
            wrong.push(format!("{what}: exit {:?}\n{}\n{}", output.code, output.stdout.trim(), output.stderr.trim()));
        }
    };
    let listed = kubectl(folder.path(), &["plugin", "list"])?;
    let is_clean =
        listed.code == Some(0) && listed.stdout.contains("kubectl-mtls") && !listed.stderr.contains("warning");
    expect("kubectl plugin list", &listed, is_clean);

    let check = ["mtls", "check", "httpbin", "-n", "foo", "--from", "app=sleep", "-o", "json"];
    let clean = kubectl(folder.path(), &check)?;
    let is_report = serde_json::from_str::<Value>(&clean.stdout).is_ok_and(|report| report["kind"] == "Report");
    expect(
        "kubectl mtls check",
        &clean,
        clean.code == Some(0) && is_report && clean.stderr.starts_with("context testbed"),
    );

    let refused = apply(CONFLICT)?;
    anyhow::ensure!(refused.is_none(), "{refused:?}");
    Mark::apply()?.await_everywhere(&Place::own().sidecars, &[])?;
    let found = kubectl(folder.path(), &check)?;
    expect("kubectl mtls check with a conflict", &found, found.code == Some(1) && found.stdout.contains("MTLS101"));

    let wrongly = kubectl(folder.path(), &["mtls", "check", "--no-such-flag"])?;
    expect("a wrong flag", &wrongly, wrongly.code == Some(2) && wrongly.stdout.is_empty());

    let completed = kubectl(folder.path(), &["__complete", "mtls", "ch"])?;
    expect("kubectl mtls ch<TAB>", &completed, completed.code == Some(0) && completed.stdout.contains("check"));
    delete_policies()?;
    Ok(wrong)
}

fn kubectl(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let folders = std::iter::once(folder.to_path_buf()).chain(std::env::split_paths(&path));
    let mut command = Command::new("kubectl");
    command.env("PATH", std::env::join_paths(folders)?).args(arguments);
    finish(command)
}
