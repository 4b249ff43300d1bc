//! Policies that the next version of Istio reads otherwise: the rules run with its column of the table of versions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::intent::Mesh;
use crate::intent::registry::{Discovery, Source, Svc};
use crate::intent::versions::Rules;
use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::mesh::IstioVersion;
use crate::model::pair::{PairIntent, ServerRef};
use crate::model::policy::{DestinationRule, PolicySettings};
use crate::model::tls::ClientTlsMode;
use crate::model::workload::Pod;
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, policy_ref, rule_ref, some};

/// An object that a difference may concern, and the services through which it would.
struct Candidate<'s> {
    object: PolicyRef,
    services: Vec<Arc<Svc<'s>>>,
    subsets: Vec<&'s str>,
}

/// Of each object at most so many services are looked at, from at most so many clients: one that changes is enough.
const MOST_SERVICES: usize = 20;
const MOST_CLIENTS: usize = 50;

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let profile = &view.plane.profile;
    let next = IstioVersion { minor: profile.version.minor + 1, ..profile.version };
    let (now, then) = (view.plane.rules, Rules::of(next));
    if profile.version >= IstioVersion::NEWEST || now == then {
        return;
    }
    let candidates = candidates(view, now, then);
    if candidates.is_empty() {
        return;
    }
    let mut snapshot = view.mesh.snapshot().clone();
    if snapshot.profiles.is_empty() {
        snapshot.profiles.push(profile.clone());
    }
    for other in snapshot.profiles.iter_mut().filter(|other| other.revision == profile.revision) {
        other.version = next;
    }
    let mesh = Mesh::new(&snapshot);
    // Objects that a difference concerns together make one finding.
    let mut causes: BTreeMap<String, Told<'s>> = BTreeMap::new();
    for candidate in candidates {
        let Some((change, told)) = changed(view, &mesh, candidate) else { continue };
        match causes.entry(change) {
            Entry::Occupied(mut first) => first.get_mut().others.push(told.object),
            Entry::Vacant(place) => {
                place.insert(told);
            }
        }
    }
    found.extend(causes.into_iter().map(|(change, told)| put_into_words(next, &change, told)));
}

fn put_into_words<'s>(next: IstioVersion, change: &str, told: Told<'s>) -> Told<'s> {
    let objects = std::iter::once(&told.object).chain(&told.others).map(PolicyRef::short);
    let (objects, them) = (some(objects), if told.others.is_empty() { "it" } else { "them" });
    Told { title: format!("{objects}: Istio {next} reads {them} otherwise: {change}"), ..told }
}

fn candidates<'s>(view: &View<'_, 's>, now: Rules, then: Rules) -> Vec<Candidate<'s>> {
    let mut found: Vec<Candidate<'s>> = view
        .destination_rules()
        .filter(|rule| concerns(view, rule, now, then))
        .map(|rule| Candidate {
            object: rule_ref(rule, "spec"),
            services: view.services_of(rule),
            subsets: rule.subsets.iter().map(|subset| subset.name.as_str()).collect(),
        })
        .collect();
    if now.endpoint_check != then.endpoint_check {
        found.extend(view.peer_authentications().filter(|policy| !policy.selector.is_empty()).map(|policy| {
            Candidate {
                object: policy_ref(policy, view.plane.root(), "spec"),
                services: view.mesh.registry.in_namespace(&policy.meta.namespace).to_vec(),
                subsets: Vec::new(),
            }
        }));
    }
    if now.external_name_is_alias != then.external_name_is_alias {
        let aliases = view.mesh.registry.all.iter().filter(|svc| matches!(svc.discovery, Discovery::Alias(_)));
        found.extend(aliases.filter_map(|svc| match svc.source {
            Source::Kubernetes(service) => Some(Candidate {
                object: PolicyRef::object(Layer::Workload, PolicyKind::Service, &service.meta, "spec.externalName"),
                services: vec![Arc::clone(svc)],
                subsets: Vec::new(),
            }),
            Source::Entry(_) => None,
        }));
    }
    found
}

