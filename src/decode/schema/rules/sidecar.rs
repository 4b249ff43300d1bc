//! Istio: `ValidateSidecar`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use crate::decode::protocol;
use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::schema::rules::{is_dns_label, is_host, port_number, selector};
use crate::decode::value::{at, items, text};
use crate::model::port::Protocol;

pub(super) fn check(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    selector(spec, path, ["workloadSelector", "labels"], found);
    let there = |field: &str| at(spec, &[field]).is_some();
    let (ingress, egress) = (items(spec, &["ingress"]), items(spec, &["egress"]));
    if ingress.is_empty() && egress.is_empty() && !there("outboundTrafficPolicy") && !there("inboundConnectionPool") {
        found.push(Finding::invalid(path.clone(), "is empty: it needs egress, ingress or outboundTrafficPolicy"));
    }
    listeners(ingress, &path.field("ingress"), found);
    listeners(egress, &path.field("egress"), found);
    for (index, listener) in ingress.iter().enumerate() {
        let path = path.field("ingress").item(index);
        if at(listener, &["port"]).is_none() {
            found.push(Finding::invalid(path.field("port"), "is required"));
        }
        if socket(listener).is_some() {
            found.push(Finding::invalid(path.field("bind"), "cannot be a socket: only egress listens on one"));
        }
        default_endpoint(listener, path.field("defaultEndpoint"), found);
    }
    for (index, listener) in egress.iter().enumerate() {
        let path = path.field("egress").item(index);
        if at(listener, &["port"]).is_none() && index + 1 < egress.len() {
            found.push(Finding::invalid(path.clone(), "has no port; only the last listener may have none"));
        }
        if socket(listener).is_some() && text(listener, &["captureMode"]) == Some("IPTABLES") {
            found.push(Finding::invalid(path.field("captureMode"), "cannot be IPTABLES for a socket"));
        }
        hosts(listener, &path, found);
    }
}

/// The socket that a listener without a port number listens on.
fn socket(listener: &Value) -> Option<&str> {
    text(listener, &["bind"]).filter(|bind| bind.starts_with("unix://"))
}

/// Ports, protocols and addresses, which no two listeners share.
fn listeners(listeners: &[Value], path: &Path, found: &mut Vec<Finding>) {
    let mut places = BTreeSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        let (path, Some(port)) = (path.item(index), at(listener, &["port"])) else { continue };
        let number = at(port, &["number"]).and_then(Value::as_u64).unwrap_or_default();
        let number_path = path.field("port").field("number");
        match (number, socket(listener)) {
            (0, Some(socket)) => {
                if !places.insert((0, socket)) {
                    found.push(Finding::invalid(path.field("bind"), format!("is `{socket}`, as is another's")));
                }
            }
            (number, _) => {
                port_number(Some(&Value::from(number)), number_path.clone(), found);
                if !places.insert((number, "")) {
                    found.push(Finding::invalid(number_path, format!("is {number}, as is that of another listener")));
                }
                let bind = text(listener, &["bind"]).filter(|bind| !bind.is_empty());
                if let Some(bind) = bind.filter(|bind| bind.parse::<IpAddr>().is_err()) {
                    found.push(Finding::invalid(path.field("bind"), format!("is `{bind}`, which is no IP address")));
                }
            }
        }
        protocol_word(text(port, &["protocol"]), path.field("port").field("protocol"), found);
    }
}

/// `127.0.0.1:port`, `0.0.0.0:port`, the same for IPv6, `:port`, or a socket.
fn default_endpoint(listener: &Value, path: Path, found: &mut Vec<Finding>) {
    let Some(endpoint) = text(listener, &["defaultEndpoint"]).filter(|endpoint| !endpoint.is_empty()) else { return };
    let right = match endpoint.strip_prefix("unix://") {
        Some(socket) => socket.len() > 1 && socket.starts_with(['/', '@']) && !socket.ends_with('/'),
        None => endpoint.rsplit_once(':').is_some_and(|(host, port)| {
            matches!(host, "" | "127.0.0.1" | "0.0.0.0" | "[::1]" | "[::]")
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        }),
    };
    if !right {
        let why =
            format!("is `{endpoint}`; it takes 127.0.0.1, 0.0.0.0, [::1] or [::] with a port, or unix:// with a path");
        found.push(Finding::invalid(path, why));
    }
}

/// Istio: `ValidateProtocol`.
pub(super) fn protocol_word(written: Option<&str>, path: Path, found: &mut Vec<Finding>) {
    if let Some(word) = written.filter(|word| !word.is_empty() && protocol::of_name(word) == Protocol::Auto) {
        found.push(Finding::invalid(path, format!("is `{word}`, which is no protocol that Istio knows")));
    }
}

/// `namespace/dnsName`, with `*` and `.` for the namespace; `~` in front leaves one out.
fn hosts(listener: &Value, path: &Path, found: &mut Vec<Finding>) {
    let hosts = items(listener, &["hosts"]);
    if hosts.is_empty() {
        found.push(Finding::invalid(path.field("hosts"), "must name at least one host"));
    }
    for (index, host) in hosts.iter().filter_map(Value::as_str).enumerate() {
        let path = path.field("hosts").item(index);
        match host.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
                let bare = namespace.strip_prefix('~').unwrap_or(namespace);
                if !matches!(bare, "" | "*" | ".") && !is_dns_label(bare) {
                    found.push(Finding::invalid(path, format!("is `{host}`, whose namespace is none")));
                } else if !is_host(name) {
                    found.push(Finding::invalid(path, format!("is `{host}`, whose host is none")));
                }
            }
            Some(_) | None => {
                let why = format!("is `{host}`; it must look like `namespace/name`, for instance `./*` or `*/{host}`");
                found.push(Finding::invalid(path, why));
            }
        }
    }
}
