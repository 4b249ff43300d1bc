//! One call of a client to a service port: where its proxy sends it, and what each endpoint makes of it.

use std::sync::Arc;

use crate::intent::capture;
use crate::intent::cluster::{Cluster, ClusterKind};
use crate::intent::endpoint::ServiceEndpoint;
use crate::intent::mesh::Mesh;
use crate::intent::outbound::{self, Routed, Spot};
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Discovery, Svc, SvcPort};
use crate::intent::upstream_tls::is_http2;
use crate::intent::visibility::Scope;
use crate::model::filter_chain::{Connection, Presents};
use crate::model::meta::selects;
use crate::model::pair::Route;
use crate::model::port::{Payload, WorkloadPort};
use crate::model::wire::{Outcome, Sends, Why, Wire};
use crate::model::workload::{Pod, ProxyKind};

mod arrival;

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
            ProxyKind::Gateway | ProxyKind::Waypoint => self.by_cluster(self.svc, None, None, self.payload),
            ProxyKind::Sidecar | ProxyKind::None | ProxyKind::Proxyless => self.direct(Route::Direct, None, None),
            ProxyKind::Ztunnel | ProxyKind::Unknown => self.unknown(),
        }
    }

    /// What would happen if a route sent the call to a subset.
    pub(crate) fn call_subset(&self, subset: &str) -> Call<'s> {
        self.by_cluster(self.svc, Some(subset), None, self.payload)
    }

    fn by_sidecar(&self) -> Call<'s> {
        let dialled = self.mesh.behind(self.svc);
        if let Some(spot) = Spot::of_service(dialled) {
            return self.dial(&spot, None);
        }
        let mut seen: Vec<Spot> = Vec::new();
        let mut calls: Vec<(bool, Call<'s>)> = Vec::new();
        for endpoint in self.ready(dialled) {
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
        let by_host =
            |svc: &Svc<'s>| outbound::by_host(&self.scope, self.plane, &self.mesh.registry, self.port.port, &svc.host);
        // The routes of a service answer to its other names too.
        let concrete = if self.plane.rules.external_name_is_alias { self.mesh.behind(self.svc) } else { self.svc };
        let listeners = self.mesh.listeners(&self.scope, self.plane, self.port.port);
        let own = only.is_some() && self.is_own(spot);
        let (target, codec) = listeners.route(spot, own, self.payload, self.scope.outbound_policy, by_host, concrete);
        match target {
            Routed::Cluster(svc) => self.by_cluster(&svc, None, only, codec),
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
        if !self.svc.is_kubernetes() {
            let outcome = Outcome { wire: Wire::None, why: Why::NotAKubernetesService };
            return Call { route: Some(route), codec, ends: Vec::new(), outcome };
        }
        let target = self.mesh.behind(self.svc);
        if matches!(target.discovery, Discovery::Alias(_)) {
            let outcome = Outcome { wire: Wire::Depends, why: Why::OutsideTheMesh };
            return Call { route: Some(route), codec, ends: Vec::new(), outcome };
        }
        let alpn = if is_http2(self.port.protocol) { "h2c" } else { "http/1.1" };
        let connection = Connection {
            presents: Presents::Plaintext,
            alpn: if self.payload == Payload::Http { vec![alpn] } else { Vec::new() },
            payload: self.payload,
        };
        let ends = self
            .ready(target)
            .filter(|endpoint| only.is_none_or(|spot| Spot::of_endpoint(endpoint) == *spot))
            .map(|endpoint| {
                let port = self.dialled(endpoint);
                self.end(endpoint, port, None, Sends::Plaintext, &connection, &[], route.clone())
            });
        finished(Some(route.clone()), codec, ends.collect())
    }

    /// Through a cluster of the client's proxy.
    fn by_cluster(&self, svc: &Arc<Svc<'s>>, subset: Option<&str>, only: Option<&Spot>, codec: Payload) -> Call<'s> {
        let Some((svc, cluster)) = self.cluster(svc, subset) else {
            return self.refused(Route::Direct, Why::NoCluster, only, codec);
        };
        let Some(port) = svc.port(self.port.port) else {
            return self.refused(Route::Direct, Why::NoCluster, only, codec);
        };
        let selector = subset.and_then(|name| cluster.rule.as_ref()?.subset(name)).map(|merged| &merged.subset.labels);
        let route = Route::Cluster(cluster.name.clone());
        // Goes where the application dialled, whichever cluster it leaves by and whatever a subset's labels.
        let as_dialled = cluster.kind == ClusterKind::OriginalDst;
        let ends = self
            .ready(if as_dialled { self.svc } else { &svc })
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
                let connection = self.connection(&cluster, port, sends);
                let names = cluster.tls().filter(|_| sends == Sends::MutualTls);
                let names = names.map_or(&[][..], |tls| tls.subject_alt_names.as_slice());
                self.end(endpoint, dialled, marked, sends, &connection, names, route.clone())
            })
            .collect();
        finished(Some(route), Some(codec), ends)
    }

    /// The cluster that the proxy has under a service's name: several namespaces may have the host, one has the cluster.
    fn cluster(&self, svc: &Svc<'s>, subset: Option<&str>) -> Option<(Arc<Svc<'s>>, Cluster<'s>)> {
        let known = self.scope.service(self.plane, &self.mesh.registry, &svc.host)?;
        let imported = known.has(self.port.port).then_some(known.svc)?;
        let port = imported.port(self.port.port)?;
        let cluster = self.mesh.cluster(self.client, self.plane, &imported, port, subset)?;
        Some((imported, cluster))
    }

    /// The endpoints that traffic is sent to.
    fn ready<'e>(&'e self, svc: &'e Arc<Svc<'s>>) -> impl Iterator<Item = &'e ServiceEndpoint<'s>> {
        self.mesh.endpoints_at(self.mesh.behind(svc), self.port.port).iter().filter(|endpoint| endpoint.ready)
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
            .ready(self.svc)
            .filter(|endpoint| only.is_none_or(|spot| Spot::of_endpoint(endpoint) == *spot))
            .map(|endpoint| self.unsent(endpoint, route.clone(), outcome))
            .collect();
        let route = (route == Route::BlackHole).then_some(route);
        Call { route, codec: Some(codec), ends, outcome }
    }

    fn unknown(&self) -> Call<'s> {
        let outcome = Outcome { wire: Wire::Unknown, why: Why::NotReadable };
        let call = self.refused(Route::Direct, Why::NotReadable, None, self.payload);
        let ends = call.ends.into_iter().map(|end| End { outcome, ..end }).collect();
        Call { route: None, codec: None, ends, outcome }
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
fn joined(calls: Vec<(bool, Call<'_>)>) -> Call<'_> {
    let others = || calls.iter().filter(|(own, _)| !own).map(|(_, call)| call);
    let route = others().next().and_then(|call| call.route.clone());
    let same = others().all(|call| call.route == route);
    let codec = others().next().or(calls.first().map(|(_, call)| call)).and_then(|call| call.codec);
    let mut ends: Vec<End<'_>> = Vec::new();
    for end in calls.into_iter().flat_map(|(_, call)| call.ends) {
        let known = ends.iter().any(|other| {
            Spot::of_endpoint(&other.endpoint) == Spot::of_endpoint(&end.endpoint)
                && other.port == end.port
                && other.route == end.route
        });
        if !known {
            ends.push(end);
        }
    }
    finished(route.filter(|_| same), codec, ends)
}

/// The call's outcome over the endpoints that count.
fn finished(route: Option<Route>, codec: Option<Payload>, ends: Vec<End<'_>>) -> Call<'_> {
    let outcome = over(ends.iter().map(|end| (end.is_self, end.outcome)));
    Call { route, codec, ends, outcome }
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
        joint = Some(match joint {
            None => outcome,
            Some(held) if held == outcome => held,
            Some(held) if held.wire == outcome.wire => Outcome { why: Why::EndpointsDiffer, ..held },
            Some(_) => Outcome { wire: Wire::Mixed, why: Why::EndpointsDiffer },
        });
    }
    joint.unwrap_or(Outcome { wire: Wire::None, why: if any { Why::OnlyItself } else { Why::NoEndpoints } })
}
