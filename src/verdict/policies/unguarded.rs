//! STRICT over pods that no sidecar guards, or over ports that never meet it.
//!
//! Istio: `pkg/kube/inject/inject.go:injectRequired` (hostNetwork is never injected), `tools/istio-iptables/pkg/capture/run.go`
//! (`excludeInboundPorts` and its kin): without a listener in the way no PeerAuthentication has a say.

use std::collections::BTreeMap;

use crate::intent::capture;
use crate::model::policy::PeerAuthentication;
use crate::model::port::WorkloadPort;
use crate::model::tls::MtlsMode;
use crate::model::workload::{Capture, Pod, ProxyKind};
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, policy_ref, some};

/// What a policy meant to protect and does not.
#[derive(Default)]
struct Gaps<'s> {
    /// By workload: what is open there.
    open: BTreeMap<String, String>,
    pods: Vec<&'s Pod>,
    /// Whether it protects anything at all.
    protects: bool,
}

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    for policy in view.peer_authentications().filter(|policy| is_strict(policy)) {
        let gaps = gaps(view, policy);
        if gaps.open.is_empty() {
            continue;
        }
        let object = policy_ref(policy, view.plane.root(), "spec.mtls.mode");
        let open = some(gaps.open.iter().map(|(workload, why)| format!("{workload} ({why})")));
        let does = if gaps.protects { "does not protect" } else { "protects nothing:" };
        let title = format!("{}: its STRICT {does} {open}", object.short());
        let about = About::Pods(gaps.pods);
        found.push(Told { fault: Fault::StrictProtectsNothing, object, others: Vec::new(), title, about });
    }
}

fn is_strict(policy: &PeerAuthentication) -> bool {
    policy.mode == Some(MtlsMode::Strict) || policy.ports.values().any(|mode| *mode == Some(MtlsMode::Strict))
}

fn gaps<'s>(view: &View<'_, 's>, policy: &'s PeerAuthentication) -> Gaps<'s> {
    let namespace = policy.meta.namespace.as_str();
    let is_mesh = namespace == view.plane.root() && policy.selector.is_empty();
    let pods = if is_mesh {
        // That other namespaces have no sidecars is no mistake of the mesh's policy.
        let all = view.mesh.snapshot().pods.iter();
        all.filter(|pod| !pod.finished && pod.proxy == ProxyKind::Sidecar && is_special(pod)).collect()
    } else {
        view.selected(namespace, &policy.selector)
    };
    let mut gaps = Gaps::default();
    for pod in pods {
        let ports = strict_ports(view, policy, pod);
        if ports.is_empty() {
            continue;
        }
        match open(pod, &ports) {
            Some(why) => {
                gaps.protects |= why.1;
                gaps.open.insert(format!("{}.{}", pod.workload.name, pod.meta.namespace), why.0);
                gaps.pods.push(pod);
            }
            None => gaps.protects |= pod.proxy == ProxyKind::Sidecar,
        }
    }
    gaps.protects |= is_mesh;
    gaps
}

/// Whether connections to the pod may pass its sidecar by.
fn is_special(pod: &Pod) -> bool {
    pod.host_network || pod.capture != Capture::default()
}

/// The ports that clients are led to and that are STRICT by this policy.
fn strict_ports<'s>(view: &View<'_, 's>, policy: &PeerAuthentication, pod: &'s Pod) -> Vec<WorkloadPort> {
    let composed = view.plane.peer_authentications.compose(&pod.meta.namespace, &pod.meta.labels);
    let whole = composed.set_by.is_some_and(|by| std::ptr::eq(by, policy));
    let own = composed.workload.is_some_and(|by| std::ptr::eq(by, policy));
    if !whole && !own {
        return Vec::new();
    }
    let by_it = |port: &WorkloadPort| {
        let entry = composed.workload.and_then(|workload| workload.ports.get(port)).copied().flatten();
        composed.port(*port) == MtlsMode::Strict && if entry.is_some() { own } else { whole }
    };
    view.mesh.declared(pod).classes.keys().copied().filter(by_it).collect()
}

/// What is open of these ports, and whether others are guarded nevertheless.
fn open(pod: &Pod, ports: &[WorkloadPort]) -> Option<(String, bool)> {
    match pod.proxy {
        ProxyKind::None if pod.host_network => Some(("hostNetwork, so no sidecar".to_owned(), false)),
        ProxyKind::None => Some(("no sidecar".to_owned(), false)),
        ProxyKind::Sidecar if pod.host_network => Some(("hostNetwork: nothing is redirected".to_owned(), false)),
        ProxyKind::Sidecar if pod.capture.interception_none => Some(("interceptionMode NONE".to_owned(), false)),
        ProxyKind::Sidecar => {
            let past: Vec<String> =
                ports.iter().filter(|port| capture::inbound(pod, **port).is_err()).map(ToString::to_string).collect();
            let all = past.len() == ports.len();
            (!past.is_empty()).then(|| (format!("port {} is not captured", past.join(", ")), !all))
        }
        ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Ztunnel | ProxyKind::Proxyless | ProxyKind::Unknown => {
            None
        }
    }
}
