//! The kinds of object the lab's API server knows, as data.

/// A kind of object as API discovery names it.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Served versions, preferred first. Objects are kept in the preferred one; the lab's kinds read the same in all.
    pub versions: &'static [&'static str],
    /// `Pod`.
    pub kind: &'static str,
    /// `pods`: the name in URLs.
    pub plural: &'static str,
    /// `pod`.
    pub singular: &'static str,
    /// kubectl's short names.
    pub short: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Groups of kinds that kubectl can name at once (`kubectl get all`).
    pub categories: &'static [&'static str],
    /// What may be done with it.
    pub access: Access,
}

/// What the API server lets anyone do with a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything.
    Full,
    /// Only create, and nothing is kept: reviews.
    Review,
    /// Nothing, for anyone: Secrets. The tool never reads them, and the lab proves it.
    Forbidden,
}

/// `Deployment`.
pub static DEPLOYMENT: Kind = apps("Deployment", "deployments", "deployment", &["deploy"]);
/// `DaemonSet`.
pub static DAEMON_SET: Kind = apps("DaemonSet", "daemonsets", "daemonset", &["ds"]);
/// `EndpointSlice`.
pub static ENDPOINT_SLICE: Kind =
    Kind { group: "discovery.k8s.io", ..core("EndpointSlice", "endpointslices", "endpointslice", &[], &[]) };
/// `Job`.
pub static JOB: Kind = Kind { group: "batch", ..core("Job", "jobs", "job", &[], &["all"]) };
/// `Namespace`.
pub static NAMESPACE: Kind = cluster("Namespace", "namespaces", "namespace", &["ns"]);
/// `Node`.
pub static NODE: Kind = cluster("Node", "nodes", "node", &["no"]);
/// `Pod`.
pub static POD: Kind = core("Pod", "pods", "pod", &["po"], &["all"]);
/// `ReplicaSet`.
pub static REPLICA_SET: Kind = apps("ReplicaSet", "replicasets", "replicaset", &["rs"]);
/// `ClusterRole`.
pub static CLUSTER_ROLE: Kind = Kind { namespaced: false, ..rbac("ClusterRole", "clusterroles", "clusterrole") };
/// `ClusterRoleBinding`.
pub static CLUSTER_ROLE_BINDING: Kind =
    Kind { namespaced: false, ..rbac("ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding") };
/// `Role`.
pub static ROLE: Kind = rbac("Role", "roles", "role");
/// `RoleBinding`.
pub static ROLE_BINDING: Kind = rbac("RoleBinding", "rolebindings", "rolebinding");
/// `Service`.
pub static SERVICE: Kind = core("Service", "services", "service", &["svc"], &["all"]);
/// `ServiceAccount`.
pub static SERVICE_ACCOUNT: Kind = core("ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"], &[]);
/// `StatefulSet`.
pub static STATEFUL_SET: Kind = apps("StatefulSet", "statefulsets", "statefulset", &["sts"]);

