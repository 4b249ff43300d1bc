//! `MeshConfig`: the ConfigMap's YAML, or the same as a value.

use serde_json::Value;

use crate::decode::value::{at, items, owned, text, texts};
use crate::model::mesh::{MeshConfig, OutboundPolicy, ProxyCertificates};

/// Reads `MeshConfig`, with what could not be understood. What is absent keeps Istio's default; wrappers are tri-state, so a
/// missing `enableAutoMtls` is true.
///
/// Istio: `pkg/config/mesh/mesh.go:ApplyMeshConfigDefaults`.
pub(super) fn mesh_config(value: &Value) -> (MeshConfig, Vec<String>) {
    let default = MeshConfig::default();
    let mut complaints = Vec::new();
    let list = |field: &str, absent: Vec<String>| {
        if at(value, &[field]).is_some() { texts(value, &[field]) } else { absent }
    };
    let auto_mtls = match at(value, &["enableAutoMtls"]) {
        None => default.auto_mtls,
        Some(Value::Bool(flag)) => *flag,
        Some(other) => {
            complaints.push(format!("`enableAutoMtls` is {other}, not true or false"));
            default.auto_mtls
        }
    };
    let outbound_policy = match text(value, &["outboundTrafficPolicy", "mode"]) {
        None => default.outbound_policy,
        // Resolves names it does not know instead of passing by address; nothing of it is encrypted.
        Some("ALLOW_ANY" | "ALLOW_ANY_DYNAMIC_DNS") => OutboundPolicy::AllowAny,
        Some("REGISTRY_ONLY") => OutboundPolicy::RegistryOnly,
        Some(other) => {
            complaints.push(format!("`outboundTrafficPolicy.mode` is `{other}`, not ALLOW_ANY or REGISTRY_ONLY"));
            default.outbound_policy
        }
    };
    let config = MeshConfig {
        root_namespace: owned(value, &["rootNamespace"]).unwrap_or(default.root_namespace),
        trust_domain: owned(value, &["trustDomain"]).unwrap_or(default.trust_domain),
        trust_domain_aliases: texts(value, &["trustDomainAliases"]),
        auto_mtls,
        outbound_policy,
        default_service_export_to: list("defaultServiceExportTo", default.default_service_export_to),
        default_destination_rule_export_to: list(
            "defaultDestinationRuleExportTo",
            default.default_destination_rule_export_to,
        ),
        default_virtual_service_export_to: list(
            "defaultVirtualServiceExportTo",
            default.default_virtual_service_export_to,
        ),
        client_certificates: client_certificates(value),
        discovery_selectors: items(value, &["discoverySelectors"]).to_vec(),
        cluster_domain: default.cluster_domain,
    };
    (config, complaints)
}

/// Istio: `pkg/model/proxy.go:NodeMetadata`: an environment variable `ISTIO_META_X` is the metadata `X`.
fn client_certificates(config: &Value) -> Option<ProxyCertificates> {
    let file = |name: &str| owned(config, &["defaultConfig", "proxyMetadata", name]);
    Some(ProxyCertificates {
        certificate: file("ISTIO_META_TLS_CLIENT_CERT_CHAIN")?,
        key: file("ISTIO_META_TLS_CLIENT_KEY")?,
        root: file("ISTIO_META_TLS_CLIENT_ROOT_CERT"),
    })
}
