//! From istiod's configuration to one that works on loopback, and back.
//!
//! What iptables does in a pod, the PROXY protocol does here: the lab dials Envoy's two entrances with the original
//! destination in a header, and Envoy names the destinations it does not know in one. Known endpoints are sockets of the
//! lab, one each, that lead to a virtual address.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::lab::envoy_config::Resources;
use crate::model::port::WorkloadPort;

/// The cluster that discovery is asked over.
pub(super) const DISCOVERY: &str = "lab";
/// Envoy gives up a secret that does not come; a listener or cluster would wait for ever, as with istiod.
const SECRET_PATIENCE: &str = "1s";

/// Sockets of the lab that stand for what Envoy dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wiring {
    /// Of virtual endpoints.
    pub(super) endpoints: BTreeMap<SocketAddr, SocketAddr>,
    /// Of the pod's own application.
    pub(super) application: BTreeMap<WorkloadPort, SocketAddr>,
    /// Of any destination, named in a PROXY header.
    pub(super) anywhere: SocketAddr,
    /// Of any port of the application, named in a PROXY header.
    pub(super) own_ports: SocketAddr,
    /// Refuses connections.
    pub(super) nobody: SocketAddr,
}

// === impl Wiring ===

impl Wiring {
    /// The same configuration with loopback addresses.
    pub(super) fn rewire(&self, mut resources: Resources) -> Resources {
        for cluster in &mut resources.clusters {
            self.cluster(cluster);
            ask_the_lab(cluster);
        }
        for assignment in &mut resources.endpoints {
            self.assignment(assignment);
        }
        for one in &mut resources.listeners {
            listener(one);
            ask_the_lab(one);
        }
        resources
    }

    /// Clusters that dial what was dialled get an address: the application's own, or one that reads a PROXY header.
    fn cluster(&self, cluster: &mut Value) {
        let Some(cluster) = cluster.as_object_mut() else { return };
        if cluster.get("type").and_then(Value::as_str) != Some("ORIGINAL_DST") {
            return;
        }
        let name = cluster.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let own = name.strip_prefix("inbound|").and_then(|rest| rest.strip_suffix("||")?.parse().ok());
        let (address, named) = match own {
            Some(port) => (self.application.get(&WorkloadPort(port)).copied().unwrap_or(self.nobody), false),
            None if name.starts_with("Inbound") => (self.own_ports, true),
            None => (self.anywhere, true),
        };
        for field in ["lb_policy", "cleanup_interval"] {
            cluster.shift_remove(field);
        }
        cluster.insert("type".to_owned(), json!("STATIC"));
        let endpoint = json!({ "endpoint": { "address": { "socket_address": socket(address) } } });
        let assignment = json!({ "cluster_name": name, "endpoints": [{ "lb_endpoints": [endpoint] }] });
        cluster.insert("load_assignment".to_owned(), assignment);
        if named {
            name_the_destination(cluster);
        }
    }

    fn assignment(&self, assignment: &mut Value) {
        each_object(assignment, &mut |object| {
            if let Some(address) = object.get("socket_address").and_then(address) {
                let loopback = self.endpoints.get(&address).copied().unwrap_or(self.nobody);
                object.insert("socket_address".to_owned(), socket(loopback));
            }
        });
    }
}

/// Its transport socket behind one that writes a PROXY header first.
fn name_the_destination(cluster: &mut Map<String, Value>) {
    let inner = cluster.shift_remove("transport_socket").unwrap_or_else(|| {
        json!({
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" },
        })
    });
    let wrapped = json!({
        "name": "envoy.transport_sockets.upstream_proxy_protocol",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
            "config": { "version": "V2" },
            "transport_socket": inner,
        },
    });
    cluster.insert("transport_socket".to_owned(), wrapped);
}

/// The two entrances get ports of their own and read where a connection was going from its PROXY header.
fn listener(listener: &mut Value) {
    let Some(listener) = listener.as_object_mut() else { return };
    let port = match listener.get("name").and_then(Value::as_str) {
        Some("virtualInbound") => 15006,
        Some("virtualOutbound") => 15001,
        _ => return,
    };
    listener.insert("address".to_owned(), json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } }));
    listener.insert("stat_prefix".to_owned(), json!(format!("0.0.0.0_{port}")));
    let header = json!({
        "name": "envoy.filters.listener.proxy_protocol",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
        },
    });
    let mut filters = vec![header];
    let own = listener.get("listener_filters").and_then(Value::as_array).cloned().unwrap_or_default();
    filters
        .extend(own.into_iter().filter(|filter| {
            filter.get("name").and_then(Value::as_str) != Some("envoy.filters.listener.original_dst")
        }));
    listener.insert("listener_filters".to_owned(), Value::Array(filters));
}

/// Every config source becomes the lab's.
pub(super) fn ask_the_lab(value: &mut Value) {
    each_object(value, &mut |object| {
        let is_source = ["ads", "api_config_source"].iter().any(|field| object.contains_key(*field));
        if is_source {
            let patience = if object.contains_key("ads") { "0s" } else { SECRET_PATIENCE };
            object.shift_remove("ads");
            object.insert("api_config_source".to_owned(), source());
            object.insert("initial_fetch_timeout".to_owned(), json!(patience));
        }
    });
}

/// An answer waits until there is news, so a time-out is a day; the next question follows at once.
fn source() -> Value {
    json!({
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [DISCOVERY],
        "refresh_delay": "0.001s",
        "request_timeout": "86400s",
    })
}

fn each_object(value: &mut Value, act: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            act(object);
            for value in object.values_mut() {
                each_object(value, act);
            }
        }
        Value::Array(values) => {
            for value in values {
                each_object(value, act);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn socket(address: SocketAddr) -> Value {
    json!({ "address": address.ip(), "port_value": address.port() })
}

fn address(socket: &Value) -> Option<SocketAddr> {
    let ip = socket.get("address")?.as_str()?.parse().ok()?;
    let port = socket.get("port_value")?.as_u64().and_then(|port| u16::try_from(port).ok())?;
    Some(SocketAddr::new(ip, port))
}
