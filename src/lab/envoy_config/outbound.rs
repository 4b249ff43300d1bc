//! Outbound listeners: one for each declared HTTP port, one for each address of other ports, and `virtualOutbound`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::lab::desired::OutboundPort;
use crate::lab::envoy_config::http::{self, Direction};
use crate::lab::envoy_config::{Sidecar, route, tls};
use crate::model::mesh::OutboundPolicy;
use crate::model::port::PortClass;

/// Every outbound listener of a sidecar.
pub(super) fn listeners(sidecar: &Sidecar<'_>) -> Vec<Value> {
    let mut listeners = vec![catch_all(sidecar)];
    let mut taken = BTreeSet::new();
    for port in &sidecar.config.outbound {
        let number = port.port.0;
        match port.class {
            PortClass::Http => {
                if taken.insert((None, number)) {
                    listeners.push(declared_http(sidecar, number));
                }
            }
            PortClass::Tcp | PortClass::Auto => {
                // The first service to claim an address and port has it (Istio: conflicting listeners are dropped).
                for address in port.addresses.iter().filter(|address| taken.insert((Some(**address), number))) {
                    listeners.push(of_address(sidecar, port, *address));
                }
            }
        }
    }
    listeners
}

/// Istio: `listener_builder.go:buildVirtualOutboundListener`.
fn catch_all(sidecar: &Sidecar<'_>) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "virtualOutbound",
        "address": { "socket_address": { "address": "0.0.0.0", "port_value": 15001 } },
        "filter_chains": [
            {
                "filter_chain_match": { "destination_port": 15001 },
                "filters": [http::tcp_proxy("BlackHoleCluster", None)],
                "name": "virtualOutbound-blackhole",
            },
            { "filters": [unknown(sidecar)], "name": "virtualOutbound-catchall-tcp" },
        ],
        "use_original_dst": true,
        "traffic_direction": "OUTBOUND",
        "access_log": sidecar.logging.of_listener(),
        "max_connections_to_accept_per_socket_event": 1,
    })
}

/// Where destinations go that nobody declared.
fn unknown(sidecar: &Sidecar<'_>) -> Value {
    let cluster = match sidecar.config.outbound_policy {
        OutboundPolicy::AllowAny => "PassthroughCluster",
        OutboundPolicy::RegistryOnly => "BlackHoleCluster",
    };
    http::tcp_proxy(cluster, Some(sidecar.logging))
}

/// `0.0.0.0_<port>`: HTTP by its route, anything else as an unknown destination.
fn declared_http(sidecar: &Sidecar<'_>, port: u16) -> Value {
    let name = format!("0.0.0.0_{port}");
    let rds = rds(&port.to_string());
    let manager = http::manager(Direction::Outbound, &format!("outbound_{name}"), rds, sidecar.logging, Vec::new());
    sniffing(sidecar, &name, &json!({ "address": "0.0.0.0", "port_value": port }), &manager, &unknown(sidecar))
}

/// `<address>_<port>`.
fn of_address(sidecar: &Sidecar<'_>, port: &OutboundPort, address: IpAddr) -> Value {
    let name = format!("{address}_{}", port.port);
    let socket = json!({ "address": address, "port_value": port.port });
    let proxy = http::tcp_proxy(&port.cluster.name, Some(sidecar.logging));
    if port.class == PortClass::Auto {
        let rds = rds(&route::sniffed_name(port));
        let manager = http::manager(Direction::Outbound, &format!("outbound_{name}"), rds, sidecar.logging, Vec::new());
        return sniffing(sidecar, &name, &socket, &manager, &proxy);
    }
    let mut listener = begin(&name, &socket);
    listener.insert("filter_chains".to_owned(), json!([{ "filters": [proxy] }]));
    end(sidecar, listener)
}

fn sniffing(sidecar: &Sidecar<'_>, name: &str, socket: &Value, manager: &Value, otherwise: &Value) -> Value {
    let mut listener = begin(name, socket);
    let spoken = json!({ "transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"] });
    listener.insert("filter_chains".to_owned(), json!([{ "filter_chain_match": spoken, "filters": [manager] }]));
    listener
        .insert("default_filter_chain".to_owned(), json!({ "filters": [otherwise], "name": "PassthroughFilterChain" }));
    listener.insert("listener_filters".to_owned(), json!([http::listener_filter("http_inspector", "HttpInspector")]));
    end(sidecar, listener)
}

fn begin(name: &str, socket: &Value) -> Map<String, Value> {
    let mut listener = Map::new();
    listener.insert("@type".to_owned(), json!("type.googleapis.com/envoy.config.listener.v3.Listener"));
    listener.insert("name".to_owned(), json!(name));
    listener.insert("address".to_owned(), json!({ "socket_address": socket }));
    listener
}

fn end(sidecar: &Sidecar<'_>, mut listener: Map<String, Value>) -> Value {
    listener.insert("listener_filters_timeout".to_owned(), json!("0s"));
    listener.insert("traffic_direction".to_owned(), json!("OUTBOUND"));
    listener.insert("continue_on_listener_filters_timeout".to_owned(), json!(true));
    listener.insert("access_log".to_owned(), sidecar.logging.of_listener());
    listener.insert("bind_to_port".to_owned(), json!(false));
    Value::Object(listener)
}

fn rds(name: &str) -> (&'static str, Value) {
    ("rds", json!({ "config_source": tls::ads(), "route_config_name": name }))
}
