//! Where the client's listeners and routes lead a call: the cluster it really leaves by.

use std::collections::BTreeSet;

use crate::envoy::config_dump::Section;
use crate::envoy::listener::{Listener, NetworkFilter, WeightedClusters};
use crate::envoy::metadata::ConfigPath;
use crate::envoy::route::{Route, RouteConfiguration, VirtualHost};
use crate::model::pair::ServerRef;
use crate::model::port::Payload;
use crate::programmed::proxy::{Proxy, Wanted};
use crate::programmed::told::Evidence;

/// Where a call leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To clusters, the one with most of the traffic first.
    Clusters(Vec<String>),
    /// Nowhere known: passed through as dialled.
    Passthrough,
    /// Nowhere known: closed, or answered 502.
    BlackHole,
    /// The proxy answers by itself.
    Answers(u64),
    /// There are routes and none is for the host.
    NoRoute,
    /// Neither listener nor routes were read.
    NotRead,
}

/// Where a call leads, and what shows it.
pub(crate) struct Led {
    pub(crate) leads: Leads,
    /// The VirtualService of the route.
    pub(crate) by: Option<String>,
    /// Whether `istio.alpn` stands before the route; `None` where the listener was not read.
    pub(crate) alpn_filter: Option<bool>,
    pub(crate) evidence: Vec<Evidence>,
    /// Conditions under which the call would lead elsewhere.
    pub(crate) conditional: Vec<Evidence>,
}

/// Follows a call to a service port.
pub(crate) fn follow(proxy: &Proxy, server: &ServerRef, payload: Payload) -> Led {
    let listener = outbound_listener(proxy, server, payload);
    let alpn_filter = listener.as_ref().and_then(|found| found.alpn_filter);
    let mut led = match (payload, &listener) {
        (Payload::Http, Some(Found { routes: Some(name), .. })) => by_routes(proxy, server, &[name.as_str()]),
        (Payload::Http, None) => by_names(proxy, server),
        (_, Some(found)) => Led::to(found.leads.clone()),
        (Payload::Tcp, None) => unlistened(proxy),
    };
    led.alpn_filter = alpn_filter;
    if let Some(found) = listener {
        led.evidence.insert(0, found.evidence);
    }
    led
}

/// What a listener does with calls to a service port.
struct Found {
    /// Name of the routes, where HTTP is read.
    routes: Option<String>,
    leads: Leads,
    alpn_filter: Option<bool>,
    evidence: Evidence,
}

/// The outbound listener that a call meets: one that leads to the service, or reads HTTP on its port.
fn outbound_listener(proxy: &Proxy, server: &ServerRef, payload: Payload) -> Option<Found> {
    let serving = proxy.listeners.iter().filter_map(|kept| Some((kept, kept.value.active_state.as_ref()?)));
    let of_port = serving.filter(|(_, state)| {
        let listener = &state.listener;
        let bound = listener.address.socket_address.as_ref().and_then(|address| address.port_value);
        let named = listener.name.rsplit_once('_').and_then(|(_, port)| port.parse().ok());
        let over_tcp = !listener.address.is_udp();
        over_tcp
            && listener.traffic_direction != "INBOUND"
            && (bound == Some(server.port.0) || named == Some(server.port.0))
    });
    let mut http = None;
    for (kept, state) in of_port {
        for (index, filter) in filters(&state.listener) {
            let says = |says: String| proxy.evidence(kept, &format!("/active_state/listener{index}"), says);
            if filter.is_http() && payload == Payload::Http {
                let routes = filter.typed_config.rds.as_ref().map(|rds| rds.route_config_name.clone());
                let routes = routes.or_else(|| filter.typed_config.route_config.as_ref().map(|own| own.name.clone()));
                let own = routes.as_deref().is_some_and(|name| name.starts_with(&format!("{}:", server.host)));
                if own || (http.is_none() && routes.as_deref() == Some(server.port.to_string().as_str())) {
                    let evidence = says(format!("listener {} reads HTTP", kept.value.name));
                    let alpn_filter = Some(has_alpn_filter(filter));
                    http = Some(Found { routes, leads: Leads::NotRead, alpn_filter, evidence });
                }
            } else if filter.is_tcp() {
                let clusters =
                    targets(filter.typed_config.cluster.as_deref(), filter.typed_config.weighted_clusters.as_ref());
                let host = format!("|{}", server.host);
                if clusters.iter().any(|name| name.ends_with(&host)) && (payload == Payload::Tcp || http.is_none()) {
                    let evidence = says(format!("listener {} leads to {}", kept.value.name, clusters.join(", ")));
                    let leads = Leads::Clusters(clusters);
                    let found = Found { routes: None, leads, alpn_filter: Some(false), evidence };
                    if payload == Payload::Tcp {
                        return Some(found);
                    }
                }
            }
        }
    }
    http
}

