//! PeerAuthentications that set no mode, and those that let plaintext in where STRICT holds around them.
//!
//! Istio: `pilot/pkg/security/authn/policy_applier.go:ComposePeerAuthentication`: UNSET takes the mode of the layer above, and a
//! policy that is UNSET still keeps younger ones of its scope from counting.

use crate::model::meta::selects;
use crate::model::policy::PeerAuthentication;
use crate::model::port::WorkloadPort;
use crate::model::snapshot::OversightKind;
use crate::model::tls::MtlsMode;
use crate::model::workload::{Pod, ProxyKind};
use crate::verdict::finding::Fault;
use crate::verdict::policies::port_level::has;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, names, policy_ref};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    for policy in view.peer_authentications() {
        let Some(governed) = governed(view, policy) else { continue };
        let silent = policy.mode.is_none() && policy.ports.values().all(Option::is_none);
        found.extend(if silent { modeless(view, policy, &governed) } else { opens(view, policy, governed) });
    }
}

/// The pods that a policy speaks for; `None` where istiod never reads it.
fn governed<'s>(view: &View<'_, 's>, policy: &'s PeerAuthentication) -> Option<Vec<&'s Pod>> {
    let namespace = policy.meta.namespace.as_str();
    let root = namespace == view.plane.root();
    if policy.selector.is_empty() {
        let whole = view.plane.peer_authentications.of(namespace).and_then(|of| of.whole);
        let counts = whole.is_some_and(|whole| std::ptr::eq(whole, policy));
        // Whom the mesh's own policy speaks for plays no part: nothing is above it.
        return counts.then(|| if root { Vec::new() } else { view.selected(namespace, &policy.selector) });
    }
    let pods: Vec<&Pod> = view.selected(namespace, &policy.selector);
    let pods: Vec<&Pod> = pods.into_iter().filter(|pod| view.governs(policy, pod)).collect();
    (!root && !pods.is_empty()).then_some(pods)
}

/// The mode that a policy finds: of its namespace, else of the mesh, else the default.
fn above<'s>(view: &View<'_, 's>, policy: &PeerAuthentication) -> (MtlsMode, Option<&'s PeerAuthentication>) {
    let policies = &view.plane.peer_authentications;
    let namespace = policies.namespace(&policy.meta.namespace).filter(|_| !policy.selector.is_empty());
    let mesh = policies.mesh().filter(|mesh| !std::ptr::eq(*mesh, policy));
    let said = [namespace, mesh].into_iter().flatten().find_map(|held| Some((held.mode?, Some(held))));
    said.unwrap_or((MtlsMode::Permissive, None))
}

fn modeless<'s>(view: &View<'_, 's>, policy: &'s PeerAuthentication, governed: &[&'s Pod]) -> Option<Told<'s>> {
    let lost = view.mesh.snapshot().oversights.iter().any(|oversight| {
        oversight.meta.namespace == policy.meta.namespace
            && oversight.meta.name == policy.meta.name
            && matches!(oversight.what, OversightKind::Lost { .. })
    });
    if lost {
        return None;
    }
    let root = view.plane.root();
    let object = policy_ref(policy, root, "spec.mtls.mode");
    let (mode, from) = above(view, policy);
    let source = from.map_or_else(|| "the default".to_owned(), |from| policy_ref(from, root, "").short());
    let shadowed = shadowed(view, policy, governed);
    let keeps = match shadowed {
        Some(other) => format!(", and keeps `{}`, which is younger, from counting", other.meta.name),
        None => String::new(),
    };
    let title = format!("{} sets no mode: it takes {mode} from {source}{keeps}", object.short());
    let about = if policy.selector.is_empty() && policy.meta.namespace == root {
        About::Mesh
    } else {
        About::Pods(governed.to_vec())
    };
    let others = shadowed.map(|other| policy_ref(other, root, "spec")).into_iter().collect();
    Some(Told { fault: Fault::PolicyWithoutMode, object, others, title, about })
}

/// A younger policy that would count if this one were not there.
fn shadowed<'s>(view: &View<'_, 's>, policy: &PeerAuthentication, governed: &[&Pod]) -> Option<&'s PeerAuthentication> {
    let of = view.plane.peer_authentications.of(&policy.meta.namespace)?;
    if policy.selector.is_empty() {
        return of.dropped.first().copied();
    }
    let fits = |other: &&&PeerAuthentication| {
        !std::ptr::eq(**other, policy) && governed.iter().any(|pod| selects(&other.selector, &pod.meta.labels))
    };
    of.selecting.iter().find(fits).copied()
}

fn opens<'s>(view: &View<'_, 's>, policy: &'s PeerAuthentication, governed: Vec<&'s Pod>) -> Option<Told<'s>> {
    let sidecars: Vec<&Pod> = governed.into_iter().filter(|pod| pod.proxy == ProxyKind::Sidecar).collect();
    if sidecars.is_empty() {
        return None;
    }
    let root = view.plane.root();
    let (around, from) = above(view, policy);
    let mode = policy.mode.unwrap_or(around);
    let ports: Vec<(WorkloadPort, MtlsMode)> = policy
        .ports
        .iter()
        .filter_map(|(port, own)| Some((*port, (*own)?)))
        .filter(|(_, own)| *own != MtlsMode::Strict && mode == MtlsMode::Strict)
        .filter(|(port, _)| sidecars.iter().any(|pod| has(view, pod, *port)))
        .collect();
    let (field, words) = match (mode, ports.first()) {
        (MtlsMode::Permissive | MtlsMode::Disable, _) if around == MtlsMode::Strict && policy.mode.is_some() => {
            let by = from.map(|from| policy_ref(from, root, "").short()).unwrap_or_default();
            ("spec.mtls.mode".to_owned(), format!("{mode} inside the STRICT of {by}"))
        }
        (MtlsMode::Strict, Some((first, _))) => {
            let list: Vec<String> = ports.iter().map(|(port, mode)| format!("port {port} is {mode}")).collect();
            (format!("spec.portLevelMtls[{first}].mode"), format!("{}, the other ports STRICT", list.join(", ")))
        }
        (_, _) => return None,
    };
    let object = policy_ref(policy, root, field);
    let title = format!("{} lets plaintext in at {}: {words}", object.short(), names(&sidecars));
    let others = from.map(|from| policy_ref(from, root, "spec.mtls.mode")).into_iter().collect();
    Some(Told { fault: Fault::StrictIsOpened, object, others, title, about: About::Pods(sidecars) })
}
