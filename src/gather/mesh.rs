//! Everything the rules need of a cluster: one list of each kind, all at once.

use futures_util::future::join_all;
use serde_json::Value;

use crate::decode::{self, Loaded};
use crate::model::snapshot::UnseenScope;
use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};
use crate::source::list::Resource;

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub struct Look {
    /// Objects as the server sent them.
    pub objects: Vec<Loaded>,
    /// Kinds and scopes that could not be read.
    pub unseen: Vec<UnseenScope>,
    /// Whether the server knows Istio's kinds at all.
    pub istio: bool,
}

/// Kubernetes' own kinds that the rules read.
const CORE: [(&str, &str, &str, &str); 4] = [
    ("", "v1", "namespaces", "Namespace"),
    ("", "v1", "pods", "Pod"),
    ("", "v1", "services", "Service"),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
];

/// Istio's kinds, in the version that the server prefers.
const ISTIO: [(&str, &str, &str); 6] = [
    ("security.istio.io", "peerauthentications", "PeerAuthentication"),
    ("networking.istio.io", "destinationrules", "DestinationRule"),
    ("networking.istio.io", "sidecars", "Sidecar"),
    ("networking.istio.io", "serviceentries", "ServiceEntry"),
    ("networking.istio.io", "workloadentries", "WorkloadEntry"),
    ("networking.istio.io", "virtualservices", "VirtualService"),
];

/// Reads the mesh: each kind once, over all namespaces, or over the given one where the rights end there.
///
/// # Errors
/// A [`Failure`] when the server cannot be asked anything; a kind that cannot be listed is part of the answer.
pub async fn look(cluster: &Cluster, istio_namespace: &str) -> Result<Look, Failure> {
    let (security, networking) =
        tokio::join!(cluster.group_version("security.istio.io"), cluster.group_version("networking.istio.io"));
    let mut look = Look::default();
    let mut resources: Vec<Resource> =
        CORE.iter().map(|(g, v, plural, kind)| Resource::new(g, v, plural, kind)).collect();
    for (group, found) in [("security.istio.io", security), ("networking.istio.io", networking)] {
        let version = match found {
            Ok(version) => version,
            Err(failure) if failure.is_fatal() => return Err(failure),
            // Discovery may be closed to this user while the kinds themselves are not.
            Err(_) => Some("v1".to_owned()),
        };
        look.istio |= version.is_some();
        let served = version.into_iter().flat_map(|version| {
            let of_group = ISTIO.iter().filter(move |(of, _, _)| *of == group);
            of_group.map(move |(group, plural, kind)| Resource::new(group, &version, plural, kind))
        });
        resources.extend(served);
    }
    let lists = join_all(resources.iter().map(|resource| everywhere_or_here(cluster, resource)));
    let (lists, config) = tokio::join!(lists, mesh_config(cluster, istio_namespace));
    for list in lists.into_iter().chain([config]) {
        let Listed { objects, unseen } = list?;
        look.objects.extend(objects.into_iter().map(|mut object| {
            // Pods come by the ten thousand; what no rule reads need not wait in memory for the last of them.
            decode::lean(&mut object);
            Loaded { object, origin: None }
        }));
        look.unseen.extend(unseen);
    }
    Ok(look)
}

#[derive(Default)]
struct Listed {
    objects: Vec<Value>,
    unseen: Option<UnseenScope>,
}

/// All namespaces, else the one the user works in; what stays closed is said.
async fn everywhere_or_here(cluster: &Cluster, resource: &Resource) -> Result<Listed, Failure> {
    let everywhere = cluster.list(resource, None).await;
    let failure = match everywhere {
        Ok(objects) => return Ok(Listed { objects, unseen: None }),
        Err(failure) if failure.is_fatal() => return Err(failure),
        Err(failure) => failure,
    };
    let unseen = |look| Some(UnseenScope { resource: resource.full_name(), namespace: None, look });
    let forbidden = matches!(failure.reason, Reason::Forbidden(_));
    if !forbidden || resource.plural == "namespaces" {
        return Ok(Listed { objects: Vec::new(), unseen: unseen(failure.look()) });
    }
    let objects = cluster.list(resource, Some(&cluster.namespace)).await.unwrap_or_default();
    Ok(Listed { objects, unseen: unseen(failure.look()) })
}

/// The ConfigMap `istio`; a mesh without one has the defaults.
async fn mesh_config(cluster: &Cluster, istio_namespace: &str) -> Result<Listed, Failure> {
    let resource = Resource::new("", "v1", "configmaps", "ConfigMap");
    match cluster.object(&resource, istio_namespace, "istio").await {
        Ok(object) => Ok(Listed { objects: vec![object], unseen: None }),
        Err(Failure { reason: Reason::NotFound(_), .. }) => Ok(Listed::default()),
        Err(failure) if failure.is_fatal() => Err(failure),
        Err(failure) => {
            let namespace = Some(istio_namespace.to_owned());
            Ok(Listed {
                objects: Vec::new(),
                unseen: Some(UnseenScope { resource: resource.full_name(), namespace, look: failure.look() }),
            })
        }
    }
}