/// Every network filter of a listener, with its place below it.
fn filters(listener: &Listener) -> impl Iterator<Item = (String, &NetworkFilter)> {
    let chains = listener.filter_chains.iter().enumerate().map(|(at, chain)| (format!("/filter_chains/{at}"), chain));
    let last = listener.default_filter_chain.iter().map(|chain| ("/default_filter_chain".to_owned(), chain));
    chains.chain(last).flat_map(|(at, chain)| {
        chain.filters.iter().enumerate().map(move |(index, filter)| (format!("{at}/filters/{index}"), filter))
    })
}

/// `istio.alpn`; upstream Envoy does the same with `set_filter_state` on its application protocols.
fn has_alpn_filter(filter: &NetworkFilter) -> bool {
    let names = &filter.typed_config.http_filters;
    names.iter().any(|http| matches!(http.name.as_str(), "istio.alpn" | "envoy.filters.http.set_filter_state"))
}

/// Nothing listens for the address: `virtualOutbound` takes it.
fn unlistened(proxy: &Proxy) -> Led {
    let found = proxy.listeners.iter().find(|kept| kept.value.name == "virtualOutbound");
    let Some((kept, state)) = found.and_then(|kept| Some((kept, kept.value.active_state.as_ref()?))) else {
        return Led::to(Leads::NotRead);
    };
    // The first chain is for calls to the port of the listener itself.
    let catch_all =
        filters(&state.listener).find(|(place, filter)| filter.is_tcp() && !is_own_port(&state.listener, place));
    let Some((place, filter)) = catch_all else { return Led::to(Leads::NotRead) };
    let cluster = filter.typed_config.cluster.clone().unwrap_or_default();
    let says = format!("no listener for the port; virtualOutbound leads to {cluster}");
    let evidence = vec![proxy.evidence(kept, &format!("/active_state/listener{place}"), says)];
    Led { evidence, ..Led::to(of_name(&cluster)) }
}

fn is_own_port(listener: &Listener, place: &str) -> bool {
    let index = place.strip_prefix("/filter_chains/").and_then(|rest| rest.split('/').next());
    let chain = index.and_then(|index| index.parse::<usize>().ok()).and_then(|at| listener.filter_chains.get(at));
    chain.is_some_and(|chain| chain.filter_chain_match.destination_port.is_some())
}

/// By the names that routes have, where no listener was read that names them.
fn by_names(proxy: &Proxy, server: &ServerRef) -> Led {
    let own = format!("{}:{}", server.host, server.port);
    let led = by_routes(proxy, server, &[own.as_str(), server.port.to_string().as_str()]);
    // Envoy keeps the routes of a sniffed port, emptied, while the listener drains that a Sidecar has taken away.
    if led.leads == Leads::NoRoute && proxy.routes.contains_key(&own) { unlistened(proxy) } else { led }
}

/// The first of these routes that was read, and the virtual host in it.
fn by_routes(proxy: &Proxy, server: &ServerRef, names: &[&str]) -> Led {
    let Some(kept) = names.iter().find_map(|name| proxy.routes.get(*name)) else {
        return Led::to(Leads::NotRead);
    };
    let routes = &kept.value.route_config;
    let Some((at, host)) = virtual_host(routes, &server.host, server.port.0) else {
        let says = format!("routes {} have no virtual host for {}", routes.name, server.host);
        return Led { evidence: vec![proxy.evidence(kept, "/route_config", says)], ..Led::to(Leads::NoRoute) };
    };
    let place = format!("/route_config/virtual_hosts/{at}");
    let mut conditional = Vec::new();
    for (index, route) in host.routes.iter().enumerate() {
        let (leads, words) = action(route);
        let says = |what: String| proxy.evidence(kept, &format!("{place}/routes/{index}"), what);
        if !route.matches.is_any() {
            conditional.push(says(format!("some requests: {words}")));
            continue;
        }
        let config = route.metadata.filter_metadata.istio.config.as_deref();
        let by = config.and_then(ConfigPath::parse).map(|path| format!("vs/{}.{}", path.name, path.namespace));
        let evidence = vec![says(format!("virtual host {}: {words}", host.name))];
        return Led { leads, by, alpn_filter: None, evidence, conditional };
    }
    let says = format!("virtual host {} has no route for every request", host.name);
    let evidence = vec![proxy.evidence(kept, &place, says)];
    Led { evidence, conditional, ..Led::to(Leads::NoRoute) }
}

