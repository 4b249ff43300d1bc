//! A call that a VirtualService takes: to its destinations, or answered on the spot.

use crate::intent::call::{Call, Caller, End, Led, Target, both};
use crate::intent::cluster;
use crate::intent::outbound::Spot;
use crate::intent::registry::Discovery;
use crate::intent::via::{Action, Leg, Via};
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
        let call = self.by_cluster(&target, only, codec);
        let led = Led {
            name: cluster::name_of(&host, port, leg.subset.as_deref()),
            found: self.cluster(&target),
            outcome: call.outcome,
            sends: call.sends(),
        };
        (led, call)
    }

    /// The host and the port of the cluster. An `ExternalName` Service has none of its own.
    ///
    /// Istio: `pilot/pkg/networking/core/route/route.go:GetDestinationCluster`: routes of HTTP know a service only by the port that
    /// was dialled; a TCP connection takes the one port of its destination where there is just one.
    fn destination(&self, leg: &Leg, codec: Payload) -> (String, ServicePort) {
        let known = self.scope.service(self.plane, &self.mesh.registry, &leg.host);
        let listed = known.as_ref().filter(|known| codec == Payload::Tcp || known.has(self.port.port));
        let host = match listed.map(|known| &known.svc.discovery) {
            Some(Discovery::Alias(target)) if self.plane.rules.external_name_is_alias => target.clone(),
            Some(_) | None => leg.host.clone(),
        };
        let single = known.filter(|_| codec == Payload::Tcp).and_then(|known| known.only_port());
        (host, leg.port.or(single).unwrap_or(self.port.port))
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
    let mut ends: Vec<End<'s>> = Vec::new();
    let mut legs = Vec::new();
    for (leg, call) in led {
        if !names.contains(&leg.name) {
            names.push(leg.name.clone());
        }
        let there = call.ends.into_iter().filter(|_| leg.found.is_some());
        ends.extend(there);
        legs.push(leg);
    }
    let mut kept: Vec<End<'s>> = Vec::new();
    for end in ends {
        if !kept.iter().any(|other| other.is_like(&end)) {
            kept.push(end);
        }
    }
    let route = match names.as_slice() {
        [only] => Route::Cluster(only.clone()),
        _ => Route::Split(names),
    };
    let outcome = outcome.unwrap_or(Outcome { wire: Wire::None, why: Why::NoEndpoints });
    Call { legs, ..Call::made(Some(route), Some(codec), kept, outcome) }
}
