//! The ports of a pod that somebody declares, and how each is read.
//!
//! Istio: `pilot/pkg/networking/core/listener_inbound.go:buildInboundChainConfigs`. A Sidecar's `ingress` replaces what
//! Services declare. Where several declare a port the oldest does, at equal age the smallest host
//! (`pilot/pkg/model/context.go:SetServiceTargets`).

use std::collections::BTreeMap;

use crate::intent::endpoint::of_entry;
use crate::intent::mesh::Mesh;
use crate::intent::order;
use crate::intent::pods::resolve_target;
use crate::intent::registry::{Source, Svc};
use crate::model::meta::{Meta, selects};
use crate::model::port::{PortClass, Protocol, WorkloadPort};
use crate::model::service::Service;
use crate::model::workload::Pod;

/// A declaration: by whom, of which port, read how.
struct Target<'a, 's> {
    meta: &'s Meta,
    host: &'a str,
    port: WorkloadPort,
    class: PortClass,
}

/// The declared ports with the class that wins.
pub(crate) fn of<'s>(mesh: &Mesh<'s>, pod: &'s Pod) -> BTreeMap<WorkloadPort, PortClass> {
    let sidecar = mesh.plane(pod).and_then(|plane| plane.sidecar(&pod.meta.namespace, &pod.meta.labels));
    let ingress = sidecar.map(|sidecar| &sidecar.ingress).filter(|ingress| !ingress.is_empty());
    let mut declared = BTreeMap::new();
    match ingress {
        Some(ingress) => {
            // One that binds its port itself has no chain in the listener that captured connections come to.
            for listener in ingress.iter().filter(|listener| !listener.capture_none) {
                declared.entry(listener.port).or_insert(listener.protocol.class());
            }
        }
        None => {
            for target in targets(mesh, pod) {
                declared.entry(target.port).or_insert(target.class);
            }
        }
    }
    declared
}

/// What Services and ServiceEntries of the pod's namespace declare, strongest first.
fn targets<'a, 's>(mesh: &'a Mesh<'s>, pod: &'s Pod) -> Vec<Target<'a, 's>> {
    let local = mesh.registry.in_namespace(&pod.meta.namespace);
    let selected = local.iter().any(|svc| match svc.source {
        Source::Kubernetes(service) => selecting(service, pod),
        Source::Entry(_) => false,
    });
    let mut targets: Vec<Target<'a, 's>> = Vec::new();
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
            Source::Kubernetes(_) => targets.extend(by_hand(mesh, svc, pod)),
            Source::Entry(_) => targets.extend(by_entries(mesh, svc, pod)),
        }
    }
    targets.sort_by(|a, b| order::by_age_only(a.meta, b.meta).then_with(|| a.host.cmp(b.host)));
    targets
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
