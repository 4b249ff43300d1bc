//! The indexes over a snapshot, and what is kept once computed.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

use crate::intent::class::Classes;
use crate::intent::cluster::{self, Cluster, Wanted};
use crate::intent::declared::{self, Declared};
use crate::intent::destination_rule;
use crate::intent::endpoint::{self, ServiceEndpoint};
use crate::intent::inbound;
use crate::intent::outbound::Listeners;
use crate::intent::plane::ControlPlane;
use crate::intent::pods::Pods;
use crate::intent::registry::{Discovery, Registry, Svc, SvcPort};
use crate::intent::visibility::Scope;
use crate::model::filter_chain::FilterChain;
use crate::model::mesh::MeshProfile;
use crate::model::port::ServicePort;
use crate::model::snapshot::Snapshot;
use crate::model::workload::{Pod, ProxyKind};

/// A snapshot, ready to be asked.
#[derive(Debug)]
pub struct Mesh<'s> {
    pub(crate) snapshot: &'s Snapshot,
    pub(crate) pods: Pods<'s>,
    pub(crate) registry: Registry<'s>,
    planes: Vec<ControlPlane<'s>>,
    pub(crate) classes: Classes<'s>,
    /// Whether a client without a Sidecar sees the same wherever it lives.
    uniform: bool,
    kept: Kept<'s>,
}

/// What is kept once computed, by what it depends on. Objects are told apart by where they are in the snapshot.
#[derive(Debug, Default)]
struct Kept<'s> {
    scopes: Mutex<FxHashMap<ScopeKey<'s>, Arc<Scope<'s>>>>,
    listeners: Mutex<FxHashMap<(usize, ServicePort), Arc<Listeners<'s>>>>,
    chains: Mutex<FxHashMap<usize, Arc<[FilterChain]>>>,
    declared: Mutex<FxHashMap<usize, Arc<Declared>>>,
}

/// How many names may lead to one another.
const MOST_ALIASES: usize = 8;

/// The control plane, the namespace, the Sidecar, and whether destinations of routes come with them.
type ScopeKey<'s> = (usize, &'s str, Option<usize>, bool);

// === impl Mesh ===

