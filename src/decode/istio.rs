//! Istio's objects, `DestinationRule` aside.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::decode::metadata::meta;
use crate::decode::protocol;
use crate::decode::value::{at, items, labels, owned, port, text, texts};
use crate::model::mesh::OutboundPolicy;
use crate::model::meta::Origin;
use crate::model::policy::{EgressListener, IngressListener, PeerAuthentication, Sidecar};
use crate::model::port::{Protocol, ServicePort, WorkloadPort};
use crate::model::service::{EntryEndpoint, EntryPort, Resolution, ServiceEntry, WorkloadEntry};
use crate::model::tls::{MtlsMode, OwnTls};

/// A word where one of a closed list must stand, so that the object cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` at `{field}` is not a word that Istio knows")]
pub(super) struct WrongWord {
    /// Path of the field.
    pub(super) field: String,
    /// What stands there.
    pub(super) word: String,
}

/// Reads a `PeerAuthentication`.
pub(super) fn peer_authentication(object: &Value, origin: Option<&Origin>) -> Result<PeerAuthentication, WrongWord> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let mut ports = BTreeMap::new();
    for (key, value) in at(spec, &["portLevelMtls"]).and_then(Value::as_object).into_iter().flatten() {
        if let Ok(number) = key.trim().parse() {
            ports.insert(WorkloadPort(number), mtls_mode(value, &format!("spec.portLevelMtls[{key}]"))?);
        }
    }
    Ok(PeerAuthentication {
        meta: meta(object, origin),
        selector: labels(spec, &["selector", "matchLabels"]),
        mode: at(spec, &["mtls"]).map_or(Ok(None), |mtls| mtls_mode(mtls, "spec.mtls"))?,
        ports,
    })
}

fn mtls_mode(mtls: &Value, path: &str) -> Result<Option<MtlsMode>, WrongWord> {
    match text(mtls, &["mode"]) {
        None | Some("UNSET") => Ok(None),
        Some("DISABLE") => Ok(Some(MtlsMode::Disable)),
        Some("PERMISSIVE") => Ok(Some(MtlsMode::Permissive)),
        Some("STRICT") => Ok(Some(MtlsMode::Strict)),
        Some(other) => Err(WrongWord { field: format!("{path}.mode"), word: other.to_owned() }),
    }
}

/// Reads a `Sidecar`.
pub(super) fn sidecar(object: &Value, origin: Option<&Origin>) -> Result<Sidecar, WrongWord> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let egress: Vec<_> = items(spec, &["egress"]).iter().map(egress_listener).collect();
    Ok(Sidecar {
        meta: meta(object, origin),
        selector: labels(spec, &["workloadSelector", "labels"]),
        // An empty list is no list: `pilot/pkg/model/sidecar.go:convertToSidecarScope`.
        egress: Some(egress).filter(|listeners| !listeners.is_empty()),
        ingress: items(spec, &["ingress"]).iter().filter_map(ingress_listener).collect(),
        outbound_policy: at(spec, &["outboundTrafficPolicy"]).map(outbound_policy).transpose()?,
    })
}

/// The zero of the enum is `REGISTRY_ONLY`: an empty object means it.
fn outbound_policy(policy: &Value) -> Result<OutboundPolicy, WrongWord> {
    match text(policy, &["mode"]) {
        None | Some("REGISTRY_ONLY") => Ok(OutboundPolicy::RegistryOnly),
        Some("ALLOW_ANY") => Ok(OutboundPolicy::AllowAny),
        Some(other) => Err(WrongWord { field: "spec.outboundTrafficPolicy.mode".to_owned(), word: other.to_owned() }),
    }
}

fn egress_listener(value: &Value) -> EgressListener {
    EgressListener {
        hosts: texts(value, &["hosts"]),
        port: at(value, &["port", "number"]).and_then(port),
        // A port of its own that names none is sniffed: `pkg/config/protocol/instance.go:Parse`.
        protocol: at(value, &["port"]).map(|port| text(port, &["protocol"]).map_or(Protocol::Auto, protocol::of_name)),
        bind: owned(value, &["bind"]),
        capture_none: captures_nothing(value),
    }
}

