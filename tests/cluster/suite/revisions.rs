//! A second control plane with a mesh configuration of its own: its clients are judged by that, and not by the other one's.

use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::kubectl::{applied, delete_policies, printed};
use crate::place::Place;
use crate::scenario::lab::{Output, finish};
use crate::scenario::row::Name;
use crate::settle::Mark;
use crate::tool::{pair, report};

/// A client of the second control plane.
const WORLD: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: canary, labels: {istio.io/rev: canary}}\n---\n\
                     apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: sleep, namespace: canary}\nspec:\n  \
                     selector: {matchLabels: {app: sleep}}\n  template:\n    metadata: {labels: {app: sleep}}\n    spec:\n      \
                     terminationGracePeriodSeconds: 0\n      containers:\n      \
                     - {name: sleep, image: \"localhost/app:1\", imagePullPolicy: Never, command: [\"/bin/sleep\", infinity]}\n";
const STRICT: &str = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: foo}\n\
                      spec: {mtls: {mode: STRICT}}\n";

/// What is not as it should be.
pub(crate) fn a_second_control_plane() -> Result<Vec<String>> {
    delete_policies()?;
    let operator = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/world/istio.yaml");
    let own = ["revision=canary", "meshConfig.enableAutoMtls=false", "components.ingressGateways[0].enabled=false"];
    let own = own.iter().flat_map(|setting| ["--set", setting]);
    istioctl(&["install", "-y", "-f", operator].into_iter().chain(own).collect::<Vec<_>>())?;
    let wrong = judged();
    // Whatever came of it, the cases behind have one control plane.
    printed(&["delete", "namespace", "canary", "--ignore-not-found", "--timeout=60s"])?;
    istioctl(&["uninstall", "-y", "--revision", "canary"])?;
    wrong
}

fn judged() -> Result<Vec<String>> {
    applied(WORLD)?;
    printed(&["rollout", "status", "-n", "canary", "deploy/sleep", "--timeout=60s"])?;
    let mut wrong = Vec::new();
    let mut sidecars = Place::own().sidecars;
    sidecars.push(Name { name: "sleep".to_owned(), namespace: "canary".to_owned() });
    Mark::apply()?.await_everywhere(&sidecars, &[])?;
    let report = asked()?;
    let revisions = report["mesh"]["revisions"].as_array().into_iter().flatten();
    let names: Vec<&str> = revisions.filter_map(|one| one["name"].as_str()).collect();
    if names != ["default", "canary"] {
        wrong.push(format!("control planes: {names:?}"));
    }
    // What an HTTP request came to does not tell how it was sent; that no client certificate arrived does.
    wrong.extend(differences(&report, "canary", ("plaintext", "200", "plaintext")));
    wrong.extend(differences(&report, "foo", ("mutual-tls", "200", "mutual-tls")));

    applied(STRICT)?;
    Mark::apply()?.await_everywhere(&sidecars, &[])?;
    let report = asked()?;
    wrong.extend(differences(&report, "canary", ("refused", "503", "refused")));
    wrong.extend(differences(&report, "foo", ("mutual-tls", "200", "mutual-tls")));
    Ok(wrong)
}

fn asked() -> Result<Value> {
    report(&["httpbin.foo:8000", "--from", "sleep.canary", "--from", "sleep.foo"])
}

/// By policy and by the proxies, curl's status, and what went over the wire.
fn differences(report: &Value, client: &str, (told, http, seen): (&str, &str, &str)) -> Vec<String> {
    let id = format!("{client}/sleep->foo/httpbin:8000");
    let Some(pair) = pair(report, &id) else {
        return vec![format!("{id}: the report has no such pair")];
    };
    let due = [
        ("/intent/wire", told),
        ("/intent/http", http),
        ("/programmed/wire", told),
        ("/observed/wire", seen),
        ("/observed/http", http),
    ];
    let said = |path: &str| pair.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let wrong = due.iter().filter(|(path, due)| said(path) != *due);
    wrong.map(|(path, due)| format!("{id}: {path}: `{}`, not {due}; gaps {}", said(path), pair["gaps"])).collect()
}

fn istioctl(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("istioctl");
    command.args(arguments);
    let output = finish(command)?;
    if output.code != Some(0) {
        bail!("istioctl {}: exit {:?}: {}", arguments.join(" "), output.code, output.stderr.trim());
    }
    Ok(output)
}
