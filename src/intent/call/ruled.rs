//! A call that a VirtualService takes: to its destinations, or answered on the spot.

use std::sync::Arc;

use crate::intent::call::{Call, Caller, End, Led, Target, both};
use crate::intent::cluster;
use crate::intent::outbound::Spot;
use crate::intent::registry::{Discovery, Svc};
use crate::intent::via::{Action, Leg, Via};
use crate::intent::visibility::Imported;
use crate::model::pair::Route;
use crate::model::port::{Payload, ServicePort};
use crate::model::wire::{Outcome, Why, Wire};

// === impl Caller ===

impl<'s> Caller<'_, 's> {
    pub(super) fn ruled(&self, via: Via<'s>, only: Option<&Spot>, codec: Payload) -> Call<'s> {
        match &via.action {
            Action::Nothing => {
                let call = self.refused(Route::Direct, Why::NoRoute, only, codec);
                Call { via: Some(via), ..call }
            }
            Action::Answer { .. } => {
                let outcome = Outcome { wire: Wire::None, why: Why::AnsweredByClientProxy };
                Call { via: Some(via), ..Call::made(Some(Route::Answered), Some(codec), Vec::new(), outcome) }
            }
            Action::Forward { legs, .. } => {
                let led = legs.iter().map(|leg| self.led(leg, only, codec)).collect();
                Call { via: Some(via), ..forwarded(led, codec) }
            }
        }
    }

    fn led(&self, leg: &Leg, only: Option<&Spot>, codec: Payload) -> (Led<'s>, Call<'s>) {
        let (host, port) = self.destination(leg, codec);
        let target = Target { host: &host, port, subset: leg.subset.as_deref() };
        let (found, call) = if self.is_alias(&host) {
            (None, self.refused(Route::Direct, Why::NoCluster, only, codec))
        } else {
            (self.cluster(&target), self.by_cluster(&target, only, codec))
        };
        let led = Led {
            name: cluster::name_of(&host, port, leg.subset.as_deref()),
            found,
            outcome: call.outcome,
            sends: call.sends(),
        };
        (led, call)
    }

    /// Whether a host is another name of a service, which has no cluster: a route follows one such name and no second.
    fn is_alias(&self, host: &str) -> bool {
        let known = self.scope.service(self.plane, &self.mesh.registry, host);
        self.plane.rules.external_name_is_alias
            && known.is_some_and(|known| matches!(known.svc.discovery, Discovery::Alias(_)))
    }

    /// The host and the port of the cluster. An `ExternalName` Service has none of its own.
    ///
    /// Istio: `pilot/pkg/networking/core/route/route.go:GetDestinationCluster`: routes of HTTP know a service only by the port that
    /// was dialled; a TCP connection takes the one port of its destination where there is just one.
    fn destination(&self, leg: &Leg, codec: Payload) -> (String, ServicePort) {
        let (named, single) = match codec {
            Payload::Tcp => {
                let known = self.scope.service(self.plane, &self.mesh.registry, &leg.host);
                let single = known.as_ref().and_then(Imported::only_port);
                (known.map(|known| known.svc), single)
            }
            Payload::Http => (self.listed(&leg.host), None),
        };
        let host = match named.as_ref().map(|svc| &svc.discovery) {
            Some(Discovery::Alias(target)) if self.plane.rules.external_name_is_alias => target.clone(),
            Some(_) | None => leg.host.clone(),
        };
        (host, leg.port.or(single).unwrap_or(self.port.port))
    }

    /// The service of a host that the egress listener of the dialled port imports by itself, with that port.
    ///
    /// Istio: `httproute.go:BuildSidecarOutboundVirtualHosts`: what only comes with a route is not among its `servicesByName`.
    fn listed(&self, host: &str) -> Option<Arc<Svc<'s>>> {
        let egress = self.scope.egress_for_port(self.port.port)?;
        let candidates = self.mesh.registry.host(host);
        let mut imported = self.scope.selected(egress, self.plane, candidates).into_iter();
        imported.rfind(|svc| svc.port(self.port.port).is_some())
    }
}

/// Calls to several clusters, as one.
fn forwarded<'s>(mut led: Vec<(Led<'s>, Call<'s>)>, codec: Payload) -> Call<'s> {
    if led.len() <= 1 {
        let Some((leg, call)) = led.pop() else {
            let outcome = Outcome { wire: Wire::Refused, why: Why::NoRoute };
            return Call::made(None, Some(codec), Vec::new(), outcome);
        };
        return Call { legs: vec![leg], ..call };
    }
    let outcome = led.iter().map(|(leg, _)| leg.outcome).reduce(both);
    let mut names: Vec<String> = Vec::new();
    let mut kept: Vec<End<'s>> = Vec::new();
    let mut legs = Vec::new();
    for (leg, call) in led {
        if !names.contains(&leg.name) {
            names.push(leg.name.clone());
        }
        for end in call.ends.into_iter().filter(|_| leg.found.is_some()) {
            // Machines may share an address, and are endpoints each.
            if !kept.iter().any(|other| other.is_like(&end) && other.endpoint == end.endpoint) {
                kept.push(end);
            }
        }
        legs.push(leg);
    }
    let route = match names.as_slice() {
        [only] => Route::Cluster(only.clone()),
        _ => Route::Split(names),
    };
    let outcome = outcome.unwrap_or(Outcome { wire: Wire::None, why: Why::NoEndpoints });
    Call { legs, ..Call::made(Some(route), Some(codec), kept, outcome) }
}
