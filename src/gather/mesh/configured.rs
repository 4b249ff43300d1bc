//! The mesh configurations: the ConfigMap of each control plane that is there.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use crate::decode::{self, Assume, Loaded};
use crate::gather::mesh::Look;
use crate::model::mesh::DEFAULT_REVISION;
use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};
use crate::source::list::Resource;
use crate::source::needs::{MESH_CONFIG, mesh_config_of};

/// The ConfigMap of a revision; a mesh without one has the defaults.
pub(super) async fn of(cluster: &Cluster, istio: &str, revision: &str) -> Result<Vec<Value>, Failure> {
    let resource = Resource::new("", "v1", MESH_CONFIG.resource, "ConfigMap");
    match cluster.object(&resource, istio, &mesh_config_of(revision)).await {
        Ok(object) => Ok(vec![object]),
        Err(Failure { reason: Reason::NotFound(_), .. }) => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}

/// `rootNamespace` of the mesh configuration.
pub(super) fn root(config: &[Value]) -> Option<String> {
    let loaded: Vec<Loaded> = config.iter().map(|object| Loaded { object: object.clone(), origin: None }).collect();
    let (mesh, _) = decode::snapshot(&loaded, &Assume::default());
    mesh.profiles.first().map(|profile| profile.config.root_namespace.clone())
}

// === impl Look ===

impl Look {
    /// Reads the configurations of the revisions that pods name, be they of a control plane or have its sidecar.
    pub(super) async fn configure(&mut self, cluster: &Cluster, istio: &str) -> Result<(), Failure> {
        let revisions = self.revisions();
        let found = join_all(revisions.iter().map(|revision| of(cluster, istio, revision))).await;
        for (revision, config) in revisions.iter().zip(found) {
            self.configured(revision, istio, config)?;
        }
        Ok(())
    }

    /// Takes in what a ConfigMap says, or that it could not be read.
    pub(super) fn configured(
        &mut self,
        revision: &str,
        istio: &str,
        config: Result<Vec<Value>, Failure>,
    ) -> Result<(), Failure> {
        match config {
            Ok(object) => self.take(object),
            Err(failure) => {
                let name = format!("{} `{}`", MESH_CONFIG.resource, mesh_config_of(revision));
                let closed = matches!(failure.reason, Reason::Forbidden(_)) && revision != DEFAULT_REVISION;
                self.blind(name, Some(istio.to_owned()), failure)?;
                if let Some(unseen) = self.unseen.last_mut().filter(|_| closed) {
                    let role = format!("`kubectl mtls rbac --revision {revision}` prints the role that has it");
                    unseen.look.next = Some(role);
                }
            }
        }
        Ok(())
    }

    /// The namespace of a control plane.
    pub(super) fn istiod(&self) -> Option<&str> {
        self.pods().find(|pod| is_istiod(pod))?.pointer("/metadata/namespace")?.as_str()
    }

    fn pods(&self) -> impl Iterator<Item = &Value> {
        let objects = self.objects.iter().map(|loaded| &loaded.object);
        objects.filter(|object| object.get("kind").is_some_and(|kind| kind == "Pod"))
    }

    /// Revisions other than the default one.
    fn revisions(&self) -> BTreeSet<String> {
        let named = self.pods().filter_map(|pod| {
            let of = if is_istiod(pod) { "/metadata/labels" } else { "/metadata/annotations" };
            pod.pointer(of)?.get("istio.io/rev")?.as_str()
        });
        named.filter(|revision| !revision.is_empty() && *revision != DEFAULT_REVISION).map(str::to_owned).collect()
    }
}

fn is_istiod(pod: &Value) -> bool {
    pod.pointer("/metadata/labels/app").is_some_and(|app| app == "istiod")
}
