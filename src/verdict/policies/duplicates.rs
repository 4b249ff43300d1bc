//! PeerAuthentications without a selector that are not the first of their scope: istiod drops them whole.
//!
//! Istio: `pilot/pkg/model/authentication.go:addPeerAuthentication`.

use crate::model::policy::PeerAuthentication;
use crate::model::tls::MtlsMode;
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, policy_ref};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let root = view.plane.root();
    for policy in view.peer_authentications().filter(|policy| policy.selector.is_empty()) {
        let whole = view.plane.peer_authentications.of(&policy.meta.namespace).and_then(|of| of.whole);
        let Some(held) = whole.filter(|held| !std::ptr::eq(*held, policy)) else { continue };
        let object = policy_ref(policy, root, "spec");
        let is_mesh = policy.meta.namespace == root;
        let scope = if is_mesh { "the mesh (the root namespace)" } else { "a namespace" };
        found.push(Told {
            fault: Fault::PolicyIgnored,
            title: format!(
                "{} is ignored: `{}` {}; only the oldest policy without selector of {scope} counts{}",
                object.short(),
                held.meta.name,
                older(held, policy),
                lost_strict(policy, held.mode)
            ),
            about: if is_mesh { About::Mesh } else { About::Namespace(&policy.meta.namespace) },
            object,
            others: vec![policy_ref(held, root, "spec")],
        });
    }
}

/// Why one is the first: by its age, or at equal age by its name.
pub(super) fn older(held: &PeerAuthentication, loser: &PeerAuthentication) -> &'static str {
    if held.meta.created == loser.meta.created { "is as old and comes first by name" } else { "is older" }
}

/// That a STRICT is not in force is what people have to hear.
pub(super) fn lost_strict(policy: &PeerAuthentication, in_force: Option<MtlsMode>) -> &'static str {
    let strict = policy.mode == Some(MtlsMode::Strict) || policy.ports.values().any(|m| *m == Some(MtlsMode::Strict));
    if strict && in_force != Some(MtlsMode::Strict) { "; its STRICT is not in force" } else { "" }
}
