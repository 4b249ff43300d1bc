//! The outbound listeners of a sidecar for one port, and the filter chain a connection finds there.
//!
//! Istio: `pilot/pkg/networking/core/listener.go:buildSidecarOutboundListeners,buildSidecarOutboundListener`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::intent::endpoint::ServiceEndpoint;
use crate::intent::outbound::chains::{Brought, Chain, Chains, Leads};
use crate::intent::outbound::{Hosted, Hosts, Routed, Spot};
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{self, Dialled, Discovery, Registry, Svc, SvcPort};
use crate::intent::via::Named;
use crate::intent::visibility::{Egress, Scope};
use crate::model::mesh::OutboundPolicy;
use crate::model::port::{Payload, PortClass, Protocol, ServicePort};

/// The outbound listeners of a scope for one port.
#[derive(Debug, Default)]
pub(crate) struct Listeners<'s> {
    entries: FxHashMap<Bind, Entry<'s>>,
}

/// What a listener is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Bind {
    /// `0.0.0.0`.
    Any,
    /// One address.
    At(Spot),
}

#[derive(Debug)]
struct Entry<'s> {
    /// Made by an egress listener with a port of its own: later ones add nothing.
    locked: bool,
    protocol: Protocol,
    chains: Chains<'s>,
}

/// What a listener is made from.
struct Source<'a, 's> {
    svc: &'a Arc<Svc<'s>>,
    protocol: Protocol,
    bind: Option<Bind>,
    /// The place of the egress listener that brings it.
    egress: usize,
}

/// What a listener does with the endpoints of services; only headless ones ask.
pub(crate) type EndpointsOf<'f, 's> = &'f dyn Fn(&Svc<'s>, ServicePort) -> Vec<ServiceEndpoint<'s>>;

// === impl Listeners ===

impl<'s> Listeners<'s> {
    /// Builds the listeners of one port.
    pub(crate) fn new(
        scope: &Scope<'s>,
        plane: &ControlPlane<'s>,
        registry: &Registry<'s>,
        port: ServicePort,
        endpoints: EndpointsOf<'_, 's>,
    ) -> Self {
        let mut listeners = Self::default();
        for (place, egress) in scope.egress.iter().enumerate() {
            if egress.port().is_some_and(|own| own != port) || egress.is_elsewhere() {
                continue;
            }
            if egress.port().is_none() {
                listeners.entries.values_mut().for_each(|entry| entry.locked = true);
            }
            for svc in imported_with_port(scope, egress, plane, registry, port) {
                // Another name for a service has no listener of its own.
                if plane.rules.external_name_is_alias && matches!(svc.discovery, Discovery::Alias(_)) {
                    continue;
                }
                let Some(spec) = svc.port(port) else { continue };
                let own = egress.written.and_then(|written| written.protocol.filter(|_| written.port.is_some()));
                let protocol = own.unwrap_or(spec.protocol);
                let source = Source { svc: &svc, protocol, bind: egress.bind(), egress: place };
                listeners.listen(&source, spec, egress, endpoints);
            }
        }
        listeners
    }

    fn listen(&mut self, source: &Source<'_, 's>, spec: &SvcPort, egress: &Egress<'s>, endpoints: EndpointsOf<'_, 's>) {
        let svc = source.svc;
        let per_pod = source.bind.is_none()
            && egress.port().is_none()
            && svc.is_headless()
            && svc.addresses.is_empty()
            && source.protocol.class() != PortClass::Http;
        if !per_pod {
            self.add(source);
            return;
        }
        let found = endpoints(svc, spec.port);
        let selects = match svc.source {
            registry::Source::Kubernetes(service) => service.selector.is_some(),
            registry::Source::Entry(entry) => entry.workload_selector.is_some(),
        };
        if !svc.is_kubernetes() && found.is_empty() && !selects {
            self.add(source);
            return;
        }
        for endpoint in &found {
            let bind = match Spot::of_endpoint(endpoint) {
                Spot::Name(_) => continue,
                spot @ (Spot::Address(_) | Spot::Service(..) | Spot::Pod(..)) => Bind::At(spot),
            };
            self.add(&Source { bind: Some(bind), ..*source });
        }
    }

