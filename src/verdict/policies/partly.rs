//! PeerAuthentications that lose some of the workloads they select to an older one.
//!
//! Istio: `pilot/pkg/security/authn/policy_applier.go:ComposePeerAuthentication`: of several that match one workload the oldest is
//! taken whole; a more specific selector has no priority.

use crate::model::meta::selects;
use crate::model::policy::PeerAuthentication;
use crate::model::workload::Pod;
use crate::verdict::finding::Fault;
use crate::verdict::policies::duplicates::older;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, names, policy_ref};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let root = view.plane.root();
    for policy in view.peer_authentications() {
        if policy.selector.is_empty() || policy.meta.namespace == root {
            continue;
        }
        let pods = view.selected(&policy.meta.namespace, &policy.selector);
        let (won, lost): (Vec<&Pod>, Vec<&Pod>) = pods.into_iter().partition(|pod| view.governs(policy, pod));
        let held = lost.first().and_then(|pod| holder(view, pod));
        let Some(held) = held.filter(|held| !won.is_empty() && differs(held, policy)) else { continue };
        let object = policy_ref(policy, root, "spec.selector");
        let title = format!(
            "{} does not count for {}: `{}` selects it too and {}; only one counts, and whole",
            object.short(),
            names(&lost),
            held.meta.name,
            older(held, policy)
        );
        let others = vec![policy_ref(held, root, "spec.selector")];
        found.push(Told { fault: Fault::PolicyPartlyIgnored, object, others, title, about: About::Pods(lost) });
    }
}

fn holder<'s>(view: &View<'_, 's>, pod: &Pod) -> Option<&'s PeerAuthentication> {
    let of = view.plane.peer_authentications.of(&pod.meta.namespace)?;
    of.selecting.iter().copied().find(|other| selects(&other.selector, &pod.meta.labels))
}

/// Whether it makes a difference which of the two counts.
fn differs(a: &PeerAuthentication, b: &PeerAuthentication) -> bool {
    a.mode != b.mode || a.ports != b.ports
}
