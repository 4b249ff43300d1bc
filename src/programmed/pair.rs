//! Both ends of a pair: what the proxies were told, and what follows.

use std::sync::Arc;

use crate::model::evidence::{Reading, Unseen};
use crate::model::filter_chain::{Connection, meet};
use crate::model::pair::{AcceptMode, ClientRef, Endpoint, OriginKind, OriginMode, PairIntent, Route, ServerRef};
use crate::model::port::{Payload, PortClass, Protocol};
use crate::model::wire::{Outcome, Sends, Why, Wire};
use crate::model::workload::ProxyKind;
use crate::programmed::proxy::Proxy;
use crate::programmed::told::{Accepts, EndpointTold, Originates, Programmed};
use crate::programmed::{Proxies, certificates, inbound, outbound, troubles};

const UNREAD: Outcome = Outcome { wire: Wire::Unknown, why: Why::NotReadable };

/// What the proxies of a pair were told.
pub(crate) fn told(proxies: &Proxies, client: &ClientRef, server: &ServerRef, intent: &PairIntent) -> Programmed {
    let asked = if has_envoy(client.proxy) {
        proxies.of(&client.namespace, &client.pod)
    } else {
        Reading::Unseen(Unseen::NoProxy)
    };
    let bare = intent.originates.mode == OriginMode::NoProxy;
    let originates = match (&asked, bare, client.proxy) {
        // No proxy, or one that never sees the call: nobody could tell it anything.
        (_, _, ProxyKind::None) | (_, true, _) => Reading::Seen(untold(intent)),
        (Reading::Seen(proxy), false, _) => match outbound::read(proxy, server, &intent.endpoints) {
            Ok(originates) => Reading::Seen(originates),
            Err(why) => Reading::Unseen(Unseen::Failed(why)),
        },
        (Reading::Unseen(why), false, _) => Reading::Unseen(why.clone()),
    };
    let raw = raw(&asked, &originates, server, intent);
    let mut found = Vec::new();
    if let Reading::Seen(proxy) = &asked {
        found.extend(troubles::of_client(proxy));
    }
    let mut read_at = seen(&asked).and_then(|proxy| proxy.read_at);
    let mut endpoints = Vec::new();
    for (at, endpoint) in intent.endpoints.iter().enumerate() {
        let end = endpoint_proxy(proxies, endpoint);
        if let Reading::Seen(proxy) = &end {
            read_at = read_at.max(proxy.read_at);
            for trouble in troubles::of_server(proxy, seen(&asked), seen_originates(&originates)) {
                if !found.contains(&trouble) {
                    found.push(trouble);
                }
            }
        }
        let told = one((&originates, raw.as_ref()), at, endpoint, &end, server.protocol);
        if let (Reading::Seen(accepts), Some(client), Some(server)) = (&told.accepts, seen(&asked), seen(&end))
            && told.sends == Some(Sends::MutualTls)
            && let Some(trouble) = troubles::of_trust(client, server, accepts)
            && !found.contains(&trouble)
        {
            found.push(trouble);
        }
        endpoints.push(told);
    }
    let outcome = over(&originates, &endpoints, &intent.endpoints, intent.outcome, |told| Some(told.outcome));
    let tcp = raw.as_ref().map(|_| over(&originates, &endpoints, &intent.endpoints, intent.outcome, |told| told.tcp));
    let client = match (originates, client.proxy) {
        (Reading::Seen(told), ProxyKind::None)
            if told.evidence.is_empty() && !any_accepts(&endpoints, &intent.endpoints) =>
        {
            Reading::Unseen(no_server(&endpoints))
        }
        (reading, _) => reading,
    };
    let (outcome, tcp) = if matches!(client, Reading::Unseen(_)) { (UNREAD, None) } else { (outcome, tcp) };
    Programmed { client, endpoints, outcome, tcp, troubles: found, read_at }
}

