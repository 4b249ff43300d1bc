//! `/clusters`: every upstream with its hosts and what was counted for each of them.

use std::net::SocketAddr;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::lab::admin::{Reply, TEXT, regex};
use crate::lab::kube_api::query::Query;
use crate::lab::proxy::Proxy;
use crate::lab::proxy::telemetry::HostCounters;

/// A cluster as its status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterStatus {
    /// Envoy's name.
    pub name: String,
    /// Its hosts come from EDS under the same name.
    pub eds: bool,
    /// Its hosts.
    pub hosts: Vec<(SocketAddr, HostCounters)>,
}

/// Istio's circuit breakers: none (`cluster.go:getDefaultCircuitBreakerThresholds`).
const UNLIMITED: u32 = u32::MAX;

pub(super) fn reply(proxy: &Proxy, query: &Query) -> Reply {
    write(&proxy.cluster_statuses(), query)
}

/// Writes statuses as the query asks for them; any other format is text, as with Envoy.
#[must_use]
pub fn write(statuses: &[ClusterStatus], query: &Query) -> Reply {
    let filter = match regex(query.first("filter")) {
        Ok(filter) => filter,
        Err(complaint) => {
            return Reply::refused(StatusCode::BAD_REQUEST, TEXT, format!("Invalid re2 regex: {complaint}"));
        }
    };
    let chosen = statuses.iter().filter(|status| filter.is_match(&status.name));
    if query.first("format") == "json" {
        let statuses: Vec<Value> = chosen.map(ClusterStatus::to_json).collect();
        return Reply::json(&json!({ "cluster_statuses": statuses }));
    }
    Reply::text(chosen.map(ClusterStatus::to_text).collect::<Vec<_>>().concat())
}

// === impl ClusterStatus ===

impl ClusterStatus {
    fn to_json(&self) -> Value {
        let mut status = Map::new();
        status.insert("name".to_owned(), json!(self.name));
        status.insert("added_via_api".to_owned(), json!(true));
        if !self.hosts.is_empty() {
            let hosts: Vec<Value> = self.hosts.iter().map(|(address, counters)| host(*address, counters)).collect();
            status.insert("host_statuses".to_owned(), json!(hosts));
        }
        status.insert(
            "circuit_breakers".to_owned(),
            json!({ "thresholds": [
                { "max_connections": UNLIMITED, "max_pending_requests": UNLIMITED, "max_requests": UNLIMITED, "max_retries": UNLIMITED },
                { "priority": "HIGH", "max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 3 },
            ] }),
        );
        status.insert("observability_name".to_owned(), json!(format!("{};", self.name)));
        if self.eds {
            status.insert("eds_service_name".to_owned(), json!(self.name));
        }
        Value::Object(status)
    }

    fn to_text(&self) -> String {
        let name = &self.name;
        let mut lines = vec![format!("observability_name::{name};")];
        for (priority, limit, retries) in [("default", UNLIMITED, UNLIMITED), ("high", 1024, 3)] {
            let limits = ["max_connections", "max_pending_requests", "max_requests"];
            lines.extend(limits.map(|what| format!("{priority}_priority::{what}::{limit}")));
            lines.push(format!("{priority}_priority::max_retries::{retries}"));
        }
        lines.push("added_via_api::true".to_owned());
        if self.eds {
            lines.push(format!("eds_service_name::{name}"));
        }
        for (address, counters) in &self.hosts {
            let mut counted: Vec<(&str, u64)> =
                counters.counters().into_iter().chain(GAUGES.map(|name| (name, 0))).collect();
            counted.sort_unstable();
            lines.extend(counted.iter().map(|(counter, value)| format!("{address}::{counter}::{value}")));
            lines.extend(CONSTANTS.map(|constant| format!("{address}::{constant}")));
        }
        lines.iter().map(|line| format!("{name}::{line}\n")).collect::<Vec<_>>().concat()
    }
}

/// Nothing is pooled here, so nothing is open between two looks.
const GAUGES: [&str; 3] = ["cx_active", "rq_active", "rq_pending_active"];
const CONSTANTS: [&str; 10] = [
    "hostname::",
    "health_flags::healthy",
    "weight::1",
    "region::",
    "zone::",
    "sub_zone::",
    "canary::false",
    "priority::0",
    "success_rate::-1",
    "local_origin_success_rate::-1",
];

/// Zero is left out, and numbers are strings, as Envoy prints 64 bits.
fn host(address: SocketAddr, counters: &HostCounters) -> Value {
    let counted = counters.counters().map(|(name, value)| match value {
        0 => json!({ "name": name }),
        value => json!({ "value": value.to_string(), "name": name }),
    });
    let gauges = GAUGES.map(|name| json!({ "type": "GAUGE", "name": name }));
    let stats: Vec<Value> = counted.into_iter().chain(gauges).collect();
    json!({
        "address": { "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } },
        "stats": stats,
        "health_status": { "eds_health_status": "HEALTHY" },
        "weight": 1,
        "locality": {},
    })
}