impl<'s> Mesh<'s> {
    /// Indexes a snapshot.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot) -> Self {
        let assumed = MeshProfile::default();
        let domain = snapshot.profiles.first().unwrap_or(&assumed).config.cluster_domain.clone();
        let profiles = if snapshot.profiles.is_empty() { std::slice::from_ref(&assumed) } else { &snapshot.profiles };
        let registry = Registry::new(snapshot, &domain);
        let planes: Vec<ControlPlane<'s>> =
            profiles.iter().map(|profile| ControlPlane::new(snapshot, profile)).collect();
        let public = registry.all.iter().all(|svc| planes.iter().all(|plane| plane.is_public(svc)));
        Self {
            pods: Pods::new(snapshot),
            uniform: public
                && planes.iter().all(|plane| plane.virtual_services.are_public())
                && registry.hosts_are_distinct(),
            registry,
            planes,
            classes: Classes::new(snapshot),
            kept: Kept::default(),
            snapshot,
        }
    }

    /// The snapshot it was made from.
    #[must_use]
    pub fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }

    /// Every control plane; there is always one.
    pub(crate) fn planes(&self) -> &[ControlPlane<'s>] {
        &self.planes
    }

    /// The control plane of a pod's proxy: its revision's, else the first.
    pub(crate) fn plane(&self, pod: &Pod) -> Option<&ControlPlane<'s>> {
        pod.revision
            .as_deref()
            .and_then(|revision| self.planes.iter().find(|plane| plane.profile.revision == revision))
            .or_else(|| self.planes.first())
    }

    /// The service that a name stands for: an `ExternalName` Service leads to its target, where the mesh knows it.
    ///
    /// Istio: `push_context.go:resolveServiceAliases`; loops lead nowhere.
    pub(crate) fn behind<'a>(&'a self, svc: &'a Arc<Svc<'s>>) -> &'a Arc<Svc<'s>> {
        let mut concrete = svc;
        for _ in 0..MOST_ALIASES {
            let Discovery::Alias(target) = &concrete.discovery else { return concrete };
            match self.registry.host(target).first() {
                Some(next) => concrete = next,
                None => return concrete,
            }
        }
        svc
    }

    /// The endpoints of every port of a service.
    pub(crate) fn endpoints_of<'a>(&'a self, svc: &'a Svc<'s>) -> &'a [Vec<ServiceEndpoint<'s>>] {
        svc.endpoints.get_or_init(|| endpoint::of(svc, &self.pods))
    }

    /// The endpoints of one port.
    pub(crate) fn endpoints_at<'a>(&'a self, svc: &'a Svc<'s>, port: ServicePort) -> &'a [ServiceEndpoint<'s>] {
        let index = svc.ports.iter().position(|candidate| candidate.port == port);
        index.and_then(|index| self.endpoints_of(svc).get(index)).map_or(&[], Vec::as_slice)
    }

    /// What a client's proxy sees.
    pub(crate) fn scope(&self, client: &'s Pod, plane: &ControlPlane<'s>) -> Arc<Scope<'s>> {
        let sidecar = match client.proxy {
            ProxyKind::Gateway | ProxyKind::Waypoint => None,
            ProxyKind::Sidecar | ProxyKind::None | ProxyKind::Ztunnel | ProxyKind::Proxyless | ProxyKind::Unknown => {
                plane.sidecar(&client.meta.namespace, &client.meta.labels)
            }
        };
        let namespace = if self.uniform && sidecar.is_none() { "" } else { client.meta.namespace.as_str() };
        let infers = client.proxy == ProxyKind::Sidecar;
        let key = (address(plane), namespace, sidecar.map(address), infers);
        let mut scopes = self.kept.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Scope::new(&client.meta.namespace, sidecar, plane, infers.then_some(&self.registry)));
        Arc::clone(scopes.entry(key).or_insert_with(made))
    }

    /// The outbound listeners of a scope for one port.
    pub(crate) fn listeners(
        &self,
        scope: &Arc<Scope<'s>>,
        plane: &ControlPlane<'s>,
        port: ServicePort,
    ) -> Arc<Listeners<'s>> {
        let key = (address(scope.as_ref()), port);
        if let Some(found) = self.kept.listeners.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(found);
        }
        let endpoints = |svc: &Svc<'s>, port: ServicePort| self.endpoints_at(svc, port).to_vec();
        let built = Arc::new(Listeners::new(scope, plane, &self.registry, port, &endpoints));
        let mut kept = self.kept.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry(key).or_insert(built))
    }

    /// The cluster that a client's proxy gets for a service port.
    pub(crate) fn cluster(
        &self,
        client: &Pod,
        plane: &ControlPlane<'s>,
        svc: &Svc<'s>,
        port: &SvcPort,
        subset: Option<&str>,
    ) -> Option<Cluster<'s>> {
        let rules = plane.destination_rules.lookup(&client.meta.namespace, svc.namespace(), &svc.host);
        let rule = destination_rule::choose(&rules, &client.meta.namespace, &client.meta.labels);
        let wanted = Wanted {
            svc,
            port,
            subset,
            rule,
            proxy: client.proxy,
            endpoints: self.endpoints_at(svc, port.port),
            all: self.endpoints_of(svc),
        };
        cluster::build(plane, wanted)
    }

    /// The filter chains of a pod's inbound listener.
    pub(crate) fn chains(&self, pod: &'s Pod) -> Arc<[FilterChain]> {
        let pod = self.standing_for(pod);
        if let Some(found) = self.kept.chains.lock().unwrap_or_else(PoisonError::into_inner).get(&address(pod)) {
            return Arc::clone(found);
        }
        let built: Arc<[FilterChain]> = match self.plane(pod) {
            Some(plane) => inbound::chains(plane, pod, &self.declared_of(pod)).into(),
            None => Arc::default(),
        };
        let mut kept = self.kept.chains.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry(address(pod)).or_insert(built))
    }

    /// The ports of a pod that somebody declares.
    pub(crate) fn declared(&self, pod: &'s Pod) -> Arc<Declared> {
        self.declared_of(self.standing_for(pod))
    }

    /// The pod itself, or one that has the same ports and policies.
    fn standing_for(&self, pod: &'s Pod) -> &'s Pod {
        let twin = self.pods.twin(pod);
        if std::ptr::eq(twin, pod) || self.declared_of(twin).of_one { pod } else { twin }
    }

    fn declared_of(&self, pod: &'s Pod) -> Arc<Declared> {
        if let Some(found) = self.kept.declared.lock().unwrap_or_else(PoisonError::into_inner).get(&address(pod)) {
            return Arc::clone(found);
        }
        let built = Arc::new(declared::of(self, pod));
        let mut kept = self.kept.declared.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry(address(pod)).or_insert(built))
    }
}

/// Where an object is in memory: enough to tell objects of one snapshot apart.
pub(crate) fn address<T>(object: &T) -> usize {
    std::ptr::from_ref(object).addr()
}
