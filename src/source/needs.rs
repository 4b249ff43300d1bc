//! Which rights the requests of the live source need: one table, for the look itself, for the pre-flight and for
//! `kubectl mtls rbac`.
//!
//! Discovery (`/apis/GROUP`) and reviews of one's own rights are open to everybody whom the server knows (Kubernetes:
//! `system:discovery`, `system:basic-user`) and need no role.

use crate::model::mesh::DEFAULT_REVISION;
use crate::source::rights::Right;

/// What a right is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Reading the mesh.
    Policies,
    /// Requests of test clients: curl in their containers.
    Requests,
    /// Asking proxies what they were told.
    Proxies,
    /// Adding containers that have curl.
    DebugContainers,
}

/// Where objects are read that belong to a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In every namespace that is looked at.
    Looked,
    /// There, and in the namespace where the control plane runs.
    LookedAndControlPlane,
    /// There, and in the mesh's root namespace, from which others inherit: the control plane's, unless it says otherwise.
    LookedAndRoot,
    /// In the namespace of the control plane alone.
    ControlPlane,
}

/// A kind that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural name.
    pub plural: &'static str,
    /// Kind of one object.
    pub kind: &'static str,
    /// Where it is needed.
    pub place: Place,
}

/// What belongs to no namespace: their names and labels. Who may not list them may still get the one that is looked at.
pub const NAMESPACES: Listed = Listed { group: "", plural: "namespaces", kind: "Namespace", place: Place::Looked };

/// Every kind within namespaces that is listed: once over all of them, or once in each.
pub const LISTED: [Listed; 9] = [
    // istiod's pods tell its version.
    listed("", "pods", "Pod", Place::LookedAndControlPlane),
    listed("", "services", "Service", Place::Looked),
    listed("discovery.k8s.io", "endpointslices", "EndpointSlice", Place::Looked),
    // What is written in the root namespace holds for all others.
    listed("security.istio.io", "peerauthentications", "PeerAuthentication", Place::LookedAndRoot),
    listed("networking.istio.io", "destinationrules", "DestinationRule", Place::LookedAndRoot),
    listed("networking.istio.io", "sidecars", "Sidecar", Place::LookedAndRoot),
    listed("networking.istio.io", "serviceentries", "ServiceEntry", Place::Looked),
    listed("networking.istio.io", "workloadentries", "WorkloadEntry", Place::Looked),
    listed("networking.istio.io", "virtualservices", "VirtualService", Place::Looked),
];

/// The mesh configuration of the default revision, which is read by name: others are nobody's business.
pub const MESH_CONFIG: Right = Right { verb: "get", group: "", resource: "configmaps", name: Some("istio") };

/// The name of the ConfigMap that the istiod of a revision reads.
///
/// Istio: `pilot/pkg/bootstrap/mesh.go:getMeshConfigMapName`.
#[must_use]
pub fn mesh_config_of(revision: &str) -> String {
    let name = MESH_CONFIG.name.unwrap_or_default();
    if revision == DEFAULT_REVISION { name.to_owned() } else { format!("{name}-{revision}") }
}

/// What running a command in a container needs. Until Kubernetes 1.35 a WebSocket needs `get` alone, from then on `create`
/// as well (kubernetes#134577).
pub const EXEC: [Right; 2] = [part("create", "pods/exec"), part("get", "pods/exec")];
/// What a port-forward needs, likewise.
pub const PORT_FORWARD: [Right; 2] = [part("create", "pods/portforward"), part("get", "pods/portforward")];

/// What adding a container to a pod needs: the pod is read until it runs.
pub const DEBUG: [Right; 2] = [part("get", "pods"), part("patch", "pods/ephemeralcontainers")];

/// A right, what for, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// The right.
    pub right: Right,
    /// What it is for.
    pub purpose: Purpose,
    /// Where.
    pub place: Place,
}

/// Everything that belongs to namespaces, in the order in which a role lists it.
pub fn needs() -> impl Iterator<Item = Need> {
    let of = |rights: [Right; 2], purpose| rights.map(|right| Need { right, purpose, place: Place::Looked });
    LISTED
        .iter()
        .map(|listed| Need { right: listed.right(), purpose: Purpose::Policies, place: listed.place })
        .chain([Need { right: MESH_CONFIG, purpose: Purpose::Policies, place: Place::ControlPlane }])
        .chain(of(EXEC, Purpose::Requests))
        .chain(of(PORT_FORWARD, Purpose::Proxies))
        .chain(of(DEBUG, Purpose::DebugContainers))
}

// === impl Listed ===

impl Listed {
    /// The right to list it.
    #[must_use]
    pub fn right(&self) -> Right {
        Right { verb: "list", group: self.group, resource: self.plural, name: None }
    }
}

const fn listed(group: &'static str, plural: &'static str, kind: &'static str, place: Place) -> Listed {
    Listed { group, plural, kind, place }
}

const fn part(verb: &'static str, resource: &'static str) -> Right {
    Right { verb, group: "", resource, name: None }
}