/// Every kind, group by group, in the order discovery lists them.
pub static KINDS: &[&Kind] = &[
    &core("ConfigMap", "configmaps", "configmap", &["cm"], &[]),
    &core("Endpoints", "endpoints", "endpoints", &["ep"], &[]),
    &core("Event", "events", "event", &["ev"], &[]),
    &NAMESPACE,
    &NODE,
    &POD,
    &Kind { access: Access::Forbidden, ..core("Secret", "secrets", "secret", &[], &[]) },
    &SERVICE_ACCOUNT,
    &SERVICE,
    &DAEMON_SET,
    &DEPLOYMENT,
    &REPLICA_SET,
    &STATEFUL_SET,
    &JOB,
    &ENDPOINT_SLICE,
    &Kind { group: "networking.k8s.io", ..core("NetworkPolicy", "networkpolicies", "networkpolicy", &["netpol"], &[]) },
    &CLUSTER_ROLE,
    &CLUSTER_ROLE_BINDING,
    &ROLE,
    &ROLE_BINDING,
    &review("SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview"),
    &review("SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview"),
    &security("AuthorizationPolicy", "authorizationpolicies", "authorizationpolicy", &["ap"]),
    &security("PeerAuthentication", "peerauthentications", "peerauthentication", &["pa"]),
    &security("RequestAuthentication", "requestauthentications", "requestauthentication", &["ra"]),
    &networking("DestinationRule", "destinationrules", "destinationrule", &["dr"]),
    &Kind { versions: &["v1alpha3"], ..networking("EnvoyFilter", "envoyfilters", "envoyfilter", &[]) },
    &networking("Gateway", "gateways", "gateway", &["gw"]),
    &Kind { versions: &["v1beta1"], ..networking("ProxyConfig", "proxyconfigs", "proxyconfig", &[]) },
    &networking("ServiceEntry", "serviceentries", "serviceentry", &["se"]),
    &networking("Sidecar", "sidecars", "sidecar", &[]),
    &networking("VirtualService", "virtualservices", "virtualservice", &["vs"]),
    &networking("WorkloadEntry", "workloadentries", "workloadentry", &["we"]),
    &networking("WorkloadGroup", "workloadgroups", "workloadgroup", &["wg"]),
    &Kind {
        group: "telemetry.istio.io",
        versions: &["v1", "v1alpha1"],
        categories: &["istio-io", "telemetry-istio-io"],
        ..networking("Telemetry", "telemetries", "telemetry", &["telemetry"])
    },
];

const fn core(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
    categories: &'static [&'static str],
) -> Kind {
    let versions = &["v1"];
    Kind { group: "", versions, kind, plural, singular, short, namespaced: true, categories, access: Access::Full }
}

const fn cluster(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> Kind {
    Kind { namespaced: false, ..core(kind, plural, singular, short, &[]) }
}

const fn apps(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> Kind {
    Kind { group: "apps", ..core(kind, plural, singular, short, &["all"]) }
}

const fn rbac(kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
    Kind { group: "rbac.authorization.k8s.io", ..core(kind, plural, singular, &[], &[]) }
}

const fn review(kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
    Kind { group: "authorization.k8s.io", access: Access::Review, ..cluster(kind, plural, singular, &[]) }
}

/// Short names and versions: Istio `manifests/charts/base/files/crd-all.gen.yaml`.
const fn security(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> Kind {
    let categories = &["istio-io", "security-istio-io"];
    let versions = &["v1", "v1beta1"];
    Kind { group: "security.istio.io", versions, ..core(kind, plural, singular, short, categories) }
}

const fn networking(
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static [&'static str],
) -> Kind {
    let categories = &["istio-io", "networking-istio-io"];
    let versions = &["v1", "v1beta1", "v1alpha3"];
    Kind { group: "networking.istio.io", versions, ..core(kind, plural, singular, short, categories) }
}

/// The kind served under a group and the name in URLs, whatever the version.
#[must_use]
pub fn by_resource(group: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.group == group && kind.plural == plural)
}

/// The kind that an object's `apiVersion` and `kind` name, if that version is served.
#[must_use]
pub fn by_object(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    KINDS.iter().copied().find(|known| known.group == group && known.kind == kind && known.serves(version))
}

// === impl Kind ===

impl Kind {
    /// Whether a version is served.
    #[must_use]
    pub fn serves(&self, version: &str) -> bool {
        self.versions.contains(&version)
    }

    /// `apiVersion` of a version of it: `v1`, `apps/v1`.
    #[must_use]
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// `apiVersion` in which objects are kept.
    #[must_use]
    pub fn stored_api_version(&self) -> String {
        self.api_version(self.versions.first().copied().unwrap_or("v1"))
    }

    /// The name error messages use: `peerauthentications.security.istio.io`, bare for the core group.
    #[must_use]
    pub fn qualified_plural(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The name validation messages use: `PeerAuthentication.security.istio.io`, bare for the core group.
    #[must_use]
    pub fn qualified_kind(&self) -> String {
        if self.group.is_empty() { self.kind.to_owned() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Whether it is one of Istio's custom resources.
    #[must_use]
    pub fn is_istio(&self) -> bool {
        self.group.ends_with(".istio.io")
    }
}
