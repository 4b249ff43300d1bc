//! Which objects say something about mutual TLS.

use serde_json::Value;

use crate::decode::metadata::name;
use crate::decode::value::text;

/// A kind as far as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `v1` Namespace.
    Namespace,
    /// `v1` Pod.
    Pod,
    /// An object that makes pods from `spec.template`.
    Workload(&'static str),
    /// `v1` Service.
    Service,
    /// `discovery.k8s.io` EndpointSlice.
    EndpointSlice,
    /// `v1` ConfigMap; only Istio's own is read.
    ConfigMap,
    /// `security.istio.io` `PeerAuthentication`.
    PeerAuthentication,
    /// `networking.istio.io` `DestinationRule`.
    DestinationRule,
    /// `networking.istio.io` `Sidecar`.
    Sidecar,
    /// `networking.istio.io` `ServiceEntry`.
    ServiceEntry,
    /// `networking.istio.io` `WorkloadEntry`.
    WorkloadEntry,
    /// `networking.istio.io` `VirtualService`.
    VirtualService,
    /// Often beside the others and known to say nothing about mutual TLS by themselves.
    Silent,
    /// Anything else, objects of other API groups that share a name with the above included.
    Foreign,
}

/// Group and version of an `apiVersion`; the core group is empty.
pub(super) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The kind of an object, by API group and name.
pub(super) fn kind(object: &Value) -> Kind {
    let (group, _) = group_version(text(object, &["apiVersion"]).unwrap_or_default());
    let name = text(object, &["kind"]).unwrap_or_default();
    match (group, name) {
        ("", "Namespace") => Kind::Namespace,
        ("", "Pod") => Kind::Pod,
        ("", "Service") => Kind::Service,
        ("", "ConfigMap") => Kind::ConfigMap,
        ("", "ReplicationController") => Kind::Workload("ReplicationController"),
        ("apps", "Deployment") => Kind::Workload("Deployment"),
        ("apps", "StatefulSet") => Kind::Workload("StatefulSet"),
        ("apps", "DaemonSet") => Kind::Workload("DaemonSet"),
        ("apps", "ReplicaSet") => Kind::Workload("ReplicaSet"),
        ("batch", "Job") => Kind::Workload("Job"),
        ("argoproj.io", "Rollout") => Kind::Workload("Rollout"),
        ("discovery.k8s.io", "EndpointSlice") => Kind::EndpointSlice,
        ("security.istio.io", "PeerAuthentication") => Kind::PeerAuthentication,
        ("networking.istio.io", "DestinationRule") => Kind::DestinationRule,
        ("networking.istio.io", "Sidecar") => Kind::Sidecar,
        ("networking.istio.io", "ServiceEntry") => Kind::ServiceEntry,
        ("networking.istio.io", "WorkloadEntry") => Kind::WorkloadEntry,
        ("networking.istio.io", "VirtualService") => Kind::VirtualService,
        _ if says_nothing(group, name) => Kind::Silent,
        _ => Kind::Foreign,
    }
}

/// Kinds that are often beside the others and decide nothing about mutual TLS by themselves.
fn says_nothing(group: &str, name: &str) -> bool {
    const CORE: [&str; 9] = [
        "Endpoints",
        "Event",
        "LimitRange",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "ResourceQuota",
        "Secret",
        "ServiceAccount",
    ];
    const GROUPS: [&str; 11] = [
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "autoscaling",
        "coordination.k8s.io",
        "install.istio.io",
        "policy",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "telemetry.istio.io",
    ];
    const ISTIO: [(&str, &str); 3] = [
        ("networking.istio.io", "Gateway"),
        ("security.istio.io", "AuthorizationPolicy"),
        ("security.istio.io", "RequestAuthentication"),
    ];
    (group.is_empty() && CORE.contains(&name)) || GROUPS.contains(&group) || ISTIO.contains(&(group, name))
}

/// `PeerAuthentication bar/httpbin`.
pub(super) fn title(object: &Value) -> String {
    let kind = text(object, &["kind"]).unwrap_or("object");
    match text(object, &["metadata", "namespace"]) {
        Some(namespace) => format!("{kind} {namespace}/{}", name(object)),
        None => format!("{kind} {}", name(object)),
    }
}

/// `PeerAuthentication.security.istio.io`, or the bare kind in the core group.
pub(super) fn qualified(object: &Value) -> String {
    let kind = text(object, &["kind"]).unwrap_or("object");
    match group_version(text(object, &["apiVersion"]).unwrap_or_default()) {
        ("", _) => kind.to_owned(),
        (group, _) => format!("{kind}.{group}"),
    }
}

/// Whether objects of this kind live outside namespaces.
pub(super) fn is_cluster_scoped(object: &Value) -> bool {
    let (group, _) = group_version(text(object, &["apiVersion"]).unwrap_or_default());
    matches!(
        (group, text(object, &["kind"]).unwrap_or_default()),
        ("", "Namespace" | "Node" | "PersistentVolume" | "ComponentStatus")
            | ("apiextensions.k8s.io" | "admissionregistration.k8s.io" | "apiregistration.k8s.io", _)
            | ("rbac.authorization.k8s.io", "ClusterRole" | "ClusterRoleBinding")
            | ("gateway.networking.k8s.io", "GatewayClass")
            | ("networking.k8s.io", "IngressClass")
            | ("scheduling.k8s.io", "PriorityClass")
            | ("storage.k8s.io", "StorageClass" | "CSIDriver" | "CSINode" | "VolumeAttachment")
    )
}
