//! A `config_dump` as a sidecar of a large mesh has it: 35 % clusters, 25 % endpoints, 25 % listeners, 14 % routes.

use std::io::{self, Write};

use serde::Serialize as _;
use serde_json::{Serializer, Value, json, ser::PrettyFormatter};

const TYPE: &str = "type.googleapis.com/envoy.";
const WHEN: &str = "2026-11-20T10:11:13.123Z";

/// Writes about so many bytes.
pub(crate) fn write(out: impl Write, bytes: usize) -> io::Result<()> {
    let mut out = Counting { out: io::BufWriter::with_capacity(1 << 20, out), bytes: 0 };
    write!(out, "{{\n \"configs\": [\n")?;
    let bootstrap = json!({ "@type": admin("Bootstrap"), "bootstrap": { "node": {
        "id": "sidecar~10.0.0.1~web-0.prod~prod.svc.cluster.local", "metadata": { "ISTIO_VERSION": "1.29.0" } } } });
    value(&mut out, &bootstrap)?;
    for (kind, list, make, share) in [
        ("Clusters", "dynamic_active_clusters", cluster as fn(usize) -> Value, 35),
        ("Endpoints", "dynamic_endpoint_configs", endpoints, 25),
        ("Listeners", "dynamic_listeners", listener, 25),
        ("Routes", "dynamic_route_configs", route, 14),
    ] {
        write!(out, ",\n  {{\n   \"@type\": \"{}\",\n   \"{list}\": [\n", admin(kind))?;
        let end = out.bytes + bytes / 100 * share;
        let mut number = 0;
        while out.bytes < end {
            if number > 0 {
                out.write_all(b",\n")?;
            }
            value(&mut out, &make(number))?;
            number += 1;
        }
        write!(out, "\n   ]\n  }}")?;
    }
    write!(out, "\n ]\n}}\n")?;
    out.out.flush()
}

struct Counting<W> {
    out: W,
    bytes: usize,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let count = self.out.write(text)?;
        self.bytes += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn value(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, PrettyFormatter::with_indent(b" "));
    value.serialize(&mut serializer).map_err(io::Error::other)
}

fn admin(kind: &str) -> String {
    format!("{TYPE}admin.v3.{kind}ConfigDump")
}

fn place(number: usize) -> (String, String, usize) {
    let namespace = format!("team-{}", number % 97);
    let host = format!("svc-{number}.{namespace}.svc.cluster.local");
    (namespace, host, [80, 8080, 9090, 443].get(number % 4).copied().unwrap_or(80))
}

/// The host of a service.
pub(crate) fn host(number: usize) -> String {
    place(number).1
}

fn sds(name: &str) -> Value {
    json!({ "name": name, "sds_config": { "api_config_source": { "api_type": "GRPC",
        "grpc_services": [ { "envoy_grpc": { "cluster_name": "sds-grpc" } } ],
        "set_node_on_first_message_only": true, "transport_api_version": "V3" },
        "initial_fetch_timeout": "0s", "resource_api_version": "V3" } })
}

