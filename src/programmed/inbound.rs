//! The server side: what its proxy was told to accept on a port.

use crate::envoy::config_dump::Section;
use crate::envoy::listener::{ListenerEntry, ListenerState};
use crate::model::filter_chain::{FilterChain, handle};
use crate::model::pair::AcceptMode;
use crate::model::port::{Payload, PortClass, WorkloadPort};
use crate::model::wire::{Arrival, Handling};
use crate::programmed::chains;
use crate::programmed::proxy::{Kept, Proxy};
use crate::programmed::told::{Accepts, Evidence};

/// What a proxy was told to accept on a port; `Err` says why it cannot be told.
pub fn read(proxy: &Proxy, port: WorkloadPort) -> Result<Accepts, String> {
    let Some((kept, state)) = listener(proxy, port) else {
        let warming = proxy.listeners.iter().any(|kept| kept.value.name == "virtualInbound");
        return Err(match (warming, proxy.refused(), proxy.has(Section::DynamicListeners)) {
            (true, ..) => "its inbound listener waits for its secrets and serves nothing".to_owned(),
            (false, Some(refused), _) => refused,
            (false, None, true) => "it has no inbound listener".to_owned(),
            (false, None, false) => "its answers have no listeners".to_owned(),
        });
    };
    let read = chains::of_port(&state.listener, port);
    let place = if kept.value.active_state.is_some() { "/active_state/listener" } else { "/listener" };
    let evidence = |(at, words): &(String, String)| proxy.evidence(kept, &format!("{place}{at}"), words.clone());
    let mut shown: Vec<Evidence> = read.places.iter().map(evidence).collect();
    if shown.is_empty() {
        let says = format!("listener {}: no chain for port {port}", state.listener.name);
        shown.push(proxy.evidence(kept, place, says));
    }
    Ok(Accepts {
        mode: if read.odd.is_empty() { mode(&read.chains, port) } else { None },
        class: class(&read.chains),
        odd: read.odd.iter().map(evidence).collect(),
        chains: read.chains,
        trusts: read.trusts,
        forwards: read.forwards,
        changed: state.last_updated.as_deref().and_then(|at| at.parse().ok()),
        draining: kept.value.draining_state.is_some(),
        evidence: shown,
    })
}

/// The listener that a connection to a port meets.
///
/// Since Istio 1.10 `virtualInbound` has the chains of every port. Before, it hands connections to the listener of their
/// original destination where there is one (`use_original_dst`) and keeps chains of its own for the rest. A gateway has
/// neither: its listeners are of the other direction and bound to the port itself.
fn listener(proxy: &Proxy, port: WorkloadPort) -> Option<(&Kept<ListenerEntry>, ListenerState)> {
    let tcp = |(_, state): &(_, ListenerState)| !state.listener.address.is_udp();
    let all = proxy.listeners.iter().filter_map(|kept| Some((kept, serving(&kept.value)?)));
    let serving: Vec<_> = all.filter(tcp).collect();
    let inbound = |state: &ListenerState| state.listener.traffic_direction == "INBOUND";
    let bound = |state: &ListenerState| state.listener.address.socket_address.as_ref().and_then(|at| at.port_value);
    let whole = serving.iter().find(|(_, state)| state.listener.name == "virtualInbound");
    let hands_over = whole.is_none_or(|(_, state)| state.listener.use_original_dst);
    let exact = serving
        .iter()
        .find(|(_, state)| inbound(state) && state.listener.name != "virtualInbound" && bound(state) == Some(port.0));
    let gateway = || serving.iter().find(|(_, state)| bound(state) == Some(port.0));
    exact.filter(|_| hands_over).or(whole).or_else(gateway).cloned()
}

fn serving(entry: &ListenerEntry) -> Option<ListenerState> {
    let fixed = || {
        let listener = entry.listener.as_deref()?.clone();
        Some(ListenerState { version_info: String::new(), listener, last_updated: entry.last_updated.clone() })
    };
    entry.active_state.as_deref().cloned().or_else(fixed)
}

/// The mode of Istio's that makes such chains.
fn mode(chains: &[FilterChain], port: WorkloadPort) -> Option<AcceptMode> {
    let ends =
        |arrival| matches!(handle(chains, port, arrival), Handling::Terminate | Handling::TerminateIfMeshCertificate);
    let passes = |arrival| matches!(handle(chains, port, arrival), Handling::Pass);
    let mutual = ends(Arrival::MutualTlsHttp) || ends(Arrival::MutualTlsTcp);
    let plaintext = passes(Arrival::PlaintextHttp) || passes(Arrival::PlaintextTcp);
    match (mutual, plaintext) {
        (true, false) => Some(AcceptMode::Strict),
        (true, true) => Some(AcceptMode::Permissive),
        (false, true) => Some(AcceptMode::Disable),
        (false, false) => None,
    }
}

fn class(chains: &[FilterChain]) -> PortClass {
    // A pass-through chain for foreign TLS is TCP on every port; what ends TLS or takes plaintext tells the class.
    let telling = |chain: &&FilterChain| {
        chain.terminates || chain.transport == crate::model::filter_chain::TransportMatch::RawBuffer
    };
    let reads = |codec| chains.iter().filter(telling).any(|chain| chain.codec == codec);
    match (reads(Payload::Http), reads(Payload::Tcp)) {
        (true, false) => PortClass::Http,
        (false, true) => PortClass::Tcp,
        (true, true) | (false, false) => PortClass::Auto,
    }
}
