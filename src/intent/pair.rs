//! A client and a service port: everything policy says about them, in one value.

use std::sync::Arc;

use crate::intent::blame::Case;
use crate::intent::call::{self, Call, Caller, End};
use crate::intent::capture::{self, Bypass};
use crate::intent::cluster::Cluster;
use crate::intent::mesh::Mesh;
use crate::intent::outbound::Spot;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Svc, SvcPort};
use crate::intent::unread::{self, Unread};
use crate::intent::{accepts, because, context, originates, symptom};
use crate::model::derivation::{PolicyKind, PolicyRef};
use crate::model::mesh::OutboundPolicy;
use crate::model::pair::{Accepts, Endpoint, OriginKind, OriginMode, Originates, PairIntent, Route, ServerRef};
use crate::model::port::{Payload, PortClass, ServicePort};
use crate::model::wire::{Outcome, Why, Wire};
use crate::model::workload::{Pod, ProxyKind};

mod ruled;

/// A client and a service port, looked up once.
pub(crate) struct Question<'a, 's> {
    pub(crate) mesh: &'a Mesh<'s>,
    pub(crate) plane: &'a ControlPlane<'s>,
    pub(crate) client: &'s Pod,
    pub(crate) svc: &'a Arc<Svc<'s>>,
    pub(crate) port: &'a SvcPort,
    pub(crate) detail: Detail,
}

/// How much an answer tells of how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every layer that spoke, and why each other one lost.
    Layers,
    /// Who decides, and nobody else.
    Deciders,
}

/// How a call leaves the client.
enum Leaves {
    /// Through its proxy.
    ByProxy,
    /// There is no proxy.
    Bare,
    /// There is one, and it does not see the call.
    Past(Bypass),
}

/// The answer about a service that the snapshot does not have.
pub(crate) fn unknown_server(server: &ServerRef) -> PairIntent {
    let outcome = Outcome { wire: Wire::Unknown, why: Why::NotReadable };
    let decided_by = PolicyRef::default_of(PolicyKind::Passthrough);
    PairIntent {
        originates: Originates {
            kind: OriginKind::Plaintext,
            mode: OriginMode::NoProxy,
            route: Route::Direct,
            tls: None,
            original_dst: false,
            decided_by: decided_by.clone(),
            layers: Vec::new(),
        },
        endpoints: Vec::new(),
        outcome,
        tcp: None,
        raw_only: Vec::new(),
        symptom: None,
        because: format!("{} is not in what was read", server.display_name()),
        conflict: false,
        decided_by,
        responsible: Vec::new(),
    }
}

// === impl Question ===

