//! One control plane: its version, its mesh configuration, and the objects it sees.

use std::collections::HashSet;

use crate::intent::destination_rule::DestinationRules;
use crate::intent::order;
use crate::intent::peer_authentication::PeerAuthentications;
use crate::intent::registry::Svc;
use crate::intent::versions::Rules;
use crate::intent::virtual_service::VirtualServices;
use crate::model::mesh::MeshProfile;
use crate::model::meta::{Labels, Meta, selects};
use crate::model::policy::{DestinationRule, PeerAuthentication, Sidecar};
use crate::model::snapshot::Snapshot;
use crate::model::virtual_service::VirtualService;
use crate::model::workload::Pod;

/// A control-plane revision and what it sees.
#[derive(Debug)]
pub(crate) struct ControlPlane<'s> {
    pub(crate) profile: MeshProfile,
    pub(crate) rules: Rules,
    pub(crate) peer_authentications: PeerAuthentications<'s>,
    pub(crate) destination_rules: DestinationRules<'s>,
    pub(crate) virtual_services: VirtualServices<'s>,
    /// Rules that it does not see, with the reason.
    pub(crate) unseen_rules: Vec<(&'s DestinationRule, String)>,
    /// VirtualServices that it does not see, with the reason.
    pub(crate) unseen_routings: Vec<(&'s VirtualService, String)>,
    /// Oldest first, those with a selector before the others.
    sidecars: Vec<&'s Sidecar>,
    /// The network of proxies that name none: the label of the root namespace.
    pub(crate) network: Option<String>,
    /// Namespaces that its discovery selectors leave out.
    hidden: HashSet<&'s str>,
}

// === impl ControlPlane ===

impl<'s> ControlPlane<'s> {
    /// Indexes what a revision sees of a snapshot.
    pub(crate) fn new(snapshot: &'s Snapshot, profile: &MeshProfile) -> Self {
        let rules = Rules::of(profile.version);
        let config = &profile.config;
        let hidden: HashSet<&str> = snapshot
            .namespaces
            .iter()
            .filter(|meta| !discovered(&config.discovery_selectors, meta))
            .map(|meta| meta.name.as_str())
            .collect();
        let blind = |meta: &Meta| -> Option<String> {
            match meta.revision() {
                Some(revision) if !profile.revision.is_empty() && revision != profile.revision => {
                    return Some(format!(
                        "meant for control-plane revision `{revision}`; this one is `{}`",
                        profile.revision
                    ));
                }
                Some(_) | None => {}
            }
            (rules.selectors_hide_policies && hidden.contains(meta.namespace.as_str()))
                .then(|| format!("discoverySelectors leave out namespace `{}`", meta.namespace))
        };
        let (policies, unseen_policies) =
            split(&snapshot.peer_authentications, |policy: &PeerAuthentication| blind(&policy.meta));
        let (rule_list, unseen_rules) = split(&snapshot.destination_rules, |rule: &DestinationRule| blind(&rule.meta));
        let (routings, unseen_routings) =
            split(&snapshot.virtual_services, |object: &VirtualService| blind(&object.meta));
        let (mut sidecars, _) = split(&snapshot.sidecars, |sidecar: &Sidecar| blind(&sidecar.meta));
        sidecars.sort_by(|a, b| {
            a.selector.is_empty().cmp(&b.selector.is_empty()).then_with(|| order::by_age(&a.meta, &b.meta))
        });
        Self {
            rules,
            peer_authentications: PeerAuthentications::new(&config.root_namespace, policies, unseen_policies),
            destination_rules: DestinationRules::new(rule_list, config, rules),
            unseen_rules,
            virtual_services: VirtualServices::new(routings, config),
            unseen_routings,
            sidecars,
            network: snapshot
                .namespaces
                .iter()
                .find(|namespace| namespace.name == config.root_namespace)
                .and_then(|namespace| namespace.label("topology.istio.io/network"))
                .map(str::to_owned),
            hidden,
            profile: profile.clone(),
        }
    }

    /// The root namespace.
    pub(crate) fn root(&self) -> &str {
        &self.profile.config.root_namespace
    }

    /// The Sidecar that speaks for a workload.
    ///
    /// Istio: `push_context.go:getSidecarScope`: of the namespace, with a matching selector first; else the root's without.
    pub(crate) fn sidecar(&self, namespace: &str, labels: &Labels) -> Option<&'s Sidecar> {
        self.fitting(namespace, labels).next()
    }

    /// Every Sidecar that this control plane reads.
    pub(crate) fn sidecars(&self) -> impl Iterator<Item = &'s Sidecar> {
        self.sidecars.iter().copied()
    }

    /// Every Sidecar that could speak for a pod; the first does.
    pub(crate) fn sidecars_for<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = &'s Sidecar> + use<'a, 's> {
        self.fitting(&pod.meta.namespace, &pod.meta.labels)
    }

    fn fitting<'a>(
        &'a self,
        namespace: &'a str,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'s Sidecar> + use<'a, 's> {
        let own = move |sidecar: &&Sidecar| sidecar.meta.namespace == namespace && selects(&sidecar.selector, labels);
        let root = move |sidecar: &&Sidecar| sidecar.meta.namespace == self.root() && sidecar.selector.is_empty();
        self.sidecars.iter().copied().filter(own).chain(self.sidecars.iter().copied().filter(root))
    }

    /// Whether clients of a namespace may see a service: `exportTo`, else the mesh's default.
    ///
    /// Istio: `push_context.go:IsServiceVisible`.
    pub(crate) fn exports(&self, svc: &Svc<'_>, namespace: &str) -> bool {
        let own = svc.export_to();
        let default = || self.profile.config.default_service_export_to.iter().map(String::as_str).collect();
        let set: Vec<&str> = if own.is_empty() { default() } else { own };
        set.iter().any(|word| match *word {
            "*" => true,
            "." => svc.namespace() == namespace,
            other => other == namespace,
        })
    }

    /// Whether a service is for everyone; those come after the others in the order a proxy reads them.
    pub(crate) fn is_public(&self, svc: &Svc<'_>) -> bool {
        let own = svc.export_to();
        if own.is_empty() {
            self.profile.config.default_service_export_to.iter().any(|word| word == "*")
        } else {
            own.contains(&"*")
        }
    }

    /// Whether this control plane knows a service at all.
    pub(crate) fn knows(&self, svc: &Svc<'_>) -> bool {
        let entry_hidden = !svc.is_kubernetes() && {
            let revision = svc.meta().revision();
            revision.is_some_and(|revision| !self.profile.revision.is_empty() && revision != self.profile.revision)
        };
        let namespace_hidden =
            self.hidden.contains(svc.namespace()) && (svc.is_kubernetes() || self.rules.selectors_hide_policies);
        !entry_hidden && !namespace_hidden
    }
}

