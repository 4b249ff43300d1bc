//! Everything that was read of a mesh, frozen: the one input of the rules, whatever the source.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::derivation::PolicyKind;
use crate::model::evidence::FailedLook;
use crate::model::mesh::MeshProfile;
use crate::model::meta::Meta;
use crate::model::policy::{DestinationRule, PeerAuthentication, Sidecar};
use crate::model::service::{EndpointSlice, Service, ServiceEntry, WorkloadEntry};
use crate::model::virtual_service::VirtualService;
use crate::model::workload::Pod;

/// A mesh at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// Control-plane revisions; one with the defaults where none was seen.
    pub profiles: Vec<MeshProfile>,
    /// Namespaces with their labels.
    pub namespaces: Vec<Meta>,
    /// Pods, those of workload objects that were never applied included.
    pub pods: Vec<Pod>,
    /// Services.
    pub services: Vec<Service>,
    /// EndpointSlices; where a Service has none, its endpoints are derived from its selector.
    pub endpoint_slices: Vec<EndpointSlice>,
    /// ServiceEntries.
    pub service_entries: Vec<ServiceEntry>,
    /// WorkloadEntries.
    pub workload_entries: Vec<WorkloadEntry>,
    /// PeerAuthentications.
    pub peer_authentications: Vec<PeerAuthentication>,
    /// DestinationRules.
    pub destination_rules: Vec<DestinationRule>,
    /// Sidecars.
    pub sidecars: Vec<Sidecar>,
    /// VirtualServices.
    pub virtual_services: Vec<VirtualService>,
    /// What policies say and Istio does not read, or reads as something else.
    pub oversights: Vec<Oversight>,
    /// Kinds and namespaces that could not be listed; what inherits from them is unknown, never default.
    pub unseen: Vec<UnseenScope>,
}

/// A kind that could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnseenScope {
    /// Plural resource name, e.g. `peerauthentications.security.istio.io`.
    pub resource: String,
    /// The namespace, or `None` for all of them.
    pub namespace: Option<String>,
    /// Namespaces in which it was listed all the same, where it could not be in all at once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub but: BTreeSet<String>,
    /// The look that failed.
    pub look: FailedLook,
}

/// Something written in a policy that is not what it seems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Oversight {
    /// What the policy is.
    pub kind: PolicyKind,
    /// Its metadata.
    pub meta: Meta,
    /// The field, like `spec.selector.mtls`.
    pub field: String,
    /// What is the matter with it.
    pub what: OversightKind,
}

/// What is the matter with a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OversightKind {
    /// There is no such field: an API server drops it.
    Lost {
        /// The field that was probably meant.
        meant: Option<String>,
    },
    /// `tls` without `mode`: `DISABLE`, the zero of the enum.
    TlsWithoutMode,
}

// === impl UnseenScope ===

impl UnseenScope {
    /// Whether objects of a namespace are among what could not be listed.
    #[must_use]
    pub fn covers(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|of| of == namespace) && !self.but.contains(namespace)
    }
}

// === impl Snapshot ===

impl Snapshot {
    /// The profile of a revision: its own, else the first, else `None` on an empty snapshot.
    #[must_use]
    pub fn profile(&self, revision: Option<&str>) -> Option<&MeshProfile> {
        revision
            .and_then(|wanted| self.profiles.iter().find(|profile| profile.revision == wanted))
            .or_else(|| self.profiles.first())
    }

    /// Every namespace that something lives in, in byte order.
    #[must_use]
    pub fn namespace_names(&self) -> BTreeSet<&str> {
        self.namespaces
            .iter()
            .map(|meta| meta.name.as_str())
            .chain(self.pods.iter().map(Pod::namespace))
            .chain(self.services.iter().map(|service| service.meta.namespace.as_str()))
            .collect()
    }
}
