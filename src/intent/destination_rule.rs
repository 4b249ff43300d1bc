//! Which DestinationRule a client gets for a host: merging, visibility, lookup, choice.
//!
//! Istio: `pilot/pkg/model/push_context.go:setDestinationRules,destinationRule`,
//! `pilot/pkg/model/destination_rule.go:mergeDestinationRule`, `pilot/pkg/model/sidecar.go:DestinationRule`.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::intent::versions::Rules;
use crate::intent::{host, order};
use crate::model::mesh::MeshConfig;
use crate::model::meta::{Labels, selects};
use crate::model::policy::{DestinationRule, Subset, TrafficPolicy};

/// Rules for one host that istiod reads as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MergedRule<'s> {
    /// Where it is visible; empty = as the mesh's default says.
    pub(crate) export_to: BTreeSet<&'s str>,
    /// Every rule merged into it, oldest first; `config_dump` names the first.
    pub(crate) from: Vec<&'s DestinationRule>,
    /// Labels of the clients it is for.
    pub(crate) selector: Option<&'s Labels>,
    /// The one top-level policy that counts, and whose it is.
    pub(crate) policy: Option<(&'s TrafficPolicy, &'s DestinationRule)>,
    /// Subsets, and whose each is, with its place there.
    pub(crate) subsets: Vec<MergedSubset<'s>>,
}

/// A subset of a merged rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MergedSubset<'s> {
    pub(crate) subset: &'s Subset,
    pub(crate) rule: &'s DestinationRule,
    /// Its index in that rule's `subsets`.
    pub(crate) index: usize,
}

/// The rules that one control plane sees, as it looks them up.
#[derive(Debug, Default)]
pub(crate) struct DestinationRules<'s> {
    root: String,
    /// Rules for clients of the rule's own namespace.
    own: FxHashMap<&'s str, Table<'s>>,
    /// Rules that others may get, by the rule's namespace.
    exported: FxHashMap<&'s str, Table<'s>>,
    /// Private rules of the root namespace.
    root_private: Table<'s>,
    /// Every rule, for explanations: by full host, and the wildcards.
    by_host: FxHashMap<String, Vec<&'s DestinationRule>>,
    wildcards: Vec<(String, &'s DestinationRule)>,
}

/// Merged rules by host.
#[derive(Debug, Default)]
struct Table<'s> {
    exact: FxHashMap<String, Vec<Arc<MergedRule<'s>>>>,
    wildcard: FxHashMap<String, Vec<Arc<MergedRule<'s>>>>,
}

// === impl DestinationRules ===

impl<'s> DestinationRules<'s> {
    /// Merges and indexes the rules that a control plane sees.
    pub(crate) fn new(
        rules: impl IntoIterator<Item = &'s DestinationRule>,
        config: &MeshConfig,
        version: Rules,
    ) -> Self {
        let mut sorted: Vec<&DestinationRule> = rules.into_iter().collect();
        sorted.sort_by(|a, b| {
            let selecting = |rule: &DestinationRule| version.selecting_rules_first && rule.workload_selector.is_some();
            selecting(b).cmp(&selecting(a)).then_with(|| order::by_age(&a.meta, &b.meta))
        });
        let mut index = Self { root: config.root_namespace.clone(), ..Self::default() };
        for rule in sorted {
            let full = host::qualify(&rule.host, &rule.meta.namespace, &config.cluster_domain);
            index.add(rule, &full, config, version);
            if host::is_wildcard(&full) {
                index.wildcards.push((full, rule));
            } else {
                index.by_host.entry(full).or_default().push(rule);
            }
        }
        index
    }

    fn add(&mut self, rule: &'s DestinationRule, full: &str, config: &MeshConfig, version: Rules) {
        let namespace: &'s str = &rule.meta.namespace;
        let entry = MergedRule::single(rule, version);
        let set = &entry.export_to;
        if set.is_empty() || [".", "*", namespace].iter().any(|word| set.contains(word)) {
            self.own.entry(namespace).or_default().merge(full, entry.clone(), version);
        }
        let private_by_default =
            set.is_empty() && config.default_destination_rule_export_to.iter().any(|word| word == ".");
        let private = set.len() == 1 && (set.contains(".") || set.contains(namespace));
        if !private_by_default && !private {
            self.exported.entry(namespace).or_default().merge(full, entry, version);
        } else if namespace == self.root {
            self.root_private.merge(full, entry, version);
        }
    }

    /// The rules for a host that clients of a namespace get, before each client's labels are looked at.
    ///
    /// The first namespace with a hit wins: the client's, the service's, the root. The most specific host of a namespace is
    /// picked before its export set is looked at.
    pub(crate) fn lookup(&self, client: &str, service: &str, host: &str) -> Vec<Arc<MergedRule<'s>>> {
        let near = if client == self.root { Some(&self.root_private) } else { self.own.get(client) };
        if let Some(found) = near.and_then(|table| table.most_specific(host)) {
            return found.to_vec();
        }
        let exported = |namespace: &str| -> Vec<Arc<MergedRule<'s>>> {
            self.exported
                .get(namespace)
                .and_then(|table| table.most_specific(host))
                .unwrap_or_default()
                .iter()
                .filter(|rule| rule.visible_to(client))
                .cloned()
                .collect()
        };
        let found = exported(service);
        if found.is_empty() { exported(&self.root) } else { found }
    }

    /// Every rule whose host covers a service's, strongest claim to the host first, whoever may see it.
    pub(crate) fn covering<'a>(
        &'a self,
        service_host: &'a str,
    ) -> impl Iterator<Item = &'s DestinationRule> + use<'a, 's> {
        let exact = self.by_host.get(service_host).into_iter().flatten().copied();
        let wild = self
            .wildcards
            .iter()
            .filter(move |(pattern, _)| host::covers(pattern, service_host))
            .map(|(_, rule)| *rule);
        exact.chain(wild)
    }

    /// Rules that name a service by a host that is not its full name, and so never apply to it.
    pub(crate) fn misnaming(&self, service: &str, namespace: &str) -> Vec<&'s DestinationRule> {
        [format!("{service}.{namespace}"), format!("{service}.{namespace}.svc")]
            .iter()
            .flat_map(|host| self.by_host.get(host).into_iter().flatten().copied())
            .collect()
    }
}

