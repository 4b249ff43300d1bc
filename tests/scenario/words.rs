//! Decisions of the rules and of reports, in the words of a row.

use kubectl_mtls::model::derivation::{Layer, PolicyKind, PolicyRef};
use kubectl_mtls::model::pair::{AcceptMode, OriginKind, OriginMode};

/// What a client is told about a service port.
pub(crate) fn client_words(kind: &str, mode: &str, by: &PolicyRef, port: u16) -> String {
    let sent = [
        (OriginKind::MutualTls.as_str(), "mTLS"),
        (OriginKind::Plaintext.as_str(), "plaintext"),
        (OriginKind::Mixed.as_str(), "mixed"),
    ];
    let sent = sent.iter().find(|(word, _)| *word == kind).map_or(kind, |(_, word)| word);
    let by = decider(by, port);
    if mode == OriginMode::NoProxy.as_str() {
        if by == "no-proxy" { by } else { format!("no-proxy by {by}") }
    } else if mode == OriginMode::Auto.as_str() {
        if by == "auto" { format!("auto {sent}") } else { format!("auto {sent} by {by}") }
    } else {
        format!("{mode} by {by}")
    }
}

/// What a server accepts from clients of a service port.
pub(crate) fn server_words(mode: &str, by: &PolicyRef, port: u16) -> String {
    let by = decider(by, port);
    if mode == AcceptMode::NoProxy.as_str() {
        if by == "no-proxy" { by } else { format!("no-proxy by {by}") }
    } else {
        format!("{mode} by {by}")
    }
}

/// A decider in a row's words: the layer where the kind has several, and the tool's short name of the object.
pub(crate) fn decider(by: &PolicyRef, port: u16) -> String {
    let field = by.field.as_deref().unwrap_or_default();
    match (by.kind, by.layer) {
        (PolicyKind::DefaultPermissive, _) => "default".to_owned(),
        (PolicyKind::AutoMtls, _) => "auto".to_owned(),
        (PolicyKind::NoProxy, _) => "no-proxy".to_owned(),
        (PolicyKind::MeshConfig, _) => "meshconfig".to_owned(),
        (PolicyKind::Passthrough, _) => "passthrough".to_owned(),
        (PolicyKind::PeerAuthentication, Layer::Port) => {
            let key = field.strip_prefix("spec.portLevelMtls[").and_then(|rest| rest.strip_suffix("].mode"));
            format!("port {} of {}", key.unwrap_or(field), by.short())
        }
        // The entry of a rule that counts is always the one of the port that is called; its path has an index.
        (PolicyKind::DestinationRule, Layer::Port) if field.contains(".portLevelSettings[") => {
            format!("port {port} of {}", by.short())
        }
        (PolicyKind::PeerAuthentication, Layer::Mesh) => format!("mesh {}", by.short()),
        (PolicyKind::PeerAuthentication, Layer::Namespace) => format!("namespace {}", by.short()),
        (PolicyKind::PeerAuthentication, Layer::Workload) => format!("workload {}", by.short()),
        (PolicyKind::DestinationRule, Layer::TrafficPolicy) => by.short(),
        (_, Layer::Default) => by.short(),
        (_, layer) => format!("{layer:?} {}", by.short()),
    }
}