fn action(route: &Route) -> (Leads, String) {
    match (&route.route, &route.direct_response, &route.redirect) {
        (Some(to), _, _) => {
            let clusters = targets(to.cluster.as_deref(), to.weighted_clusters.as_ref());
            let words = format!("to {}", clusters.join(", "));
            let leads = match clusters.as_slice() {
                [one] => of_name(one),
                [] => Leads::NotRead,
                _ => Leads::Clusters(clusters),
            };
            (leads, words)
        }
        (None, Some(answer), _) if answer.status == 502 => (Leads::BlackHole, "answered 502".to_owned()),
        (None, Some(answer), _) => (Leads::Answers(answer.status), format!("answered {}", answer.status)),
        (None, None, Some(_)) => (Leads::Answers(301), "redirected".to_owned()),
        (None, None, None) => (Leads::NotRead, "nothing that is known".to_owned()),
    }
}

fn of_name(cluster: &str) -> Leads {
    match cluster {
        "PassthroughCluster" => Leads::Passthrough,
        "BlackHoleCluster" => Leads::BlackHole,
        "" => Leads::NotRead,
        name => Leads::Clusters(vec![name.to_owned()]),
    }
}

/// One cluster, or several by falling weight.
fn targets(one: Option<&str>, several: Option<&WeightedClusters>) -> Vec<String> {
    if let Some(one) = one {
        return vec![one.to_owned()];
    }
    let mut weighted: Vec<_> = several.map(|several| several.clusters.iter().collect()).unwrap_or_default();
    weighted.sort_by_key(|cluster| std::cmp::Reverse(cluster.weight));
    weighted.into_iter().map(|cluster| cluster.name.clone()).collect()
}

/// Envoy: exact domain, then the longest `*suffix`, then the longest `prefix*`, then `*`.
fn virtual_host<'r>(routes: &'r RouteConfiguration, host: &str, port: u16) -> Option<(usize, &'r VirtualHost)> {
    let with_port = format!("{host}:{port}");
    let score = |domain: &str| {
        if domain == host || domain == with_port {
            return Some((3, domain.len()));
        }
        if domain == "*" {
            return Some((0, 0));
        }
        if let Some(suffix) = domain.strip_prefix('*') {
            return (host.ends_with(suffix) || with_port.ends_with(suffix)).then_some((2, domain.len()));
        }
        let prefix = domain.strip_suffix('*')?;
        host.starts_with(prefix).then_some((1, domain.len()))
    };
    let best = |candidate: &VirtualHost| candidate.domains.iter().filter_map(|domain| score(domain)).max();
    let scored = routes.virtual_hosts.iter().enumerate().filter_map(|(at, host)| Some((best(host)?, at, host)));
    scored.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, at, host)| (at, host))
}

/// Hosts whose clusters were not kept and that routes or listeners of the wanted services lead to.
pub(crate) fn beyond(proxy: &Proxy, wanted: &Wanted) -> BTreeSet<String> {
    if wanted.is_all() {
        return BTreeSet::new();
    }
    let ours = |host: &&VirtualHost| {
        let bare = |domain: &String| wanted.host(domain.rsplit_once(':').map_or(domain.as_str(), |(host, _)| host));
        host.domains.iter().any(|domain| bare(domain) || domain.contains('*'))
    };
    let hosts = proxy.routes.values().flat_map(|kept| &kept.value.route_config.virtual_hosts).filter(ours);
    let routed = hosts.flat_map(|host| &host.routes).filter_map(|route| route.route.as_ref());
    let routed = routed.flat_map(|to| targets(to.cluster.as_deref(), to.weighted_clusters.as_ref()));
    let serving = proxy.listeners.iter().filter_map(|kept| kept.value.active_state.as_ref());
    let tcp = serving.flat_map(|state| filters(&state.listener)).filter(|(_, filter)| filter.is_tcp());
    let forwarded = tcp.flat_map(|(_, filter)| {
        targets(filter.typed_config.cluster.as_deref(), filter.typed_config.weighted_clusters.as_ref())
    });
    let named = routed.chain(forwarded).filter_map(|cluster| {
        cluster.strip_prefix("outbound|").and_then(|rest| rest.rsplit('|').next()).map(str::to_owned)
    });
    named.filter(|host| !wanted.host(host)).collect()
}

/// Whether clusters that are not listed are not there.
pub(crate) fn clusters_are_known(proxy: &Proxy) -> bool {
    proxy.has(Section::ActiveClusters)
}

// === impl Led ===

impl Led {
    fn to(leads: Leads) -> Self {
        Self { leads, by: None, alpn_filter: None, evidence: Vec::new(), conditional: Vec::new() }
    }
}
