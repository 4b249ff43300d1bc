//! The VirtualServices that an egress listener imports, found by the host they speak for.
//!
//! Istio: `pilot/pkg/model/sidecar.go:VSMatches,computeWildcardHostVirtualServiceIndex`.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::intent::host;
use crate::intent::virtual_service::Routing;
use crate::model::mesh::MeshConfig;
use crate::model::port::ServicePort;
use crate::model::virtual_service::VirtualService;

/// VirtualServices in the order in which a proxy reads them.
#[derive(Debug, Default)]
pub(crate) struct Routings<'s> {
    list: Vec<Arc<Routing<'s>>>,
    exact: FxHashMap<String, Vec<usize>>,
    wildcards: Vec<(String, usize)>,
    /// Whether any has rules for TCP or TLS.
    streams: bool,
}

/// Ports of a service that destinations name; `None` = one of them names no port, which means all.
pub(super) type Ports = Option<BTreeSet<ServicePort>>;

// === impl Routings ===

impl<'s> Routings<'s> {
    /// Indexes a list that is in order.
    pub(super) fn new(list: Vec<Arc<Routing<'s>>>) -> Self {
        let mut index = Self::default();
        for (place, routing) in list.iter().enumerate() {
            for host in &routing.hosts {
                if host::is_wildcard(host) {
                    index.wildcards.push((host.clone(), place));
                } else {
                    index.exact.entry(host.clone()).or_default().push(place);
                }
            }
        }
        index.streams = list.iter().any(|routing| !routing.object.tcp.is_empty() || !routing.object.tls.is_empty());
        index.list = list;
        index
    }

    /// Whether one is among them.
    pub(crate) fn has(&self, routing: &Arc<Routing<'s>>) -> bool {
        self.list.iter().any(|held| Arc::ptr_eq(held, routing))
    }

    /// Whether one of them is read before another one.
    pub(crate) fn is_first(&self, one: &VirtualService, other: &VirtualService) -> bool {
        let found =
            self.list.iter().find(|routing| [one, other].iter().any(|object| std::ptr::eq(*object, routing.object)));
        found.is_some_and(|found| std::ptr::eq(found.object, one))
    }

    /// Those whose HTTP routes may be a service's: the first with a route for the port is.
    ///
    /// Istio: `route.go:separateVSHostsAndServices`. Wildcards come in only where nobody names the service itself.
    pub(crate) fn of_http(&self, service: &str) -> Vec<&Arc<Routing<'s>>> {
        if let Some(exact) = self.exact.get(service) {
            return exact.iter().filter_map(|place| self.list.get(*place)).collect();
        }
        let covering = self.wildcards.iter().filter(|(pattern, _)| host::covers(pattern, service));
        let longest = covering.rev().max_by_key(|(pattern, _)| pattern.len());
        longest.and_then(|(_, place)| self.list.get(*place)).into_iter().collect()
    }

    /// Those that speak of TCP and TLS connections to a service.
    ///
    /// Istio: `pilot/pkg/networking/core/tls.go:getConfigsForHost`.
    pub(crate) fn of_streams(&self, service: &str) -> Vec<&Arc<Routing<'s>>> {
        if !self.streams {
            return Vec::new();
        }
        let mut places: BTreeSet<usize> = self.exact.get(service).into_iter().flatten().copied().collect();
        places
            .extend(self.wildcards.iter().filter(|(pattern, _)| host::meets(pattern, service)).map(|(_, place)| place));
        if host::is_wildcard(service) {
            let within = self.exact.iter().filter(|(name, _)| host::meets(name, service));
            places.extend(within.flat_map(|(_, places)| places));
        }
        places.into_iter().filter_map(|place| self.list.get(place)).collect()
    }

    /// The services that destinations lead to, with the ports they name: a proxy gets them whatever its Sidecar lists.
    ///
    /// Istio: `sidecar.go:collectImportedServices`.
    pub(super) fn destinations(&self, namespace: &str, config: &MeshConfig) -> FxHashMap<String, Ports> {
        let mut found: FxHashMap<String, Ports> = FxHashMap::default();
        for (host, destination) in self.list.iter().flat_map(|routing| routing.destinations(namespace, config)) {
            let ports = found.entry(host).or_insert_with(|| Some(BTreeSet::new()));
            match (destination.port, ports.as_mut()) {
                (Some(port), Some(ports)) => {
                    ports.insert(port);
                }
                (None, _) => *ports = None,
                (Some(_), None) => {}
            }
        }
        found
    }
}
