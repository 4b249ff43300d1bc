//! The bootstrap: who the proxy is, its admin address, where it asks for the rest.

use serde_json::{Map, Value, json};

use crate::lab::envoy_config::{Sidecar, tls};

/// Envoy since 1.38: the guard that keeps the transport's failure out of the bodies of errors.
const QUIET_BODY: &str = "envoy.reloadable_features.hide_transport_failure_reason_in_response_body";

/// Istio: `tools/packaging/common/envoy_bootstrap.json`.
pub(super) fn bootstrap(sidecar: &Sidecar<'_>) -> Value {
    json!({
        "node": node(sidecar),
        "static_resources": { "clusters": [
            tcp("prometheus_stats", 15000),
            tcp("agent", 15020),
            pipe("sds-grpc", "./var/run/secrets/workload-spiffe-uds/socket"),
            pipe("xds-grpc", "./etc/istio/proxy/XDS"),
        ] },
        "dynamic_resources": { "lds_config": tls::ads(), "cds_config": tls::ads() },
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 15000 } } },
        "stats_config": { "stats_tags": tags(), "use_all_default_tags": false },
        "layered_runtime": { "layers": [
            { "name": "global config", "static_layer": runtime(sidecar) },
            { "name": "admin", "admin_layer": {} },
        ] },
    })
}

fn runtime(sidecar: &Sidecar<'_>) -> Value {
    let mut layer = Map::from_iter([("re2.max_program_size.error_level".to_owned(), json!("32768"))]);
    if sidecar.config.failure_in_body {
        layer.insert(QUIET_BODY.to_owned(), json!(false));
    }
    Value::Object(layer)
}

fn node(sidecar: &Sidecar<'_>) -> Value {
    let id = sidecar.id;
    let pod = sidecar.desired.pods.get(id);
    let address = pod.map(|pod| pod.address.to_string()).unwrap_or_default();
    let workload = pod.map_or(id.name.as_str(), |pod| pod.workload.as_str());
    json!({
        "id": format!("sidecar~{address}~{}.{}~{}.svc.cluster.local", id.name, id.namespace, id.namespace),
        "cluster": format!("{workload}.{}", id.namespace),
        "metadata": {
            "CLUSTER_ID": "Kubernetes",
            "INTERCEPTION_MODE": "REDIRECT",
            "ISTIO_VERSION": format!("{}.0", sidecar.config.version),
            "MESH_ID": "cluster.local",
            "NAME": id.name,
            "NAMESPACE": id.namespace,
            "WORKLOAD_NAME": workload,
        },
    })
}

fn tcp(name: &str, port: u16) -> Value {
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } });
    static_cluster(name, &address)
}

pub(super) fn pipe(name: &str, path: &str) -> Value {
    let mut cluster = static_cluster(name, &json!({ "pipe": { "path": path } }));
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.insert("typed_extension_protocol_options".to_owned(), http2());
    }
    cluster
}

/// HTTP/2 to the upstream.
fn http2() -> Value {
    json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": { "http2_protocol_options": {} },
    } })
}

/// A cluster of the bootstrap with one address.
fn static_cluster(name: &str, address: &Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.250s",
        "alt_stat_name": format!("{name};"),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
    })
}

fn tags() -> Value {
    json!([
        { "tag_name": "cluster_name", "regex": "^cluster(\\.(.+);)" },
        { "tag_name": "tcp_prefix", "regex": "^tcp\\.((.*?)\\.)\\w+?$" },
        { "tag_name": "response_code", "regex": "_rq(_(\\d{3}))$" },
        { "tag_name": "response_code_class", "regex": "_rq(_(\\dxx))$" },
    ])
}
