//! The filter chains of one outbound listener, and the one that a plaintext connection of an application finds.
//!
//! Istio: `pilot/pkg/networking/core/listener.go:mergeTCPFilterChains,buildListenerFromEntry`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::intent::outbound::Hosts;
use crate::intent::registry::Svc;
use crate::intent::via::{Streamed, Via};
use crate::model::port::Payload;

/// The chains of a listener.
#[derive(Debug)]
pub(super) struct Chains<'s> {
    /// As services brought them, in order.
    parts: Vec<Vec<Chain<'s>>>,
    /// What those come to where no VirtualService speaks of connections.
    merged: Vec<Chain<'s>>,
}

#[derive(Debug, Clone)]
pub(super) struct Chain<'s> {
    pub(super) leads: Leads<'s>,
    /// Matches `raw_buffer` and plaintext HTTP only.
    pub(super) sniffed_http: bool,
    /// Matches these destinations; empty = any.
    pub(super) ranges: Vec<IpNet>,
    /// Whether it is Envoy's default chain: nothing was asked of the destination.
    pub(super) open: bool,
    /// Matches a server name, which plaintext never has.
    pub(super) server_name: Option<String>,
}

/// What a chain does.
#[derive(Debug, Clone)]
pub(super) enum Leads<'s> {
    /// To the routes of the port, by Host.
    Routes,
    /// To one service, whatever the Host.
    To { svc: Arc<Svc<'s>>, payload: Payload, brought: Brought },
    /// As a rule for connections says.
    By(Via<'s>),
}

/// How a service came to a listener: it decides which rules for connections are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brought {
    /// The egress listener that imports it, by its place: it is the one whose VirtualServices are read.
    pub(super) egress: usize,
    /// Whether the listener's protocol is TLS, which a `Sidecar` may set apart from that of the service's port: rules for TLS
    /// are read then, and those for TCP otherwise.
    ///
    /// Istio: `tls.go:buildSidecarOutboundTLSFilterChainOpts,buildSidecarOutboundTCPFilterChainOpts`, both by `listenPort`.
    pub(super) tls: bool,
}

// === impl Chains ===

impl<'s> Chains<'s> {
    /// What the first service brings.
    pub(super) fn new(chains: Vec<Chain<'s>>) -> Self {
        Self { parts: vec![chains.clone()], merged: chains }
    }

    /// What another service adds.
    pub(super) fn merge(&mut self, incoming: Vec<Chain<'s>>) {
        add(&mut self.merged, incoming.clone());
        self.parts.push(incoming);
    }

    /// What happens to a connection to an address; `None` = no chain of a service takes it.
    pub(super) fn lead(&self, address: Option<IpAddr>, payload: Payload, hosts: &Hosts<'_, 's>) -> Option<Leads<'s>> {
        let ruled = |chain: &Chain<'s>| chain.stream().is_some_and(|(svc, brought)| hosts.speak_of(svc, brought));
        if !self.parts.iter().flatten().any(ruled) {
            return select(&self.merged, address, payload).map(|chain| chain.leads.clone());
        }
        let mut merged: Vec<Chain<'s>> = Vec::new();
        for (place, part) in self.parts.iter().enumerate() {
            let expanded: Vec<Chain<'s>> = part.iter().flat_map(|chain| chain.ruled(hosts)).collect();
            if place == 0 {
                merged = expanded;
            } else {
                add(&mut merged, expanded);
            }
        }
        select(&merged, address, payload).map(|chain| chain.leads.clone())
    }
}

/// Adds chains whose conditions no chain has yet.
///
/// Istio: `listener.go:mergeTCPFilterChains`.
fn add<'s>(chains: &mut Vec<Chain<'s>>, incoming: Vec<Chain<'s>>) {
    for chain in incoming {
        if !chains.iter().any(|existing| existing.same_match(&chain)) {
            chains.push(chain);
        }
    }
}

