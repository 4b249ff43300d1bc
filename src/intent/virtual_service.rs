//! The VirtualServices that a control plane sees, as it reads them: hosts in full, delegates merged, oldest first.
//!
//! Istio: `pilot/pkg/model/virtualservice_controller.go:mergeVirtualServices`, `push_context.go:initVirtualServices`.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::intent::{host, order};
use crate::model::mesh::MeshConfig;
use crate::model::virtual_service::{Destination, HttpRule, VirtualService};

mod delegate;
mod request;

pub(crate) use request::{Asking, Takes, source_fits, takes};

/// A VirtualService, ready to be asked.
#[derive(Debug)]
pub(crate) struct Routing<'s> {
    pub(crate) object: &'s VirtualService,
    /// In full and in lower case.
    pub(crate) hosts: Vec<String>,
    /// `http`, with those of delegates in their place.
    pub(crate) http: Vec<Placed<'s>>,
    exports: Exports,
}

/// An HTTP rule, and where it is written.
#[derive(Debug, Clone)]
pub(crate) struct Placed<'s> {
    pub(crate) rule: HttpRule,
    /// The VirtualService itself, or the delegate.
    pub(crate) from: &'s VirtualService,
    /// Its place in `spec.http` there.
    pub(crate) index: usize,
}

/// Who sees a VirtualService.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exports {
    Everyone,
    Nobody,
    To(BTreeSet<String>),
}

/// What one control plane sees.
#[derive(Debug, Default)]
pub(crate) struct VirtualServices<'s> {
    /// Those that sidecars take, oldest first.
    all: Vec<Arc<Routing<'s>>>,
    by_host: FxHashMap<String, Vec<Arc<Routing<'s>>>>,
    wildcards: Vec<(String, Arc<Routing<'s>>)>,
}

// === impl VirtualServices ===

impl<'s> VirtualServices<'s> {
    /// Reads the objects that a control plane sees.
    pub(crate) fn new(seen: Vec<&'s VirtualService>, config: &MeshConfig) -> Self {
        let mut sorted = seen;
        sorted.sort_by(|a, b| order::by_age(&a.meta, &b.meta));
        let delegates: FxHashMap<(&str, &str), &'s VirtualService> = sorted
            .iter()
            .filter(|object| object.hosts.is_empty())
            .map(|object| ((object.meta.namespace.as_str(), object.meta.name.as_str()), *object))
            .collect();
        let mut index = Self::default();
        for object in sorted.iter().filter(|object| !object.hosts.is_empty()) {
            let routing = Arc::new(Routing {
                object,
                hosts: object.hosts.iter().map(|host| full(host, object, config)).collect(),
                http: delegate::merged(object, &delegates, config),
                exports: Exports::of(object, config),
            });
            for host in &routing.hosts {
                if host::is_wildcard(host) {
                    index.wildcards.push((host.clone(), Arc::clone(&routing)));
                } else {
                    index.by_host.entry(host.clone()).or_default().push(Arc::clone(&routing));
                }
            }
            if object.is_for_mesh() {
                index.all.push(routing);
            }
        }
        index
    }

    /// Those that a namespace sees, in the order in which a proxy reads them: its own private ones, those exported to it, public ones.
    ///
    /// Istio: `virtualservice.go:SelectVirtualServices`.
    pub(crate) fn visible_to(&self, namespace: &str) -> Vec<&Arc<Routing<'s>>> {
        let mut seen: Vec<(u8, &Arc<Routing<'s>>)> =
            self.all.iter().filter_map(|routing| Some((routing.rank_for(namespace)?, routing))).collect();
        seen.sort_by_key(|(rank, _)| *rank);
        seen.into_iter().map(|(_, routing)| routing).collect()
    }

    /// Every one that names a host, whoever sees it and gateways included.
    pub(crate) fn covering<'a>(&'a self, wanted: &'a str) -> impl Iterator<Item = &'a Arc<Routing<'s>>> {
        let wild = self.wildcards.iter().filter(move |(pattern, _)| host::covers(pattern, wanted));
        self.by_host.get(wanted).into_iter().flatten().chain(wild.map(|(_, routing)| routing))
    }

    /// Whether a proxy reads the same whatever its namespace.
    pub(crate) fn are_public(&self) -> bool {
        let anywhere = |object: &VirtualService| object.sources().all(|source| source.namespace.is_none());
        self.all.iter().all(|routing| {
            routing.exports == Exports::Everyone && anywhere(routing.object) && {
                routing.http.iter().all(|placed| anywhere(placed.from))
            }
        })
    }
}

/// A host in full and in lower case.
fn full(written: &str, object: &VirtualService, config: &MeshConfig) -> String {
    host::qualify(written, &object.meta.namespace, &config.cluster_domain).to_lowercase()
}

// === impl Routing ===

impl Routing<'_> {
    fn rank_for(&self, namespace: &str) -> Option<u8> {
        match &self.exports {
            Exports::Everyone => Some(2),
            Exports::Nobody => None,
            Exports::To(namespaces) if !namespaces.contains(namespace) => None,
            Exports::To(_) => Some(u8::from(self.object.meta.namespace != namespace)),
        }
    }

    /// Whether a namespace sees it; for explanations.
    pub(crate) fn is_visible_to(&self, namespace: &str) -> bool {
        self.rank_for(namespace).is_some()
    }

    /// Every destination for proxies of a namespace, with its host in full: their services are imported with it.
    ///
    /// Istio: `push_context.go:virtualServiceDestinationsFilteredBySourceNamespace`.
    pub(crate) fn destinations<'a>(
        &'a self,
        namespace: &'a str,
        config: &'a MeshConfig,
    ) -> impl Iterator<Item = (String, &'a Destination)> {
        let http = self.http.iter().filter(move |placed| {
            let wanted: Vec<&str> =
                placed.rule.matches.iter().filter_map(|item| item.source.namespace.as_deref()).collect();
            wanted.is_empty() || wanted.contains(&namespace)
        });
        let http = http.flat_map(|placed| {
            placed.rule.destinations.iter().chain(&placed.rule.mirrors).map(|destination| (placed.from, destination))
        });
        let streams = self.object.tcp.iter().chain(&self.object.tls).flat_map(|rule| &rule.destinations);
        http.chain(streams.map(|destination| (self.object, destination)))
            .map(|(from, destination)| (full(&destination.host, from, config), destination))
    }
}

// === impl Exports ===

impl Exports {
    fn of(object: &VirtualService, config: &MeshConfig) -> Self {
        let own = &object.export_to;
        let words = if own.is_empty() { &config.default_virtual_service_export_to } else { own };
        match words {
            words if words.iter().any(|word| word == "*") => Self::Everyone,
            words if words.iter().any(|word| word == "~") => Self::Nobody,
            words => {
                let own = &object.meta.namespace;
                Self::To(words.iter().map(|word| if word == "." { own.clone() } else { word.clone() }).collect())
            }
        }
    }

    fn reaches(&self, namespace: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Nobody => false,
            Self::To(namespaces) => namespaces.contains(namespace),
        }
    }
}
