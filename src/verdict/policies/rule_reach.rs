//! DestinationRules that no client gets, or of which the `trafficPolicy` never counts.
//!
//! Istio: `pilot/pkg/model/push_context.go:destinationRule` looks in the client's namespace, the service's and the root, and the first
//! hit wins; `pilot/pkg/model/destination_rule.go:mergeDestinationRule` keeps one `trafficPolicy` of several rules for a host.

use std::sync::Arc;

use crate::intent::destination_rule::{MergedRule, choose};
use crate::intent::host;
use crate::intent::registry::Svc;
use crate::model::policy::DestinationRule;
use crate::model::workload::Pod;
use crate::verdict::finding::Fault;
use crate::verdict::policies::rule_tls::{matters, says_anything};
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, labels, rule_ref};

/// What becomes of a rule over all clients.
#[derive(Debug, Default)]
struct Reach<'s> {
    /// Some client gets it, alone or merged.
    got: bool,
    /// Its `trafficPolicy` is the one that counts for some client.
    speaks: bool,
    /// Whether any client was asked at all.
    asked: bool,
    /// The rule that a client gets in its place.
    winner: Option<&'s DestinationRule>,
}

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    for rule in view.destination_rules() {
        let services = view.services_of(rule);
        if services.is_empty() {
            continue;
        }
        if let Some(told) = nobody_selected(view, rule, &services) {
            found.push(told);
            continue;
        }
        found.extend(judge(view, rule, &services, &reach(view, rule, &services)));
    }
}

/// A `workloadSelector` that fits no pod of the rule's namespace: it selects clients.
///
/// The host is looked up before the selector, so even then no other rule for it reaches the clients of the namespace.
fn nobody_selected<'s>(view: &View<'_, 's>, rule: &'s DestinationRule, services: &[Arc<Svc<'s>>]) -> Option<Told<'s>> {
    let selector = rule.workload_selector.as_ref().filter(|_| view.plane.rules.rule_selects_clients)?;
    let namespace = rule.meta.namespace.as_str();
    if !view.known.pods(namespace) || !view.selected(namespace, selector).is_empty() {
        return None;
    }
    let object = rule_ref(rule, "spec.workloadSelector.matchLabels");
    let kept = kept_away(view, rule, services);
    let keeps = kept.map(|other| format!(", and it keeps {} from the clients there", rule_ref(other, "").short()));
    Some(Told {
        fault: Fault::SelectsNothing,
        title: format!(
            "{} is for no client: workloadSelector selects clients, and no pod of {namespace} has {}{}",
            object.short(),
            labels(selector),
            keeps.unwrap_or_default()
        ),
        object,
        others: kept.map(|other| rule_ref(other, "spec.host")).into_iter().collect(),
        about: About::Nobody,
    })
}

/// A rule that the clients of this one's namespace would look up if it were not there.
fn kept_away<'s>(
    view: &View<'_, 's>,
    rule: &DestinationRule,
    services: &[Arc<Svc<'s>>],
) -> Option<&'s DestinationRule> {
    services.iter().find_map(|svc| {
        let places = [rule.meta.namespace.as_str(), svc.namespace(), view.plane.root()];
        let looked_up = |other: &&DestinationRule| places.contains(&other.meta.namespace.as_str());
        let mut others = view.plane.destination_rules.covering(&svc.host).filter(|other| !std::ptr::eq(*other, rule));
        others.find(looked_up)
    })
}

fn reach<'s>(view: &View<'_, 's>, rule: &'s DestinationRule, services: &[Arc<Svc<'s>>]) -> Reach<'s> {
    let mut reach = Reach::default();
    for svc in services {
        let everyone = [svc.namespace(), view.plane.root()].contains(&rule.meta.namespace.as_str());
        for (namespace, clients) in &view.clients {
            if !everyone && *namespace != rule.meta.namespace {
                continue;
            }
            let rules = view.plane.destination_rules.lookup(namespace, svc.namespace(), &svc.host);
            for client in clients.iter().filter(|client| view.sees(client, svc)) {
                reach.note(rule, choose(&rules, namespace, &client.meta.labels));
                if reach.got && (reach.speaks || rule.traffic_policy.is_none()) {
                    return reach;
                }
            }
        }
    }
    reach
}

impl<'s> Reach<'s> {
    fn note(&mut self, rule: &'s DestinationRule, chosen: Option<&Arc<MergedRule<'s>>>) {
        self.asked = true;
        let Some(chosen) = chosen else { return };
        let is = |other: &DestinationRule| std::ptr::eq(other, rule);
        self.got |= chosen.from.iter().any(|other| is(other));
        self.speaks |= chosen.policy.is_some_and(|(_, from)| is(from));
        self.winner = self.winner.or(chosen.policy.map(|(_, from)| from)).or(chosen.from.first().copied());
    }
}

fn judge<'s>(
    view: &View<'_, 's>,
    rule: &'s DestinationRule,
    services: &[Arc<Svc<'s>>],
    reach: &Reach<'s>,
) -> Option<Told<'s>> {
    if reach.speaks || (reach.got && rule.traffic_policy.is_none()) {
        return None;
    }
    let same_host = |winner: &&&'s DestinationRule| {
        let full = |rule: &DestinationRule| view.full_host(rule);
        winner.meta.namespace == rule.meta.namespace && full(winner) == full(rule) && !std::ptr::eq(**winner, rule)
    };
    if let Some(winner) = reach.winner.as_ref().filter(same_host) {
        return rule.traffic_policy.is_some().then(|| second(view, rule, winner));
    }
    if reach.got || reach.winner.is_some_and(|winner| hides_tls(view, winner, rule)) {
        return None;
    }
    let why = unreached(view, rule, services, reach)?;
    let object = rule_ref(rule, "spec.host");
    let title = format!("no client gets {}: {why}", object.short());
    let others = reach.winner.map(|winner| rule_ref(winner, "spec.host")).into_iter().collect();
    Some(Told { fault: Fault::RuleReachesNobody, object, others, title, about: view.about_rule(rule) })
}

