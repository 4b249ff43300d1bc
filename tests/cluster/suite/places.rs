//! Where the control plane is said to be, and where it is.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::kubectl::{applied, delete_policies, kubectl, printed};
use crate::scenario::lab::finish;
use crate::tool::check;

/// A pod whose service account has what `rbac` prints, and no kubeconfig.
const AUDITOR: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: inpod}\n---\n\
                       apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: auditor, namespace: inpod}\n---\n\
                       apiVersion: v1\nkind: Pod\nmetadata: {name: auditor, namespace: inpod}\n\
                       spec:\n  serviceAccountName: auditor\n  terminationGracePeriodSeconds: 0\n  containers:\n  \
                       - {name: auditor, image: 'localhost/app:1', imagePullPolicy: Never, command: [sleep, infinity]}\n";

/// A namespace without a control plane is told apart from the one that has it, and the answer is that of the mesh's defaults.
pub(crate) fn another_namespace() -> Result<Vec<String>> {
    delete_policies()?;
    let mut wrong = Vec::new();
    for (named, due) in [
        ("foo", Some("warning: namespace foo has no mesh configuration: Istio's defaults are taken")),
        ("nowhere", Some("hint: istiod runs in namespace istio-system: `-i istio-system`")),
        ("istio-system", None),
    ] {
        let output = check(&["httpbin.foo:8000", "--from", "sleep.foo", "-i", named])?;
        if output.code != Some(0) || !output.stdout.contains("1 pair: 1 mTLS") {
            wrong.push(format!("-i {named}: exit {:?}: {}", output.code, output.stdout.trim()));
        }
        let said = output.stderr.trim();
        if due.map_or_else(|| said.contains("mesh configuration"), |due| !said.contains(due)) {
            wrong.push(format!("-i {named}: {due:?} was due, and it said: {said}"));
        }
    }
    Ok(wrong)
}

/// In a pod the tool is its service account.
pub(crate) fn in_a_pod() -> Result<Vec<String>> {
    delete_policies()?;
    applied(AUDITOR)?;
    let mut rbac = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    rbac.args(["rbac", "--serviceaccount", "inpod:auditor"]);
    applied(&finish(rbac)?.stdout)?;
    printed(&["wait", "-n", "inpod", "--for=condition=Ready", "pod/auditor", "--timeout=60s"])?;
    let mut copy = Command::new("sh");
    copy.args(["-c", "exec kubectl exec -i -n inpod auditor -- sh -c 'cat > /tmp/kubectl-mtls && chmod +x /tmp/kubectl-mtls' < \"$0\""]);
    copy.arg(env!("CARGO_BIN_EXE_kubectl-mtls"));
    let copied = finish(copy)?;
    ensure!(copied.code == Some(0), "the program was not copied: {}", copied.stderr.trim());
    let call = [
        "exec",
        "-n",
        "inpod",
        "auditor",
        "--",
        "/tmp/kubectl-mtls",
        "check",
        "httpbin.foo:8000",
        "--from",
        "sleep.foo",
    ];
    let ran = kubectl(&call).context("the tool in a pod")?;
    printed(&["delete", "clusterrole,clusterrolebinding", "kubectl-mtls-check"])?;
    printed(&["delete", "role,rolebinding", "-n", "istio-system", "kubectl-mtls-check"])?;
    printed(&["delete", "namespace", "inpod", "--timeout=60s"])?;
    let mut wrong = Vec::new();
    if ran.code != Some(0) || !ran.stdout.contains("policy,proxies,wire") || !ran.stdout.contains("1 pair: 1 mTLS") {
        wrong.push(format!("exit {:?}: {} {}", ran.code, ran.stdout.trim(), ran.stderr.trim()));
    }
    let head = "context in-cluster: Istio 1.31, 1 client, 1 service port, requests by 1 exec, 2 proxies asked";
    if ran.stderr.trim() != head {
        wrong.push(format!("it said: {}", ran.stderr.trim()));
    }
    Ok(wrong)
}
