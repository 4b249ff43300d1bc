//! `MeshConfig`: the ConfigMap's YAML, or the same as a value.

use serde_json::Value;

use crate::decode::value::{at, items, owned, text, texts};
use crate::decode::yaml::{self, Refusal};
use crate::model::mesh::{MeshConfig, OutboundPolicy, ProxyCertificates};

/// The `MeshConfig` of a file as `istioctl --meshConfigFile` takes it, or of the ConfigMap that istiod reads.
///
/// # Errors
/// What is wrong with the text, in one sentence.
pub fn given(file: &str) -> Result<Value, String> {
    let value = only(file.strip_prefix('\u{feff}').unwrap_or(file))?;
    if value.is_null() {
        return Ok(value);
    }
    match text(&value, &["kind"]) {
        Some("ConfigMap") => match text(&value, &["data", "mesh"]) {
            Some(mesh) => only(mesh).map_err(|why| format!("`data.mesh`: {why}")),
            None => Err("this ConfigMap has no `data.mesh`".to_owned()),
        },
        Some(kind) => Err(format!("this is a {kind}, neither a MeshConfig nor the ConfigMap that holds one")),
        None if value.is_object() => Ok(value),
        None => Err("this is no MeshConfig: it has no fields".to_owned()),
    }
}

/// The one document of a text; of a key that stands twice the last value counts.
fn only(file: &str) -> Result<Value, String> {
    let mut documents = match yaml::documents(file) {
        Ok(documents) | Err(Refusal::DoubledKeys(documents)) => documents,
        Err(Refusal::Unreadable(error)) => {
            let place = error.location().map(|place| format!("line {}: ", place.line()));
            return Err(format!("{}{}", place.unwrap_or_default(), yaml::why(&error)));
        }
    };
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.remove(0)),
        several => Err(format!("it holds {several} documents, not one")),
    }
}

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
