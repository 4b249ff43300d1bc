//! Istio: `ValidateDestinationRule`, `pkg/config/validation/agent/validation.go:ValidateTLS`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::schema::rules::{is_dns_label, is_host, port_number, selector};
use crate::decode::value::{at, flag, items, owned, text};

pub(super) fn check(spec: &Value, path: &Path, namespace: &str, found: &mut Vec<Finding>) {
    if let Some(host) = text(spec, &["host"]).filter(|host| !is_host(host)) {
        found.push(Finding::invalid(path.field("host"), format!("is `{host}`, which is no host name")));
    }
    policy(at(spec, &["trafficPolicy"]), &path.field("trafficPolicy"), found);
    let mut names = BTreeSet::new();
    for (index, subset) in items(spec, &["subsets"]).iter().enumerate() {
        let path = path.field("subsets").item(index);
        let name = text(subset, &["name"]).unwrap_or_default();
        if !is_dns_label(name) {
            found.push(Finding::invalid(path.field("name"), format!("is `{name}`; a subset's name is a DNS label")));
        } else if !names.insert(name) {
            found.push(Finding::invalid(path.field("name"), format!("is `{name}`, as is that of another subset")));
        }
        policy(at(subset, &["trafficPolicy"]), &path.field("trafficPolicy"), found);
    }
    selector(spec, path, ["workloadSelector", "matchLabels"], found);
    export_to(spec, &path.field("exportTo"), namespace, found);
}

fn policy(policy: Option<&Value>, path: &Path, found: &mut Vec<Finding>) {
    const FIELDS: [&str; 8] = [
        "connectionPool",
        "loadBalancer",
        "outlierDetection",
        "portLevelSettings",
        "proxyProtocol",
        "retryBudget",
        "tls",
        "tunnel",
    ];
    const PORT_FIELDS: [&str; 4] = ["connectionPool", "loadBalancer", "outlierDetection", "tls"];
    let Some(policy) = policy else { return };
    let there = |value: &Value, fields: &[&str]| fields.iter().any(|field| at(value, &[field]).is_some());
    if !there(policy, &FIELDS) {
        found.push(Finding::invalid(path.clone(), "must have at least one field"));
    }
    if at(policy, &["tunnel"]).is_some() && at(policy, &["proxyProtocol"]).is_some() {
        found.push(Finding::invalid(path.clone(), "can have only one of tunnel, proxyProtocol"));
    }
    tls(at(policy, &["tls"]), &path.field("tls"), found);
    for (index, entry) in items(policy, &["portLevelSettings"]).iter().enumerate() {
        let path = path.field("portLevelSettings").item(index);
        match at(entry, &["port"]) {
            Some(port) => port_number(at(port, &["number"]), path.field("port").field("number"), found),
            None => found.push(Finding::invalid(path.field("port"), "is required")),
        }
        if !there(entry, &PORT_FIELDS) {
            found.push(Finding::invalid(path.clone(), format!("must have at least one of {}", PORT_FIELDS.join(", "))));
        }
        tls(at(entry, &["tls"]), &path.field("tls"), found);
    }
}

/// `ISTIO_MUTUAL` with certificates of the user's gets in: they are ignored.
fn tls(tls: Option<&Value>, path: &Path, found: &mut Vec<Finding>) {
    let Some(tls) = tls else { return };
    let there = |field: &&str| owned(tls, &[field]).is_some();
    let mode = text(tls, &["mode"]).unwrap_or("DISABLE");
    let skips = flag(tls, &["insecureSkipVerify"]);
    let contradicted = match (skips, mode) {
        (true, "SIMPLE") => there(&"caCertificates") || there(&"credentialName") || names(tls),
        (true, "MUTUAL") => there(&"caCertificates") || names(tls),
        (_, _) => false,
    };
    if contradicted {
        let why = "verifies nothing (`insecureSkipVerify`), so it can name no CA, credential or subject";
        found.push(Finding::invalid(path.clone(), why));
    }
    if !matches!(mode, "SIMPLE" | "MUTUAL") {
        return;
    }
    if there(&"credentialName") {
        let files = ["clientCertificate", "privateKey", "caCertificates", "caCrl"];
        let files: Vec<&str> = files.into_iter().filter(|field| there(field)).collect();
        if !files.is_empty() {
            let why = format!("has a `credentialName`, so it cannot have {}", files.join(", "));
            found.push(Finding::invalid(path.clone(), why));
        }
    } else if mode == "MUTUAL" {
        for field in ["clientCertificate", "privateKey"].into_iter().filter(|field| !there(field)) {
            found.push(Finding {
                hint: Some("for Istio's own certificates write `mode: ISTIO_MUTUAL`".to_owned()),
                ..Finding::invalid(path.field(field), "is required with mode MUTUAL")
            });
        }
    }
}

fn names(tls: &Value) -> bool {
    !items(tls, &["subjectAltNames"]).is_empty()
}

/// Istio: `validateExportTo`.
fn export_to(spec: &Value, path: &Path, namespace: &str, found: &mut Vec<Finding>) {
    let entries: Vec<&str> = items(spec, &["exportTo"]).iter().filter_map(Value::as_str).collect();
    let mut resolved = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let meant = if *entry == "." { namespace } else { entry };
        if !resolved.insert(meant) {
            found.push(Finding::invalid(path.item(index), format!("is `{entry}`, which the list has already")));
        } else if !matches!(*entry, "." | "*") && !is_dns_label(entry) {
            found.push(Finding::invalid(path.item(index), format!("is `{entry}`; it takes `.`, `*` or a namespace")));
        }
    }
    let beyond = resolved.len() > 1 || !resolved.contains(namespace);
    if at(spec, &["workloadSelector"]).is_some() && !resolved.is_empty() && beyond {
        let why = "can only be `.` in a rule with a workloadSelector";
        found.push(Finding::invalid(path.clone(), why));
    }
    if resolved.contains("*") && entries.len() > 1 {
        found.push(Finding::invalid(path.clone(), "has `*` and something else"));
    }
}