/// What the client sends where it speaks raw TCP to a port whose protocol is sniffed; HTTP may be routed elsewhere.
fn raw(
    asked: &Reading<Arc<Proxy>>,
    originates: &Reading<Originates>,
    server: &ServerRef,
    intent: &PairIntent,
) -> Option<Originates> {
    let told = seen_originates(originates).filter(|_| server.protocol.class() == PortClass::Auto)?;
    match seen(asked).filter(|_| told.mode != OriginMode::NoProxy) {
        Some(proxy) => outbound::read_as(proxy, server, &intent.endpoints, Payload::Tcp).ok(),
        None => Some(told.clone()),
    }
}

/// Why no server's proxy speaks, where the client has none: two ends without a proxy have no second witness.
fn no_server(endpoints: &[EndpointTold]) -> Unseen {
    let why = |told: &EndpointTold| match &told.accepts {
        Reading::Unseen(why) if *why != Unseen::NoProxy => Some(why.clone()),
        Reading::Unseen(_) | Reading::Seen(_) => None,
    };
    endpoints.iter().find_map(why).unwrap_or(Unseen::NoProxy)
}

fn any_accepts(endpoints: &[EndpointTold], wanted: &[Endpoint]) -> bool {
    let seen = |(told, endpoint): (&EndpointTold, &Endpoint)| {
        matches!(told.accepts, Reading::Seen(_)) && endpoint.accepts.mode != AcceptMode::NoProxy
    };
    endpoints.iter().zip(wanted).any(seen)
}

fn has_envoy(proxy: ProxyKind) -> bool {
    match proxy {
        ProxyKind::Sidecar | ProxyKind::Gateway | ProxyKind::Waypoint | ProxyKind::Unknown => true,
        ProxyKind::None | ProxyKind::Ztunnel | ProxyKind::Proxyless => false,
    }
}

fn seen(reading: &Reading<Arc<Proxy>>) -> Option<&Proxy> {
    match reading {
        Reading::Seen(proxy) => Some(proxy),
        Reading::Unseen(_) => None,
    }
}

fn seen_originates(reading: &Reading<Originates>) -> Option<&Originates> {
    match reading {
        Reading::Seen(originates) => Some(originates),
        Reading::Unseen(_) => None,
    }
}

/// What a client sends that nobody told anything: plaintext.
fn untold(intent: &PairIntent) -> Originates {
    Originates {
        kind: OriginKind::Plaintext,
        mode: OriginMode::NoProxy,
        or_modes: Vec::new(),
        route: Route::Direct,
        refuses: None,
        tls: None,
        sends: intent.endpoints.iter().map(|_| Some(Sends::Plaintext)).collect(),
        alpn_filter: Some(false),
        named: None,
        routed_by: None,
        by_label: false,
        changed: None,
        evidence: Vec::new(),
        odd: Vec::new(),
    }
}

fn endpoint_proxy(proxies: &Proxies, endpoint: &Endpoint) -> Reading<Arc<Proxy>> {
    if endpoint.proxy == ProxyKind::Ztunnel {
        return Reading::Unseen(Unseen::Failed("the node's ztunnel serves it, which is no Envoy".to_owned()));
    }
    match (&endpoint.pod, has_envoy(endpoint.proxy), endpoint.accepts.mode) {
        (None, ..) | (_, false, _) | (_, _, AcceptMode::NoProxy) => Reading::Unseen(Unseen::NoProxy),
        (Some(pod), true, _) => proxies.of(&endpoint.namespace, pod),
    }
}

