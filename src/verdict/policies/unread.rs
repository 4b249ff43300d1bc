//! Policies that no control plane reads: meant for a revision that does not run, or in a namespace that is left out.
//!
//! Istio: `pilot/pkg/config/kube/crdclient/client.go:inRevision`, `pilot/pkg/bootstrap/server.go` (`SetObjectFilter`).

use crate::model::policy::{DestinationRule, PeerAuthentication};
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, policy_ref, rule_ref};

/// A finding for each policy that is hidden from every control plane; the first one's reason is told.
pub(super) fn found<'s>(views: &[View<'_, 's>]) -> Vec<Told<'s>> {
    let Some(first) = views.first() else { return Vec::new() };
    let everywhere = |found: &Told<'_>| views.iter().all(|view| !view.reads(&found.object));
    let policies = first.plane.peer_authentications.unseen.iter().map(|(policy, why)| policy_told(policy, why, first));
    let rules = first.plane.unseen_rules.iter().map(|(rule, why)| rule_told(rule, why));
    policies.chain(rules).filter(everywhere).collect()
}

fn policy_told<'s>(policy: &'s PeerAuthentication, why: &str, view: &View<'_, 's>) -> Told<'s> {
    let object = policy_ref(policy, view.plane.root(), "spec");
    Told {
        fault: Fault::PolicyIgnored,
        title: format!("{} is ignored: {why}", object.short()),
        about: match (policy.selector.is_empty(), policy.meta.namespace == view.plane.root()) {
            (true, true) => About::Mesh,
            (true, false) => About::Namespace(&policy.meta.namespace),
            (false, _) => About::Pods(view.selected(&policy.meta.namespace, &policy.selector)),
        },
        object,
        others: Vec::new(),
    }
}

fn rule_told<'s>(rule: &'s DestinationRule, why: &str) -> Told<'s> {
    let object = rule_ref(rule, "spec");
    let title = format!("{} is ignored: {why}", object.short());
    Told { fault: Fault::PolicyIgnored, title, about: About::Nobody, object, others: Vec::new() }
}
