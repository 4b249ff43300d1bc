//! Answers of a proxy, cut to the fields that are read of them; elements keep their places, so that pointers still lead there.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A body as it is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Body {
    /// JSON, reduced.
    Json(Value),
    /// The beginning of anything else: an error's own words.
    Text(String),
}

/// What is quoted of a text.
const QUOTED: usize = 200;

/// Fields that are read, in both spellings. A private key has none, nor has an environment.
const FIELDS: [&str; 181] = [
    "@type",
    "ISTIO_VERSION",
    "activeState",
    "active_state",
    "additionalAddresses",
    "additional_addresses",
    "address",
    "addressPrefix",
    "address_prefix",
    "alpnOverride",
    "alpnProtocols",
    "alpn_override",
    "alpn_protocols",
    "applicationProtocols",
    "application_protocols",
    "bootstrap",
    "certificateChain",
    "certificate_chain",
    "cluster",
    "clusterName",
    "cluster_name",
    "clusters",
    "combinedValidationContext",
    "combined_validation_context",
    "commonTlsContext",
    "common_tls_context",
    "config",
    "configs",
    "contains",
    "defaultFilterChain",
    "defaultValidationContext",
    "default_filter_chain",
    "default_validation_context",
    "destinationPort",
    "destination_port",
    "details",
    "directResponse",
    "direct_response",
    "domains",
    "drainingState",
    "draining_state",
    "dynamicActiveClusters",
    "dynamicActiveSecrets",
    "dynamicEndpointConfigs",
    "dynamicListeners",
    "dynamicRouteConfigs",
    "dynamicWarmingClusters",
    "dynamicWarmingSecrets",
    "dynamic_active_clusters",
    "dynamic_active_secrets",
    "dynamic_endpoint_configs",
    "dynamic_listeners",
    "dynamic_route_configs",
    "dynamic_warming_clusters",
    "dynamic_warming_secrets",
    "endpoint",
    "endpointConfig",
    "endpointId",
    "endpoint_config",
    "endpoint_id",
    "endpoints",
    "envoyInternalAddress",
    "envoy_internal_address",
    "errorState",
    "error_state",
    "exact",
    "filename",
    "filterChainMatch",
    "filterChains",
    "filterMetadata",
    "filter_chain_match",
    "filter_chains",
    "filter_metadata",
    "filters",
    "forwardClientCertDetails",
    "forward_client_cert_details",
    "healthStatus",
    "health_status",
    "hidden_envoy_deprecated_use_original_dst",
    "httpFilters",
    "http_filters",
    "id",
    "inlineBytes",
    "inlineString",
    "inline_bytes",
    "inline_string",
    "istio",
    "lastUpdateAttempt",
    "lastUpdated",
    "last_update_attempt",
    "last_updated",
    "lbEndpoints",
    "lb_endpoints",
    "listener",
    "listenerFilters",
    "listener_filters",
    "loadAssignment",
    "load_assignment",
    "match",
    "matchSubjectAltNames",
    "matchTypedSubjectAltNames",
    "match_subject_alt_names",
    "match_typed_subject_alt_names",
    "matcher",
    "metadata",
    "name",
    "node",
    "portValue",
    "port_value",
    "prefix",
    "prefixLen",
    "prefixRanges",
    "prefix_len",
    "prefix_ranges",
    "protocol",
    "rds",
    "regex",
    "requireClientCertificate",
    "require_client_certificate",
    "route",
    "routeConfig",
    "routeConfigName",
    "route_config",
    "route_config_name",
    "routes",
    "safeRegex",
    "safe_regex",
    "secret",
    "serverNames",
    "server_names",
    "sni",
    "socketAddress",
    "socket_address",
    "sourceType",
    "source_type",
    "staticClusters",
    "staticEndpointConfigs",
    "staticListeners",
    "staticRouteConfigs",
    "staticSecrets",
    "static_clusters",
    "static_endpoint_configs",
    "static_listeners",
    "static_route_configs",
    "static_secrets",
    "status",
    "suffix",
    "tlsCertificate",
    "tlsCertificateSdsSecretConfigs",
    "tlsMode",
    "tls_certificate",
    "tls_certificate_sds_secret_configs",
    "trafficDirection",
    "traffic_direction",
    "transportProtocol",
    "transportSocket",
    "transportSocketMatches",
    "transport_protocol",
    "transport_socket",
    "transport_socket_matches",
    "trustedCa",
    "trusted_ca",
    "type",
    "typedConfig",
    "typed_config",
    "useOriginalDst",
    "use_original_dst",
    "validationContext",
    "validationContextSdsSecretConfig",
    "validation_context",
    "validation_context_sds_secret_config",
    "versionInfo",
    "version_info",
    "virtualHosts",
    "virtual_hosts",
    "warmingState",
    "warming_state",
    "weight",
    "weightedClusters",
    "weighted_clusters",
    "workload",
];

/// Fields of which only the presence is read: what a request is matched by may be secret.
const PRESENT: [&str; 20] = [
    "customValidatorConfig",
    "custom_validator_config",
    "directSourcePrefixRanges",
    "direct_source_prefix_ranges",
    "filterChainMatcher",
    "filter_chain_matcher",
    "headers",
    "queryParameters",
    "query_parameters",
    "redirect",
    "runtimeFraction",
    "runtime_fraction",
    "sourcePorts",
    "sourcePrefixRanges",
    "source_ports",
    "source_prefix_ranges",
    "tlsCertificates",
    "tls_certificates",
    "transportSocketMatcher",
    "transport_socket_matcher",
];

/// Fields that are held against others as a whole.
const WHOLE: [&str; 3] = ["envoy.transport_socket_match", "filterDisabled", "filter_disabled"];

// === impl Body ===

impl Body {
    pub(super) fn reduced(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(value @ Value::Object(_)) => Self::Json(kept(&value)),
            Ok(_) | Err(_) => Self::Text(String::from_utf8_lossy(body).chars().take(QUOTED).collect()),
        }
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        match self {
            Self::Json(value) => value.to_string().into_bytes(),
            Self::Text(text) => text.into_bytes(),
        }
    }
}

fn kept(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(fields.iter().filter_map(field).collect::<Map<_, _>>()),
        Value::Array(elements) => elements.iter().map(kept).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn field((name, value): (&String, &Value)) -> Option<(String, Value)> {
    let of = |list: &[&str]| list.binary_search(&name.as_str()).is_ok();
    let kept = if of(&WHOLE) {
        value.clone()
    } else if of(&PRESENT) {
        hollow(value)
    } else if of(&FIELDS) {
        kept(value)
    } else {
        return None;
    };
    Some((name.clone(), kept))
}

fn hollow(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|_| json!({})).collect(),
        Value::Object(_) => json!({}),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json!(true),
    }
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, PRESENT, WHOLE};

    #[test]
    fn the_lists_are_in_order() {
        assert!(FIELDS.is_sorted() && PRESENT.is_sorted() && WHOLE.is_sorted());
    }
}
