//! A drift of a workload that is not there, or has no sidecar, would silently show a mesh without drift: it is refused.

use crate::gather::suggest;
use crate::lab::drift::Drift;
use crate::lab::mesh::Lab;

/// A drift that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("--drift {drift}: {why}")]
pub struct Idle {
    drift: String,
    why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Refuses the first drift that no proxy of the mesh can follow.
///
/// # Errors
/// [`Idle`].
pub fn refuse_idle(lab: &Lab, drifts: &[Drift]) -> Result<(), Idle> {
    let workloads = lab.workloads();
    for drift in drifts {
        let Some(name) = drift.workload() else { continue };
        let why = match workloads.get(&name) {
            Some(true) => continue,
            Some(false) => format!("{name} has no sidecar that could depart from policy"),
            None => format!("there is no workload `{name}`"),
        };
        let able = || workloads.iter().filter(|(_, able)| **able).map(|(name, _)| name.clone());
        let near = suggest::alike(&name, able()).into_iter().find(|near| *near != name);
        let hint = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("workloads with a sidecar: {}", able().collect::<Vec<_>>().join(", ")),
        };
        return Err(Idle { drift: drift.to_string(), why, hint: Some(hint) });
    }
    Ok(())
}
