//! Rules that name the host and are not this client's, each with why it lost.

use std::sync::Arc;

use crate::intent::cluster::{Cluster, TlsReason};
use crate::intent::destination_rule::MergedRule;
use crate::intent::host;
use crate::intent::originates::rule_ref;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Source, Svc};
use crate::model::derivation::{Effect, Layer, Step};
use crate::model::meta::selects;
use crate::model::policy::DestinationRule;
use crate::model::workload::Pod;

/// Rules for the same host that this client does not get.
pub(super) fn lost_rules<'s>(
    cluster: &Cluster<'s>,
    client: &Pod,
    svc: &Svc<'s>,
    plane: &ControlPlane<'s>,
) -> Vec<Step> {
    let rules = &plane.destination_rules;
    let mut steps = Vec::new();
    let mut ignore = |rule: &DestinationRule, why: String| {
        steps.push(Step {
            policy: rule_ref(rule, Layer::TrafficPolicy, "spec.trafficPolicy.tls.mode".to_owned()),
            says: rule_says(rule),
            effect: Effect::Ignored,
            why: Some(why),
        });
    };
    let spoken: Vec<&DestinationRule> = match &cluster.reason {
        TlsReason::Rule { said, .. } => vec![said.rule],
        TlsReason::Auto { .. } | TlsReason::Off(_) => Vec::new(),
    };
    for rule in rules.covering(&svc.host) {
        let is_first = cluster.rule.as_ref().is_some_and(|merged| merged.from.first() == Some(&rule));
        if is_first || spoken.contains(&rule) {
            continue;
        }
        if let Some(why) = why_lost(rule, cluster.rule.as_ref(), client, svc, plane) {
            ignore(rule, why);
        }
    }
    if let Source::Kubernetes(service) = svc.source {
        for rule in rules.misnaming(&service.meta.name, &service.meta.namespace) {
            ignore(rule, format!("its host `{}` names nothing: only a name without dots is completed", rule.host));
        }
    }
    for (rule, why) in &plane.unseen_rules {
        if host::qualify(&rule.host, &rule.meta.namespace, &plane.profile.config.cluster_domain) == svc.host {
            ignore(rule, why.clone());
        }
    }
    steps
}

/// Why a rule that covers the host is not the client's; `None` where it was merged and says nothing of its own.
fn why_lost(
    rule: &DestinationRule,
    chosen: Option<&Arc<MergedRule<'_>>>,
    client: &Pod,
    svc: &Svc<'_>,
    plane: &ControlPlane<'_>,
) -> Option<String> {
    let (namespace, own, root) = (rule.meta.namespace.as_str(), client.meta.namespace.as_str(), plane.root());
    let held = chosen.and_then(|merged| merged.from.first());
    let winner = held.map_or_else(|| "another rule".to_owned(), |held| format!("`{}`", held.meta.key()));
    if let Some(merged) = chosen
        && merged.from.contains(&rule)
    {
        let says_tls = rule.traffic_policy.as_ref().is_some_and(|policy| policy.settings.tls.is_some());
        let counts = merged.policy.map_or(winner, |(_, owner)| format!("`{}`", owner.meta.key()));
        return says_tls.then(|| format!("merged into {counts}, which is older: only the first trafficPolicy counts"));
    }
    if ![own, svc.namespace(), root].contains(&namespace) {
        return Some(
            "only rules of the client's namespace, the Service's, and the root namespace are looked up".to_owned(),
        );
    }
    if rule.workload_selector.is_some() {
        let fits = rule.workload_selector.as_ref().is_some_and(|selector| selects(selector, &client.meta.labels));
        if namespace != own || !fits {
            return Some("its workloadSelector does not select this client".to_owned());
        }
    }
    let exported = rule.export_to.is_empty()
        || rule.export_to.iter().any(|word| word == "*" || word == own || (word == "." && namespace == own));
    if !exported {
        return Some(format!("exportTo does not reach namespace `{own}`"));
    }
    let default_private = plane.profile.config.default_destination_rule_export_to.iter().any(|word| word == ".");
    if rule.export_to.is_empty() && default_private && namespace != own {
        return Some("defaultDestinationRuleExportTo keeps it in its own namespace".to_owned());
    }
    Some(match held {
        Some(held) if held.meta.namespace != namespace => {
            format!("{winner} is looked up first: the client's namespace, then the Service's, then the root namespace")
        }
        Some(held) if held.host != rule.host => format!("{winner} names the host more specifically"),
        Some(_) => format!("{winner} for the same host wins"),
        None => "a rule for the same host that is not for this client ends the search".to_owned(),
    })
}

fn rule_says(rule: &DestinationRule) -> String {
    let top = rule.traffic_policy.as_ref().and_then(|policy| policy.settings.tls.as_ref());
    top.map_or_else(|| "no tls".to_owned(), |tls| tls.mode.to_string())
}
