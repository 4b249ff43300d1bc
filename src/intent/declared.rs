//! The ports of a pod that somebody declares, and how each is read.
//!
//! Istio: `pilot/pkg/networking/core/listener_inbound.go:buildInboundChainConfigs`. A Sidecar's `ingress` replaces what
//! Services declare. Where several declare a port the oldest does, at equal age the smallest host
//! (`pilot/pkg/model/context.go:SetServiceTargets`).

use std::collections::{BTreeMap, BTreeSet};

use crate::intent::endpoint::of_entry;
use crate::intent::mesh::Mesh;
use crate::intent::order;
use crate::intent::pods::resolve_target;
use crate::intent::registry::{Source, Svc};
use crate::model::meta::{Meta, selects};
use crate::model::port::{PortClass, Protocol, WorkloadPort};
use crate::model::service::Service;
use crate::model::tls::OwnTls;
use crate::model::workload::Pod;

/// The ports of a pod that somebody declares.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// Those that have chains of their own in the inbound listener, with the class that wins.
    pub(crate) classes: BTreeMap<WorkloadPort, PortClass>,
    /// Those that a Sidecar takes away: the proxy listens there itself, and what is captured on its way there meets the chains of
    /// undeclared ports, whose mode is the workload's whatever `portLevelMtls` says.
    ///
    /// Istio: `plugin/authn/authentication.go:needPerPortPassthroughFilterChain`.
    pub(crate) bound: BTreeSet<WorkloadPort>,
    /// Those whose TLS the sidecar ends with a certificate of its own, where their mode is DISABLE.
    pub(crate) own_tls: BTreeMap<WorkloadPort, OwnTls>,
    /// Whether objects that list single addresses were asked for this very pod: others like it may have other ports.
    pub(crate) of_one: bool,
}

/// A declaration: by whom, of which port, read how.
struct Target<'a, 's> {
    meta: &'s Meta,
    host: &'a str,
    port: WorkloadPort,
    class: PortClass,
}

// === impl Declared ===

impl Declared {
    /// Whether a port is declared at all.
    pub(crate) fn names(&self, port: WorkloadPort) -> bool {
        self.classes.contains_key(&port) || self.bound.contains(&port)
    }
}

/// The ports that are declared of a pod.
pub(crate) fn of<'s>(mesh: &Mesh<'s>, pod: &'s Pod) -> Declared {
    let plane = mesh.plane(pod);
    let sidecar = plane.and_then(|plane| plane.sidecar(&pod.meta.namespace, &pod.meta.labels));
    let ingress = sidecar.map(|sidecar| &sidecar.ingress).filter(|ingress| !ingress.is_empty());
    let ends_tls = plane.is_some_and(|plane| plane.rules.sidecar_ingress_tls && plane.profile.tls_on_sidecar_ingress);
    let Some(ingress) = ingress else { return by_services(mesh, pod) };
    let mut declared = Declared::default();
    for listener in ingress {
        if listener.capture_none {
            declared.bound.insert(listener.port);
        } else if let Some(tls) = listener.tls.filter(|_| ends_tls) {
            declared.own_tls.insert(listener.port, tls);
            declared.classes.entry(listener.port).or_insert(after_tls(listener.protocol));
        } else {
            declared.classes.entry(listener.port).or_insert(listener.protocol.class());
        }
    }
    declared
}

/// The ports that Services and ServiceEntries declare.
fn by_services<'s>(mesh: &Mesh<'s>, pod: &'s Pod) -> Declared {
    let (targets, of_one) = targets(mesh, pod);
    let mut declared = Declared { of_one, ..Declared::default() };
    for target in targets {
        declared.classes.entry(target.port).or_insert(target.class);
    }
    declared
}

/// How what is inside the TLS of a port is read.
///
/// Istio: `pkg/config/protocol/instance.go:AfterTLSTermination`.
fn after_tls(protocol: Protocol) -> PortClass {
    if protocol == Protocol::Https { PortClass::Http } else { protocol.class() }
}

/// What Services and ServiceEntries of the pod's namespace declare, strongest first; and whether single addresses were looked at.
fn targets<'a, 's>(mesh: &'a Mesh<'s>, pod: &'s Pod) -> (Vec<Target<'a, 's>>, bool) {
    let local = mesh.registry.in_namespace(&pod.meta.namespace);
    let selected = local.iter().any(|svc| match svc.source {
        Source::Kubernetes(service) => selecting(service, pod),
        Source::Entry(_) => false,
    });
    let mut targets: Vec<Target<'a, 's>> = Vec::new();
    let mut of_one = false;
    for svc in local {
        match svc.source {
            Source::Kubernetes(service) if selecting(service, pod) => {
                targets.extend(svc.ports.iter().filter_map(|port| {
                    let number = resolve_target(pod, &port.target)?;
                    Some(Target { meta: svc.meta(), host: &svc.host, port: number, class: port.protocol.class() })
                }));
            }
            // Endpoints made by hand count only where no selector does (`kube/controller.go:GetProxyServiceTargets`).
            Source::Kubernetes(_) if selected => {}
            Source::Kubernetes(_) => {
                of_one = true;
                targets.extend(by_hand(mesh, svc, pod));
            }
            Source::Entry(_) => {
                of_one = true;
                targets.extend(by_entries(mesh, svc, pod));
            }
        }
    }
    targets.sort_by(|a, b| order::by_age_only(a.meta, b.meta).then_with(|| a.host.cmp(b.host)));
    (targets, of_one)
}

fn selecting(service: &Service, pod: &Pod) -> bool {
    service.selector.as_ref().is_some_and(|selector| !selector.is_empty() && selects(selector, &pod.meta.labels))
}

fn by_hand<'a, 's>(mesh: &'a Mesh<'s>, svc: &'a Svc<'s>, pod: &'s Pod) -> Vec<Target<'a, 's>> {
    let mut targets = Vec::new();
    for (port, endpoints) in svc.ports.iter().zip(mesh.endpoints_of(svc)) {
        targets.extend(endpoints.iter().filter(|endpoint| is_in(endpoint.pod, pod)).map(|endpoint| Target {
            meta: svc.meta(),
            host: svc.host.as_str(),
            port: endpoint.port,
            class: port.protocol.class(),
        }));
    }
    targets
}

/// Each ServiceEntry speaks for itself, even where several share the host.
fn by_entries<'a, 's>(mesh: &Mesh<'s>, svc: &'a Svc<'s>, pod: &'s Pod) -> Vec<Target<'a, 's>> {
    let mut targets = Vec::new();
    for entry in &svc.entries {
        for port in entry.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
            let own = of_entry(svc, entry, &port.name, &mesh.pods).into_iter().filter(|found| is_in(found.pod, pod));
            targets.extend(own.map(|endpoint| Target {
                meta: &entry.meta,
                host: svc.host.as_str(),
                port: endpoint.port,
                class: port.protocol.class(),
            }));
        }
    }
    targets
}

fn is_in(found: Option<&Pod>, pod: &Pod) -> bool {
    found.is_some_and(|found| std::ptr::eq(found, pod))
}
