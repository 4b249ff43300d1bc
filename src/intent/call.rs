//! One call of a client to a service port: where its proxy sends it, and what each endpoint makes of it.

use std::sync::Arc;

use crate::intent::capture;
use crate::intent::cluster::{Cluster, ClusterKind};
use crate::intent::endpoint::ServiceEndpoint;
use crate::intent::mesh::Mesh;
use crate::intent::outbound::{Hosts, Routed, Spot};
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Discovery, Svc, SvcPort};
use crate::intent::via::Via;
use crate::intent::visibility::Scope;
use crate::model::filter_chain::Connection;
use crate::model::meta::selects;
use crate::model::pair::Route;
use crate::model::port::{Payload, ServicePort, WorkloadPort};
use crate::model::wire::{Outcome, Sends, Why, Wire};
use crate::model::workload::{Pod, ProxyKind};

mod arrival;
mod ruled;

/// A call, followed to every endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Call<'s> {
    /// Where the client's proxy sends it; `None` where it refuses at once, or where endpoints differ.
    pub(crate) route: Option<Route>,
    /// How the client's proxy reads it; `None` without a proxy.
    pub(crate) codec: Option<Payload>,
    /// Every endpoint, the client's own pod included.
    pub(crate) ends: Vec<End<'s>>,
    /// Over the endpoints that count.
    pub(crate) outcome: Outcome,
    /// The VirtualService that took it.
    pub(crate) via: Option<Via<'s>>,
    /// The clusters that it sent it to.
    pub(crate) legs: Vec<Led<'s>>,
}

/// A destination of a VirtualService, as the client's proxy has it.
#[derive(Debug, Clone)]
pub(crate) struct Led<'s> {
    /// The cluster's Envoy name.
    pub(crate) name: String,
    /// The service and its cluster; `None` where the proxy has no such cluster.
    pub(crate) found: Option<(Arc<Svc<'s>>, Cluster<'s>)>,
    /// What becomes of the calls that go there.
    pub(crate) outcome: Outcome,
    /// What is sent to the endpoints that count.
    pub(crate) sends: Vec<Sends>,
}

/// A call at one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct End<'s> {
    pub(crate) endpoint: ServiceEndpoint<'s>,
    /// The port that is dialled on it.
    pub(crate) port: WorkloadPort,
    pub(crate) is_self: bool,
    pub(crate) marked: Option<bool>,
    /// `None` where the client's own proxy refuses.
    pub(crate) sends: Option<Sends>,
    pub(crate) route: Route,
    pub(crate) outcome: Outcome,
}

/// A cluster of the client's proxy, by what its name says.
#[derive(Debug, Clone, Copy)]
struct Target<'a> {
    host: &'a str,
    port: ServicePort,
    subset: Option<&'a str>,
}

/// Who calls what, with the lookups every step needs.
pub(crate) struct Caller<'a, 's> {
    pub(crate) mesh: &'a Mesh<'s>,
    pub(crate) plane: &'a ControlPlane<'s>,
    pub(crate) scope: Arc<Scope<'s>>,
    pub(crate) client: &'s Pod,
    pub(crate) svc: &'a Arc<Svc<'s>>,
    pub(crate) port: &'a SvcPort,
    pub(crate) payload: Payload,
}

// === impl Caller ===

