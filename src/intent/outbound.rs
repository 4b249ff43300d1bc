//! Where a client's proxy sends a connection: its outbound listeners and routes for one port.
//!
//! Istio: `pilot/pkg/networking/core/listener.go:buildSidecarOutboundListeners,buildSidecarOutboundListener`,
//! `httproute.go:BuildSidecarOutboundVirtualHosts`. Two services can meet on one listener, so a call may leave by another's
//! cluster.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::intent::endpoint::{Location, ServiceEndpoint};
use crate::intent::host;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Dialled, Discovery, Registry, Svc};
use crate::intent::via::{self, Named, Streamed, Via};
use crate::intent::virtual_service::{Asking, Routing};
use crate::intent::visibility::{Egress, Scope};
use crate::model::port::{PortClass, ServicePort};
use crate::model::virtual_service::VirtualService;
use crate::model::workload::Pod;

mod chains;
mod listeners;

use chains::Brought;
pub(crate) use listeners::Listeners;

/// What an application dials; things without an address yet are told apart all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Spot {
    /// An address.
    Address(IpAddr),
    /// The virtual address of a service that has none yet, by namespace and host.
    Service(String, String),
    /// A pod that has no address yet, by namespace and name.
    Pod(String, String),
    /// A name that leads outside.
    Name(String),
}

