//! `virtualInbound`: every filter chain of a pod's own ports, and those of ports that nobody declared.

use serde_json::{Map, Value, json};

use crate::lab::envoy_config::http::{self, Direction};
use crate::lab::envoy_config::{Sidecar, access, cluster, inspectors, route, tls};
use crate::model::filter_chain::{FilterChain, TransportMatch};
use crate::model::port::Payload;

/// Istio: `pilot/pkg/networking/core/listener_inbound.go:buildInboundListeners`.
pub(super) fn listener(sidecar: &Sidecar<'_>) -> Value {
    let mut chains = vec![json!({
        "filter_chain_match": { "destination_port": 15006 },
        "filters": [http::tcp_proxy("BlackHoleCluster", None)],
        "name": "virtualInbound-blackhole",
    })];
    chains.extend(sidecar.config.inbound.iter().map(|chain| filter_chain(sidecar, chain)));
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "virtualInbound",
        "address": { "socket_address": { "address": "0.0.0.0", "port_value": 15006 } },
        "filter_chains": chains,
        "listener_filters": inspectors::filters(&sidecar.config.inbound),
        "listener_filters_timeout": "0s",
        "traffic_direction": "INBOUND",
        "continue_on_listener_filters_timeout": true,
        "access_log": sidecar.logging.of_listener(),
        "max_connections_to_accept_per_socket_event": 1,
    })
}

fn filter_chain(sidecar: &Sidecar<'_>, chain: &FilterChain) -> Value {
    let mut written = Map::new();
    written.insert("filter_chain_match".to_owned(), chain_match(chain));
    let mut filters = match chain.codec {
        Payload::Http => Vec::new(),
        Payload::Tcp => access::network(&sidecar.config.access),
    };
    filters.push(filter(sidecar, chain));
    written.insert("filters".to_owned(), json!(filters));
    if chain.terminates {
        let socket = tls::downstream(&sidecar.config.trust_domains, chain.codec);
        written.insert("transport_socket".to_owned(), socket);
    }
    let name = match (chain.port, chain.codec) {
        (Some(port), _) => format!("0.0.0.0_{port}"),
        (None, Payload::Http) => "virtualInbound-catchall-http".to_owned(),
        (None, Payload::Tcp) => "virtualInbound".to_owned(),
    };
    written.insert("name".to_owned(), json!(name));
    Value::Object(written)
}

fn chain_match(chain: &FilterChain) -> Value {
    let mut matching = Map::new();
    if let Some(port) = chain.port {
        matching.insert("destination_port".to_owned(), json!(port));
    }
    let transport = match chain.transport {
        TransportMatch::Tls => "tls",
        TransportMatch::RawBuffer => "raw_buffer",
    };
    matching.insert("transport_protocol".to_owned(), json!(transport));
    if !chain.alpn.is_empty() {
        matching.insert("application_protocols".to_owned(), json!(chain.alpn));
    }
    Value::Object(matching)
}

fn filter(sidecar: &Sidecar<'_>, chain: &FilterChain) -> Value {
    let cluster = chain.port.map_or_else(|| "InboundPassthroughCluster".to_owned(), cluster::inbound_name);
    match chain.codec {
        Payload::Tcp => http::tcp_proxy(&cluster, Some(sidecar.logging)),
        Payload::Http => {
            let prefix = chain.port.map_or(cluster, |port| format!("inbound_0.0.0.0_{port}"));
            let direction = Direction::Inbound { forward: sidecar.config.forward.as_str() };
            let routes = ("route_config", route::inbound(sidecar, chain.port));
            http::manager(direction, &prefix, routes, sidecar.logging, access::http(&sidecar.config.access))
        }
    }
}
