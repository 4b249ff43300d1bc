//! Why a value is what it is: every layer that spoke, the one that counts, and why each other one lost.

use serde::{Deserialize, Serialize};

use crate::model::meta::{Change, Meta, Origin};

/// What kind of thing decided. The default is a policy with a name, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PolicyKind {
    /// A `PeerAuthentication`.
    PeerAuthentication,
    /// A `DestinationRule`.
    DestinationRule,
    /// A `Sidecar`: what the client sees, or which ports the server has.
    Sidecar,
    /// A `Service`, e.g. its `exportTo`.
    Service,
    /// A `ServiceEntry`.
    ServiceEntry,
    /// A `WorkloadEntry`.
    WorkloadEntry,
    /// A `VirtualService`: where the client's proxy sends the call.
    VirtualService,
    /// A pod: its labels or annotations.
    Pod,
    /// The mesh configuration.
    MeshConfig,
    /// Istio's built-in PERMISSIVE.
    DefaultPermissive,
    /// Istio's automatic mutual TLS at the client.
    AutoMtls,
    /// There is no sidecar that a policy could speak to.
    NoProxy,
    /// The destination is unknown to the client's proxy and is passed through.
    Passthrough,
}

/// Where in the order of precedence something spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// Built in: PERMISSIVE, automatic mutual TLS, no proxy.
    Default,
    /// `PeerAuthentication` without selector in the root namespace, or mesh configuration.
    Mesh,
    /// `PeerAuthentication` without selector elsewhere.
    Namespace,
    /// `PeerAuthentication` with a selector.
    Workload,
    /// `portLevelMtls`, or `portLevelSettings`.
    Port,
    /// `trafficPolicy` of a `DestinationRule`.
    TrafficPolicy,
    /// A subset's `trafficPolicy`.
    Subset,
    /// A route of a `VirtualService`: which cluster is asked at all.
    Route,
}

/// A policy, or default, that decided or wanted to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// Its place in the order of precedence.
    pub layer: Layer,
    /// What it is.
    pub kind: PolicyKind,
    /// Namespace; absent for defaults.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub namespace: Option<String>,
    /// Name; absent for defaults.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The field that spoke, like `spec.portLevelMtls[80].mode`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// When it was changed last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed_at: Option<jiff::Timestamp>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed_by: Option<String>,
    /// The tool that will change it back (`argocd`, `flux`, `helm`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub managed_by: Option<String>,
    /// `file:line` of the manifest.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
}

/// What became of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It decides.
    Effective,
    /// It spoke and a stronger layer won.
    Overridden,
    /// It is there and leaves the decision to the layer below (UNSET).
    Inherited,
    /// Istio never reads it for this decision.
    Ignored,
}

/// One layer of a derivation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Who spoke.
    #[serde(flatten)]
    pub policy: PolicyRef,
    /// What it said, in Istio's words (`STRICT`, `ISTIO_MUTUAL`, `UNSET`, `would send mTLS`).
    pub says: String,
    /// What became of it.
    pub effect: Effect,
    /// Why it did not decide, in words; absent for the effective one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
}

// === impl PolicyKind ===

impl PolicyKind {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PeerAuthentication => "PeerAuthentication",
            Self::DestinationRule => "DestinationRule",
            Self::Sidecar => "Sidecar",
            Self::Service => "Service",
            Self::ServiceEntry => "ServiceEntry",
            Self::WorkloadEntry => "WorkloadEntry",
            Self::VirtualService => "VirtualService",
            Self::Pod => "Pod",
            Self::MeshConfig => "MeshConfig",
            Self::DefaultPermissive => "DefaultPermissive",
            Self::AutoMtls => "AutoMtls",
            Self::NoProxy => "NoProxy",
            Self::Passthrough => "Passthrough",
        }
    }

    /// kubectl's short name where the kind has one, else the lower-case kind.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Self::PeerAuthentication => "pa",
            Self::DestinationRule => "dr",
            Self::Sidecar => "sidecar",
            Self::Service => "svc",
            Self::ServiceEntry => "se",
            Self::WorkloadEntry => "we",
            Self::VirtualService => "vs",
            Self::Pod => "po",
            Self::MeshConfig => "meshconfig",
            Self::DefaultPermissive => "<default-permissive>",
            Self::AutoMtls => "<auto-mtls>",
            Self::NoProxy => "<no-sidecar>",
            Self::Passthrough => "<passthrough>",
        }
    }
}

// === impl PolicyRef ===

impl PolicyRef {
    /// A built-in default.
    #[must_use]
    pub fn default_of(kind: PolicyKind) -> Self {
        Self {
            layer: Layer::Default,
            kind,
            namespace: None,
            name: None,
            field: None,
            changed_at: None,
            changed_by: None,
            managed_by: None,
            file: None,
        }
    }

    /// An object, with what its metadata tells about its last change.
    #[must_use]
    pub fn object(layer: Layer, kind: PolicyKind, meta: &Meta, field: impl Into<String>) -> Self {
        Self {
            layer,
            kind,
            namespace: Some(meta.namespace.clone()),
            name: Some(meta.name.clone()),
            field: Some(field.into()),
            changed_at: meta.changed.as_ref().map(|Change { at, .. }| *at),
            changed_by: meta.changed.as_ref().map(|Change { by, .. }| by.clone()),
            managed_by: manager(meta),
            file: meta.origin.as_ref().map(Origin::to_string),
        }
    }

    /// Whether it is a real object that someone can edit.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.name.is_some()
    }

    /// `pa/default.foo` for objects, `<no-sidecar>` for defaults.
    #[must_use]
    pub fn short(&self) -> String {
        match (&self.name, &self.namespace) {
            (Some(name), Some(namespace)) => format!("{}/{name}.{namespace}", self.kind.short()),
            (Some(name), None) => format!("{}/{name}", self.kind.short()),
            (None, _) => self.kind.short().to_owned(),
        }
    }

    /// Whether both name the same object or default, whatever the field.
    #[must_use]
    pub fn same_object(&self, other: &Self) -> bool {
        self.kind == other.kind && self.namespace == other.namespace && self.name == other.name
    }
}

/// The tool that owns an object, by the labels such tools put on it.
fn manager(meta: &Meta) -> Option<String> {
    if meta.annotations.contains_key("argocd.argoproj.io/tracking-id")
        || meta.labels.contains_key("argocd.argoproj.io/instance")
    {
        return Some("argocd".to_owned());
    }
    if meta.labels.contains_key("kustomize.toolkit.fluxcd.io/name")
        || meta.labels.contains_key("helm.toolkit.fluxcd.io/name")
    {
        return Some("flux".to_owned());
    }
    meta.labels.get("app.kubernetes.io/managed-by").map(|by| by.to_lowercase()).filter(|by| by == "helm")
}
