//! What a VirtualService makes of a client's plain call.
//!
//! Istio: `pilot/pkg/networking/core/route/route.go:BuildHTTPRoutesForVirtualService,applyHTTPRouteDestination`,
//! `pilot/pkg/networking/core/tls.go:buildSidecarOutboundTCPFilterChainOpts,buildSidecarOutboundTLSFilterChainOpts`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::intent::host;
use crate::intent::virtual_service::{Asking, Placed, Routing, Takes, source_fits, takes};
use crate::model::port::ServicePort;
use crate::model::virtual_service::{Abort, Destination, StreamRule, VirtualService};

/// The rule that takes a call, and what it does.
#[derive(Debug, Clone)]
pub(crate) struct Via<'s> {
    /// The VirtualService of the host.
    pub(crate) root: &'s VirtualService,
    /// Where the rule is written: the VirtualService of the host, or its delegate.
    pub(crate) object: &'s VirtualService,
    /// Path of the rule, like `spec.http[1]`; of the list where none takes the call.
    pub(crate) field: String,
    pub(crate) action: Action,
    /// Rules that take other requests and lead elsewhere.
    pub(crate) others: Vec<Other<'s>>,
}

/// What happens to the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// It goes to one of these, by weight; a share of HTTP requests may be answered by the proxy instead.
    Forward { legs: Vec<Leg>, abort: Option<Abort> },
    /// The client's proxy answers.
    Answer { status: u16, how: &'static str },
    /// No route: the client's proxy answers 404.
    Nothing,
}

/// One destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leg {
    /// In full.
    pub(crate) host: String,
    pub(crate) subset: Option<String>,
    /// `None` = the one that was dialled.
    pub(crate) port: Option<ServicePort>,
    pub(crate) weight: u32,
}

/// A rule that takes other requests.
#[derive(Debug, Clone)]
pub(crate) struct Other<'s> {
    pub(crate) object: &'s VirtualService,
    pub(crate) field: String,
    pub(crate) action: Action,
}

/// What takes TCP connections to a service.
#[derive(Debug, Clone)]
pub(crate) enum Streamed<'s> {
    /// Its own cluster.
    Own,
    /// A rule: those to its subnets, or all that the service's own chain would take.
    By { via: Via<'s>, subnets: Option<Vec<IpNet>> },
}

/// What TLS rules make of a connection by its server name.
#[derive(Debug, Clone)]
pub(crate) enum Named<'s> {
    /// No rule speaks of it.
    Own,
    /// A rule takes it.
    By(Via<'s>),
    /// There are rules for the service, and none for this server name.
    Unmatched,
}

/// What an HTTP rule list does with the plain request; `None` where it has no route for this client and port at all, so that
/// the VirtualService counts as absent.
pub(crate) fn http<'s>(routing: &Routing<'s>, asking: Asking<'_>, cluster_domain: &str) -> Option<Via<'s>> {
    let mut chosen: Option<&Placed<'s>> = None;
    let mut others: Vec<&Placed<'s>> = Vec::new();
    let mut any = false;
    'rules: for placed in &routing.http {
        let whole = placed.rule.matches.is_empty().then_some(Takes::Everything);
        let each = placed.rule.matches.iter().filter_map(|item| takes(item, asking));
        for taken in whole.into_iter().chain(each) {
            any = true;
            match (taken, chosen) {
                (Takes::Others, _) | (_, Some(_)) => others.push(placed),
                (Takes::Plain | Takes::Everything, None) => chosen = Some(placed),
            }
            if taken == Takes::Everything {
                break 'rules;
            }
        }
    }
    if !any {
        return None;
    }
    let action = chosen.map_or(Action::Nothing, |placed| placed.action(cluster_domain));
    let mut seen: Vec<Other<'s>> = Vec::new();
    for placed in others {
        let other = Other { object: placed.from, field: placed.field(), action: placed.action(cluster_domain) };
        if other.action != action && !seen.iter().any(|held| held.field == other.field && held.object == other.object) {
            seen.push(other);
        }
    }
    Some(Via {
        root: routing.object,
        object: chosen.map_or(routing.object, |placed| placed.from),
        field: chosen.map_or_else(|| "spec.http".to_owned(), Placed::field),
        action,
        others: seen,
    })
}