/// Whether it is told of the winner that it takes the place of this rule's TLS.
fn hides_tls(view: &View<'_, '_>, winner: &DestinationRule, rule: &DestinationRule) -> bool {
    let tls = rule.traffic_policy.as_ref().and_then(|policy| policy.settings.tls.as_ref());
    tls.is_some_and(|tls| matters(view, tls)) && !says_anything(winner)
}

fn second<'s>(view: &View<'_, 's>, rule: &'s DestinationRule, winner: &DestinationRule) -> Told<'s> {
    let object = rule_ref(rule, "spec.trafficPolicy");
    let tls = rule.traffic_policy.as_ref().and_then(|policy| policy.settings.tls.as_ref());
    let lost = tls.map(|tls| format!(", tls {} with it", tls.mode)).unwrap_or_default();
    let title = format!(
        "the trafficPolicy of {} does not count{lost}: `{}` is for the same host, and one trafficPolicy counts, whole",
        object.short(),
        winner.meta.name
    );
    let others = vec![rule_ref(winner, "spec.trafficPolicy")];
    Told { fault: Fault::SecondRuleForHost, object, others, title, about: view.about_rule(rule) }
}

/// Why no client gets a rule; `None` where clients may be that were not shown.
fn unreached(
    view: &View<'_, '_>,
    rule: &DestinationRule,
    services: &[Arc<Svc<'_>>],
    reach: &Reach<'_>,
) -> Option<String> {
    let (namespace, root) = (rule.meta.namespace.as_str(), view.plane.root());
    let looked_up = services.iter().any(|svc| [svc.namespace(), root].contains(&namespace));
    if view.clients.is_empty() || (!looked_up && !view.known.pods(namespace)) {
        return None;
    }
    let leaves = !rule.export_to.is_empty() && !rule.export_to.iter().any(|word| word == "*" || word == ".");
    if let Some(winner) = reach.winner {
        return Some(format!("they get `{}`", winner.meta.key()));
    }
    let export = format!("exportTo [{}]", rule.export_to.join(", "));
    if !looked_up {
        let place = services.first().map(|svc| svc.namespace()).unwrap_or_default();
        if leaves && !rule.export_to.iter().any(|word| word == namespace) {
            return Some(format!("its {export} leaves out {namespace}, the only namespace whose clients could get it"));
        }
        let none = if reach.asked { "that sees it" } else { "with a sidecar" };
        return Some(format!(
            "rules for {} are looked up in the client's namespace, in {place} and in {root}; {namespace} has no client {none}",
            first_host(view, rule, services)
        ));
    }
    if rule.export_to.is_empty() {
        return reach.asked.then(|| "no client sees the host".to_owned());
    }
    Some(format!("its {export} reaches no client with a sidecar"))
}

fn first_host(view: &View<'_, '_>, rule: &DestinationRule, services: &[Arc<Svc<'_>>]) -> String {
    let full = view.full_host(rule);
    if host::is_wildcard(&full) { full } else { services.first().map(|svc| svc.host.clone()).unwrap_or(full) }
}

impl<'s> View<'_, 's> {
    /// Whether a client's proxy knows a service.
    fn sees(&self, client: &'s Pod, svc: &Arc<Svc<'s>>) -> bool {
        let scope = self.mesh.scope(client, self.plane);
        let seen = scope.service(self.plane, &self.mesh.registry, &svc.host);
        seen.is_some_and(|seen| Arc::ptr_eq(&seen.svc, svc))
    }
}