    /// Istio: `listener.go:buildSidecarOutboundListener`, conflicts included.
    fn add(&mut self, source: &Source<'_, 's>) {
        let (svc, protocol) = (source.svc, source.protocol);
        let class = protocol.class();
        let range = match (class, &source.bind, svc.addresses.first()) {
            (PortClass::Tcp | PortClass::Auto, None, Some(Dialled::Range(range))) => Some(*range),
            _ => None,
        };
        let binds = match (class, &source.bind) {
            (_, Some(bind)) => vec![bind.clone()],
            (PortClass::Http, None) => vec![Bind::Any],
            (PortClass::Tcp | PortClass::Auto, None) => own_binds(svc),
        };
        for bind in binds {
            self.add_at(bind, source, range);
        }
    }

    fn add_at(&mut self, bind: Bind, source: &Source<'_, 's>, range: Option<ipnet::IpNet>) {
        let (svc, protocol) = (source.svc, source.protocol);
        let brought = Brought { egress: source.egress, tls: is_tls(protocol) };
        let to = |payload| Leads::To { svc: Arc::clone(svc), payload, brought };
        let any = bind == Bind::Any;
        let named = brought.tls && (range.is_some() || (any && svc.addresses.is_empty()));
        let tcp = || Chain { server_name: named.then(|| svc.host.clone()), ..Chain::to(to(Payload::Tcp), range) };
        let shared = |sniffed_http| Chain { sniffed_http, ..Chain::to(Leads::Routes, None) };
        let own_http = || {
            let leads = if any { Leads::Routes } else { to(Payload::Http) };
            Chain { sniffed_http: true, ..Chain::to(leads, None) }
        };
        let class = protocol.class();
        let kept = if class == PortClass::Http && any { Protocol::Auto } else { protocol };
        let chains = match class {
            PortClass::Http => vec![shared(any)],
            PortClass::Tcp => vec![tcp()],
            PortClass::Auto => vec![tcp(), own_http()],
        };
        let Some(entry) = self.entries.get_mut(&bind) else {
            self.entries.insert(bind, Entry { locked: false, protocol: kept, chains: Chains::new(chains) });
            return;
        };
        // Server-first protocols cannot share a listener with anything that has to be sniffed.
        let server_first = |protocol| matches!(protocol, Protocol::Mongo | Protocol::Mysql);
        let unmixable = (server_first(protocol) || server_first(entry.protocol)) && protocol != entry.protocol;
        let (existing, incoming) = (entry.protocol.class(), class);
        match (existing, incoming) {
            _ if entry.locked => {}
            // An HTTP listener is there already; its routes are shared. One that is sniffed takes no second sniffed service, whose
            // other connections then find no chain.
            (PortClass::Http | PortClass::Auto, PortClass::Http) | (PortClass::Auto, PortClass::Auto) => {}
            _ if unmixable => {}
            (PortClass::Http, PortClass::Auto) => {
                *entry = Entry { locked: false, protocol: kept, chains: Chains::new(chains) };
            }
            (PortClass::Tcp, PortClass::Http | PortClass::Auto) | (PortClass::Http, PortClass::Tcp) => {
                entry.chains.merge(chains);
                entry.protocol = Protocol::Auto;
            }
            (PortClass::Tcp | PortClass::Auto, PortClass::Tcp) => entry.chains.merge(chains),
        }
    }

