//! What a client's proxy sees: the services that its Sidecar and their export sets leave.
//!
//! Istio: `pilot/pkg/model/sidecar.go:convertIstioListenerToWrapper,selectServices,collectImportedServices`.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::intent::host;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Registry, Svc};
use crate::intent::virtual_service::Routing;
use crate::model::mesh::OutboundPolicy;
use crate::model::policy::{EgressListener, Sidecar};
use crate::model::port::{Protocol, ServicePort};

mod routings;

pub(crate) use routings::Routings;

/// What the proxies of one namespace see that share a Sidecar.
#[derive(Debug)]
pub(crate) struct Scope<'s> {
    /// The namespace of the proxies.
    pub(crate) namespace: &'s str,
    /// The Sidecar, where one speaks for them.
    pub(crate) sidecar: Option<&'s Sidecar>,
    /// Its egress listeners; one for everything where it names none.
    pub(crate) egress: Vec<Egress<'s>>,
    /// What happens to unknown destinations.
    pub(crate) outbound_policy: OutboundPolicy,
}

/// One egress listener and the hosts it imports.
#[derive(Debug)]
pub(crate) struct Egress<'s> {
    /// As written; `None` for the built-in one.
    pub(crate) written: Option<&'s EgressListener>,
    hosts: FxHashMap<&'s str, Hosts<'s>>,
    /// The VirtualServices whose routes its services get.
    pub(crate) routings: Routings<'s>,
    /// Services that come with those.
    inferred: FxHashMap<String, Option<BTreeSet<ServicePort>>>,
}

#[derive(Debug, Default)]
struct Hosts<'s> {
    imported: Vec<&'s str>,
    excluded: Vec<&'s str>,
}

/// A service as a scope has it.
#[derive(Debug, Clone)]
pub(crate) struct Imported<'s> {
    pub(crate) svc: Arc<Svc<'s>>,
    /// Ports that were imported; `None` = all.
    ports: Option<BTreeSet<ServicePort>>,
}

// === impl Scope ===

impl<'s> Scope<'s> {
    /// The scope of a Sidecar, or of none.
    ///
    /// Services that VirtualServices lead to are looked up in `registry`; a gateway gives none, since it gets only what is exported
    /// to it (Istio: `sidecar.go:DefaultSidecarScopeForGateway`).
    pub(crate) fn new(
        namespace: &'s str,
        sidecar: Option<&'s Sidecar>,
        plane: &ControlPlane<'s>,
        registry: Option<&Registry<'s>>,
    ) -> Self {
        let written = sidecar.and_then(|sidecar| sidecar.egress.as_deref()).filter(|egress| !egress.is_empty());
        let egress = match written {
            Some(listeners) => listeners.iter().map(|listener| Egress::new(listener, namespace, plane)).collect(),
            None => vec![Egress::everything(namespace, plane, registry)],
        };
        let outbound_policy =
            sidecar.and_then(|sidecar| sidecar.outbound_policy).unwrap_or(plane.profile.config.outbound_policy);
        Self { namespace, sidecar, egress, outbound_policy }
    }