/// The rule for one client among those of its namespace.
///
/// Istio: `sidecar.go:SidecarScope.DestinationRule`: the first whose selector fits the client, in the client's own
/// namespace; else the *last* without a selector.
pub(crate) fn choose<'a, 's>(
    rules: &'a [Arc<MergedRule<'s>>],
    client_namespace: &str,
    client_labels: &Labels,
) -> Option<&'a Arc<MergedRule<'s>>> {
    let own = |rule: &MergedRule<'_>| rule.from.first().is_some_and(|first| first.meta.namespace == client_namespace);
    rules
        .iter()
        .find(|rule| own(rule) && rule.selector.is_some_and(|selector| selects(selector, client_labels)))
        .or_else(|| rules.iter().rfind(|rule| rule.selector.is_none()))
}

// === impl MergedRule ===

impl<'s> MergedRule<'s> {
    fn single(rule: &'s DestinationRule, version: Rules) -> Self {
        let selector = rule.workload_selector.as_ref().filter(|_| version.rule_selects_clients);
        Self {
            export_to: match selector {
                Some(_) => BTreeSet::from(["."]),
                None => rule.export_to.iter().map(String::as_str).collect(),
            },
            from: vec![rule],
            selector,
            policy: rule.traffic_policy.as_ref().map(|policy| (policy, rule)),
            subsets: rule
                .subsets
                .iter()
                .enumerate()
                .map(|(index, subset)| MergedSubset { subset, rule, index })
                .collect(),
        }
    }

    /// The subset of that name.
    pub(crate) fn subset(&self, name: &str) -> Option<&MergedSubset<'s>> {
        self.subsets.iter().find(|merged| merged.subset.name == name)
    }

    fn visible_to(&self, client: &str) -> bool {
        self.export_to.is_empty() || self.export_to.contains("*") || self.export_to.contains(client)
    }

    /// Adds a younger rule: its subsets of new names, and its policy only where there is none at all.
    fn absorb(&mut self, younger: &Self) {
        self.from.extend(&younger.from);
        for merged in &younger.subsets {
            if self.subset(&merged.subset.name).is_none() {
                self.subsets.push(*merged);
            }
        }
        self.policy = self.policy.or(younger.policy);
    }
}

// === impl Table ===

impl<'s> Table<'s> {
    fn most_specific(&self, service_host: &str) -> Option<&[Arc<MergedRule<'s>>]> {
        if !host::is_wildcard(service_host)
            && let Some(found) = self.exact.get(service_host)
        {
            return Some(found);
        }
        if let Some(found) = self.wildcard.get(service_host) {
            return Some(found);
        }
        self.wildcard
            .iter()
            .filter(|(pattern, _)| host::covers(pattern, service_host))
            .max_by_key(|(pattern, _)| pattern.len())
            .map(|(_, found)| found.as_slice())
    }

    fn merge(&mut self, full: &str, new: MergedRule<'s>, version: Rules) {
        let table = if host::is_wildcard(full) { &mut self.wildcard } else { &mut self.exact };
        let entries = table.entry(full.to_owned()).or_default();
        if version.merges_by_export_set { merge_by_export_set(entries, new) } else { merge_always(entries, new) }
    }
}

/// Since 1.24: rules merge only where their export sets are equal, or the younger one's is the larger.
fn merge_by_export_set<'s>(entries: &mut Vec<Arc<MergedRule<'s>>>, new: MergedRule<'s>) {
    let mut separately = true;
    for entry in entries.iter_mut() {
        let same = new.export_to == entry.export_to;
        let larger = !entry.export_to.is_empty() && new.export_to.is_superset(&entry.export_to);
        if !same && !larger {
            separately = true;
            continue;
        }
        separately = !same;
        match (entry.selector, new.selector) {
            (Some(a), Some(b)) if a != b => {
                separately = true;
                continue;
            }
            (Some(_), Some(_)) | (None, None) => separately = false,
            (Some(_), None) | (None, Some(_)) => {}
        }
        Arc::make_mut(entry).absorb(&new);
    }
    if separately {
        entries.push(Arc::new(new));
    }
}

/// Before 1.24: rules for one host always merge, and the host takes the first export set that is not empty.
fn merge_always<'s>(entries: &mut Vec<Arc<MergedRule<'s>>>, new: MergedRule<'s>) {
    let shared = entries.first().map_or(&new.export_to, |first| &first.export_to);
    let adopted = if shared.is_empty() { new.export_to.clone() } else { shared.clone() };
    let mut separately = true;
    for entry in entries.iter_mut() {
        match (entry.selector, new.selector) {
            (Some(a), Some(b)) if a != b => continue,
            (Some(_), Some(_)) | (None, None) => separately = false,
            (Some(_), None) | (None, Some(_)) => {}
        }
        Arc::make_mut(entry).absorb(&new);
    }
    if separately {
        entries.push(Arc::new(new));
    }
    for entry in entries.iter_mut() {
        if entry.export_to != adopted {
            Arc::make_mut(entry).export_to.clone_from(&adopted);
        }
    }
}