fn ingress_listener(value: &Value) -> Option<IngressListener> {
    Some(IngressListener {
        port: WorkloadPort(at(value, &["port", "number"]).and_then(port)?),
        protocol: text(value, &["port", "protocol"]).map_or(Protocol::Auto, protocol::of_name),
        bind: owned(value, &["bind"]),
        capture_none: captures_nothing(value),
        default_endpoint: owned(value, &["defaultEndpoint"]),
        tls: at(value, &["tls"]).map(own_tls),
    })
}

/// Istio: `pilot/pkg/networking/core/listener.go:BuildListenerTLSContext`: MUTUAL alone demands a certificate.
fn own_tls(tls: &Value) -> OwnTls {
    match text(tls, &["mode"]) {
        Some("MUTUAL") => OwnTls::Mutual,
        Some("OPTIONAL_MUTUAL") => OwnTls::OptionalMutual,
        Some(_) | None => OwnTls::Simple,
    }
}

fn captures_nothing(listener: &Value) -> bool {
    text(listener, &["captureMode"]) == Some("NONE")
}

/// Reads a `ServiceEntry`.
pub(super) fn service_entry(object: &Value, origin: Option<&Origin>) -> Result<ServiceEntry, WrongWord> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    Ok(ServiceEntry {
        meta: meta(object, origin),
        hosts: texts(spec, &["hosts"]),
        addresses: texts(spec, &["addresses"]),
        ports: items(spec, &["ports"]).iter().filter_map(entry_port).collect(),
        mesh_internal: match text(spec, &["location"]) {
            None | Some("MESH_EXTERNAL") => false,
            Some("MESH_INTERNAL") => true,
            Some(other) => return Err(WrongWord { field: "spec.location".to_owned(), word: other.to_owned() }),
        },
        resolution: match text(spec, &["resolution"]) {
            None | Some("NONE") => Resolution::None,
            Some("STATIC") => Resolution::Static,
            Some("DNS") => Resolution::Dns,
            Some("DNS_ROUND_ROBIN") => Resolution::DnsRoundRobin,
            Some("DYNAMIC_DNS") => Resolution::DynamicDns,
            Some(other) => return Err(WrongWord { field: "spec.resolution".to_owned(), word: other.to_owned() }),
        },
        endpoints: items(spec, &["endpoints"]).iter().map(entry_endpoint).collect(),
        workload_selector: at(spec, &["workloadSelector"]).map(|selector| labels(selector, &["labels"])),
        export_to: texts(spec, &["exportTo"]),
        subject_alt_names: texts(spec, &["subjectAltNames"]),
    })
}

fn entry_port(value: &Value) -> Option<EntryPort> {
    Some(EntryPort {
        name: text(value, &["name"]).unwrap_or_default().to_owned(),
        port: ServicePort(at(value, &["number"]).and_then(port)?),
        target: at(value, &["targetPort"]).and_then(port).map(WorkloadPort),
        protocol: text(value, &["protocol"]).map_or(Protocol::Auto, protocol::of_name),
    })
}

/// Reads a `WorkloadEntry`.
pub(super) fn workload_entry(object: &Value, origin: Option<&Origin>) -> WorkloadEntry {
    WorkloadEntry { meta: meta(object, origin), endpoint: entry_endpoint(object.get("spec").unwrap_or(&Value::Null)) }
}

fn entry_endpoint(value: &Value) -> EntryEndpoint {
    EntryEndpoint {
        address: text(value, &["address"]).unwrap_or_default().to_owned(),
        ports: at(value, &["ports"])
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, number)| Some((name.clone(), WorkloadPort(port(number)?))))
            .collect(),
        labels: labels(value, &["labels"]),
        service_account: owned(value, &["serviceAccount"]),
        network: owned(value, &["network"]),
    }
}