/// Whether a difference between two versions can change what a rule does.
fn concerns(view: &View<'_, '_>, rule: &DestinationRule, now: Rules, then: Rules) -> bool {
    let own_tls = now.own_tls_keeps_alpn != then.own_tls_keeps_alpn
        || now.own_tls_unmarks != then.own_tls_unmarks
        || now.verifies_with_system_roots != then.verifies_with_system_roots
        || now.config_map_credentials != then.config_map_credentials;
    let selecting = now.rule_selects_clients != then.rule_selects_clients
        || now.selecting_rules_first != then.selecting_rules_first;
    let merging = now.merges_by_export_set != then.merges_by_export_set
        || now.selecting_rules_first != then.selecting_rules_first;
    let marking =
        now.endpoint_check != then.endpoint_check || now.subset_mark_falls_back != then.subset_mark_falls_back;
    let passthrough = now.passthrough_inspects_endpoints != then.passthrough_inspects_endpoints;
    (own_tls && settings(rule).any(brings_own_tls))
        || (selecting && rule.workload_selector.is_some())
        || (marking && !rule.subsets.is_empty())
        || (passthrough && settings(rule).any(|settings| settings.load_balancer.is_some()))
        || (merging && has_twin(view, rule))
}

fn settings(rule: &DestinationRule) -> impl Iterator<Item = &PolicySettings> {
    let policies = rule.traffic_policy.iter().chain(rule.subsets.iter().filter_map(|s| s.traffic_policy.as_ref()));
    policies
        .flat_map(|policy| std::iter::once(&policy.settings).chain(policy.ports.iter().map(|(_, settings)| settings)))
}

fn brings_own_tls(settings: &PolicySettings) -> bool {
    settings.tls.as_ref().is_some_and(|tls| matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual))
}

/// Whether another rule of its namespace has the same host.
fn has_twin(view: &View<'_, '_>, rule: &DestinationRule) -> bool {
    let full = view.full_host(rule);
    let others = view.plane.destination_rules.covering(&full);
    let twin = |other: &DestinationRule| {
        !std::ptr::eq(other, rule) && other.meta.namespace == rule.meta.namespace && view.full_host(other) == full
    };
    others.into_iter().any(twin)
}

/// What of a candidate's pairs changes, if anything: in words, and the finding without its title.
fn changed<'s>(view: &View<'_, 's>, mesh: &Mesh<'_>, candidate: Candidate<'s>) -> Option<(String, Told<'s>)> {
    let clients: Vec<&Pod> = view.clients.values().flatten().copied().take(MOST_CLIENTS).collect();
    let then: Vec<Option<&Pod>> =
        clients.iter().map(|client| mesh.pods.named(&client.meta.namespace, &client.meta.name)).collect();
    let services = candidate.services.iter().take(MOST_SERVICES);
    let servers: Vec<ServerRef> = services.flat_map(|svc| svc.servers()).collect();
    let mut first: Option<String> = None;
    let mut more = 0_usize;
    for server in &servers {
        for (client, later) in clients.iter().zip(&then) {
            let Some(later) = later else { continue };
            let mut answers = vec![(view.mesh.pair(client, server), mesh.pair(later, server))];
            answers.extend(candidate.subsets.iter().map(|subset| {
                (view.mesh.pair_to_subset(client, server, subset), mesh.pair_to_subset(later, server, subset))
            }));
            let Some((was, is)) = answers.iter().find(|(was, is)| words(was) != words(is)) else { continue };
            if first.is_some() {
                more += 1;
            }
            let pair = format!("{} -> {}", client.display_name(), server.display_name());
            first = first.or_else(|| Some(format!("{pair} is {}, then {}", words(was), words(is))));
        }
    }
    let first = first?;
    let others = if more == 0 { String::new() } else { format!(", and {more} more") };
    let services = candidate.services.iter().map(|svc| (svc.namespace(), svc.display().to_owned())).collect();
    let told = Told {
        fault: Fault::NextVersionDiffers,
        object: candidate.object,
        others: Vec::new(),
        title: String::new(),
        about: About::Services(services),
    };
    Some((format!("{first}{others}"), told))
}

/// What comes of a pair, in the words of the table.
fn words(pair: &PairIntent) -> String {
    let http = pair.symptom.as_ref().map(|symptom| symptom.http.join("|"));
    match http {
        Some(http) => format!("{} {http}", pair.outcome.wire.as_str()),
        None => pair.outcome.wire.as_str().to_owned(),
    }
}
