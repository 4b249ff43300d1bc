//! Routes: by host on declared HTTP ports, one host on sniffed ports, one cluster inbound.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::lab::desired::OutboundPort;
use crate::lab::envoy_config::http::ALPN_FILTER;
use crate::lab::envoy_config::{Sidecar, cluster};
use crate::model::mesh::OutboundPolicy;
use crate::model::port::{PortClass, WorkloadPort};

/// Route configurations that outbound listeners name.
pub(super) fn outbound(sidecar: &Sidecar<'_>) -> Vec<Value> {
    let mut by_port: BTreeMap<u16, Vec<&OutboundPort>> = BTreeMap::new();
    let mut sniffed = BTreeMap::new();
    for port in &sidecar.config.outbound {
        match port.class {
            PortClass::Http => by_port.entry(port.port.0).or_default().push(port),
            PortClass::Auto => _ = sniffed.insert(sniffed_name(port), port),
            PortClass::Tcp => {}
        }
    }
    let declared = by_port.into_iter().map(|(port, services)| {
        let mut hosts: Vec<Value> = services.iter().map(|service| virtual_host(service, &domains(service))).collect();
        hosts.push(unknown(sidecar.config.outbound_policy));
        configuration(&port.to_string(), &hosts)
    });
    let sniffed =
        sniffed.into_iter().map(|(name, port)| configuration(&name, &[virtual_host(port, &["*".to_owned()])]));
    declared.chain(sniffed).collect()
}

/// The route configuration of a sniffed port (Istio: `listener.go`, `rdsName` of services).
pub(super) fn sniffed_name(port: &OutboundPort) -> String {
    format!("{}:{}", port.cluster.service.host, port.port)
}

/// Istio: `pilot/pkg/networking/core/listener_inbound.go:buildSidecarInboundHTTPRouteConfig`.
pub(super) fn inbound(sidecar: &Sidecar<'_>, port: Option<WorkloadPort>) -> Value {
    let name = port.map_or_else(|| "InboundPassthroughCluster".to_owned(), cluster::inbound_name);
    let service = port.and_then(|port| cluster::services(sidecar, port).next());
    let dialled = service.map_or(0, |(_, dialled)| dialled);
    let operation = service.map_or_else(
        || ":0/*".to_owned(),
        |(service, dialled)| format!("{}.{}.svc.cluster.local:{dialled}/*", service.name, service.namespace),
    );
    let mut route = Map::from_iter([("cluster".to_owned(), json!(name)), ("timeout".to_owned(), json!("0s"))]);
    let retries = sidecar.config.inbound_retries;
    if retries > 0 {
        let policy = json!({ "retry_on": "reset-before-request", "num_retries": retries });
        route.insert("retry_policy".to_owned(), policy);
    }
    let endless = json!({ "max_stream_duration": "0s", "grpc_timeout_header_max": "0s" });
    route.insert("max_stream_duration".to_owned(), endless);
    json!({
        "name": name,
        "virtual_hosts": [{
            "name": format!("inbound|http|{dialled}"),
            "domains": ["*"],
            "routes": [{
                "match": { "prefix": "/" },
                "route": route,
                "decorator": { "operation": operation },
                "name": "default",
            }],
        }],
        "validate_clusters": false,
    })
}

fn configuration(name: &str, hosts: &[Value]) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": name,
        "virtual_hosts": hosts,
        "validate_clusters": false,
        "max_direct_response_body_size_bytes": 1_048_576,
        "ignore_port_in_host_matching": true,
    })
}

fn domains(port: &OutboundPort) -> Vec<String> {
    let mut domains = port.names.clone();
    if !port.cluster.original_dst {
        domains.extend(port.addresses.iter().map(ToString::to_string));
    }
    domains
}

/// Istio: `pilot/pkg/networking/core/route/route.go:buildDefaultHTTPOutboundRoute`.
fn virtual_host(port: &OutboundPort, domains: &[String]) -> Value {
    let name = sniffed_name(port);
    let mut host = Map::new();
    let mut put = |field: &str, value: Value| host.insert(field.to_owned(), value);
    put("name", json!(name));
    put("domains", json!(domains));
    let timeout = format!("{}s", port.limits.answer.unwrap_or_default().as_secs());
    let mut action =
        Map::from_iter([("cluster".to_owned(), json!(port.cluster.name)), ("timeout".to_owned(), json!(timeout))]);
    if port.retries > 0 {
        action.insert("retry_policy".to_owned(), retry_policy(port.retries));
    }
    action.insert("max_grpc_timeout".to_owned(), json!("0s"));
    let route = json!({
        "match": { "prefix": "/" },
        "route": action,
        "decorator": { "operation": format!("{name}/*") },
        "name": "default",
    });
    put("routes", json!([route]));
    put("include_request_attempt_count", json!(true));
    if port.cluster.tls().is_some_and(|tls| !tls.alpn_override) {
        let off = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true });
        put("typed_per_filter_config", json!({ ALPN_FILTER: off }));
    }
    Value::Object(host)
}

/// Istio: `pilot/pkg/networking/core/route/retry/retry.go:DefaultPolicy`.
fn retry_policy(retries: u32) -> Value {
    json!({
        "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        "num_retries": retries,
        "retry_host_predicate": [{
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
        }],
        "host_selection_retry_max_attempts": "5",
    })
}

/// Hosts that no service has.
fn unknown(policy: OutboundPolicy) -> Value {
    let (name, action) = match policy {
        OutboundPolicy::AllowAny => (
            "allow_any",
            ("route", json!({ "cluster": "PassthroughCluster", "timeout": "0s", "max_grpc_timeout": "0s" })),
        ),
        OutboundPolicy::RegistryOnly => ("block_all", ("direct_response", json!({ "status": 502 }))),
    };
    json!({
        "name": name,
        "domains": ["*"],
        "routes": [{ "match": { "prefix": "/" }, action.0: action.1, "name": name }],
        "include_request_attempt_count": true,
    })
}