impl<'s> Caller<'_, 's> {
    /// Follows the call.
    pub(crate) fn call(&self) -> Call<'s> {
        match self.client.proxy {
            ProxyKind::Sidecar if capture::outbound(self.client, self.svc, self.port).is_ok() => self.by_sidecar(),
            ProxyKind::Gateway | ProxyKind::Waypoint => self.by_cluster(&self.own_target(None), None, self.payload),
            ProxyKind::Sidecar | ProxyKind::None | ProxyKind::Proxyless => self.direct(Route::Direct, None, None),
            ProxyKind::Ztunnel | ProxyKind::Unknown => self.unknown(),
        }
    }

    /// What would happen if a route sent the call to a subset.
    pub(crate) fn call_subset(&self, subset: &str) -> Call<'s> {
        self.by_cluster(&self.own_target(Some(subset)), None, self.payload)
    }

    /// What would happen if no VirtualService spoke of the call.
    pub(crate) fn call_own(&self) -> Call<'s> {
        self.by_cluster(&self.own_target(None), None, self.payload)
    }

    fn own_target<'t>(&'t self, subset: Option<&'t str>) -> Target<'t> {
        Target { host: &self.svc.host, port: self.port.port, subset }
    }

    fn by_sidecar(&self) -> Call<'s> {
        let dialled = self.mesh.behind(self.svc);
        if let Some(spot) = Spot::of_service(dialled) {
            return self.dial(&spot, None);
        }
        let mut seen: Vec<Spot> = Vec::new();
        let mut calls: Vec<(bool, Call<'s>)> = Vec::new();
        for endpoint in self.ready(dialled, self.port.port) {
            let spot = Spot::of_endpoint(endpoint);
            if seen.contains(&spot) {
                continue;
            }
            let mut call = self.dial(&spot, Some(&spot));
            if call.ends.is_empty() {
                call.ends.push(self.unsent(endpoint, Route::Direct, call.outcome));
            }
            // What is not sent anywhere was dialled on the Service's port.
            for end in call.ends.iter_mut().filter(|end| end.sends.is_none()) {
                end.port = WorkloadPort(self.port.port.0);
            }
            calls.push((self.is_own(&spot), call));
            seen.push(spot);
        }
        if calls.is_empty() { self.dial(&Spot::Name(self.svc.host.clone()), None) } else { joined(calls) }
    }

    /// The application dials an address; `only` is the one endpoint that is meant.
    fn dial(&self, spot: &Spot, only: Option<&Spot>) -> Call<'s> {
        let hosts = Hosts {
            scope: &self.scope,
            plane: self.plane,
            registry: &self.mesh.registry,
            client: self.client,
            port: self.port.port,
        };
        // The routes of a service answer to its other names too.
        let concrete = if self.plane.rules.external_name_is_alias { self.mesh.behind(self.svc) } else { self.svc };
        let alias = (!Arc::ptr_eq(concrete, self.svc)).then_some(self.svc.host.as_str());
        let listeners = self.mesh.listeners(&self.scope, self.plane, self.port.port);
        let own = only.is_some() && self.is_own(spot);
        let (target, codec) = listeners.route((spot, own), self.payload, &hosts, (concrete, alias));
        match target {
            Routed::Cluster(svc) => {
                let target = Target { host: &svc.host, port: self.port.port, subset: None };
                self.by_cluster(&target, only, codec)
            }
            Routed::Ruled(via) => self.ruled(via, only, codec),
            Routed::Passthrough => self.direct(Route::Passthrough, only, Some(codec)),
            Routed::BlackHole => self.refused(Route::BlackHole, Why::BlockedByOutboundPolicy, only, codec),
            Routed::NotHttp => self.refused(Route::Direct, Why::NotHttp, only, codec),
            Routed::NoRoute => self.refused(Route::Direct, Why::NoRoute, only, codec),
        }
    }

    fn is_own(&self, spot: &Spot) -> bool {
        match spot {
            Spot::Address(address) => !self.client.host_network && self.client.addresses.contains(address),
            Spot::Pod(namespace, name) => *namespace == self.client.meta.namespace && *name == self.client.meta.name,
            Spot::Service(..) | Spot::Name(_) => false,
        }
    }

    /// No proxy touches it: kube-proxy picks an endpoint and the bytes go out as they are.
    fn direct(&self, route: Route, only: Option<&Spot>, codec: Option<Payload>) -> Call<'s> {
        let target = self.mesh.behind(self.svc);
        if !target.is_kubernetes() {
            let outcome = Outcome { wire: Wire::None, why: Why::NotAKubernetesService };
            return Call::made(Some(route), codec, Vec::new(), outcome);
        }
        if matches!(target.discovery, Discovery::Alias(_)) {
            let outcome = Outcome { wire: Wire::Depends, why: Why::OutsideTheMesh };
            return Call::made(Some(route), codec, Vec::new(), outcome);
        }
        let connection = Connection::opened(Sends::Plaintext, self.payload, self.port.protocol, None, false);
        let ends = self
            .ready(target, self.port.port)
            .filter(|endpoint| only.is_none_or(|spot| Spot::of_endpoint(endpoint) == *spot))
            .map(|endpoint| {
                let port = self.dialled(endpoint);
                self.end(endpoint, port, None, Sends::Plaintext, &connection, &[], route.clone())
            });
        finished(Some(route.clone()), codec, ends.collect())
    }

    /// Through a cluster of the client's proxy.
    fn by_cluster(&self, target: &Target<'_>, only: Option<&Spot>, codec: Payload) -> Call<'s> {
        let found = self.cluster(target);
        let found = found.as_ref().and_then(|(svc, cluster)| Some((svc, cluster, svc.port(target.port)?)));
        let Some((svc, cluster, port)) = found else {
            return self.refused(Route::Direct, Why::NoCluster, only, codec);
        };
        let merged = target.subset.and_then(|name| cluster.rule.as_ref()?.subset(name));
        let selector = merged.map(|merged| &merged.subset.labels);
        let route = Route::Cluster(cluster.name.clone());
        // Goes where the application dialled, whichever cluster it leaves by and whatever a subset's labels.
        let as_dialled = cluster.kind == ClusterKind::OriginalDst;
        let (of, at) = if as_dialled { (self.svc, self.port.port) } else { (svc, target.port) };
        let ends = self
            .ready(of, at)
            .filter(|endpoint| {
                if as_dialled {
                    only.is_none_or(|spot| Spot::of_endpoint(endpoint) == *spot)
                } else {
                    selector.is_none_or(|labels| selects(labels, &endpoint.labels))
                }
            })
            .map(|endpoint| {
                let marked = cluster.marks(self.plane, port, endpoint);
                let sends = cluster.sends(marked);
                let dialled = if as_dialled { self.dialled(endpoint) } else { endpoint.port };
                let connection = self.connection(cluster, port, sends);
                let names = cluster.tls().filter(|_| sends == Sends::MutualTls);
                let names = names.map_or(&[][..], |tls| tls.subject_alt_names.as_slice());
                self.end(endpoint, dialled, marked, sends, &connection, names, route.clone())
            })
            .collect();
        finished(Some(route), Some(codec), ends)
    }

    /// The cluster that the proxy has under a service's name: several namespaces may have the host, one has the cluster.
    fn cluster(&self, target: &Target<'_>) -> Option<(Arc<Svc<'s>>, Cluster<'s>)> {
        let known = self.scope.service(self.plane, &self.mesh.registry, target.host)?;
        let imported = known.has(target.port).then_some(known.svc)?;
        let port = imported.port(target.port)?;
        let cluster = self.mesh.cluster(self.client, self.plane, &imported, port, target.subset)?;
        Some((imported, cluster))
    }

    /// The endpoints that traffic is sent to.
    fn ready<'e>(&'e self, svc: &'e Arc<Svc<'s>>, port: ServicePort) -> impl Iterator<Item = &'e ServiceEndpoint<'s>> {
        self.mesh.endpoints_at(self.mesh.behind(svc), port).iter().filter(|endpoint| endpoint.ready)
    }

    /// The port that is dialled on an endpoint: nobody translates the port of a headless service.
    fn dialled(&self, endpoint: &ServiceEndpoint<'s>) -> WorkloadPort {
        if self.mesh.behind(self.svc).is_headless() { WorkloadPort(self.port.port.0) } else { endpoint.port }
    }

    #[expect(clippy::too_many_arguments, reason = "one connection, described once and used at once")]
    fn end(
        &self,
        endpoint: &ServiceEndpoint<'s>,
        port: WorkloadPort,
        marked: Option<bool>,
        sends: Sends,
        connection: &Connection<'_>,
        names: &[String],
        route: Route,
    ) -> End<'s> {
        End {
            port,
            is_self: self.is_self(endpoint),
            marked,
            sends: Some(sends),
            route,
            outcome: self.arrive(endpoint, port, sends, connection, names),
            endpoint: endpoint.clone(),
        }
    }

    fn is_self(&self, endpoint: &ServiceEndpoint<'s>) -> bool {
        endpoint.pod.is_some_and(|pod| std::ptr::eq(pod, self.client))
    }

    /// The client's own proxy refuses; the endpoints are listed all the same.
    fn refused(&self, route: Route, why: Why, only: Option<&Spot>, codec: Payload) -> Call<'s> {
        let outcome = Outcome { wire: Wire::Refused, why };
        let ends = self
            .ready(self.svc, self.port.port)
            .filter(|endpoint| only.is_none_or(|spot| Spot::of_endpoint(endpoint) == *spot))
            .map(|endpoint| self.unsent(endpoint, route.clone(), outcome))
            .collect();
        let route = (route == Route::BlackHole).then_some(route);
        Call::made(route, Some(codec), ends, outcome)
    }

    fn unknown(&self) -> Call<'s> {
        let outcome = Outcome { wire: Wire::Unknown, why: Why::NotReadable };
        let call = self.refused(Route::Direct, Why::NotReadable, None, self.payload);
        let ends = call.ends.into_iter().map(|end| End { outcome, ..end }).collect();
        Call::made(None, None, ends, outcome)
    }

    /// An endpoint that nothing is sent to.
    fn unsent(&self, endpoint: &ServiceEndpoint<'s>, route: Route, outcome: Outcome) -> End<'s> {
        End {
            port: self.dialled(endpoint),
            is_self: self.is_self(endpoint),
            marked: None,
            sends: None,
            route,
            outcome,
            endpoint: endpoint.clone(),
        }
    }
}

