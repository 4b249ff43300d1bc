//! Sidecars whose selector fits no pod.
//!
//! Istio: `pilot/pkg/model/push_context.go:getSidecarScope`: a selector is read against the proxies of the Sidecar's own namespace, in
//! the root namespace too.

use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::policy::Sidecar;
use crate::verdict::finding::Fault;
use crate::verdict::policies::peer_authentication::nearest;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, labels};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let selecting = view.plane.sidecars().filter(|sidecar| !sidecar.selector.is_empty());
    found.extend(selecting.filter_map(|sidecar| selects_nothing(view, sidecar)));
}

fn selects_nothing<'s>(view: &View<'_, 's>, sidecar: &'s Sidecar) -> Option<Told<'s>> {
    let namespace = sidecar.meta.namespace.as_str();
    let fits = !view.selected(namespace, &sidecar.selector).is_empty();
    if fits || !view.known.pods(namespace) || view.selects_machine(namespace, &sidecar.selector) {
        return None;
    }
    let field = "spec.workloadSelector.labels";
    let object = PolicyRef::object(Layer::Workload, PolicyKind::Sidecar, &sidecar.meta, field);
    let near = nearest(view, namespace, &sidecar.selector).map(|near| format!("; did you mean {near}?"));
    let only = if namespace == view.plane.root() {
        "; with a selector it is for the root namespace alone, not for the mesh"
    } else {
        ""
    };
    Some(Told {
        fault: Fault::SelectsNothing,
        title: format!(
            "{} is for no proxy: no pod of {namespace} has {}{}{only}",
            object.short(),
            labels(&sidecar.selector),
            near.unwrap_or_default()
        ),
        about: About::Nobody,
        object,
        others: Vec::new(),
    })
}
