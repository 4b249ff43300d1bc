//! A mesh as one control plane sees it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::intent::client::selecting_keys;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::Svc;
use crate::intent::{Mesh, host};
use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::meta::{Labels, Meta, selects};
use crate::model::policy::{DestinationRule, PeerAuthentication};
use crate::model::port::WorkloadPort;
use crate::model::workload::Pod;
use crate::verdict::policies::known::Known;
use crate::verdict::policies::told::About;

/// What every check reads.
#[derive(Debug)]
pub(super) struct View<'m, 's> {
    pub(super) mesh: &'m Mesh<'s>,
    pub(super) plane: &'m ControlPlane<'s>,
    pub(super) known: Known<'s>,
    /// Proxies of this control plane by namespace; of those that every selector treats alike the first.
    pub(super) clients: BTreeMap<&'s str, Vec<&'s Pod>>,
    /// The hosts of ServiceEntries.
    entries: Vec<Arc<Svc<'s>>>,
}

// === impl View ===

impl<'m, 's> View<'m, 's> {
    pub(super) fn new(mesh: &'m Mesh<'s>, plane: &'m ControlPlane<'s>) -> Self {
        let entries = mesh.registry.all.iter().filter(|svc| !svc.is_kubernetes()).cloned().collect();
        Self { known: Known::new(mesh.snapshot()), clients: clients(mesh, plane), entries, mesh, plane }
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
            PolicyKind::Sidecar => self.plane.sidecars().any(|sidecar| is(&sidecar.meta)),
            PolicyKind::Service
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
        self.mesh.declared(pod).names(port)
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

    /// The host of a rule in full.
    pub(super) fn full_host(&self, rule: &DestinationRule) -> String {
        host::qualify(&rule.host, &rule.meta.namespace, &self.plane.profile.config.cluster_domain)
    }

    /// The services that a rule's host covers.
    pub(super) fn services_of(&self, rule: &DestinationRule) -> Vec<Arc<Svc<'s>>> {
        let full = self.full_host(rule);
        let services = &self.mesh.registry;
        let covered = |svc: &&Arc<Svc<'s>>| host::covers(&full, &svc.host);
        if let Some(namespace) = self.whole_namespace(&full) {
            let entries = self.entries.iter().filter(|entry| entry.namespace() != namespace);
            services.in_namespace(namespace).iter().chain(entries).filter(covered).cloned().collect()
        } else if host::is_wildcard(&full) {
            services.all.iter().filter(covered).cloned().collect()
        } else {
            services.host(&full).to_vec()
        }
    }

    /// The namespace of `*.shop.svc.cluster.local`.
    fn whole_namespace<'h>(&self, full: &'h str) -> Option<&'h str> {
        let domain = self.plane.profile.config.cluster_domain.as_str();
        let namespace = full.strip_prefix("*.")?.strip_suffix(domain)?.strip_suffix(".svc.")?;
        (!namespace.contains(['.', '*'])).then_some(namespace)
    }

    /// The pairs that a rule is meant for.
    pub(super) fn about_rule(&self, rule: &DestinationRule) -> About<'s> {
        let services = self.services_of(rule);
        About::Services(services.iter().map(|svc| (svc.namespace(), svc.display().to_owned())).collect())
    }

    /// Whether some client that could get the wider rule gets the other one in its place.
    pub(super) fn loses(&self, wide: &DestinationRule, narrow: &DestinationRule, svc: &Svc<'s>) -> bool {
        let place = wide.meta.namespace.as_str();
        let everyone = [svc.namespace(), self.plane.root()].contains(&place);
        self.clients.keys().any(|client| {
            let shared = wide.export_to.is_empty() || wide.export_to.iter().any(|word| word == "*" || word == client);
            let own = *client == place && (shared || wide.export_to.iter().any(|word| word == "."));
            let rules = self.plane.destination_rules.lookup(client, svc.namespace(), &svc.host);
            let gets = rules.iter().flat_map(|merged| &merged.from).any(|rule| std::ptr::eq(*rule, narrow));
            (own || (everyone && shared)) && gets
        })
    }

    /// Namespaces that have a Service of this name.
    pub(super) fn namespaces_with_service(&self, name: &str) -> Vec<&'s str> {
        let services = self.mesh.snapshot().services.iter();
        services.filter(|service| service.meta.name == name).map(|service| service.meta.namespace.as_str()).collect()
    }
}

/// The proxies of a control plane, one for each namespace and each set of labels that rules and Sidecars select by.
fn clients<'s>(mesh: &Mesh<'s>, plane: &ControlPlane<'s>) -> BTreeMap<&'s str, Vec<&'s Pod>> {
    let keys = selecting_keys(mesh.snapshot());
    let mut known = HashSet::new();
    let mut clients: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in mesh.snapshot().pods.iter().filter(|pod| !pod.finished && pod.proxy.is_envoy()) {
        let labels: Vec<Option<&str>> = keys.iter().map(|key| pod.meta.label(key)).collect();
        let own = mesh.plane(pod).is_some_and(|own| std::ptr::eq(own, plane));
        if own && known.insert((pod.meta.namespace.as_str(), labels)) {
            clients.entry(&pod.meta.namespace).or_default().push(pod);
        }
    }
    clients
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

/// The workloads of pods, the first three by name.
pub(super) fn names(pods: &[&Pod]) -> String {
    let mut names: Vec<String> = pods.iter().map(|pod| pod.display_name()).collect();
    names.sort();
    names.dedup();
    some(names.into_iter())
}

/// The first three, and how many more there are.
pub(super) fn some(words: impl Iterator<Item = String>) -> String {
    const SPELLED: usize = 3;
    let mut words: Vec<String> = words.collect();
    let more = words.len().saturating_sub(SPELLED);
    words.truncate(SPELLED);
    let listed = words.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

/// `app=web,tier=front`.
pub(super) fn labels(labels: &Labels) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
