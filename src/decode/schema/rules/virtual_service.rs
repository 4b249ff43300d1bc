//! Istio: `ValidateVirtualService`, `validateHTTPRouteConflict`, `validateRouteDestinations`.

use serde_json::Value;

use crate::decode::schema::Finding;
use crate::decode::schema::path::Path;
use crate::decode::schema::rules::{is_dns_label, is_host, port_number};
use crate::decode::value::{at, items, text, texts};

pub(super) fn check(spec: &Value, path: &Path, found: &mut Vec<Finding>) {
    let hosts = texts(spec, &["hosts"]);
    if hosts.is_empty() {
        for field in ["gateways", "tcp", "tls"].into_iter().filter(|field| !items(spec, &[field]).is_empty()) {
            found.push(Finding::invalid(path.field(field), "cannot be set without hosts: it is a delegate of others"));
        }
    }
    let gateways = texts(spec, &["gateways"]);
    let for_mesh = gateways.is_empty() || gateways.iter().any(|gateway| gateway == "mesh");
    for (index, host) in hosts.iter().enumerate() {
        let path = path.field("hosts").item(index);
        if host == "*" && for_mesh {
            found.push(Finding::invalid(path, "is `*`, which takes no calls of sidecars"));
        } else if host != "*" && !is_host(host) && host.parse::<std::net::IpAddr>().is_err() {
            found.push(Finding::invalid(path, format!("is `{host}`, which is no host name")));
        }
    }
    if ["http", "tcp", "tls"].iter().all(|field| items(spec, &[field]).is_empty()) {
        found.push(Finding::invalid(path.clone(), "must have http, tcp or tls"));
    }
    for (index, rule) in items(spec, &["http"]).iter().enumerate() {
        http(rule, &path.field("http").item(index), hosts.is_empty(), found);
    }
    for field in ["tcp", "tls"] {
        for (index, rule) in items(spec, &[field]).iter().enumerate() {
            let path = path.field(field).item(index);
            if field == "tls" && items(rule, &["match"]).is_empty() {
                found.push(Finding::invalid(path.field("match"), "is required"));
            }
            if items(rule, &["route"]).is_empty() {
                found.push(Finding::invalid(path.field("route"), "is required"));
            }
            destinations(rule, &path, found);
        }
    }
}

fn http(rule: &Value, path: &Path, is_delegate: bool, found: &mut Vec<Finding>) {
    let there = |field: &&str| at(rule, &[field]).is_some();
    let mut exclude = |field: &str, others: &[&'static str]| {
        for other in others.iter().filter(|other| there(other)) {
            found.push(Finding::invalid(path.field(other), format!("cannot be set beside {field}")));
        }
    };
    if there(&"delegate") {
        exclude("delegate", &["redirect", "route"]);
        if is_delegate {
            found.push(Finding::invalid(path.field("delegate"), "cannot be set in a delegate"));
        }
        return;
    }
    if there(&"redirect") {
        exclude("redirect", &["route", "fault", "rewrite", "directResponse"]);
    } else if there(&"directResponse") {
        exclude("directResponse", &["route", "fault", "rewrite"]);
    } else if items(rule, &["route"]).is_empty() {
        found.push(Finding::invalid(path.clone(), "must have route, redirect or directResponse"));
    }
    destinations(rule, path, found);
}

fn destinations(rule: &Value, path: &Path, found: &mut Vec<Finding>) {
    let list = items(rule, &["route"]);
    let weightless = |value: &Value| at(value, &["weight"]).and_then(Value::as_i64).unwrap_or_default() == 0;
    if list.len() > 1 && list.iter().all(weightless) {
        found.push(Finding::invalid(
            path.field("route"),
            "needs a weight somewhere: several destinations share by weight",
        ));
    }
    for (index, value) in list.iter().enumerate() {
        let path = path.field("route").item(index).field("destination");
        let Some(destination) = at(value, &["destination"]) else {
            found.push(Finding::invalid(path, "is required"));
            continue;
        };
        let host = text(destination, &["host"]).unwrap_or_default();
        if host == "*" || !is_host(host) {
            found.push(Finding::invalid(path.field("host"), format!("is `{host}`, which is no host name")));
        }
        if text(destination, &["subset"]).is_some_and(|subset| !subset.is_empty() && !is_dns_label(subset)) {
            found.push(Finding::invalid(path.field("subset"), "is no DNS label, as a subset's name is"));
        }
        port_number(at(destination, &["port", "number"]), path.field("port").field("number"), found);
    }
}