/// Calls to several addresses of one service, as one; each with whether the address is the client's own.
fn joined(mut calls: Vec<(bool, Call<'_>)>) -> Call<'_> {
    let others = || calls.iter().filter(|(own, _)| !own).map(|(_, call)| call);
    let route = others().next().and_then(|call| call.route.clone());
    let same = others().all(|call| call.route == route);
    let codec = others().next().or(calls.first().map(|(_, call)| call)).and_then(|call| call.codec);
    let ruled = calls.iter().position(|(own, call)| !own && call.via.is_some());
    let ruled = ruled.and_then(|index| calls.get_mut(index));
    let (via, legs) = ruled.map(|(_, call)| (call.via.take(), std::mem::take(&mut call.legs))).unwrap_or_default();
    let mut ends: Vec<End<'_>> = Vec::new();
    for end in calls.into_iter().flat_map(|(_, call)| call.ends) {
        if !ends.iter().any(|other| other.is_like(&end)) {
            ends.push(end);
        }
    }
    Call { via, legs, ..finished(route.filter(|_| same), codec, ends) }
}

/// The call's outcome over the endpoints that count.
fn finished(route: Option<Route>, codec: Option<Payload>, ends: Vec<End<'_>>) -> Call<'_> {
    let outcome = over(ends.iter().map(|end| (end.is_self, end.outcome)));
    Call::made(route, codec, ends, outcome)
}

/// One outcome for several endpoints; the client's own pod is not counted.
pub(crate) fn over(ends: impl IntoIterator<Item = (bool, Outcome)>) -> Outcome {
    let mut any = false;
    let mut joint: Option<Outcome> = None;
    for (is_self, outcome) in ends {
        any = true;
        if is_self {
            continue;
        }
        joint = Some(joint.map_or(outcome, |held| both(held, outcome)));
    }
    joint.unwrap_or(Outcome { wire: Wire::None, why: if any { Why::OnlyItself } else { Why::NoEndpoints } })
}

/// One outcome for two.
pub(crate) fn both(held: Outcome, other: Outcome) -> Outcome {
    match (held == other, held.wire == other.wire) {
        (true, _) => held,
        (false, true) => Outcome { why: Why::EndpointsDiffer, ..held },
        (false, false) => Outcome { wire: Wire::Mixed, why: Why::EndpointsDiffer },
    }
}

// === impl Call, End ===

impl<'s> Call<'s> {
    /// A call that no VirtualService took.
    fn made(route: Option<Route>, codec: Option<Payload>, ends: Vec<End<'s>>, outcome: Outcome) -> Self {
        Self { route, codec, ends, outcome, via: None, legs: Vec::new() }
    }

    /// The pods that it reaches and another call does not, by namespace and name.
    pub(crate) fn pods_beside(&self, other: &Self) -> Vec<(String, String)> {
        let is_there =
            |pod: &Pod| other.ends.iter().any(|end| end.endpoint.pod.is_some_and(|own| std::ptr::eq(own, pod)));
        let beside = self.ends.iter().filter_map(|end| end.endpoint.pod).filter(|pod| !is_there(pod));
        beside.map(|pod| (pod.meta.namespace.clone(), pod.meta.name.clone())).collect()
    }

    /// What is sent to the endpoints that count.
    pub(crate) fn sends(&self) -> Vec<Sends> {
        self.ends.iter().filter(|end| !end.is_self).filter_map(|end| end.sends).collect()
    }
}

impl End<'_> {
    fn is_like(&self, other: &Self) -> bool {
        Spot::of_endpoint(&self.endpoint) == Spot::of_endpoint(&other.endpoint)
            && self.port == other.port
            && self.route == other.route
    }
}