impl<'s> Question<'_, 's> {
    /// Everything policy says about the pair, or about a subset that a route would send the call to.
    pub(crate) fn answer_for(&self, subset: Option<&str>) -> PairIntent {
        let class = self.port.protocol.class();
        let follow = |payload| {
            let caller = self.caller(payload);
            subset.map_or_else(|| caller.call(), |subset| caller.call_subset(subset))
        };
        let call = follow(if class == PortClass::Tcp { Payload::Tcp } else { Payload::Http });
        let raw = (class == PortClass::Auto).then(|| follow(Payload::Tcp));
        let calls: Vec<&Call<'s>> = std::iter::once(&call).chain(&raw).collect();
        let others = self.other_clusters(&calls);
        let mut originates = match (subset, &call.via) {
            (Some(subset), _) => self.originates_to(subset, &call),
            (None, Some(via)) => self.originates_via(via, &call),
            (None, None) => self.originates_astray(&call, &others),
        };
        if subset.is_none() && originates.mode != OriginMode::NoProxy && self.lists_layers() {
            originates.layers.extend(self.unused_routings(call.via.as_ref()));
        }
        if self.lists_layers() {
            let around = context::of_client(self, &calls, &others, &originates);
            originates.layers.splice(0..0, around);
        }
        let endpoints: Vec<Endpoint> = call.ends.iter().map(|end| self.endpoint(end, raw.as_ref())).collect();
        let pods: Vec<Option<&Pod>> = call.ends.iter().map(|end| end.endpoint.pod).collect();
        let cluster = match (&call.via, &originates.route) {
            (Some(_), _) => ruled::lead(&call).and_then(|leg| leg.found.clone()).map(|(_, cluster)| cluster),
            (None, Route::Cluster(_)) => self.cluster(subset),
            (None, Route::Direct | Route::Passthrough | Route::BlackHole | Route::Split(_) | Route::Answered) => None,
        };
        let case = Case {
            originates: &originates,
            cluster: cluster.as_ref(),
            endpoints: &endpoints,
            outcome: call.outcome,
            svc: self.svc,
            pods: &pods,
        };
        let (conflict, decided_by, responsible) = (case.is_conflict(), case.decided_by(), case.responsible());
        let target = format!("{}:{}", self.svc.host, self.port.port);
        let answer = PairIntent {
            because: ruled::sentence(&call, because::sentence(call.outcome, self.client.proxy, &endpoints, &target)),
            symptom: symptom::of(&call),
            outcome: call.outcome,
            raw_only: raw.as_ref().map(|raw| raw.pods_beside(&call)).unwrap_or_default(),
            tcp: raw.map(|raw| raw.outcome),
            originates,
            endpoints,
            conflict,
            decided_by,
            responsible,
        };
        self.as_far_as_read(answer, &call)
    }

    /// What could not be read is told by the layers too.
    fn lists_layers(&self) -> bool {
        self.detail == Detail::Layers || !self.mesh.snapshot.unseen.is_empty()
    }

    /// What a cluster sends, with as much of how it came about as is asked for.
    fn by_cluster(&self, cluster: &Cluster<'s>, kind: OriginKind, svc: &Svc<'s>) -> Originates {
        if self.lists_layers() {
            originates::by_cluster(cluster, kind, self.client, svc, self.plane)
        } else {
            originates::deciding(cluster, kind, svc)
        }
    }

    /// Takes back what rests on something that could not be read.
    fn as_far_as_read(&self, mut answer: PairIntent, call: &Call<'s>) -> PairIntent {
        if self.mesh.snapshot.unseen.is_empty() {
            return answer;
        }
        let unread = Unread { mesh: self.mesh, plane: self.plane };
        let whole = unread.of_service(self.svc).or_else(|| unread.of_client(self.client, &answer.originates, self.svc));
        let unknown = Outcome { wire: Wire::Unknown, why: Why::NotReadable };
        let mut first = whole;
        for (endpoint, end) in answer.endpoints.iter_mut().zip(&call.ends) {
            let of_server = end.endpoint.pod.and_then(|pod| unread.of_server(pod, end.sends));
            if let Some(scope) = whole.or(of_server) {
                endpoint.outcome = unknown;
                endpoint.tcp = endpoint.tcp.map(|_| unknown);
                if !end.is_self {
                    first = first.or(Some(scope));
                }
            }
        }
        let Some(scope) = first else { return answer };
        answer.because = unread::sentence(scope, &answer.because);
        answer.outcome = unknown;
        answer.tcp = answer.tcp.map(|_| unknown);
        answer.symptom = None;
        answer.conflict = false;
        answer.responsible = Vec::new();
        answer
    }

    /// Follows a call of this payload.
    pub(crate) fn caller(&self, payload: Payload) -> Caller<'_, 's> {
        Caller {
            mesh: self.mesh,
            plane: self.plane,
            scope: self.mesh.scope(self.client, self.plane),
            client: self.client,
            svc: self.svc,
            port: self.port,
            payload,
        }
    }

    /// What the client side was told to send.
    pub(crate) fn originates(&self, call: &Call<'s>) -> Originates {
        match self.leaves() {
            Leaves::ByProxy => {}
            Leaves::Bare => return originates::without_proxy(self.client, None),
            Leaves::Past(bypass) => return originates::without_proxy(self.client, Some(bypass)),
        }
        let scope = self.mesh.scope(self.client, self.plane);
        let svc = self.concrete();
        let visible = scope
            .service(self.plane, &self.mesh.registry, &svc.host)
            .is_some_and(|found| Arc::ptr_eq(&found.svc, svc) && found.has(self.port.port));
        let cluster = self.cluster(None).filter(|_| visible);
        if let Some(cluster) = cluster {
            let kind = originates::kind(&cluster, &call.sends());
            let found = self.by_cluster(&cluster, kind, svc);
            return Originates { route: call.route.clone().unwrap_or(found.route), ..found };
        }
        let unknown = match scope.outbound_policy {
            OutboundPolicy::AllowAny => Route::Passthrough,
            OutboundPolicy::RegistryOnly => Route::BlackHole,
        };
        let route = call.route.clone().unwrap_or(unknown);
        originates::unknown_destination(route, self.svc, &scope, self.plane)
    }

    /// The service that the client's cluster is named after: another name for a service has no cluster of its own.
    fn concrete(&self) -> &Arc<Svc<'s>> {
        if self.plane.rules.external_name_is_alias { self.mesh.behind(self.svc) } else { self.svc }
    }

    fn cluster(&self, subset: Option<&str>) -> Option<Cluster<'s>> {
        let svc = self.concrete();
        self.mesh.cluster(self.client, self.plane, svc, svc.port(self.port.port)?, subset)
    }

    /// What the client side was told to send, by the cluster that the call really leaves by.
    fn originates_astray(&self, call: &Call<'s>, others: &[(Arc<Svc<'s>>, Cluster<'s>)]) -> Originates {
        let own = self.originates(call);
        let taken = others.iter().find(|(_, other)| call.route == Some(Route::Cluster(other.name.clone())));
        let Some((svc, cluster)) = taken else { return own };
        let mut originates = self.by_cluster(cluster, originates::kind(cluster, &call.sends()), svc);
        originates.layers.splice(0..0, context::unused(own.layers, &svc.host));
        originates
    }

    /// Clusters of other services by which a call leaves: they have the host or the listener in the client's scope.
    fn other_clusters(&self, calls: &[&Call<'s>]) -> Vec<(Arc<Svc<'s>>, Cluster<'s>)> {
        let mut found: Vec<(Arc<Svc<'s>>, Cluster<'s>)> = Vec::new();
        let scope = self.mesh.scope(self.client, self.plane);
        let own = self.concrete();
        let ends = calls.iter().flat_map(|call| &call.ends).map(|end| &end.route);
        for route in calls.iter().filter_map(|call| call.route.as_ref()).chain(ends) {
            let Route::Cluster(name) = route else { continue };
            if found.iter().any(|(_, known)| known.name == *name) {
                continue;
            }
            let parts: Vec<&str> = name.split('|').collect();
            let [_, port, subset, host] = *parts.as_slice() else { continue };
            let svc = scope.service(self.plane, &self.mesh.registry, host).map(|imported| imported.svc);
            let Some(svc) = svc.filter(|svc| !Arc::ptr_eq(svc, own)) else { continue };
            let port = port.parse().ok().and_then(|number| svc.port(ServicePort(number)));
            let subset = Some(subset).filter(|name| !name.is_empty());
            let cluster = port.and_then(|port| self.mesh.cluster(self.client, self.plane, &svc, port, subset));
            found.extend(cluster.map(|cluster| (Arc::clone(&svc), cluster)));
        }
        found
    }

    /// What the client side would send to a subset.
    pub(crate) fn originates_to(&self, subset: &str, call: &Call<'s>) -> Originates {
        let cluster = self.cluster(Some(subset));
        match (self.leaves(), cluster) {
            (Leaves::ByProxy, Some(cluster)) => {
                let kind = originates::kind(&cluster, &call.sends());
                self.by_cluster(&cluster, kind, self.svc)
            }
            (Leaves::ByProxy, None) | (Leaves::Bare | Leaves::Past(_), _) => self.originates(call),
        }
    }

    /// Whether a proxy of the client's touches the call.
    fn leaves(&self) -> Leaves {
        match (self.client.proxy, capture::outbound(self.client, self.svc, self.port)) {
            (ProxyKind::Sidecar, Err(bypass)) => Leaves::Past(bypass),
            (ProxyKind::Sidecar, Ok(()))
            | (ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Ztunnel | ProxyKind::Unknown, _) => {
                Leaves::ByProxy
            }
            (ProxyKind::None | ProxyKind::Proxyless, _) => Leaves::Bare,
        }
    }

    /// What an endpoint accepts, with what that rests on.
    fn accepts(&self, end: &End<'s>) -> Accepts {
        let endpoint = &end.endpoint;
        if !self.lists_layers() {
            return endpoint.pod.map_or_else(accepts::nothing, |pod| accepts::deciding(self.mesh, pod, end.port));
        }
        let mut accepts = endpoint.pod.map_or_else(accepts::nothing, |pod| accepts::of(self.mesh, pod, end.port));
        let machine = context::of_machine(self.mesh, endpoint.namespace, &endpoint.workload, endpoint.address());
        let plane = endpoint.pod.filter(|pod| pod.proxy == ProxyKind::Sidecar).and_then(|pod| self.mesh.plane(pod));
        let around = match (endpoint.pod, plane) {
            (Some(pod), Some(plane)) => context::of_server(self.mesh, plane, pod, &accepts.layers),
            (_, _) => Vec::new(),
        };
        accepts.layers.splice(0..0, machine.into_iter().chain(around));
        accepts
    }

    fn endpoint(&self, end: &End<'s>, raw: Option<&Call<'s>>) -> Endpoint {
        let endpoint = &end.endpoint;
        // A rule for connections may lead to one endpoint by several clusters.
        let is_there = |other: &&End<'s>| {
            other.port == end.port && Spot::of_endpoint(&other.endpoint) == Spot::of_endpoint(endpoint)
        };
        let here: Vec<&End<'s>> = raw.into_iter().flat_map(|raw| &raw.ends).filter(is_there).collect();
        // Another service may have the address as its own endpoint, and machines may share one.
        let known = here.iter().any(|other| other.endpoint == *endpoint);
        let there = || here.iter().filter(|other| !known || other.endpoint == *endpoint);
        let tcp = there().map(|other| other.outcome).reduce(call::both);
        let tcp_sends = there().map(|other| other.sends).reduce(|one, other| one.filter(|_| one == other)).flatten();
        Endpoint {
            namespace: endpoint.pod.map_or(endpoint.namespace, |pod| pod.meta.namespace.as_str()).to_owned(),
            pod: endpoint.pod.map(|pod| pod.meta.name.clone()),
            workload: endpoint.pod.map_or(&endpoint.workload, |pod| &pod.workload.name).clone(),
            address: endpoint.address(),
            port: end.port,
            proxy: endpoint.pod.map_or(ProxyKind::None, |pod| pod.proxy),
            is_self: end.is_self,
            marked: end.marked,
            sends: end.sends,
            accepts: self.accepts(end),
            outcome: end.outcome,
            tcp,
            tcp_sends,
        }
    }
}