    /// The service that a host means to these proxies.
    pub(crate) fn service(
        &self,
        plane: &ControlPlane<'s>,
        registry: &Registry<'s>,
        host: &str,
    ) -> Option<Imported<'s>> {
        let mut found: Option<Imported<'s>> = None;
        for egress in &self.egress {
            let listed = self.selected(egress, plane, registry.host(host)).into_iter();
            let listed = listed.map(|svc| {
                let ports = egress.matched_port().map(|port| BTreeSet::from([port]));
                Imported { svc, ports }
            });
            for new in listed.chain(self.inferred(egress, plane, registry.host(host), host)) {
                found = Some(match found {
                    None => new,
                    Some(old) => old.joined(new),
                });
            }
        }
        found
    }

    /// A service that only VirtualServices lead to: of several namespaces the client's own, else a Kubernetes one, else the oldest.
    ///
    /// Istio: `sidecar.go:collectImportedServices,pickBestVisibleNamespace,serviceMatchingVirtualServicePorts`. Whether the client's
    /// own namespace is among those that the service is exported to, nobody asks.
    fn inferred(
        &self,
        egress: &Egress<'s>,
        plane: &ControlPlane<'s>,
        candidates: &[Arc<Svc<'s>>],
        host: &str,
    ) -> Option<Imported<'s>> {
        let named = egress.inferred.get(host)?;
        let known = || candidates.iter().filter(|svc| plane.knows(svc));
        // Istio: `push_context.go:initServiceRegistry`: one of a namespace, a Kubernetes Service before others.
        let here = || known().filter(|svc| svc.namespace() == self.namespace);
        let own = here().find(|svc| svc.is_kubernetes()).or_else(|| here().next());
        let visible = || known().filter(|svc| plane.exports(svc, self.namespace));
        let svc = own.or_else(|| visible().find(|svc| svc.is_kubernetes())).or_else(|| visible().next())?;
        let ports = match (egress.matched_port(), named) {
            (Some(port), _) => Some(BTreeSet::from([port])),
            (None, None) => None,
            (None, Some(named)) => Some(named.iter().copied().filter(|port| svc.port(*port).is_some()).collect()),
        };
        let some = ports.as_ref().is_none_or(|ports| ports.iter().any(|port| svc.port(*port).is_some()));
        some.then(|| Imported { svc: Arc::clone(svc), ports })
    }

    /// Of services that share a host, those that an egress listener imports: one namespace's.
    pub(crate) fn selected(
        &self,
        egress: &Egress<'s>,
        plane: &ControlPlane<'s>,
        candidates: &[Arc<Svc<'s>>],
    ) -> Vec<Arc<Svc<'s>>> {
        let mut imported: Vec<&Arc<Svc<'s>>> = candidates
            .iter()
            .filter(|svc| plane.knows(svc) && plane.exports(svc, self.namespace) && egress.imports(svc))
            .collect();
        imported.sort_by_key(|svc| plane.is_public(svc));
        let mut chosen: Option<(&str, bool)> = None;
        for svc in &imported {
            let (namespace, kubernetes) = (svc.namespace(), svc.is_kubernetes());
            let own = namespace == self.namespace;
            chosen = match chosen {
                None => Some((namespace, kubernetes)),
                Some(_) if own => Some((namespace, kubernetes)),
                Some((held, false)) if kubernetes && held != self.namespace => Some((namespace, kubernetes)),
                Some(held) => Some(held),
            };
        }
        imported.retain(|svc| chosen.is_some_and(|(namespace, _)| namespace == svc.namespace()));
        imported.into_iter().cloned().collect()
    }

    /// Whether it is this service that an egress listener imports, of those that share its host.
    pub(crate) fn selects(
        &self,
        egress: &Egress<'s>,
        plane: &ControlPlane<'s>,
        registry: &Registry<'s>,
        svc: &Svc<'s>,
    ) -> bool {
        let chosen = self.selected(egress, plane, registry.host(&svc.host));
        chosen.iter().any(|chosen| std::ptr::eq(chosen.as_ref(), svc))
    }

    /// The egress listener whose hosts the HTTP routes of a port come from.
    ///
    /// Istio: `sidecar.go:GetEgressListenerForRDS`.
    pub(crate) fn egress_for_port(&self, port: ServicePort) -> Option<&Egress<'s>> {
        self.egress.iter().find(|egress| egress.port().is_none_or(|own| own == port))
    }
}

// === impl Egress ===

impl<'s> Egress<'s> {
    fn everything(namespace: &'s str, plane: &ControlPlane<'s>, registry: Option<&Registry<'s>>) -> Self {
        let all = Hosts { imported: vec!["*"], excluded: Vec::new() };
        let seen = plane.virtual_services.visible_to(namespace).into_iter().cloned().collect();
        let routings = Routings::new(seen);
        // What is exported to the namespace is imported anyway.
        let mut inferred = routings.destinations(namespace, &plane.profile.config);
        let candidates = |host: &str| registry.map_or(&[][..], |registry| registry.host(host));
        inferred.retain(|host, _| candidates(host).iter().any(|svc| !plane.exports(svc, namespace)));
        Self { written: None, hosts: FxHashMap::from_iter([("*", all)]), routings, inferred }
    }