fn tls(direction: &str, names: &Value, sni: &str, alpn: &[&str]) -> Value {
    let mut context = json!({ "@type": format!("{TYPE}extensions.transport_sockets.tls.v3.{direction}TlsContext"),
        "common_tls_context": { "tls_params": { "tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3" },
            "alpn_protocols": alpn, "tls_certificate_sds_secret_configs": [ sds("default") ],
            "combined_validation_context": { "default_validation_context": { "match_typed_subject_alt_names": names },
                "validation_context_sds_secret_config": sds("ROOTCA") } } });
    if let Some(context) = context.as_object_mut() {
        if direction == "Downstream" {
            context.insert("require_client_certificate".to_owned(), json!(true));
        } else {
            context.insert("sni".to_owned(), json!(sni));
        }
    }
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

fn cluster(number: usize) -> Value {
    let (namespace, host, port) = place(number);
    let name = format!("outbound|{port}||{host}");
    let names = json!([ { "san_type": "URI", "matcher": { "exact": format!("spiffe://cluster.local/ns/{namespace}/sa/svc-{number}") } } ]);
    json!({ "version_info": "2026-11-20T10:11:12Z/4242", "cluster": { "@type": format!("{TYPE}config.cluster.v3.Cluster"),
        "name": name, "type": "EDS", "eds_cluster_config": { "eds_config": { "ads": {}, "initial_fetch_timeout": "0s",
            "resource_api_version": "V3" }, "service_name": name },
        "connect_timeout": "10s", "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": { "thresholds": [ { "max_connections": 4_294_967_295u32, "max_pending_requests": 4_294_967_295u32,
            "max_requests": 4_294_967_295u32, "max_retries": 4_294_967_295u32, "track_remaining": true } ] },
        "metadata": { "filter_metadata": { "istio": { "default_original_port": port,
            "services": [ { "host": host, "name": format!("svc-{number}"), "namespace": namespace } ],
            "config": format!("/apis/networking.istio.io/v1alpha3/namespaces/{namespace}/destination-rule/svc-{number}") } } },
        "filters": [ { "name": "istio.metadata_exchange", "typed_config": { "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange",
            "value": { "enable_discovery": true, "protocol": "istio-peer-exchange" } } } ],
        "transport_socket_matches": [ { "name": "tlsMode-istio", "match": { "tlsMode": "istio" },
            "transport_socket": tls("Upstream", &names, &format!("outbound_.{port}_._.{host}"), &["istio-peer-exchange", "istio"]) },
            { "name": "tlsMode-disabled", "match": {}, "transport_socket": { "name": "envoy.transport_sockets.raw_buffer",
                "typed_config": { "@type": format!("{TYPE}extensions.transport_sockets.raw_buffer.v3.RawBuffer") } } } ] },
        "last_updated": WHEN })
}

fn endpoints(number: usize) -> Value {
    let (namespace, host, port) = place(number);
    let one = |at: usize| {
        json!({ "endpoint": { "address": { "socket_address": { "address": format!("10.{}.{}.{at}", number / 256 % 256, number % 256),
            "port_value": 8080 } }, "health_check_config": {} }, "health_status": "HEALTHY",
            "metadata": { "filter_metadata": { "istio": { "workload": format!("svc-{number};{namespace};svc-{number};v1;cluster1") },
                "envoy.transport_socket_match": { "tlsMode": "istio" } } }, "load_balancing_weight": 1 })
    };
    let all: Vec<Value> = (0..2 + number % 7).map(one).collect();
    json!({ "endpoint_config": { "@type": format!("{TYPE}config.endpoint.v3.ClusterLoadAssignment"),
        "cluster_name": format!("outbound|{port}||{host}"), "endpoints": [ { "locality": { "region": "eu-west-1" },
            "lb_endpoints": all, "load_balancing_weight": 1 } ], "policy": { "overprovisioning_factor": 140 } } })
}

fn chain(number: usize, inbound: bool, ends_tls: bool) -> Value {
    let manager = json!({ "name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": format!("{TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": format!("outbound_{number}"), "rds": { "config_source": { "ads": {} }, "route_config_name": (8000 + number % 9).to_string() },
        "http_filters": [
            { "name": "istio.alpn", "typed_config": { "@type": "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
                "alpn_override": [ { "alpn_override": ["istio-http/1.0", "istio", "http/1.0"] },
                    { "upstream_protocol": "HTTP11", "alpn_override": ["istio-http/1.1", "istio", "http/1.1"] },
                    { "upstream_protocol": "HTTP2", "alpn_override": ["istio-h2", "istio", "h2"] } ] } },
            { "name": "envoy.filters.http.fault", "typed_config": { "@type": format!("{TYPE}extensions.filters.http.fault.v3.HTTPFault") } },
            { "name": "envoy.filters.http.router", "typed_config": { "@type": format!("{TYPE}extensions.filters.http.router.v3.Router") } } ],
        "access_log": [ { "name": "envoy.access_loggers.file", "typed_config": {
            "@type": format!("{TYPE}extensions.access_loggers.file.v3.FileAccessLog"), "path": "/dev/stdout",
            "log_format": { "text_format_source": { "inline_string": "[%START_TIME%] \"%REQ(:METHOD)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS%\n" } } } } ],
        "forward_client_cert_details": "APPEND_FORWARD", "normalize_path": true } });
    let transport = if ends_tls { "tls" } else { "raw_buffer" };
    let mut chain = json!({ "filter_chain_match": { "transport_protocol": transport }, "filters": [manager] });
    if let Some(chain) = chain.as_object_mut().filter(|_| inbound) {
        chain.insert(
            "filter_chain_match".to_owned(),
            json!({ "destination_port": 8080 + number % 20, "transport_protocol": transport }),
        );
        if ends_tls {
            let names = json!([ { "san_type": "URI", "matcher": { "prefix": "spiffe://cluster.local/" } } ]);
            chain.insert("transport_socket".to_owned(), tls("Downstream", &names, "", &["h2", "http/1.1"]));
        }
    }
    chain
}

fn listener(number: usize) -> Value {
    let inbound = number == 0;
    let name = if inbound {
        "virtualInbound".to_owned()
    } else {
        format!("10.96.{}.{}_{}", number / 256 % 256, number % 256, 80 + number % 9)
    };
    let chains: Vec<Value> =
        (0..if inbound { 40 } else { 2 }).map(|at| chain(number + at / 2, inbound, at % 2 == 0)).collect();
    json!({ "name": name, "active_state": { "version_info": "2026-11-20T10:11:12Z/4242", "listener": {
        "@type": format!("{TYPE}config.listener.v3.Listener"), "name": name,
        "address": { "socket_address": { "address": "0.0.0.0", "port_value": if inbound { 15006 } else { 80 + number % 9 } } },
        "filter_chains": chains, "listener_filters": [ { "name": "envoy.filters.listener.tls_inspector", "typed_config": {
            "@type": format!("{TYPE}extensions.filters.listener.tls_inspector.v3.TlsInspector") } } ],
        "traffic_direction": if inbound { "INBOUND" } else { "OUTBOUND" } }, "last_updated": WHEN } })
}

fn route(number: usize) -> Value {
    let host = |at: usize| {
        let (namespace, host, port) = place(number * 40 + at);
        json!({ "name": format!("{host}:{port}"), "domains": [host, format!("svc-{at}.{namespace}"), format!("svc-{at}.{namespace}.svc")],
            "include_request_attempt_count": true, "routes": [ { "match": { "prefix": "/" }, "route": {
                "cluster": format!("outbound|{port}||{host}"), "timeout": "0s", "retry_policy": {
                    "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", "num_retries": 2,
                    "host_selection_retry_max_attempts": "5" }, "max_grpc_timeout": "0s" }, "decorator": { "operation": format!("{host}/*") },
                "name": "default" } ] })
    };
    let hosts: Vec<Value> = (0..40).map(host).collect();
    json!({ "version_info": "2026-11-20T10:11:12Z/4242", "route_config": { "@type": format!("{TYPE}config.route.v3.RouteConfiguration"),
        "name": (8000 + number).to_string(), "virtual_hosts": hosts, "validate_clusters": false }, "last_updated": WHEN })
}

/// Bytes of what a proxy answers about one service: its cluster and its endpoints, as `/config_dump` prints them.
pub(crate) fn one_service(number: usize) -> usize {
    let pretty = |element: &Value| {
        let mut text = Vec::new();
        value(&mut text, element).map_or(0, |()| text.len())
    };
    pretty(&cluster(number)) + pretty(&endpoints(number))
}