/// Where a connection goes.
#[derive(Debug, Clone)]
pub(crate) enum Routed<'s> {
    /// Through the cluster of a service port.
    Cluster(Arc<Svc<'s>>),
    /// As a VirtualService says.
    Ruled(Via<'s>),
    /// Straight to the address, as it came.
    Passthrough,
    /// Refused: an unknown destination.
    BlackHole,
    /// Refused: not HTTP, where the proxy reads HTTP.
    NotHttp,
    /// Refused: the port has a listener for the address and no route behind it.
    NoRoute,
}

// === impl Spot ===

impl Spot {
    /// Where an endpoint is.
    pub(crate) fn of_endpoint(endpoint: &ServiceEndpoint<'_>) -> Self {
        match (&endpoint.location, endpoint.pod) {
            (Location::Address(address), _) => Self::Address(*address),
            (Location::Name(name), _) => Self::Name(name.clone()),
            (Location::Pod, Some(pod)) => Self::Pod(pod.meta.namespace.clone(), pod.meta.name.clone()),
            (Location::Pod, None) => Self::Name(endpoint.workload.clone()),
        }
    }

    /// What applications dial for a service; `None` for those without an address of their own.
    pub(crate) fn of_service(svc: &Svc<'_>) -> Option<Self> {
        match (svc.addresses.first(), &svc.discovery) {
            (Some(Dialled::Address(address)), _) => Some(Self::Address(*address)),
            (Some(Dialled::Range(range)), _) => Some(Self::Address(range.addr())),
            (None, Discovery::Listed) if svc.is_kubernetes() => {
                Some(Self::Service(svc.namespace().to_owned(), svc.host.clone()))
            }
            (None, _) => None,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Service(..) | Self::Pod(..) | Self::Name(_) => None,
        }
    }
}

/// What the HTTP routes of a port do with a Host.
#[derive(Debug, Clone)]
pub(crate) enum Hosted<'s> {
    /// No virtual host has the name.
    Unknown,
    /// The service's own route.
    Own(Arc<Svc<'s>>),
    /// The routes of a VirtualService.
    Ruled(Via<'s>),
}

/// Finds the virtual host of a service's name, or of another name of it, among the routes of a port.
pub(crate) struct Hosts<'a, 's> {
    pub(crate) scope: &'a Scope<'s>,
    pub(crate) plane: &'a ControlPlane<'s>,
    pub(crate) registry: &'a Registry<'s>,
    pub(crate) client: &'a Pod,
    pub(crate) port: ServicePort,
}

// === impl Hosts ===

impl<'s> Hosts<'_, 's> {
    /// Which routes take the plain request to a host.
    pub(crate) fn route(&self, wanted: &str) -> Hosted<'s> {
        self.route_as(wanted, wanted)
    }

    /// The same for a request that was sent to another name of the host.
    pub(crate) fn route_as(&self, wanted: &str, dialled: &str) -> Hosted<'s> {
        let Some(egress) = self.scope.egress_for_port(self.port) else { return Hosted::Unknown };
        match self.service(egress, wanted) {
            Some(svc) => match self.ruled(egress.routings.of_http(&svc.host), dialled) {
                Some(via) => Hosted::Ruled(via),
                // Another name has no virtual host of its own: it is one of the names of what it leads to.
                None if self.plane.rules.external_name_is_alias && matches!(svc.discovery, Discovery::Alias(_)) => {
                    Hosted::Unknown
                }
                None => Hosted::Own(svc),
            },
            None => self.unlisted(egress, wanted).map_or(Hosted::Unknown, Hosted::Ruled),
        }
    }

    /// A VirtualService that names an `ExternalName` Service takes the name away from the service that it stands for.
    pub(crate) fn route_alias(&self, alias: &str) -> Option<Via<'s>> {
        let egress = self.scope.egress_for_port(self.port)?;
        match self.service(egress, alias) {
            Some(svc) => self.ruled(egress.routings.of_http(&svc.host), alias),
            None => self.unlisted(egress, alias),
        }
    }

    /// Whether the virtual host of a service answers to another name of it. One that has only the name, since the service does
    /// not have the port, answers to no other.
    pub(crate) fn answers_to(&self, svc: &Svc<'s>, alias: &str) -> bool {
        let egress = self.scope.egress_for_port(self.port);
        egress.is_some_and(|egress| egress.imports_alias(svc, alias) && self.service(egress, &svc.host).is_some())
    }

    fn service(&self, egress: &Egress<'s>, wanted: &str) -> Option<Arc<Svc<'s>>> {
        let speaks =
            |svc: &Arc<Svc<'s>>| svc.port(self.port).is_some_and(|spec| spec.protocol.class() != PortClass::Tcp);
        let exact = self.scope.selected(egress, self.plane, self.registry.host(wanted)).into_iter().rfind(speaks);
        exact.or_else(|| {
            self.registry
                .wildcards_with_port(self.port)
                .iter()
                .filter(|svc| host::covers(&svc.host, wanted) && speaks(svc))
                .filter(|svc| !self.scope.selected(egress, self.plane, std::slice::from_ref(*svc)).is_empty())
                .max_by_key(|svc| svc.host.len())
                .cloned()
        })
    }

    /// A host that no service of the listener has, be it of raw TCP, gets a virtual host only on port 80, or beside one that has; a
    /// wildcard only where it covers no such service.
    ///
    /// Istio: `route.go:buildSidecarVirtualHostsForVirtualService,separateVSHostsAndServices`.
    fn unlisted(&self, egress: &Egress<'s>, wanted: &str) -> Option<Via<'s>> {
        let beside = |routing: &&Arc<Routing<'s>>| {
            self.port.0 == 80 || routing.hosts.iter().any(|host| self.service(egress, host).is_some())
        };
        let named = |routing: &&Arc<Routing<'s>>| {
            let is_free = |pattern: &String| !self.listed(egress).any(|svc| host::meets(&svc.host, pattern));
            routing.hosts.iter().any(|host| host == wanted) && !self.is_listed(egress, wanted)
                || routing.hosts.iter().filter(|pattern| host::covers(pattern, wanted)).any(is_free)
        };
        let routings = egress.routings.of_http(wanted).into_iter().filter(beside).filter(named);
        self.ruled(routings.collect(), wanted)
    }

    /// Whether an egress listener imports a service of that name with the port.
    fn is_listed(&self, egress: &Egress<'s>, name: &str) -> bool {
        let selected = self.scope.selected(egress, self.plane, self.registry.host(name));
        selected.iter().any(|svc| svc.port(self.port).is_some())
    }

    /// The services with the port that an egress listener imports.
    fn listed(&self, egress: &Egress<'s>) -> impl Iterator<Item = &Arc<Svc<'s>>> {
        let candidates = self.registry.with_port(self.port).iter();
        candidates.filter(|svc| self.scope.selects(egress, self.plane, self.registry, svc))
    }

    /// Whether the routes of a VirtualService are read before those of another one: of two virtual hosts that claim a name
    /// the first gets it.
    ///
    /// Istio: `httproute.go:dedupeDomains`.
    pub(crate) fn is_first(&self, one: &VirtualService, other: &VirtualService) -> bool {
        self.scope.egress_for_port(self.port).is_some_and(|egress| egress.routings.is_first(one, other))
    }

    fn ruled(&self, routings: Vec<&Arc<Routing<'s>>>, wanted: &str) -> Option<Via<'s>> {
        let asking = Asking { client: self.client, host: wanted, port: self.port };
        let domain = &self.plane.profile.config.cluster_domain;
        routings.into_iter().find_map(|routing| via::http(routing, asking, domain))
    }

    /// Whether VirtualServices have rules for TCP connections to a service that an egress listener brings.
    fn speak_of(&self, svc: &Svc<'s>, brought: Brought) -> bool {
        !brought.tls && self.routings(svc, brought).iter().any(|routing| !routing.object.tcp.is_empty())
    }

    /// What rules for TCP make of connections to a service that has these ranges of addresses.
    fn streams(&self, svc: &Svc<'s>, brought: Brought, ranges: &[IpNet]) -> Vec<Streamed<'s>> {
        if !self.speak_of(svc, brought) {
            return vec![Streamed::Own];
        }
        let asking = Asking { client: self.client, host: &svc.host, port: self.port };
        via::tcp(&self.routings(svc, brought), asking, ranges, &self.plane.profile.config.cluster_domain)
    }

    /// What rules for TLS make of a connection with the service's own name.
    fn named(&self, svc: &Svc<'s>, brought: Brought, spot: &Spot) -> Named<'s> {
        if !brought.tls {
            return Named::Own;
        }
        let asking = Asking { client: self.client, host: &svc.host, port: self.port };
        via::tls(&self.routings(svc, brought), asking, spot.address(), &self.plane.profile.config.cluster_domain)
    }

    /// The VirtualServices of an egress listener that speak of connections to a service. Two listeners can both make one for it:
    /// that of a port for all addresses, that of all ports for each pod of a headless service.
    ///
    /// Istio: `listener.go:buildSidecarOutboundListeners`, which hands each egress listener its own `VirtualServices()`.
    fn routings(&self, svc: &Svc<'s>, brought: Brought) -> Vec<&Arc<Routing<'s>>> {
        let found = self.scope.egress.get(brought.egress);
        found.map_or_else(Vec::new, |egress| egress.routings.of_streams(&svc.host))
    }
}