    /// Where a plaintext connection of an application goes, and how the proxy reads it. `own` = the client's own address.
    pub(crate) fn route(
        &self,
        (spot, own): (&Spot, bool),
        payload: Payload,
        hosts: &Hosts<'_, 's>,
        (wanted, alias): (&Svc<'s>, Option<&str>),
    ) -> (Routed<'s>, Payload) {
        let unknown = || match hosts.scope.outbound_policy {
            OutboundPolicy::AllowAny => Routed::Passthrough,
            OutboundPolicy::RegistryOnly => Routed::BlackHole,
        };
        // A pod's own address has no listener of a headless service.
        let exact = if own { None } else { self.entries.get(&Bind::At(spot.clone())) };
        let entry = exact.or_else(|| self.entries.get(&Bind::Any));
        let Some(leads) = entry.and_then(|entry| entry.chains.lead(spot.address(), payload, hosts)) else {
            return (unknown(), Payload::Tcp);
        };
        match (leads, payload) {
            (Leads::By(via), _) => (Routed::Ruled(via), Payload::Tcp),
            (Leads::To { svc, payload: Payload::Tcp, brought }, _) => match hosts.named(&svc, brought, spot) {
                Named::Own => (Routed::Cluster(svc), Payload::Tcp),
                Named::By(via) => (Routed::Ruled(via), Payload::Tcp),
                Named::Unmatched => (unknown(), Payload::Tcp),
            },
            // The routes of one service; none where the egress listener of the port does not import it.
            (Leads::To { svc, payload: Payload::Http, .. }, Payload::Http) => {
                match hosts.route_as(&svc.host, alias.unwrap_or(&wanted.host)) {
                    Hosted::Own(_) => (Routed::Cluster(svc), Payload::Http),
                    Hosted::Ruled(via) => (Routed::Ruled(via), Payload::Http),
                    Hosted::Unknown => (Routed::NoRoute, Payload::Http),
                }
            }
            (Leads::To { payload: Payload::Http, .. } | Leads::Routes, Payload::Tcp) => {
                (Routed::NotHttp, Payload::Http)
            }
            (Leads::Routes, Payload::Http) => {
                let routed = match by_names(hosts, wanted, alias) {
                    Hosted::Own(svc) => Routed::Cluster(svc),
                    Hosted::Ruled(via) => Routed::Ruled(via),
                    Hosted::Unknown => unknown(),
                };
                (routed, Payload::Http)
            }
        }
    }
}

/// The virtual host that takes requests to a service, dialled by its own name or by another one. An `ExternalName` Service that
/// leads to nothing of the mesh has no other names.
fn by_names<'s>(hosts: &Hosts<'_, 's>, wanted: &Svc<'s>, alias: Option<&str>) -> Hosted<'s> {
    let Some(alias) = alias else { return hosts.route(&wanted.host) };
    let answers = !matches!(wanted.discovery, Discovery::Alias(_)) && hosts.answers_to(wanted, alias);
    let by_name = if answers { hosts.route_as(&wanted.host, alias) } else { Hosted::Unknown };
    match (hosts.route_alias(alias), by_name) {
        (Some(of_alias), Hosted::Ruled(of_name)) if hosts.is_first(of_name.root, of_alias.root) => {
            Hosted::Ruled(of_name)
        }
        (Some(of_alias), _) => Hosted::Ruled(of_alias),
        (None, by_name) => by_name,
    }
}

/// The services with a port that an egress listener imports, private ones first, oldest first.
fn imported_with_port<'s>(
    scope: &Scope<'s>,
    egress: &Egress<'s>,
    plane: &ControlPlane<'s>,
    registry: &Registry<'s>,
    port: ServicePort,
) -> Vec<Arc<Svc<'s>>> {
    let mut found: Vec<Arc<Svc<'s>>> =
        registry.with_port(port).iter().filter(|svc| scope.selects(egress, plane, registry, svc)).cloned().collect();
    found.sort_by_key(|svc| plane.is_public(svc));
    found
}

fn own_binds(svc: &Svc<'_>) -> Vec<Bind> {
    let addresses: Vec<Bind> = svc
        .addresses
        .iter()
        .filter_map(|dialled| match dialled {
            Dialled::Address(address) => Some(Bind::At(Spot::Address(*address))),
            Dialled::Range(_) => None,
        })
        .collect();
    match (addresses.is_empty(), Spot::of_service(svc)) {
        (false, _) => addresses,
        (true, Some(spot @ Spot::Service(..))) => vec![Bind::At(spot)],
        (true, _) => vec![Bind::Any],
    }
}

fn is_tls(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Tls | Protocol::Https)
}

// === impl Egress, as a listener ===

impl Egress<'_> {
    /// A generic HTTP proxy, or a Unix domain socket: redirected connections never reach it.
    fn is_elsewhere(&self) -> bool {
        self.written.is_some_and(|written| {
            let socket = written.bind.as_ref().is_some_and(|bind| bind.parse::<IpAddr>().is_err());
            written.protocol == Some(Protocol::HttpProxy) || socket
        })
    }

    fn bind(&self) -> Option<Bind> {
        let written = self.written?;
        let local = || written.capture_none.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let bind: IpAddr = written.bind.as_ref().and_then(|bind| bind.parse().ok()).or_else(local)?;
        Some(if bind.is_unspecified() { Bind::Any } else { Bind::At(Spot::Address(bind)) })
    }
}
