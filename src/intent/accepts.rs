//! What a workload port accepts, with every policy that spoke and why each other one lost.

use crate::intent::capture::{self, Bypass};
use crate::intent::mesh::Mesh;
use crate::intent::peer_authentication::{Composed, NamespacePolicies, PeerAuthentications};
use crate::model::derivation::{Effect, Layer, PolicyKind, PolicyRef, Step};
use crate::model::meta::selects;
use crate::model::pair::{AcceptMode, Accepts};
use crate::model::policy::PeerAuthentication;
use crate::model::port::{PortClass, WorkloadPort};
use crate::model::tls::MtlsMode;
use crate::model::workload::{Pod, ProxyKind};

/// A layer that Istio reads for a workload: who, in which place, saying what.
struct Layered<'s> {
    policy: &'s PeerAuthentication,
    layer: Layer,
    field: String,
    says: Option<MtlsMode>,
}

/// What a pod accepts on a port, as its own control plane has it.
pub(crate) fn of<'s>(mesh: &Mesh<'s>, pod: &'s Pod, port: WorkloadPort) -> Accepts {
    told(mesh, pod, port, true)
}

/// The same without the layers that led there.
pub(crate) fn deciding<'s>(mesh: &Mesh<'s>, pod: &'s Pod, port: WorkloadPort) -> Accepts {
    told(mesh, pod, port, false)
}

fn told<'s>(mesh: &Mesh<'s>, pod: &'s Pod, port: WorkloadPort, layers: bool) -> Accepts {
    let declared = mesh.declared(pod);
    let class = declared.classes.get(&port).copied().unwrap_or(PortClass::Auto);
    match (pod.proxy, capture::inbound(pod, port), mesh.plane(pod)) {
        (ProxyKind::Sidecar, Ok(()), Some(plane)) => {
            let bound = declared.bound.contains(&port);
            governed(&plane.peer_authentications, pod, (port, class), (bound, layers))
        }
        (ProxyKind::Sidecar, Err(bypass), _) => unguarded(class, Some((pod, bypass))),
        (ProxyKind::Sidecar, Ok(()), None)
        | (
            ProxyKind::None
            | ProxyKind::Gateway
            | ProxyKind::Waypoint
            | ProxyKind::Ztunnel
            | ProxyKind::Proxyless
            | ProxyKind::Unknown,
            _,
            _,
        ) => unguarded(class, None),
    }
}

/// An address that is no pod: nothing is known to stand before it.
pub(crate) fn nothing() -> Accepts {
    unguarded(PortClass::Auto, None)
}

/// No proxy stands before the port.
fn unguarded(class: PortClass, bypass: Option<(&Pod, Bypass)>) -> Accepts {
    let no_proxy = PolicyRef::default_of(PolicyKind::NoProxy);
    let (decided_by, why) = match bypass {
        Some((pod, bypass)) => {
            (PolicyRef::object(Layer::Workload, PolicyKind::Pod, &pod.meta, bypass.field()), Some(bypass.words()))
        }
        None => (no_proxy, None),
    };
    let step = Step {
        policy: decided_by.clone(),
        says: "no proxy".to_owned(),
        effect: Effect::Effective,
        why: why.map(str::to_owned),
    };
    Accepts { mode: AcceptMode::NoProxy, class, decided_by, layers: vec![step] }
}

fn governed(
    policies: &PeerAuthentications<'_>,
    pod: &Pod,
    (port, class): (WorkloadPort, PortClass),
    (bound, layers): (bool, bool),
) -> Accepts {
    let mut composed = policies.compose(&pod.meta.namespace, &pod.meta.labels);
    if bound {
        composed.ports.remove(&port);
    }
    let counting = counting(policies, pod, port, &composed);
    let winner = counting.iter().rposition(|layered| layered.says.is_some());
    let decided_by = winner
        .and_then(|index| counting.get(index))
        .map_or_else(|| PolicyRef::default_of(PolicyKind::DefaultPermissive), Layered::policy);
    let mode = match composed.port(port) {
        MtlsMode::Strict => AcceptMode::Strict,
        MtlsMode::Permissive => AcceptMode::Permissive,
        MtlsMode::Disable => AcceptMode::Disable,
    };
    if !layers {
        return Accepts { mode, class, decided_by, layers: Vec::new() };
    }
    let mut layers = vec![Step {
        policy: PolicyRef::default_of(PolicyKind::DefaultPermissive),
        says: MtlsMode::Permissive.to_string(),
        effect: if winner.is_some() { Effect::Overridden } else { Effect::Effective },
        why: winner.map(|_| format!("by {}", decided_by.short())),
    }];
    layers.extend(ignored(policies, pod, port, &composed));
    layers.extend(composed.workload.filter(|_| bound).and_then(|policy| unread(policy, port)));
    layers.extend(spoken(&counting, winner, &decided_by));
    layers.sort_by_key(|step| step.policy.layer);
    Accepts { mode, class, decided_by, layers }
}

