//! Where the control plane is said to be, and where it is.

use anyhow::Result;

use crate::kubectl::delete_policies;
use crate::tool::check;

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