/// Envoy's choice for a plaintext connection: address, server name, transport, ALPN, without going back.
fn select<'c, 's>(chains: &'c [Chain<'s>], address: Option<IpAddr>, payload: Payload) -> Option<&'c Chain<'s>> {
    let (catch_all, matching): (Vec<&Chain<'s>>, Vec<&Chain<'s>>) =
        chains.iter().partition(|chain| chain.matches_all());
    let fallback = catch_all.last().copied();
    if matching.is_empty() {
        return fallback;
    }
    let best = matching.iter().filter_map(|chain| chain.depth(address)).max();
    let near = matching.into_iter().filter(|chain| best.is_some() && chain.depth(address) == best);
    let nameless: Vec<&Chain<'s>> = near.filter(|chain| chain.server_name.is_none()).collect();
    let raw = nameless.iter().any(|chain| chain.sniffed_http);
    let of_transport: Vec<&Chain<'s>> = nameless.into_iter().filter(|chain| chain.sniffed_http == raw).collect();
    let sniffed = chains.iter().any(|chain| chain.sniffed_http) && payload == Payload::Http;
    let by_alpn = of_transport.iter().find(|chain| sniffed && chain.sniffed_http);
    by_alpn.or_else(|| of_transport.iter().find(|chain| !chain.sniffed_http)).copied().or(fallback)
}

// === impl Chain ===

impl<'s> Chain<'s> {
    /// A chain for a range of addresses, or for all.
    pub(super) fn to(leads: Leads<'s>, range: Option<IpNet>) -> Self {
        Self {
            leads,
            sniffed_http: false,
            ranges: range.into_iter().collect(),
            open: range.is_none(),
            server_name: None,
        }
    }

    /// What rules for connections make of the chain of a service.
    ///
    /// Envoy looks at the destination before anything else, so that a chain with a range of its own takes HTTP too where the
    /// port is sniffed: the chain of HTTP has none.
    fn ruled(&self, hosts: &Hosts<'_, 's>) -> Vec<Self> {
        let Some((svc, brought)) = self.stream() else { return vec![self.clone()] };
        let each = |streamed: Streamed<'s>| match streamed {
            Streamed::Own => self.clone(),
            Streamed::By { via, subnets: None } => Self { leads: Leads::By(via), ..self.clone() },
            Streamed::By { via, subnets: Some(subnets) } => {
                // Istio: `listener.go:toFilterChainMatch` leaves a prefix of 0.0.0.0 out, and the chain is no default for all that.
                let ranges = subnets.into_iter().filter(|range| !is_anywhere(range)).collect();
                Self { leads: Leads::By(via), ranges, open: false, ..self.clone() }
            }
        };
        hosts.streams(svc, brought, &self.ranges).into_iter().map(each).collect()
    }

    /// The service whose connections it takes as they come, and how it came there.
    fn stream(&self) -> Option<(&Arc<Svc<'s>>, Brought)> {
        match &self.leads {
            Leads::To { svc, payload: Payload::Tcp, brought } => Some((svc, *brought)),
            Leads::To { payload: Payload::Http, .. } | Leads::Routes | Leads::By(_) => None,
        }
    }

    fn matches_all(&self) -> bool {
        self.open && !self.sniffed_http && self.server_name.is_none()
    }

    /// How much of the address the chain names; `None` where it is for others.
    fn depth(&self, address: Option<IpAddr>) -> Option<i16> {
        if self.ranges.is_empty() {
            return Some(-1);
        }
        let holding = self.ranges.iter().filter(|range| address.is_some_and(|address| range.contains(&address)));
        holding.map(|range| i16::from(range.prefix_len())).max()
    }

    /// Istio: `listener.go:conflictsWith`.
    fn same_match(&self, other: &Self) -> bool {
        let within = |one: &Self, other: &Self| {
            one.ranges.iter().all(|range| other.ranges.iter().any(|held| held.trunc() == range.trunc()))
        };
        self.sniffed_http == other.sniffed_http
            && self.server_name == other.server_name
            && within(self, other)
            && within(other, self)
    }
}

fn is_anywhere(range: &IpNet) -> bool {
    matches!(range.addr(), IpAddr::V4(address) if address.is_unspecified())
}
