//! `--standalone`: start the reference mesh, apply what was given, and run the ordinary check against it.

use std::time::Duration;

use kube::config::Kubeconfig;

use crate::cli::answer::{Answer, Manifests, NoAnswer};
use crate::cli::{Streams, drift, notice};
use crate::decode::{self, Assume};
use crate::gather::check::{self, Known};
use crate::gather::progress::Progress;
use crate::gather::scope::Scope;
use crate::lab::drift::Drift;
use crate::lab::envoy::find::ProxyChoice;
use crate::lab::mesh::{Lab, LabSettings};
use crate::model::mesh::IstioVersion;
use crate::source::apply::Applied;
use crate::source::cluster::{Cluster, ClusterRequest};

/// Proxies have their configuration in milliseconds, real Envoys start in a second; this only bounds a defect.
pub const PUSH: Duration = Duration::from_secs(90);

/// The reference mesh that is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Mesh<'a> {
    /// Version of its control plane; the newest where none is named.
    pub version: Option<IstioVersion>,
    /// What its sidecars are.
    pub proxy: &'a ProxyChoice,
    /// Where its proxies depart from policy.
    pub drifts: &'a [Drift],
}

/// Answers from the reference mesh with the given manifests applied.
///
/// # Errors
/// [`NoAnswer`] when the mesh does not start; a refused object is part of the answer.
pub async fn check(
    given: &Manifests,
    mesh: &Mesh<'_>,
    scope: &Scope,
    known: &Known,
    progress: &Progress,
    streams: &mut Streams<'_>,
) -> Result<Answer, NoAnswer> {
    progress.say("starting the reference mesh");
    let failed = |reason: &dyn std::fmt::Display| NoAnswer::Lab(reason.to_string());
    let envoy = mesh.proxy.program().map_err(|e| failed(&e))?;
    let version = mesh.version.unwrap_or(IstioVersion::NEWEST);
    let drifting = !mesh.drifts.is_empty();
    let settings = LabSettings { version, drifts: mesh.drifts.to_vec(), envoy, ..LabSettings::default() };
    let lab = Lab::of(settings).await.map_err(|e| failed(&e))?;
    let kubeconfig = Kubeconfig::from_yaml(&lab.kubeconfig()).map_err(|e| failed(&e))?;
    let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await?;
    let refused = apply(&cluster, given, streams).await?;
    drift::refuse_idle(&lab, mesh.drifts)?;
    if drifting {
        lab.let_time_pass();
    }
    lab.settled(PUSH).await.map_err(|e| failed(&e))?;
    let checked = check::cluster(&cluster, scope, known, progress).await?;
    Ok(Answer { checked, refused })
}

/// Applies in order, as `kubectl apply` does; what is refused is said and the rest goes on.
///
/// # Errors
/// [`NoAnswer`] when the server cannot be asked.
pub async fn apply(cluster: &Cluster, given: &Manifests, streams: &mut Streams<'_>) -> Result<bool, NoAnswer> {
    let mut refused = false;
    // What only shows when all manifests are seen together: two objects of one name, kinds nobody reads.
    let (_, together) = decode::snapshot(&given.objects, &Assume::default());
    for problem in &together {
        notice::line(streams.err, &problem.to_string());
    }
    for loaded in &given.objects {
        let place = loaded.origin.as_ref().map(ToString::to_string).unwrap_or_default();
        match cluster.apply(&loaded.object).await? {
            // Each was said with its file, line and field when the file was read.
            Applied::Taken(_) => {}
            Applied::Refused(message) => {
                refused = true;
                notice::line(streams.err, &format!("{place}: error: refused: {message}"));
            }
        }
    }
    Ok(refused)
}
