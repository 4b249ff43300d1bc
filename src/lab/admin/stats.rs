//! `/stats`: the proxy's counters as text, JSON or for Prometheus.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::lab::admin::{Reply, TEXT, regex};
use crate::lab::kube_api::query::Query;
use crate::lab::proxy::Proxy;

/// Counters that a cluster has from its start. (Envoy has some hundred more, which nothing here counts.)
const OF_CLUSTER: [&str; 10] = [
    "ssl.connection_error",
    "ssl.fail_verify_error",
    "ssl.fail_verify_no_cert",
    "ssl.fail_verify_san",
    "ssl.handshake",
    "upstream_cx_connect_fail",
    "upstream_cx_destroy_remote_with_active_rq",
    "upstream_cx_none_healthy",
    "upstream_cx_total",
    "upstream_rq_total",
];
/// The same of the inbound listener.
const OF_LISTENER: [&str; 7] = [
    "downstream_cx_total",
    "no_filter_chain_match",
    "ssl.connection_error",
    "ssl.fail_verify_error",
    "ssl.fail_verify_no_cert",
    "ssl.fail_verify_san",
    "ssl.handshake",
];

/// Answers in a format: `json`, `prometheus`, or text where none is named.
pub(super) fn reply(proxy: &Proxy, format: &str, query: &Query) -> Reply {
    let mut stats = BTreeMap::new();
    if query.all("usedonly").next().is_none() {
        stats.extend(unused(proxy).map(|name| (name, 0)));
    }
    stats.extend(proxy.telemetry.counters().iter().map(|(name, value)| (name.to_owned(), value)));
    write(stats, format, query)
}

fn unused(proxy: &Proxy) -> impl Iterator<Item = String> {
    let clusters = proxy.programmed().clusters();
    let clusters = clusters
        .into_iter()
        .flat_map(|cluster| OF_CLUSTER.map(|counter| format!("cluster.{};.{counter}", cluster.name)));
    clusters.chain(OF_LISTENER.map(|counter| format!("listener.0.0.0.0_15006.{counter}")))
}

/// Writes counters as the query asks for them.
#[must_use]
pub fn write(mut stats: BTreeMap<String, u64>, format: &str, query: &Query) -> Reply {
    let filter = query.first("filter");
    match regex(filter) {
        Ok(filter) => stats.retain(|name, _| filter.is_match(name)),
        Err(complaint) => {
            return Reply::refused(StatusCode::BAD_REQUEST, TEXT, format!("Invalid re2 regex: {complaint}"));
        }
    }
    match query.first("type") {
        "" | "All" | "Counters" => {}
        // Nothing here is a gauge, a histogram or a text.
        _ => stats.clear(),
    }
    match format {
        "" | "text" => {
            Reply::text(stats.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<Vec<_>>().concat())
        }
        "json" => {
            let stats: Vec<Value> = stats.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            Reply { content_type: "application/json", ..Reply::text(json!({ "stats": stats }).to_string()) }
        }
        "prometheus" => Reply::text(prometheus(&stats)),
        _ => {
            let usage = "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n";
            Reply::refused(StatusCode::BAD_REQUEST, TEXT, usage)
        }
    }
}

/// Envoy's tags are cut out of the names: `cluster.NAME;.x` is `envoy_cluster_x{cluster_name="NAME"}`.
fn prometheus(stats: &BTreeMap<String, u64>) -> String {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in stats {
        let (family, label) = match tagged(name) {
            Some((kind, tag, label, counter)) => {
                (format!("{kind}_{counter}"), format!("{label}=\"{}\"", tag.replace('"', "\\\"")))
            }
            None => (name.clone(), String::new()),
        };
        let family: String = family.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        families.entry(family).or_default().push(format!("{{{label}}} {value}\n"));
    }
    let block = |(family, rows): (String, Vec<String>)| {
        let rows = rows.iter().map(|row| format!("envoy_{family}{row}")).collect::<Vec<_>>().concat();
        format!("# TYPE envoy_{family} counter\n{rows}")
    };
    families.into_iter().map(block).collect::<Vec<_>>().concat()
}

/// What kind of thing a counter belongs to, which one, by which label, and the counter's own name.
fn tagged(name: &str) -> Option<(&'static str, &str, &'static str, &str)> {
    if let Some(rest) = name.strip_prefix("cluster.") {
        let (cluster, counter) = rest.split_once(";.")?;
        return Some(("cluster", cluster, "cluster_name", counter));
    }
    if let Some(rest) = name.strip_prefix("http.") {
        let (prefix, counter) = rest.split_once(";.")?;
        return Some(("http", prefix, "http_conn_manager_prefix", counter));
    }
    let rest = name.strip_prefix("listener.")?;
    // The address has dots of its own: it ends behind its port.
    let port = rest.find('_')?;
    let end = port + rest.get(port..)?.find('.')?;
    Some(("listener", rest.get(..end)?, "listener_address", rest.get(end + 1..)?))
}
