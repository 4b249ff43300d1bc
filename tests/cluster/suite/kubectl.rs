//! The real kubectl, a process a call, none of them without end.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::scenario::lab::{Output, finish};

/// Runs kubectl and gives what it printed, whatever its exit status.
pub(crate) fn kubectl(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("kubectl");
    command.arg("--request-timeout=60s").args(arguments);
    finish(command).with_context(|| format!("kubectl {}", arguments.join(" ")))
}

/// Applies manifests that have to be taken.
pub(crate) fn applied(manifests: &str) -> Result<()> {
    apply(manifests)?.map_or(Ok(()), |refused| bail!("kubectl apply: {}", refused.trim()))
}

/// What it prints, where anything but success is an error.
pub(crate) fn printed(arguments: &[&str]) -> Result<String> {
    let output = kubectl(arguments)?;
    ensure!(
        output.code == Some(0),
        "kubectl {}: exit {:?}: {}",
        arguments.join(" "),
        output.code,
        output.stderr.trim()
    );
    Ok(output.stdout)
}

/// Applies manifests; what kubectl said where it did not take all of them.
pub(crate) fn apply(manifests: &str) -> Result<Option<String>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("manifests.yaml");
    std::fs::write(&file, manifests)?;
    let file = file.to_str().context("the folder for temporary files has no readable name")?;
    let output = kubectl(&["apply", "-f", file])?;
    Ok((output.code != Some(0)).then_some(output.stderr))
}

/// Deletes every policy that a case may have applied.
pub(crate) fn delete_policies() -> Result<()> {
    const KINDS: &str = "peerauthentications.security.istio.io,authorizationpolicies.security.istio.io,\
                         requestauthentications.security.istio.io,destinationrules.networking.istio.io,\
                         sidecars.networking.istio.io,virtualservices.networking.istio.io";
    printed(&["delete", KINDS, "--all-namespaces", "--all", "--timeout=60s"]).map(|_| ())
}
