//! Istio: `ValidateServiceEntry`, `validateWorkloadEntry`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::schema::rules::sidecar::protocol_word;
use crate::decode::schema::rules::{is_dns_label, is_host, port_number, selector};
use crate::decode::value::{at, items, text};

pub(super) fn check(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    selector(spec, path, ["workloadSelector", "labels"], found);
    if at(spec, &["workloadSelector"]).is_some() && at(spec, &["endpoints"]).is_some() {
        found.push(Finding::invalid(path.clone(), "can have only one of workloadSelector, endpoints"));
    }
    for (index, host) in items(spec, &["hosts"]).iter().filter_map(Value::as_str).enumerate() {
        if host == "*" || !is_host(host) {
            let why = format!("is `{host}`, which is no host name; a wildcard alone is none");
            found.push(Finding::invalid(path.field("hosts").item(index), why));
        }
    }
    resolution(spec, path, found);
    ports(spec, path, found);
    for (index, value) in items(spec, &["endpoints"]).iter().enumerate() {
        endpoint(value, &path.field("endpoints").item(index), found);
    }
}

fn resolution(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    let endpoints = items(spec, &["endpoints"]);
    let ranges = items(spec, &["addresses"]).iter().filter_map(Value::as_str).any(|address| address.contains('/'));
    match text(spec, &["resolution"]).unwrap_or("NONE") {
        "NONE" if at(spec, &["endpoints"]).is_some() => {
            found.push(Finding::invalid(path.field("endpoints"), "cannot be set with resolution NONE"));
        }
        "DNS_ROUND_ROBIN" if endpoints.len() > 1 => {
            let why = "can have only one item with resolution DNS_ROUND_ROBIN";
            found.push(Finding::invalid(path.field("endpoints"), why));
        }
        resolution if ranges && !matches!(resolution, "NONE" | "STATIC") => {
            let why = format!("can hold ranges only with resolution NONE or STATIC, not {resolution}");
            found.push(Finding::invalid(path.field("addresses"), why));
        }
        _ => {}
    }
}

fn ports(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    let mut numbers = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (index, port) in items(spec, &["ports"]).iter().enumerate() {
        let path = path.field("ports").item(index);
        port_number(at(port, &["number"]), path.field("number"), found);
        port_number(
            at(port, &["targetPort"]).filter(|target| target.as_u64() != Some(0)),
            path.field("targetPort"),
            found,
        );
        protocol_word(text(port, &["protocol"]), path.field("protocol"), found);
        if let Some(number) = at(port, &["number"]).and_then(Value::as_u64).filter(|number| !numbers.insert(*number)) {
            found.push(Finding::invalid(path.field("number"), format!("is {number}, as is that of another port")));
        }
        let name = text(port, &["name"]).unwrap_or_default();
        if !names.insert(name) {
            found.push(Finding::invalid(path.field("name"), format!("is `{name}`, as is that of another port")));
        } else if !is_dns_label(name) {
            found.push(Finding::invalid(path.field("name"), format!("is `{name}`; a port's name is a DNS label")));
        }
    }
}

/// An inline endpoint, or the body of a `WorkloadEntry`.
pub(super) fn endpoint(value: &Value, path: &Path, found: &mut Vec<Finding>) {
    let address = text(value, &["address"]).unwrap_or_default();
    if address.is_empty() && text(value, &["network"]).unwrap_or_default().is_empty() {
        found.push(Finding::invalid(path.field("address"), "is required where there is no network"));
    }
    let ports = at(value, &["ports"]).and_then(Value::as_object);
    if let Some(socket) = address.strip_prefix("unix://") {
        if !socket.starts_with(['/', '@']) || socket.ends_with('/') {
            let why = format!("is `{address}`, which is neither an absolute path of a socket nor an abstract one");
            found.push(Finding::invalid(path.field("address"), why));
        }
        if ports.is_some() {
            found.push(Finding::invalid(path.field("ports"), "cannot be set for a socket"));
        }
    }
    for (name, number) in ports.into_iter().flatten() {
        let path = path.field("ports").key(name);
        if !is_dns_label(name) {
            found.push(Finding::invalid(path.clone(), format!("has the key `{name}`; a port's name is a DNS label")));
        }
        port_number(Some(number), path, found);
    }
}