/// What the layers that Istio composes say, and which of them counts.
fn spoken(counting: &[Layered<'_>], winner: Option<usize>, decided_by: &PolicyRef) -> Vec<Step> {
    let step = |(index, layered): (usize, &Layered<'_>)| {
        let (effect, why) = match (layered.says, winner) {
            (None, _) => (Effect::Inherited, Some("UNSET takes what the layer below says".to_owned())),
            (Some(_), Some(winner)) if winner == index => (Effect::Effective, None),
            (Some(_), _) => (Effect::Overridden, Some(format!("by {}", decided_by.short()))),
        };
        Step { policy: layered.policy(), says: says(layered.says), effect, why }
    };
    counting.iter().enumerate().map(step).collect()
}

/// The layers that Istio composes, weakest first.
fn counting<'s>(
    policies: &PeerAuthentications<'s>,
    pod: &Pod,
    port: WorkloadPort,
    composed: &Composed<'s>,
) -> Vec<Layered<'s>> {
    let whole =
        |policy: &'s PeerAuthentication, layer| Layered { policy, layer, field: MODE.to_owned(), says: policy.mode };
    let mut layers: Vec<Layered<'s>> = Vec::new();
    layers.extend(policies.mesh().map(|policy| whole(policy, Layer::Mesh)));
    layers.extend(policies.namespace(&pod.meta.namespace).map(|policy| whole(policy, Layer::Namespace)));
    if let Some(policy) = composed.workload {
        layers.push(whole(policy, Layer::Workload));
        let own = policy.ports.get(&port).filter(|_| composed.ports.contains_key(&port));
        layers.extend(own.map(|mode| Layered { policy, layer: Layer::Port, field: port_mode(port), says: *mode }));
    }
    layers
}

/// The entry of a port that the Sidecar has the proxy bind itself: it speaks of no captured connection.
fn unread(policy: &PeerAuthentication, port: WorkloadPort) -> Option<Step> {
    let mode = policy.ports.get(&port)?;
    Some(Step {
        policy: PolicyRef::object(Layer::Port, PolicyKind::PeerAuthentication, &policy.meta, port_mode(port)),
        says: says(*mode),
        effect: Effect::Ignored,
        why: Some("a Sidecar's ingress listener binds the port itself (captureMode: NONE)".to_owned()),
    })
}

/// The policies that look as if they spoke for the workload and never do.
fn ignored(policies: &PeerAuthentications<'_>, pod: &Pod, port: WorkloadPort, composed: &Composed<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut ignore = |policy: &PeerAuthentication, layer, why: String| {
        steps.push(Step {
            policy: PolicyRef::object(layer, PolicyKind::PeerAuthentication, &policy.meta, MODE),
            says: says(policy.mode),
            effect: Effect::Ignored,
            why: Some(why),
        });
    };
    let root = policies.root();
    let namespace = pod.meta.namespace.as_str();
    for (scope, layer) in [(root, Layer::Mesh), (namespace, Layer::Namespace)] {
        if layer == Layer::Namespace && scope == root {
            continue;
        }
        let Some(of) = policies.of(scope) else { continue };
        for policy in &of.dropped {
            ignore(policy, layer, older(of));
        }
        if let Some(policy) = of.whole
            && let Some(mode) = policy.ports.get(&port)
        {
            let why = format!("portLevelMtls {} is read only in a policy with a selector", says(*mode));
            ignore(policy, layer, why);
        }
    }
    for policy in policies.matching(root, &pod.meta.labels) {
        ignore(policy, Layer::Workload, "a policy with a selector in the root namespace is never applied".to_owned());
    }
    if namespace != root {
        let winner = composed.workload;
        for policy in policies.matching(namespace, &pod.meta.labels).filter(|policy| Some(*policy) != winner) {
            let held = winner.map(|winner| winner.meta.name.as_str()).unwrap_or_default();
            let why = format!("`{held}` selects the workload too and is older; only the oldest counts, and whole");
            ignore(policy, Layer::Workload, why);
        }
    }
    for (policy, why) in &policies.unseen {
        let speaks =
            [root, namespace].contains(&policy.meta.namespace.as_str()) && selects(&policy.selector, &pod.meta.labels);
        if speaks {
            let layer = match (policy.selector.is_empty(), policy.meta.namespace == root) {
                (true, true) => Layer::Mesh,
                (true, false) => Layer::Namespace,
                (false, _) => Layer::Workload,
            };
            ignore(policy, layer, why.clone());
        }
    }
    steps
}

fn older(of: &NamespacePolicies<'_>) -> String {
    let held = of.whole.map(|policy| policy.meta.name.as_str()).unwrap_or_default();
    format!("`{held}` is older; only the oldest policy without selector of a namespace counts")
}

/// Where the mode of a whole policy stands.
pub(crate) const MODE: &str = "spec.mtls.mode";

/// Where the mode of one port stands.
fn port_mode(port: WorkloadPort) -> String {
    format!("spec.portLevelMtls[{port}].mode")
}

fn says(mode: Option<MtlsMode>) -> String {
    mode.map_or_else(|| "UNSET".to_owned(), |mode| mode.to_string())
}

// === impl Layered ===

impl Layered<'_> {
    fn policy(&self) -> PolicyRef {
        PolicyRef::object(self.layer, PolicyKind::PeerAuthentication, &self.policy.meta, self.field.clone())
    }
}