    fn new(written: &'s EgressListener, namespace: &'s str, plane: &ControlPlane<'s>) -> Self {
        let mut hosts: FxHashMap<&str, Hosts<'s>> = FxHashMap::default();
        for entry in &written.hosts {
            let Some((scope, name)) = entry.split_once('/').filter(|(_, name)| !name.contains('/')) else {
                continue;
            };
            let (scope, excluded) = match scope.strip_prefix('~') {
                Some("") => ("*", true),
                Some(scope) => (scope, true),
                None => (scope, false),
            };
            let of = hosts.entry(if scope == "." { namespace } else { scope }).or_default();
            if excluded { of.excluded.push(name) } else { of.imported.push(name) }
        }
        let mut egress =
            Self { written: Some(written), hosts, routings: Routings::default(), inferred: FxHashMap::default() };
        let seen = plane.virtual_services.visible_to(namespace).into_iter();
        let taken = seen.filter(|routing| egress.imports_routing(routing)).cloned().collect();
        egress.routings = Routings::new(taken);
        egress.inferred = egress.routings.destinations(namespace, &plane.profile.config);
        egress
    }

    /// Whether any host of a VirtualService meets any that is imported.
    ///
    /// Istio: `virtualservice.go:SelectVirtualServices`, `sidecar.go:VSMatches`.
    fn imports_routing(&self, routing: &Routing<'s>) -> bool {
        let groups = [self.hosts.get(routing.object.meta.namespace.as_str()), self.hosts.get("*")];
        let groups: Vec<&Hosts<'s>> = groups.into_iter().flatten().collect();
        routing.hosts.iter().any(|name| {
            groups.iter().any(|hosts| hosts.imported.iter().any(|pattern| host::meets(name, pattern)))
                && !groups.iter().any(|hosts| hosts.excluded.iter().any(|pattern| host::subset_of(name, pattern)))
        })
    }

    /// The port it listens on, where it is for one.
    pub(crate) fn port(&self) -> Option<ServicePort> {
        self.written.and_then(|written| written.port).map(ServicePort)
    }

    /// The port that services must have to be imported; a generic HTTP proxy port takes all.
    fn matched_port(&self) -> Option<ServicePort> {
        let proxy = self.written.is_some_and(|written| written.protocol == Some(Protocol::HttpProxy));
        if proxy { None } else { self.port().filter(|port| port.0 != 0) }
    }

    /// Whether another name of a service that is imported comes with it.
    ///
    /// Istio: `sidecar.go:matchingAliasService`: the hosts that import the service have to name the other name too.
    pub(crate) fn imports_alias(&self, svc: &Svc<'_>, alias: &str) -> bool {
        let covers = |hosts: &Hosts<'s>, name: &str| hosts.imported.iter().any(|host| host::subset_of(name, host));
        let groups = [self.hosts.get(svc.namespace()), self.hosts.get("*")];
        let by = groups.into_iter().flatten().find(|hosts| covers(hosts, &svc.host));
        by.is_some_and(|hosts| covers(hosts, alias))
    }

    fn imports(&self, svc: &Svc<'_>) -> bool {
        let groups = [self.hosts.get(svc.namespace()), self.hosts.get("*")];
        let covers = |patterns: &[&str]| patterns.iter().any(|pattern| host::subset_of(&svc.host, pattern));
        !groups.iter().flatten().any(|hosts| covers(&hosts.excluded))
            && groups.iter().flatten().any(|hosts| covers(&hosts.imported))
            && self.matched_port().is_none_or(|port| svc.port(port).is_some())
    }
}

// === impl Imported ===

impl Imported<'_> {
    /// Whether the proxies got a cluster for this port.
    pub(crate) fn has(&self, port: ServicePort) -> bool {
        self.svc.port(port).is_some() && self.ports.as_ref().is_none_or(|ports| ports.contains(&port))
    }

    /// Its port, where the proxies have just one.
    pub(crate) fn only_port(&self) -> Option<ServicePort> {
        let mut ports = self.svc.ports.iter().map(|spec| spec.port).filter(|port| self.has(*port));
        ports.next().filter(|_| ports.next().is_none())
    }

    /// Istio: `sidecar.go:appendSidecarServices`: the first stays, Kubernetes goes first, ports of one object add up.
    fn joined(self, other: Self) -> Self {
        match (self.svc.is_kubernetes(), other.svc.is_kubernetes()) {
            (false, true) => other,
            (true, false) => self,
            (true, true) | (false, false) => {
                if !Arc::ptr_eq(&self.svc, &other.svc) {
                    return self;
                }
                let ports = match (self.ports, other.ports) {
                    (Some(mut ports), Some(more)) => {
                        ports.extend(more);
                        Some(ports)
                    }
                    (None, _) | (_, None) => None,
                };
                Self { svc: self.svc, ports }
            }
        }
    }
}
