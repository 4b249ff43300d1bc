//! A line of a real Envoy's access log, as the lab's own proxies write it.

use std::net::SocketAddr;

use serde_json::Value;

use crate::lab::envoy::back::Back;
use crate::lab::proxy::access_log::{AccessLogEntry, Flags, LogKind};

/// Reads a line; `None` for anything that is not one.
pub(super) fn parse(line: &str, back: &Back) -> Option<AccessLogEntry> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |field: &str| line.get(field).and_then(Value::as_str).filter(|text| !text.is_empty() && *text != "-");
    let owned = |field: &str| text(field).map(str::to_owned);
    let number = |field: &str| match line.get(field) {
        Some(Value::Number(number)) => number.as_u64().unwrap_or(0),
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        _ => 0,
    };
    let address = |field: &str| text(field)?.parse::<SocketAddr>().ok();
    let log = match text("log")? {
        "listener" => LogKind::Listener,
        _ => LogKind::Filter,
    };
    let remote = address("downstream_remote_address")?;
    let local = address("downstream_local_address")?;
    let mut entry = AccessLogEntry::begin(log, remote, local);
    if let Some(start) = text("start").and_then(|start| start.parse().ok()) {
        entry.start = start;
    }
    entry.response_code = u16::try_from(number("response_code")).unwrap_or(0);
    entry.flags = text("response_flags").map(Flags::parse).unwrap_or_default();
    entry.details = owned("response_code_details");
    entry.termination = owned("connection_termination_details");
    entry.method = owned("method");
    entry.path = owned("path");
    entry.protocol = text("protocol")
        .and_then(|protocol| ["HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"].into_iter().find(|known| *known == protocol));
    entry.authority = owned("authority");
    entry.request_id = owned("request_id");
    entry.user_agent = owned("user_agent");
    entry.upstream_cluster = owned("upstream_cluster");
    entry.upstream_host = address("upstream_host").map(|host| back.of(host));
    entry.attempt_count = u32::try_from(number("attempt_count")).unwrap_or(0);
    entry.upstream_failure = owned("upstream_transport_failure_reason");
    entry.downstream_failure = owned("downstream_transport_failure_reason");
    entry.route_name = text("route_name")
        .and_then(|name| ["default", "allow_any", "block_all"].into_iter().find(|known| *known == name));
    entry.requested_server_name = owned("requested_server_name");
    entry.downstream_peer_uri_san = owned("downstream_peer_uri_san");
    entry.upstream_peer_uri_san = owned("upstream_peer_uri_san");
    entry.bytes_received = number("bytes_received");
    entry.bytes_sent = number("bytes_sent");
    entry.duration_ms = number("duration_ms");
    entry.upstream_service_time = text("upstream_service_time").and_then(|time| time.parse().ok());
    Some(entry)
}
