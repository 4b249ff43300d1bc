//! `/config_dump?include_eds` in Envoy's own shape.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::lab::envoy_config::Resources;

/// What Envoy shows in place of a private key.
const REDACTED: &str = "[redacted]";

/// When and as what something was taken.
struct Taken {
    at: String,
    version: String,
}

/// Every section of a proxy that took all of it at `pushed`.
pub(super) fn config_dump(bootstrap: &Value, resources: Resources, pushed: Timestamp) -> Value {
    let taken = Taken {
        at: pushed.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        version: pushed.strftime("%Y-%m-%dT%H:%M:%SZ/1").to_string(),
    };
    let fixed = bootstrap.pointer("/static_resources/clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    let statics: Vec<Value> = fixed.iter().map(|cluster| endpoint_config(&assigned(cluster))).collect();
    let endpoints: Vec<Value> = resources.endpoints.iter().map(|eds| endpoint_config(&shown(eds))).collect();
    json!({ "configs": [
        section("BootstrapConfigDump", [("bootstrap", bootstrap.clone()), ("last_updated", json!(taken.at))]),
        section("ClustersConfigDump", [
            ("version_info", json!(taken.version)),
            ("static_clusters", list(fixed.iter().map(|cluster| taken.fixed(cluster)).collect())),
            ("dynamic_active_clusters",
                list(resources.clusters.iter().map(|c| taken.versioned("cluster", c)).collect())),
        ]),
        section("EndpointsConfigDump", [
            ("static_endpoint_configs", list(statics)), ("dynamic_endpoint_configs", list(endpoints)),
        ]),
        section("ListenersConfigDump", [
            ("version_info", json!(taken.version)),
            ("dynamic_listeners", list(resources.listeners.iter().map(|l| taken.listener(l)).collect())),
        ]),
        section("ScopedRoutesConfigDump", []),
        section("RoutesConfigDump", [
            ("dynamic_route_configs",
                list(resources.routes.iter().map(|r| taken.versioned("route_config", r)).collect())),
        ]),
        section("SecretsConfigDump", [
            ("dynamic_active_secrets", list(resources.secrets.into_iter().map(|s| taken.secret(s)).collect())),
        ]),
    ] })
}

/// A section; empty lists are left out, as Envoy leaves out what is at its default.
fn section<const N: usize>(name: &str, fields: [(&str, Value); N]) -> Value {
    let mut section = Map::new();
    section.insert("@type".to_owned(), json!(format!("type.googleapis.com/envoy.admin.v3.{name}")));
    let there = fields.into_iter().filter(|(_, value)| !value.is_null());
    section.extend(there.map(|(field, value)| (field.to_owned(), value)));
    Value::Object(section)
}

fn list(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::Null } else { Value::Array(values) }
}

/// The load assignment inside a cluster of the bootstrap.
fn assigned(cluster: &Value) -> Value {
    let mut assignment = cluster.get("load_assignment").cloned().unwrap_or_default();
    if let Some(endpoints) = assignment.get_mut("endpoints").and_then(Value::as_array_mut) {
        for locality in endpoints.iter_mut().filter_map(Value::as_object_mut) {
            locality.insert("locality".to_owned(), json!({}));
        }
    }
    shown(&assignment)
}

/// A load assignment as Envoy shows the hosts it made of it.
fn shown(assignment: &Value) -> Value {
    let mut written = Map::new();
    let kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
    written.insert("@type".to_owned(), json!(kind));
    written.insert("cluster_name".to_owned(), assignment.get("cluster_name").cloned().unwrap_or_default());
    if let Some(localities) = assignment.get("endpoints").and_then(Value::as_array) {
        let shown: Vec<Value> = localities.iter().cloned().map(shown_locality).collect();
        written.insert("endpoints".to_owned(), Value::Array(shown));
    }
    written.insert("policy".to_owned(), json!({ "overprovisioning_factor": 140 }));
    Value::Object(written)
}

fn shown_locality(mut locality: Value) -> Value {
    let hosts = locality.get_mut("lb_endpoints").and_then(Value::as_array_mut);
    for host in hosts.into_iter().flatten().filter_map(Value::as_object_mut) {
        if let Some(endpoint) = host.get_mut("endpoint").and_then(Value::as_object_mut) {
            endpoint.insert("health_check_config".to_owned(), json!({}));
        }
        host.insert("health_status".to_owned(), json!("HEALTHY"));
        host.entry("load_balancing_weight").or_insert(json!(1));
    }
    locality
}

fn endpoint_config(assignment: &Value) -> Value {
    json!({ "endpoint_config": assignment })
}

/// The key as Envoy redacts it.
fn redact(secret: &mut Value) {
    if let Some(key) = secret.pointer_mut("/tls_certificate/private_key/inline_bytes") {
        *key = json!(STANDARD.encode(REDACTED));
    }
}

// === impl Taken ===

impl Taken {
    fn versioned(&self, field: &str, resource: &Value) -> Value {
        json!({ "version_info": self.version, field: resource, "last_updated": self.at })
    }

    fn fixed(&self, cluster: &Value) -> Value {
        let mut typed = Map::new();
        typed.insert("@type".to_owned(), json!("type.googleapis.com/envoy.config.cluster.v3.Cluster"));
        typed.extend(cluster.as_object().cloned().unwrap_or_default());
        json!({ "cluster": typed, "last_updated": self.at })
    }

    fn listener(&self, listener: &Value) -> Value {
        let name = listener.get("name").cloned().unwrap_or_default();
        json!({ "name": name, "active_state": self.versioned("listener", listener) })
    }

    fn secret(&self, mut secret: Value) -> Value {
        redact(&mut secret);
        let name = secret.get("name").cloned().unwrap_or_default();
        json!({ "name": name, "version_info": self.version, "last_updated": self.at, "secret": secret })
    }
}