fn split<T>(objects: &[T], blind: impl Fn(&T) -> Option<String>) -> (Vec<&T>, Vec<(&T, String)>) {
    let mut seen = Vec::new();
    let mut unseen = Vec::new();
    for object in objects {
        match blind(object) {
            None => seen.push(object),
            Some(why) => unseen.push((object, why)),
        }
    }
    (seen, unseen)
}

/// Whether any of the selectors selects a namespace; no selectors select all.
///
/// Istio: `pkg/kube/namespace/filter.go`; each is a Kubernetes `LabelSelector`.
fn discovered(selectors: &[serde_json::Value], namespace: &Meta) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| label_selector(selector, namespace))
}

fn label_selector(selector: &serde_json::Value, namespace: &Meta) -> bool {
    // The API server puts the name on every namespace; manifests leave it out.
    let value_of = |key: &str| {
        namespace.label(key).or_else(|| (key == "kubernetes.io/metadata.name").then_some(namespace.name.as_str()))
    };
    let labels = selector.get("matchLabels").and_then(serde_json::Value::as_object);
    let expressions = selector.get("matchExpressions").and_then(serde_json::Value::as_array);
    let labels_fit = labels
        .into_iter()
        .flatten()
        .all(|(key, wanted)| value_of(key).is_some_and(|value| wanted.as_str() == Some(value)));
    let expressions_fit = expressions.into_iter().flatten().all(|expression| {
        let key = expression.get("key").and_then(serde_json::Value::as_str).unwrap_or_default();
        let listed = |value: &str| {
            let values = expression.get("values").and_then(serde_json::Value::as_array);
            values.into_iter().flatten().any(|candidate| candidate.as_str() == Some(value))
        };
        match expression.get("operator").and_then(serde_json::Value::as_str) {
            Some("In") => value_of(key).is_some_and(listed),
            Some("NotIn") => !value_of(key).is_some_and(listed),
            Some("Exists") => value_of(key).is_some(),
            Some("DoesNotExist") => value_of(key).is_none(),
            Some(_) | None => false,
        }
    });
    labels_fit && expressions_fit
}
