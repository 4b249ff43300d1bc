//! Clusters: one for each service port, one for each port of the pod, and those for what nobody declared.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::lab::desired::{Cluster, ClusterService, DesiredService, OutboundPort, TransportSocket};
use crate::lab::envoy_config::{Sidecar, tls};
use crate::model::port::{PortClass, WorkloadPort};
use crate::model::tls::{ServerValidation, UpstreamTls};

/// `no limit` in Envoy's circuit breakers.
const UNLIMITED: u32 = u32::MAX;
/// `@type` of the protocol options.
const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Every cluster of a sidecar, in byte order of their names as istiod's dumps have them.
pub(super) fn all(sidecar: &Sidecar<'_>) -> Vec<Value> {
    let mut clusters = vec![black_hole(), inbound_passthrough(), passthrough()];
    clusters.extend(inbound_ports(sidecar).into_iter().map(|port| inbound(sidecar, port)));
    let mut outbound: Vec<&OutboundPort> = sidecar.config.outbound.iter().collect();
    outbound.sort_by(|a, b| a.cluster.name.cmp(&b.cluster.name));
    outbound.dedup_by(|a, b| a.cluster.name == b.cluster.name);
    clusters.extend(outbound.into_iter().map(outbound_cluster));
    clusters
}

/// Istio's name of the cluster behind a port of the pod.
pub(super) fn inbound_name(port: WorkloadPort) -> String {
    format!("inbound|{port}||")
}

/// The ports that filter chains of the pod name.
pub(super) fn inbound_ports(sidecar: &Sidecar<'_>) -> BTreeSet<WorkloadPort> {
    sidecar.config.inbound.iter().filter_map(|chain| chain.port).collect()
}

/// Services that lead to a port of the pod, with the port clients dial.
pub(super) fn services<'a>(
    sidecar: &Sidecar<'a>,
    port: WorkloadPort,
) -> impl Iterator<Item = (&'a DesiredService, u16)> + use<'a> {
    let address = sidecar.desired.pods.get(sidecar.id).map(|pod| pod.address);
    sidecar.desired.services.iter().filter_map(move |service| {
        let leads = |endpoint: &std::net::SocketAddr| Some(endpoint.ip()) == address && endpoint.port() == port.0;
        let dialled = service.ports.iter().find(|(_, ready)| ready.iter().any(leads))?;
        Some((service, dialled.0.0))
    })
}

/// Istio: `cluster_builder.go:buildBlackHoleCluster`.
fn black_hole() -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": "BlackHoleCluster",
        "type": "STATIC",
        "connect_timeout": "10s",
        "alt_stat_name": "BlackHoleCluster;",
    })
}

/// Istio: `cluster_builder.go:buildDefaultPassthroughCluster`.
fn passthrough() -> Value {
    let mut cluster = original_dst("PassthroughCluster", "PassthroughCluster;");
    cluster.insert("typed_extension_protocol_options".to_owned(), as_downstream());
    Value::Object(cluster)
}

/// Istio: `cluster_builder.go:buildInboundPassthroughCluster`; it counts under the outbound one's name.
fn inbound_passthrough() -> Value {
    let mut cluster = original_dst("InboundPassthroughCluster", "InboundPassthroughCluster;");
    cluster.insert("upstream_bind_config".to_owned(), loopback_source());
    cluster.insert("typed_extension_protocol_options".to_owned(), as_downstream());
    Value::Object(cluster)
}

fn original_dst(name: &str, statistics: &str) -> Map<String, Value> {
    object(json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": "ORIGINAL_DST",
        "connect_timeout": "10s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": unlimited(),
        "alt_stat_name": statistics,
    }))
}

/// Istio: `cluster_builder.go:buildInboundCluster`.
fn inbound(sidecar: &Sidecar<'_>, port: WorkloadPort) -> Value {
    let name = inbound_name(port);
    let mut cluster = original_dst(&name, &format!("{name};"));
    cluster.insert("cleanup_interval".to_owned(), json!("9223372035s"));
    cluster.insert("upstream_bind_config".to_owned(), loopback_source());
    let services: Vec<Value> = services(sidecar, port)
        .map(|(service, _)| {
            let host = format!("{}.{}.svc.cluster.local", service.name, service.namespace);
            json!({ "host": host, "name": service.name, "namespace": service.namespace })
        })
        .collect();
    if !services.is_empty() {
        cluster.insert("metadata".to_owned(), json!({ "filter_metadata": { "istio": { "services": services } } }));
    }
    cluster.insert("common_lb_config".to_owned(), json!({}));
    Value::Object(cluster)
}

