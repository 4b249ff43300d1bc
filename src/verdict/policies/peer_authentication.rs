//! PeerAuthentications with a selector: in the root namespace, fitting no pod, or always behind an older one.
//!
//! Istio: `pilot/pkg/security/authn/policy_applier.go:ComposePeerAuthentication`: the oldest with a selector that matches counts,
//! whole, and only from the workload's own namespace.

use crate::model::meta::{Labels, selects};
use crate::model::policy::PeerAuthentication;
use crate::model::workload::Pod;
use crate::verdict::finding::Fault;
use crate::verdict::policies::duplicates::{lost_strict, older};
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, labels, policy_ref};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let root = view.plane.root();
    for policy in view.peer_authentications().filter(|policy| !policy.selector.is_empty()) {
        let told = if policy.meta.namespace == root {
            Some(in_root(view, policy))
        } else {
            let pods = view.selected(&policy.meta.namespace, &policy.selector);
            if pods.is_empty() { selects_nothing(view, policy) } else { behind(view, policy, pods) }
        };
        found.extend(told);
    }
}

fn in_root<'s>(view: &View<'_, 's>, policy: &'s PeerAuthentication) -> Told<'s> {
    let object = policy_ref(policy, view.plane.root(), "spec.selector");
    let namespaces = view.mesh.snapshot().namespace_names();
    let pods = namespaces.into_iter().flat_map(|namespace| view.selected(namespace, &policy.selector)).collect();
    Told {
        fault: Fault::PolicyIgnored,
        title: format!(
            "{} is ignored: a policy with a selector in the root namespace is never applied{}",
            object.short(),
            lost_strict(policy, None)
        ),
        about: About::Pods(pods),
        object,
        others: Vec::new(),
    }
}

fn selects_nothing<'s>(view: &View<'_, 's>, policy: &'s PeerAuthentication) -> Option<Told<'s>> {
    let namespace = policy.meta.namespace.as_str();
    if !view.known.pods(namespace) || view.selects_machine(namespace, &policy.selector) {
        return None;
    }
    let object = policy_ref(policy, view.plane.root(), "spec.selector.matchLabels");
    let near = nearest(view, namespace, &policy.selector).map(|near| format!("; did you mean {near}?"));
    Some(Told {
        fault: Fault::SelectsNothing,
        title: format!(
            "{} does nothing: no pod of {namespace} has {}{}{}",
            object.short(),
            labels(&policy.selector),
            near.unwrap_or_default(),
            lost_strict(policy, None)
        ),
        about: About::Nobody,
        object,
        others: Vec::new(),
    })
}

/// The value of a pod's label that was probably meant.
pub(super) fn nearest(view: &View<'_, '_>, namespace: &str, selector: &Labels) -> Option<String> {
    let pods = view.selected(namespace, &Labels::new());
    selector.iter().find_map(|(key, value)| {
        let values = pods.iter().filter_map(|pod| pod.meta.label(key)).filter(|other| other != value);
        let (_, near) = values
            .map(|other| (strsim::damerau_levenshtein(value, other), other))
            .filter(|(edits, other)| *edits <= (value.len().max(other.len()) / 3).max(1))
            .min()?;
        Some(format!("{key}={near}"))
    })
}

/// All the pods it selects are selected by an older one as well.
fn behind<'s>(view: &View<'_, 's>, policy: &'s PeerAuthentication, pods: Vec<&'s Pod>) -> Option<Told<'s>> {
    let of = view.plane.peer_authentications.of(&policy.meta.namespace)?;
    let winner = |pod: &Pod| of.selecting.iter().copied().find(|other| selects(&other.selector, &pod.meta.labels));
    if pods.iter().any(|pod| winner(pod).is_none_or(|held| std::ptr::eq(held, policy))) {
        return None;
    }
    let held = pods.first().and_then(|pod| winner(pod))?;
    if view.selects_machine(&policy.meta.namespace, &policy.selector) {
        return None;
    }
    let object = policy_ref(policy, view.plane.root(), "spec");
    Some(Told {
        fault: Fault::PolicyIgnored,
        title: format!(
            "{} is ignored: `{}` selects its workloads too and {}; only one counts, and whole{}",
            object.short(),
            held.meta.name,
            older(held, policy),
            lost_strict(policy, held.mode)
        ),
        about: About::Pods(pods),
        object,
        others: vec![policy_ref(held, view.plane.root(), "spec")],
    })
}
