//! Which PeerAuthentications speak for a workload, and the mode they come to.
//!
//! Istio: `pilot/pkg/model/authentication.go:addPeerAuthentication` and
//! `pilot/pkg/security/authn/policy_applier.go:ComposePeerAuthentication`.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::intent::order;
use crate::model::meta::{Labels, selects};
use crate::model::policy::PeerAuthentication;
use crate::model::port::WorkloadPort;
use crate::model::tls::MtlsMode;

/// Every PeerAuthentication that one control plane sees, indexed.
#[derive(Debug, Default)]
pub(crate) struct PeerAuthentications<'s> {
    root: String,
    namespaces: FxHashMap<&'s str, NamespacePolicies<'s>>,
    /// Policies that this control plane does not see, with the reason.
    pub(crate) unseen: Vec<(&'s PeerAuthentication, String)>,
}

/// The policies of one namespace.
#[derive(Debug, Default)]
pub(crate) struct NamespacePolicies<'s> {
    /// The oldest without selector: the only one that counts.
    pub(crate) whole: Option<&'s PeerAuthentication>,
    /// Younger ones without selector, dropped by istiod.
    pub(crate) dropped: Vec<&'s PeerAuthentication>,
    /// Those with a selector, oldest first.
    pub(crate) selecting: Vec<&'s PeerAuthentication>,
}

/// What the policies come to for one workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Composed<'s> {
    /// The mode of ports without an entry of their own.
    pub(crate) mode: MtlsMode,
    /// The policy that set it; `None` = Istio's PERMISSIVE.
    pub(crate) set_by: Option<&'s PeerAuthentication>,
    /// The one workload policy that counts.
    pub(crate) workload: Option<&'s PeerAuthentication>,
    /// Modes of single ports, inheritance resolved.
    pub(crate) ports: BTreeMap<WorkloadPort, MtlsMode>,
}

// === impl PeerAuthentications ===

impl<'s> PeerAuthentications<'s> {
    /// Indexes the policies that a control plane with this root namespace sees.
    pub(crate) fn new(
        root: &str,
        policies: impl IntoIterator<Item = &'s PeerAuthentication>,
        unseen: Vec<(&'s PeerAuthentication, String)>,
    ) -> Self {
        let mut sorted: Vec<&PeerAuthentication> = policies.into_iter().collect();
        sorted.sort_by(|a, b| order::by_age(&a.meta, &b.meta));
        let mut namespaces: FxHashMap<&str, NamespacePolicies<'s>> = FxHashMap::default();
        for policy in sorted {
            let of = namespaces.entry(&policy.meta.namespace).or_default();
            match (policy.selector.is_empty(), of.whole) {
                (true, None) => of.whole = Some(policy),
                (true, Some(_)) => of.dropped.push(policy),
                (false, _) => of.selecting.push(policy),
            }
        }
        Self { root: root.to_owned(), namespaces, unseen }
    }

    /// The root namespace, whose policies speak for the whole mesh.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The policies of a namespace.
    pub(crate) fn of(&self, namespace: &str) -> Option<&NamespacePolicies<'s>> {
        self.namespaces.get(namespace)
    }

    /// The mesh-wide policy.
    pub(crate) fn mesh(&self) -> Option<&'s PeerAuthentication> {
        self.of(&self.root).and_then(|policies| policies.whole)
    }

    /// The namespace-wide policy; a root namespace has only the mesh-wide one.
    pub(crate) fn namespace(&self, namespace: &str) -> Option<&'s PeerAuthentication> {
        if namespace == self.root { None } else { self.of(namespace).and_then(|policies| policies.whole) }
    }

    /// The workload policies that match, oldest first; those of the root namespace never count.
    pub(crate) fn matching<'a>(
        &'a self,
        namespace: &str,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'s PeerAuthentication> + use<'a, 's> {
        self.of(namespace)
            .into_iter()
            .flat_map(|policies| policies.selecting.iter().copied())
            .filter(|policy| selects(&policy.selector, labels))
    }

    /// The mode of a workload and of its single ports.
    pub(crate) fn compose(&self, namespace: &str, labels: &Labels) -> Composed<'s> {
        let workload = if namespace == self.root {
            None
        } else {
            self.of(namespace)
                .and_then(|of| of.selecting.iter().copied().find(|policy| selects(&policy.selector, labels)))
        };
        let layers = [self.mesh(), self.namespace(namespace), workload];
        let set_by = layers.into_iter().flatten().rfind(|policy| policy.mode.is_some());
        let mode = set_by.and_then(|policy| policy.mode).unwrap_or(MtlsMode::Permissive);
        let ports = workload
            .map(|policy| policy.ports.iter().map(|(port, own)| (*port, own.unwrap_or(mode))).collect())
            .unwrap_or_default();
        Composed { mode, set_by, workload, ports }
    }

    /// The mode that clients assume for the Services of a namespace; `None` = neither a namespace nor a mesh policy.
    ///
    /// Istio: `authentication.go:GetNamespaceMutualTLSMode`. It never looks at workload policies.
    pub(crate) fn assumed(&self, namespace: &str) -> Option<(MtlsMode, &'s PeerAuthentication)> {
        let mesh = self.mesh().map(|policy| (policy.mode.unwrap_or(MtlsMode::Permissive), policy));
        match self.namespace(namespace) {
            None => mesh,
            Some(policy) => match (policy.mode, mesh) {
                (Some(mode), _) => Some((mode, policy)),
                (None, Some((mode, inherited))) => Some((mode, inherited)),
                (None, None) => Some((MtlsMode::Permissive, policy)),
            },
        }
    }
}

// === impl Composed ===

impl Composed<'_> {
    /// The mode of a port.
    pub(crate) fn port(&self, port: WorkloadPort) -> MtlsMode {
        self.ports.get(&port).copied().unwrap_or(self.mode)
    }
}
