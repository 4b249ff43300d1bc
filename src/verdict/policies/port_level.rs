//! `portLevelMtls` counts the ports of containers, not those of Services.
//!
//! Istio: `pilot/pkg/networking/core/listener_inbound.go:buildInboundListeners` asks for `cc.port.TargetPort`,
//! `pilot/pkg/xds/endpoints/mtls_checker.go` for the endpoint's port. Ports that nobody declares get chains of their own
//! all the same (`needPerPortPassthroughFilterChain`).

use crate::intent::pods::resolve_target;
use crate::intent::registry::{Source, Svc};
use crate::model::meta::selects;
use crate::model::policy::PeerAuthentication;
use crate::model::port::{ServicePort, WorkloadPort};
use crate::model::workload::{Pod, ProxyKind};
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, policy_ref};

/// What a port that no workload has is in truth.
enum Mistaken {
    /// A port of this Service, which leads there.
    ForService { service: String, target: WorkloadPort },
    /// Nothing that is known.
    ForNothing,
}

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let root = view.plane.root();
    for policy in view.peer_authentications() {
        let namespace = policy.meta.namespace.as_str();
        if policy.ports.is_empty() || policy.selector.is_empty() || namespace == root {
            continue;
        }
        let pods: Vec<&Pod> = view
            .selected(namespace, &policy.selector)
            .into_iter()
            .filter(|pod| pod.proxy == ProxyKind::Sidecar && view.governs(policy, pod))
            .collect();
        if pods.is_empty() || view.selects_machine(namespace, &policy.selector) {
            continue;
        }
        let unknown: Vec<WorkloadPort> =
            policy.ports.keys().copied().filter(|port| !pods.iter().any(|pod| has(view, pod, *port))).collect();
        found.extend(told(view, policy, &pods, &unknown));
    }
}

/// Whether a Service, a Sidecar or a container declares the port.
pub(super) fn has<'s>(view: &View<'_, 's>, pod: &'s Pod, port: WorkloadPort) -> bool {
    let containers = || pod.containers.iter().flat_map(|container| &container.ports).any(|own| own.port == port);
    containers() || view.declares(pod, port) || dialled(view, pod, port)
}

/// Whether clients dial that number at the pod itself: a headless Service translates no ports.
fn dialled(view: &View<'_, '_>, pod: &Pod, port: WorkloadPort) -> bool {
    let services = view.mesh.registry.in_namespace(&pod.meta.namespace);
    services.iter().any(|svc| svc.is_headless() && svc.port(ServicePort(port.0)).is_some())
}

/// One finding for the Services' ports and one for the others.
fn told<'s>(
    view: &View<'_, 's>,
    policy: &'s PeerAuthentication,
    pods: &[&'s Pod],
    unknown: &[WorkloadPort],
) -> Vec<Told<'s>> {
    let short = policy_ref(policy, view.plane.root(), "").short();
    let mut of_services = Vec::new();
    let mut of_nothing = Vec::new();
    for port in unknown {
        match mistaken(view, &policy.meta.namespace, pods, *port) {
            Mistaken::ForService { service, target } => {
                of_services.push((
                    *port,
                    format!("{port} is a port of svc/{service}, which leads to container port {target}"),
                ));
            }
            Mistaken::ForNothing => of_nothing.push((*port, port.to_string())),
        }
    }
    let tell = |fault, ports: &[(WorkloadPort, String)], title: String| {
        let (first, _) = ports.first()?;
        let field = format!("spec.portLevelMtls[{first}]");
        let object = policy_ref(policy, view.plane.root(), field);
        Some(Told { fault, object, others: Vec::new(), title, about: About::Pods(pods.to_vec()) })
    };
    let joined = |ports: &[(WorkloadPort, String)], with: &str| {
        ports.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(with)
    };
    let services = format!("{short}: portLevelMtls counts container ports; {}", joined(&of_services, "; "));
    let (ports, one) = (joined(&of_nothing, ", "), of_nothing.len() == 1);
    let nothing = format!(
        "{short}: no Service leads to port{} {ports} and no container declares {}",
        if one { "" } else { "s" },
        if one { "it" } else { "them" }
    );
    [tell(Fault::ServicePortInPortLevel, &of_services, services), tell(Fault::PortOfNoWorkload, &of_nothing, nothing)]
        .into_iter()
        .flatten()
        .collect()
}

fn mistaken(view: &View<'_, '_>, namespace: &str, pods: &[&Pod], port: WorkloadPort) -> Mistaken {
    let wanted = ServicePort(port.0);
    for svc in view.mesh.registry.in_namespace(namespace) {
        let (Source::Kubernetes(service), Some(found)) = (svc.source, svc.port(wanted)) else { continue };
        let leads = pods.iter().find(|pod| serves(svc, pod));
        if let Some(target) = leads.and_then(|pod| resolve_target(pod, &found.target)) {
            return Mistaken::ForService { service: service.meta.name.clone(), target };
        }
    }
    Mistaken::ForNothing
}

/// Whether a Service with an address of its own stands before a pod; a headless one's clients dial the number they were given.
fn serves(svc: &Svc<'_>, pod: &Pod) -> bool {
    match svc.source {
        Source::Kubernetes(service) => {
            let selected = service.selector.as_ref().filter(|selector| !selector.is_empty());
            !svc.is_headless() && selected.is_some_and(|selector| selects(selector, &pod.meta.labels))
        }
        Source::Entry(_) => false,
    }
}
