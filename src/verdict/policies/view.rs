//! A mesh as one control plane sees it.

use crate::intent::plane::ControlPlane;
use crate::intent::{Mesh, host};
use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::meta::{Labels, Meta, selects};
use crate::model::policy::{DestinationRule, PeerAuthentication};
use crate::model::port::WorkloadPort;
use crate::model::workload::Pod;
use crate::verdict::policies::known::Known;

/// What every check reads.
#[derive(Debug)]
pub(super) struct View<'m, 's> {
    pub(super) mesh: &'m Mesh<'s>,
    pub(super) plane: &'m ControlPlane<'s>,
    pub(super) known: Known<'s>,
}

// === impl View ===

impl<'m, 's> View<'m, 's> {
    pub(super) fn new(mesh: &'m Mesh<'s>, plane: &'m ControlPlane<'s>) -> Self {
        Self { known: Known::new(mesh.snapshot()), mesh, plane }
    }

    /// The PeerAuthentications that this control plane reads.
    pub(super) fn peer_authentications(&self) -> impl Iterator<Item = &'s PeerAuthentication> {
        let unseen = &self.plane.peer_authentications.unseen;
        let hidden = move |policy: &PeerAuthentication| unseen.iter().any(|(other, _)| std::ptr::eq(*other, policy));
        self.mesh.snapshot().peer_authentications.iter().filter(move |policy| !hidden(policy))
    }

    /// The DestinationRules that this control plane reads.
    pub(super) fn destination_rules(&self) -> impl Iterator<Item = &'s DestinationRule> {
        let unseen = &self.plane.unseen_rules;
        let hidden = move |rule: &DestinationRule| unseen.iter().any(|(other, _)| std::ptr::eq(*other, rule));
        self.mesh.snapshot().destination_rules.iter().filter(move |rule| !hidden(rule))
    }

    /// Whether this control plane reads an object.
    pub(super) fn reads(&self, object: &PolicyRef) -> bool {
        let is = |meta: &Meta| {
            object.name.as_deref() == Some(&meta.name) && object.namespace.as_deref() == Some(&meta.namespace)
        };
        match object.kind {
            PolicyKind::PeerAuthentication => {
                !self.plane.peer_authentications.unseen.iter().any(|(policy, _)| is(&policy.meta))
            }
            PolicyKind::DestinationRule => !self.plane.unseen_rules.iter().any(|(rule, _)| is(&rule.meta)),
            PolicyKind::Sidecar
            | PolicyKind::Service
            | PolicyKind::ServiceEntry
            | PolicyKind::WorkloadEntry
            | PolicyKind::VirtualService
            | PolicyKind::Pod
            | PolicyKind::MeshConfig
            | PolicyKind::DefaultPermissive
            | PolicyKind::AutoMtls
            | PolicyKind::NoProxy
            | PolicyKind::Passthrough => true,
        }
    }

    /// The pods of a namespace with these labels.
    pub(super) fn selected(&self, namespace: &str, selector: &Labels) -> Vec<&'s Pod> {
        self.mesh.pods.selected(namespace, selector)
    }

    /// Whether a policy is the one with a selector that counts for a pod.
    pub(super) fn governs(&self, policy: &PeerAuthentication, pod: &Pod) -> bool {
        let policies = self.plane.peer_authentications.of(&pod.meta.namespace);
        let first =
            policies.and_then(|of| of.selecting.iter().find(|other| selects(&other.selector, &pod.meta.labels)));
        first.is_some_and(|first| std::ptr::eq(*first, policy))
    }

    /// Whether a machine of a namespace has these labels.
    pub(super) fn selects_machine(&self, namespace: &str, selector: &Labels) -> bool {
        self.mesh.pods.machines(namespace).iter().any(|machine| {
            let of = |key: &String| machine.meta.labels.get(key).or_else(|| machine.endpoint.labels.get(key));
            selector.iter().all(|(key, value)| of(key) == Some(value))
        })
    }

    /// Whether a Service, a ServiceEntry or a Sidecar declares a port of a pod.
    pub(super) fn declares(&self, pod: &'s Pod, port: WorkloadPort) -> bool {
        self.mesh.declared(pod).contains_key(&port)
    }

    /// Whether a rule for this host is looked up for any service.
    pub(super) fn covers_any(&self, full: &str) -> bool {
        let services = &self.mesh.registry;
        if host::is_wildcard(full) {
            services.all.iter().any(|svc| host::covers(full, &svc.host))
        } else {
            !services.host(full).is_empty()
        }
    }

    /// Namespaces that have a Service of this name.
    pub(super) fn namespaces_with_service(&self, name: &str) -> Vec<&'s str> {
        let services = self.mesh.snapshot().services.iter();
        services.filter(|service| service.meta.name == name).map(|service| service.meta.namespace.as_str()).collect()
    }
}

/// A PeerAuthentication's field.
pub(super) fn policy_ref(policy: &PeerAuthentication, root: &str, field: impl Into<String>) -> PolicyRef {
    let layer = match (policy.selector.is_empty(), policy.meta.namespace == root) {
        (true, true) => Layer::Mesh,
        (true, false) => Layer::Namespace,
        (false, _) => Layer::Workload,
    };
    PolicyRef::object(layer, PolicyKind::PeerAuthentication, &policy.meta, field)
}

/// A DestinationRule's field.
pub(super) fn rule_ref(rule: &DestinationRule, field: impl Into<String>) -> PolicyRef {
    PolicyRef::object(Layer::TrafficPolicy, PolicyKind::DestinationRule, &rule.meta, field)
}

/// `app=web, tier=front`.
pub(super) fn labels(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
