//! TLS contexts and the secrets they name.

use serde_json::{Map, Value, json};

use crate::lab::desired::TransportSocket;
use crate::model::port::Payload;
use crate::model::tls::{ClientCertificate, ServerValidation, UpstreamTls};

/// SDS name of the workload's certificate.
pub(super) const DEFAULT: &str = "default";
/// SDS name of the mesh's root.
pub(super) const ROOT: &str = "ROOTCA";
/// SDS name of the operating system's roots.
pub(super) const SYSTEM_ROOT: &str = "file-root:system";

/// Istio: `pilot/pkg/networking/core/listener.go`, `buildListenerTLSContext` and `model.SupportedCiphers`.
const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// `transport_socket` or `transport_socket_matches` of a cluster, put into it.
pub(super) fn put(cluster: &mut Map<String, Value>, socket: &TransportSocket) {
    match socket {
        TransportSocket::RawBuffer => {}
        TransportSocket::Tls(tls) => {
            cluster.insert("transport_socket".to_owned(), upstream(tls));
        }
        TransportSocket::Matches(tls) => {
            let matches = json!([
                { "name": "tlsMode-istio", "match": { "tlsMode": "istio" }, "transport_socket": upstream(tls) },
                { "name": "tlsMode-disabled", "match": {}, "transport_socket": raw_buffer() },
            ]);
            cluster.insert("transport_socket_matches".to_owned(), matches);
        }
    }
}

/// Plaintext.
fn raw_buffer() -> Value {
    json!({
        "name": "envoy.transport_sockets.raw_buffer",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" },
    })
}

/// Istio: `pilot/pkg/networking/core/cluster_tls.go:buildUpstreamTLSSettings`.
fn upstream(tls: &UpstreamTls) -> Value {
    let mut common = Map::from_iter([("tls_params".to_owned(), versions())]);
    if !tls.alpn.is_empty() {
        common.insert("alpn_protocols".to_owned(), json!(tls.alpn));
    }
    let certificate = match &tls.certificate {
        ClientCertificate::None => None,
        ClientCertificate::Workload => Some(DEFAULT.to_owned()),
        ClientCertificate::Files { certificate, key } => Some(format!("file-cert:{certificate}~{key}")),
        ClientCertificate::Secret(name) => Some(format!("kubernetes://{name}")),
    };
    if let Some(name) = certificate {
        common.insert("tls_certificate_sds_secret_configs".to_owned(), json!([secret(&name)]));
    }
    let root = match &tls.validation {
        ServerValidation::Skip => None,
        ServerValidation::MeshRoot => Some(ROOT.to_owned()),
        ServerValidation::System => Some(SYSTEM_ROOT.to_owned()),
        ServerValidation::File(path) => Some(format!("file-root:{path}")),
        ServerValidation::Secret(name) => Some(format!("kubernetes://{name}-cacert")),
    };
    match root {
        None => common.insert("validation_context".to_owned(), json!({})),
        Some(root) => {
            let exact = |name: &String| json!({ "exact": name });
            let names: Vec<Value> = tls.subject_alt_names.iter().map(exact).collect();
            common.insert("combined_validation_context".to_owned(), validation(&names, &root))
        }
    };
    let mut context = Map::from_iter([
        ("@type".to_owned(), json!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext")),
        ("common_tls_context".to_owned(), Value::Object(common)),
    ]);
    if let Some(sni) = &tls.sni {
        context.insert("sni".to_owned(), json!(sni));
    }
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

/// Mutual TLS of an inbound filter chain (Istio: `security/authn/utils.go:BuildInboundTLS`).
pub(super) fn downstream(trust_domains: &[String], codec: Payload) -> Value {
    let alpn: &[&str] = match codec {
        Payload::Http => &["h2", "http/1.1"],
        Payload::Tcp => &["istio-peer-exchange", "h2", "http/1.1"],
    };
    let mut params = versions();
    if let Some(params) = params.as_object_mut() {
        params.insert("cipher_suites".to_owned(), json!(CIPHERS));
    }
    let domains: Vec<Value> =
        trust_domains.iter().map(|domain| json!({ "prefix": format!("spiffe://{domain}/") })).collect();
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_params": params,
                "alpn_protocols": alpn,
                "tls_certificate_sds_secret_configs": [secret(DEFAULT)],
                "combined_validation_context": validation(&domains, ROOT),
            },
            "require_client_certificate": true,
        },
    })
}

/// What discovery of everything but secrets is asked over.
pub(super) fn ads() -> Value {
    json!({ "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" })
}

fn versions() -> Value {
    json!({ "tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3" })
}

fn validation(names: &[Value], root: &str) -> Value {
    let default = if names.is_empty() { json!({}) } else { json!({ "match_subject_alt_names": names }) };
    json!({ "default_validation_context": default, "validation_context_sds_secret_config": secret(root) })
}

/// A secret of the agent.
fn secret(name: &str) -> Value {
    json!({
        "name": name,
        "sds_config": {
            "api_config_source": {
                "api_type": "GRPC",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "sds-grpc" } }],
                "set_node_on_first_message_only": true,
                "transport_api_version": "V3",
            },
            "initial_fetch_timeout": "0s",
            "resource_api_version": "V3",
        },
    })
}