/// One endpoint: what it accepts, what it gets, what follows.
fn one(
    (originates, raw): (&Reading<Originates>, Option<&Originates>),
    at: usize,
    endpoint: &Endpoint,
    proxy: &Reading<Arc<Proxy>>,
    protocol: Protocol,
) -> EndpointTold {
    let accepts = match proxy {
        Reading::Seen(proxy) => match inbound::read(proxy, endpoint.port) {
            Ok(accepts) => Reading::Seen(accepts),
            Err(why) => Reading::Unseen(Unseen::Failed(why)),
        },
        Reading::Unseen(why) => Reading::Unseen(why.clone()),
    };
    let Some(told) = seen_originates(originates) else {
        return EndpointTold { accepts, sends: None, outcome: UNREAD, tcp: None, tcp_sends: None };
    };
    let sends = |told: &Originates| told.sends.get(at).copied().flatten();
    let follows = |told: &Originates, payload| match (told.refuses, sends(told)) {
        (Some(why), _) => Outcome { wire: Wire::Refused, why },
        (None, None) => UNREAD,
        (None, Some(sends)) => {
            let opened =
                Connection::opened(sends, payload, protocol, told.tls.as_ref(), told.alpn_filter.unwrap_or(true));
            arrive(told, sends, endpoint, &accepts, proxy, &opened)
        }
    };
    let payload = if protocol.class() == PortClass::Tcp { Payload::Tcp } else { Payload::Http };
    let outcome = follows(told, payload);
    let tcp = raw.map(|raw| follows(raw, Payload::Tcp));
    EndpointTold { accepts, sends: sends(told), outcome, tcp, tcp_sends: raw.and_then(sends) }
}

/// What becomes of a connection at an endpoint.
fn arrive(
    told: &Originates,
    sends: Sends,
    endpoint: &Endpoint,
    accepts: &Reading<Accepts>,
    proxy: &Reading<Arc<Proxy>>,
    opened: &Connection<'_>,
) -> Outcome {
    let met = match accepts {
        Reading::Seen(accepts) if accepts.odd.is_empty() => {
            Outcome::of(sends, Some(meet(&accepts.chains, endpoint.port, opened)))
        }
        Reading::Unseen(Unseen::NoProxy) if endpoint.pod.is_some() || sends != Sends::MutualTls => {
            Outcome::of(sends, None)
        }
        Reading::Unseen(Unseen::NoProxy) => Outcome { wire: Wire::Depends, why: Why::OutsideTheMesh },
        Reading::Seen(_) | Reading::Unseen(_) => UNREAD,
    };
    let expected = told.tls.as_ref().map(|tls| tls.subject_alt_names.as_slice()).unwrap_or_default();
    let identity = seen(proxy).and_then(certificates::identity);
    match identity {
        Some(identity) if met.wire == Wire::MutualTls && !expected.is_empty() && !expected.contains(&identity) => {
            Outcome { wire: Wire::Refused, why: Why::ServerIdentityNotExpected }
        }
        Some(_) | None => met,
    }
}

/// One outcome over the endpoints that count; unknown as soon as one of them is.
fn over(
    originates: &Reading<Originates>,
    told: &[EndpointTold],
    endpoints: &[Endpoint],
    demanded: Outcome,
    of: impl Fn(&EndpointTold) -> Option<Outcome>,
) -> Outcome {
    let Reading::Seen(client) = originates else { return UNREAD };
    let mut joint: Option<Outcome> = None;
    for (told, _) in told.iter().zip(endpoints).filter(|(_, endpoint)| !endpoint.is_self) {
        let outcome = of(told).unwrap_or(UNREAD);
        joint = Some(match joint {
            None => outcome,
            Some(held) if held.wire == Wire::Unknown || outcome.wire == Wire::Unknown => UNREAD,
            Some(held) if held == outcome => held,
            Some(held) if held.wire == outcome.wire => Outcome { why: Why::EndpointsDiffer, ..held },
            Some(_) => Outcome { wire: Wire::Mixed, why: Why::EndpointsDiffer },
        });
    }
    match (joint, client.refuses) {
        (Some(joint), _) => joint,
        (None, Some(why)) => Outcome { wire: Wire::Refused, why },
        // Nothing to call: the proxies have nothing to add to that.
        (None, None) if demanded.wire == Wire::None => demanded,
        (None, None) => UNREAD,
    }
}
