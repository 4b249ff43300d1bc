//! HTTP connection managers and TCP proxies, as both directions have them.

use serde_json::{Map, Value, json};

use crate::lab::envoy_config::Logging;

/// Name of the filter that offers Istio's ALPN to upstreams; routes to other TLS turn it off.
pub(super) const ALPN_FILTER: &str = "istio.alpn";
/// What it offers for an HTTP/1.1 request (Istio: `listener_builder.go`, `mtlsHTTP11ALPN`).
const ALPN_HTTP11: &str = "istio-http/1.1,istio,http/1.1";

/// Which side the requests come in on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound { forward: &'static str },
    Outbound,
}

/// An HTTP connection manager; `routes` is `("rds", ..)` or `("route_config", ..)`, `first` are filters before all others.
pub(super) fn manager(
    direction: Direction,
    name: &str,
    routes: (&str, Value),
    logging: Logging,
    first: Vec<Value>,
) -> Value {
    let mut manager = Map::new();
    let mut put = |field: &str, value: Value| manager.insert(field.to_owned(), value);
    let kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    put("@type", json!(kind));
    put("stat_prefix", json!(format!("{name};")));
    put(routes.0, routes.1);
    put("http_filters", filters(direction, first));
    if direction != Direction::Outbound {
        put("server_name", json!("istio-envoy"));
    }
    put("access_log", logging.of_filter());
    put("use_remote_address", json!(false));
    if let Direction::Inbound { forward } = direction {
        put("forward_client_cert_details", json!(forward));
        put("set_current_client_cert_details", json!({ "subject": true, "dns": true, "uri": true }));
    }
    put("upgrade_configs", json!([{ "upgrade_type": "websocket" }]));
    put("stream_idle_timeout", json!("0s"));
    put("normalize_path", json!(true));
    put("request_id_extension", request_id());
    put("path_with_escaped_slashes_action", json!("KEEP_UNCHANGED"));
    json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": manager })
}

/// A TCP proxy to a cluster.
pub(super) fn tcp_proxy(cluster: &str, logging: Option<Logging>) -> Value {
    let mut proxy = Map::new();
    let kind = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    proxy.insert("@type".to_owned(), json!(kind));
    proxy.insert("stat_prefix".to_owned(), json!(cluster));
    proxy.insert("cluster".to_owned(), json!(cluster));
    if let Some(logging) = logging {
        proxy.insert("access_log".to_owned(), logging.of_filter());
    }
    json!({ "name": "envoy.filters.network.tcp_proxy", "typed_config": proxy })
}

/// A listener filter that has nothing to be told.
pub(super) fn listener_filter(name: &str, kind: &str) -> Value {
    let kind = format!("type.googleapis.com/envoy.extensions.filters.listener.{name}.v3.{kind}");
    json!({ "name": format!("envoy.filters.listener.{name}"), "typed_config": { "@type": kind } })
}

fn filters(direction: Direction, mut filters: Vec<Value>) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.grpc_stats",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
            "emit_filter_state": true,
            "stats_for_all_methods": false,
        },
    }));
    if direction == Direction::Outbound {
        filters.push(alpn());
    }
    for (name, kind) in [("fault", "HTTPFault"), ("cors", "Cors"), ("router", "Router")] {
        let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{name}.v3.{kind}");
        filters.push(json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": { "@type": kind } }));
    }
    json!(filters)
}

/// Istio's own filter is in Istio's proxy only; upstream Envoy does the same with its filter state.
fn alpn() -> Value {
    json!({
        "name": ALPN_FILTER,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [{
                "object_key": "envoy.network.application_protocols",
                "format_string": { "text_format_source": { "inline_string": ALPN_HTTP11 } },
                "shared_with_upstream": "ONCE",
            }],
        },
    })
}

fn request_id() -> Value {
    json!({ "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
        "use_request_id_for_trace_sampling": true,
    } })
}
