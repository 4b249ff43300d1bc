//! Everything the rules need of a cluster: one list of each kind, all at once; where the rights end earlier, namespace by
//! namespace.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::Value;

use crate::decode::{self, Loaded};
use crate::gather::mesh::narrowed::Narrowed;
use crate::model::evidence::FailedLook;
use crate::model::mesh::DEFAULT_REVISION;
use crate::model::snapshot::UnseenScope;
use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};
use crate::source::list::Resource;
use crate::source::needs::{LISTED, Listed, NAMESPACES, Place};

mod configured;
mod narrowed;

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub struct Look {
    /// Objects as the server sent them.
    pub objects: Vec<Loaded>,
    /// Kinds and scopes that could not be read.
    pub unseen: Vec<UnseenScope>,
    /// Whether the server knows Istio's kinds at all.
    pub istio: bool,
    /// Whether something is missing of what was asked about, rather than of the rest of the cluster.
    pub lacking: bool,
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Namespace of the control plane.
    pub istio: String,
    /// Whether somebody said so; otherwise it is where istiod is seen.
    pub is_given: bool,
    /// The mesh's root namespace, from which others inherit, where its configuration names another one.
    pub root: Option<String>,
    /// The namespaces that were asked about.
    pub named: BTreeSet<String>,
    /// All of them were asked about.
    pub everywhere: bool,
}

/// Objects of one kind, or why there are none.
struct Answered {
    listed: Listed,
    resource: Resource,
    objects: Result<Vec<Value>, Failure>,
}

/// Reads the mesh: each kind once over all namespaces, or, where the rights end earlier, over those that were asked about and
/// whatever others the rights allow.
///
/// # Errors
/// A [`Failure`] when the server cannot be asked anything; a kind that cannot be listed is part of the answer.
pub async fn look(cluster: &Cluster, places: &Places) -> Result<Look, Failure> {
    let mut look = Look::default();
    let kinds = kinds(cluster, &mut look).await?;
    let lists = join_all(kinds.into_iter().map(|(listed, resource)| async move {
        let objects = cluster.list(&resource, None).await;
        Answered { listed, resource, objects }
    }));
    let (lists, config) = tokio::join!(lists, configured::of(cluster, &places.istio, DEFAULT_REVISION));
    let (mut forbidden, mut dead) = (Vec::new(), None);
    for Answered { listed, resource, objects } in lists {
        match objects {
            Ok(objects) => look.take(objects),
            Err(Failure { reason: Reason::Forbidden(why), .. }) => forbidden.push((listed, resource, why)),
            Err(failure) => {
                dead = dead.or_else(|| failure.unreachable());
                look.blind(resource.full_name(), None, failure)?;
            }
        }
    }
    if let Some(failure) = dead.filter(|_| look.objects.is_empty() && forbidden.is_empty()) {
        return Err(failure);
    }
    let (mut places, mut config) = (places.clone(), config);
    let elsewhere = look.istiod().filter(|seen| *seen != places.istio && !places.is_given).map(str::to_owned);
    if let Some(seen) = elsewhere.filter(|_| !config.as_ref().is_ok_and(|found| !found.is_empty())) {
        config = configured::of(cluster, &seen, DEFAULT_REVISION).await;
        places.istio = seen;
    }
    places.root = config.as_ref().ok().and_then(|object| configured::root(object));
    look.configured(DEFAULT_REVISION, &places.istio, config)?;
    if !forbidden.is_empty() {
        Narrowed::new(cluster, &places, forbidden).read(&mut look).await?;
    }
    look.configure(cluster, &places.istio).await?;
    Ok(look)
}

/// The kinds that the server serves, in the version that it prefers.
async fn kinds(cluster: &Cluster, look: &mut Look) -> Result<Vec<(Listed, Resource)>, Failure> {
    let (security, networking) =
        tokio::join!(cluster.group_version("security.istio.io"), cluster.group_version("networking.istio.io"));
    let mut versions = vec![("", Some("v1".to_owned())), ("discovery.k8s.io", Some("v1".to_owned()))];
    for (group, found) in [("security.istio.io", security), ("networking.istio.io", networking)] {
        let version = match found {
            Ok(version) => version,
            Err(failure) if failure.is_fatal() => return Err(failure),
            // Discovery may be closed to this user while the kinds themselves are not.
            Err(_) => Some("v1".to_owned()),
        };
        look.istio |= version.is_some();
        versions.push((group, version));
    }
    let served = |listed: &Listed| {
        let version = versions.iter().find(|(group, _)| *group == listed.group)?.1.as_deref()?;
        Some((*listed, Resource::new(listed.group, version, listed.plural, listed.kind)))
    };
    Ok([NAMESPACES].iter().chain(&LISTED).filter_map(served).collect())
}

// === impl Look ===

impl Look {
    fn take(&mut self, objects: Vec<Value>) {
        self.objects.extend(objects.into_iter().map(|mut object| {
            // Pods come by the ten thousand; what no rule reads need not wait in memory for the last of them.
            decode::lean(&mut object);
            Loaded { object, origin: None }
        }));
    }

    /// Something of what was asked about could not be read.
    fn blind(&mut self, resource: String, namespace: Option<String>, failure: Failure) -> Result<(), Failure> {
        if matches!(failure.reason, Reason::Unauthorized(_)) {
            return Err(failure);
        }
        self.lacking = true;
        self.unseen.push(UnseenScope { resource, namespace, but: BTreeSet::new(), look: failure.look() });
        Ok(())
    }

    /// The looks that failed, each told once however many kinds it was about.
    #[must_use]
    pub fn failed(unseen: &[UnseenScope]) -> Vec<FailedLook> {
        let mut failed: Vec<FailedLook> = Vec::new();
        for scope in unseen {
            if !failed.contains(&scope.look) {
                failed.push(scope.look.clone());
            }
        }
        failed
    }
}

// === impl Places ===

impl Places {
    /// Whether a kind of a namespace was asked about by the namespace's name, or is inherited from there.
    fn names(&self, place: Place, namespace: &str) -> bool {
        let looked = self.named.contains(namespace);
        let control_plane = namespace == self.istio;
        let inherited = self.root.as_deref().unwrap_or(&self.istio) == namespace;
        match place {
            Place::Looked => looked,
            Place::LookedAndControlPlane => looked || !self.everywhere && control_plane,
            Place::LookedAndRoot => looked || !self.everywhere && inherited,
            Place::ControlPlane => !self.everywhere && control_plane,
        }
    }
}