/// What TCP rules make of connections to a service that has these ranges of addresses.
///
/// Istio: `tls.go:buildSidecarOutboundTCPFilterChainOpts`. The first rule for any destination ends the list; where there is none
/// the service's own cluster does, unless a rule names the very ranges that the service has.
pub(crate) fn tcp<'s>(
    routings: &[&Arc<Routing<'s>>],
    asking: Asking<'_>,
    ranges: &[IpNet],
    cluster_domain: &str,
) -> Vec<Streamed<'s>> {
    let mut found: Vec<Streamed<'s>> = Vec::new();
    let mut own = true;
    let rules =
        routings.iter().flat_map(|routing| routing.object.tcp.iter().enumerate().map(move |rule| (routing, rule)));
    for (routing, (index, rule)) in rules.filter(|(_, (_, rule))| !rule.destinations.is_empty()) {
        let via = stream(routing.object, format!("spec.tcp[{index}]"), rule, cluster_domain);
        let fitting: Vec<_> = rule.matches.iter().filter(|item| source_fits(&item.source, asking)).collect();
        if rule.matches.is_empty() || fitting.iter().any(|item| item.subnets.is_empty()) {
            found.push(Streamed::By { via, subnets: None });
            return found;
        }
        let subnets: Vec<IpNet> =
            fitting.iter().flat_map(|item| &item.subnets).filter_map(|subnet| net(subnet)).collect();
        if subnets.is_empty() {
            continue;
        }
        own = own && (subnets.len() != ranges.len() || !subnets.iter().all(|subnet| ranges.contains(subnet)));
        found.push(Streamed::By { via, subnets: Some(subnets) });
    }
    found.extend(own.then_some(Streamed::Own));
    found
}

/// What TLS rules make of a connection whose server name is the service's host.
pub(crate) fn tls<'s>(
    routings: &[&Arc<Routing<'s>>],
    asking: Asking<'_>,
    address: Option<IpAddr>,
    cluster_domain: &str,
) -> Named<'s> {
    let mut any = false;
    let mut best: Option<(usize, Via<'s>)> = None;
    for routing in routings {
        for (index, rule) in routing.object.tls.iter().enumerate().filter(|(_, rule)| !rule.destinations.is_empty()) {
            for item in rule.matches.iter().filter(|item| source_fits(&item.source, asking)) {
                any = true;
                let there = item.subnets.is_empty()
                    || address.is_some_and(|at| {
                        item.subnets.iter().filter_map(|subnet| net(subnet)).any(|net| net.contains(&at))
                    });
                let name = item.sni_hosts.iter().filter_map(|name| name_rank(name, asking.host)).max();
                let Some(rank) = name.filter(|_| there) else { continue };
                if best.as_ref().is_none_or(|(held, _)| rank > *held) {
                    best = Some((rank, stream(routing.object, format!("spec.tls[{index}]"), rule, cluster_domain)));
                }
            }
        }
    }
    match (any, best) {
        (_, Some((_, via))) => Named::By(via),
        (true, None) => Named::Unmatched,
        (false, None) => Named::Own,
    }
}

fn stream<'s>(object: &'s VirtualService, field: String, rule: &StreamRule, cluster_domain: &str) -> Via<'s> {
    let legs = legs(object, &rule.destinations, cluster_domain);
    Via { root: object, object, field, action: Action::Forward { legs, abort: None }, others: Vec::new() }
}

/// A subnet, or one address.
fn net(subnet: &str) -> Option<IpNet> {
    subnet.parse().ok().or_else(|| subnet.parse().ok().map(|address: IpAddr| IpNet::from(address)))
}

/// Envoy takes the whole name before the longest wildcard.
fn name_rank(pattern: &str, name: &str) -> Option<usize> {
    if pattern == name {
        return Some(usize::MAX);
    }
    (host::is_wildcard(pattern) && host::covers(pattern, name)).then_some(pattern.len())
}

/// One destination gets everything; of several those without weight get nothing.
fn legs(object: &VirtualService, destinations: &[Destination], cluster_domain: &str) -> Vec<Leg> {
    let leg = |destination: &Destination| Leg {
        host: host::qualify(&destination.host, &object.meta.namespace, cluster_domain).to_lowercase(),
        subset: destination.subset.clone(),
        port: destination.port,
        weight: destination.weight,
    };
    match destinations {
        [only] => vec![leg(only)],
        several => several.iter().filter(|destination| destination.weight > 0).map(leg).collect(),
    }
}

// === impl Placed ===

impl Placed<'_> {
    fn field(&self) -> String {
        format!("spec.http[{}]", self.index)
    }

    /// Istio: `route.go:TranslateRoute`: a redirect goes before a direct response, and both before destinations.
    fn action(&self, cluster_domain: &str) -> Action {
        const EVERY: u32 = 1_000_000;
        let rule = &self.rule;
        match (rule.abort, rule.redirect, rule.direct_response) {
            (Some(abort), _, _) if abort.per_million >= EVERY => {
                Action::Answer { status: abort.status, how: "fault.abort" }
            }
            (_, Some(status), _) => Action::Answer { status, how: "redirect" },
            (_, None, Some(status)) => Action::Answer { status, how: "directResponse" },
            (abort, None, None) => {
                let legs = legs(self.from, &rule.destinations, cluster_domain);
                let abort = abort.filter(|abort| abort.per_million > 0);
                if legs.is_empty() { Action::Nothing } else { Action::Forward { legs, abort } }
            }
        }
    }
}