/// Istio: `cluster_builder.go:buildCluster`, `cluster_tls.go`.
fn outbound_cluster(port: &OutboundPort) -> Value {
    let Cluster { name, original_dst: as_dialled, socket, .. } = &port.cluster;
    let mut cluster = if *as_dialled {
        original_dst(name, &format!("{name};"))
    } else {
        object(json!({
            "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            "name": name,
            "type": "EDS",
            "eds_cluster_config": { "eds_config": tls::ads(), "service_name": name },
            "connect_timeout": format!("{}s", port.limits.connect.as_secs()),
            "lb_policy": "LEAST_REQUEST",
            "circuit_breakers": breakers(port.limits.requests),
            "alt_stat_name": format!("{name};"),
        }))
    };
    cluster.insert("metadata".to_owned(), metadata(&port.cluster));
    cluster.insert("common_lb_config".to_owned(), json!({}));
    tls::put(&mut cluster, socket);
    if let Some(options) = protocol_options(port) {
        cluster.insert("typed_extension_protocol_options".to_owned(), options);
    }
    Value::Object(cluster)
}

fn metadata(cluster: &Cluster) -> Value {
    let ClusterService { namespace, name, host } = &cluster.service;
    let mut istio = Map::new();
    istio.insert("services".to_owned(), json!([{ "host": host, "name": name, "namespace": namespace }]));
    if let Some(rule) = &cluster.rule {
        let path = format!("/apis/networking.istio.io/v1/namespaces/{}/destination-rule/{}", rule.namespace, rule.name);
        istio.insert("config".to_owned(), json!(path));
    }
    let unbuilt = || cluster.rule.as_ref().is_some_and(|rule| rule.keeps_alpn);
    if cluster.tls().map_or_else(unbuilt, |tls| !tls.alpn_override) {
        istio.insert("alpn_override".to_owned(), json!("false"));
    }
    json!({ "filter_metadata": { "istio": istio } })
}

/// Istio: `cluster_tls.go:setAutoSniAndAutoSanValidation`, and the downstream's protocol on sniffed ports.
fn protocol_options(port: &OutboundPort) -> Option<Value> {
    let automatic = match &port.cluster.socket {
        TransportSocket::Tls(tls) if tls.sni.is_none() => Some(automatic(tls)),
        TransportSocket::RawBuffer | TransportSocket::Tls(_) | TransportSocket::Matches(_) => None,
    };
    let protocol = match port.class {
        PortClass::Auto => {
            json!({ "use_downstream_protocol_config": { "http_protocol_options": {}, "http2_protocol_options": {} } })
        }
        PortClass::Http | PortClass::Tcp => {
            automatic.as_ref()?;
            json!({ "explicit_http_config": { "http_protocol_options": {} } })
        }
    };
    let mut options = options();
    options.extend(automatic.map(|automatic| ("upstream_http_protocol_options".to_owned(), automatic)));
    options.extend(object(protocol));
    Some(json!({ PROTOCOL_OPTIONS: options }))
}

fn automatic(tls: &UpstreamTls) -> Value {
    let verifies = tls.subject_alt_names.is_empty() && tls.validation != ServerValidation::Skip;
    if verifies { json!({ "auto_sni": true, "auto_san_validation": true }) } else { json!({ "auto_sni": true }) }
}

fn as_downstream() -> Value {
    let mut options = options();
    options.insert("common_http_protocol_options".to_owned(), json!({ "idle_timeout": "300s" }));
    let downstream = json!({ "http_protocol_options": {}, "http2_protocol_options": {} });
    options.insert("use_downstream_protocol_config".to_owned(), downstream);
    json!({ PROTOCOL_OPTIONS: options })
}

fn options() -> Map<String, Value> {
    Map::from_iter([("@type".to_owned(), json!(format!("type.googleapis.com/{PROTOCOL_OPTIONS}")))])
}

/// Istio: `127.0.0.6` tells the pod's own iptables that the connection has been through the sidecar.
fn loopback_source() -> Value {
    json!({ "source_address": { "address": "127.0.0.6", "port_value": 0 } })
}

fn unlimited() -> Value {
    breakers(usize::MAX)
}

/// One that waits for a connection is a request under way too: where none is allowed, none is opened for it.
fn breakers(requests: usize) -> Value {
    let requests = u32::try_from(requests).unwrap_or(UNLIMITED);
    json!({ "thresholds": [{
        "max_connections": UNLIMITED,
        "max_pending_requests": requests,
        "max_requests": requests,
        "max_retries": UNLIMITED,
        "track_remaining": true,
    }] })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}
