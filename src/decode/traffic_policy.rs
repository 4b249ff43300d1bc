//! `DestinationRule`.

use serde_json::Value;

use crate::decode::istio::WrongWord;
use crate::decode::metadata::meta;
use crate::decode::value::{at, flag, items, labels, owned, port, text, texts};
use crate::model::meta::Origin;
use crate::model::policy::{DestinationRule, LoadBalancer, PolicySettings, Subset, TrafficPolicy};
use crate::model::port::ServicePort;
use crate::model::tls::{ClientTlsMode, ClientTlsSettings};

/// Reads a `DestinationRule`.
pub(super) fn destination_rule(object: &Value, origin: Option<&Origin>) -> Result<DestinationRule, WrongWord> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    Ok(DestinationRule {
        meta: meta(object, origin),
        host: text(spec, &["host"]).unwrap_or_default().to_owned(),
        export_to: texts(spec, &["exportTo"]),
        workload_selector: at(spec, &["workloadSelector"]).map(|selector| labels(selector, &["matchLabels"])),
        traffic_policy: traffic_policy(at(spec, &["trafficPolicy"]), "spec.trafficPolicy")?,
        subsets: items(spec, &["subsets"]).iter().enumerate().map(subset).collect::<Result<_, _>>()?,
    })
}

fn subset((index, value): (usize, &Value)) -> Result<Subset, WrongWord> {
    Ok(Subset {
        name: text(value, &["name"]).unwrap_or_default().to_owned(),
        labels: labels(value, &["labels"]),
        traffic_policy: traffic_policy(at(value, &["trafficPolicy"]), &format!("spec.subsets[{index}].trafficPolicy"))?,
    })
}

fn traffic_policy(value: Option<&Value>, path: &str) -> Result<Option<TrafficPolicy>, WrongWord> {
    let Some(value) = value else { return Ok(None) };
    let mut ports = Vec::new();
    for (index, entry) in items(value, &["portLevelSettings"]).iter().enumerate() {
        if let Some(number) = at(entry, &["port", "number"]).and_then(port) {
            let settings = settings(entry, &format!("{path}.portLevelSettings[{index}]"))?;
            ports.push((ServicePort(number), settings));
        }
    }
    Ok(Some(TrafficPolicy { settings: settings(value, path)?, ports }))
}

fn settings(value: &Value, path: &str) -> Result<PolicySettings, WrongWord> {
    let there = |field: &str| at(value, &[field]).is_some();
    Ok(PolicySettings {
        tls: at(value, &["tls"]).map(|tls| client_tls(tls, path)).transpose()?,
        load_balancer: at(value, &["loadBalancer"])
            .map(|balancer| LoadBalancer { passthrough: text(balancer, &["simple"]) == Some("PASSTHROUGH") }),
        connection_pool: there("connectionPool"),
        outlier_detection: there("outlierDetection"),
        other: there("tunnel") || there("proxyProtocol") || there("retryBudget"),
    })
}

fn client_tls(tls: &Value, path: &str) -> Result<ClientTlsSettings, WrongWord> {
    let mode = match text(tls, &["mode"]) {
        // The zero of the enum: `tls: {}` turns TLS off.
        None | Some("DISABLE") => ClientTlsMode::Disable,
        Some("SIMPLE") => ClientTlsMode::Simple,
        Some("MUTUAL") => ClientTlsMode::Mutual,
        Some("ISTIO_MUTUAL") => ClientTlsMode::IstioMutual,
        Some(other) => return Err(WrongWord { field: format!("{path}.tls.mode"), word: other.to_owned() }),
    };
    Ok(ClientTlsSettings {
        mode,
        sni: owned(tls, &["sni"]),
        subject_alt_names: at(tls, &["subjectAltNames"]).map(|_| texts(tls, &["subjectAltNames"])),
        ca_certificates: owned(tls, &["caCertificates"]),
        client_certificate: owned(tls, &["clientCertificate"]),
        private_key: owned(tls, &["privateKey"]),
        credential_name: owned(tls, &["credentialName"]),
        insecure_skip_verify: flag(tls, &["insecureSkipVerify"]),
    })
}
