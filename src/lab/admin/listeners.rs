//! `/listeners`: what is bound. A sidecar of Istio binds two ports for its traffic; the others lead through them.

use serde_json::{Value, json};

use crate::lab::admin::Reply;
use crate::lab::kube_api::query::Query;

const BOUND: [(&str, u16); 2] = [("virtualOutbound", 15001), ("virtualInbound", 15006)];

/// Any other format is text, as with Envoy.
pub(super) fn reply(query: &Query) -> Reply {
    if query.first("format") != "json" {
        let lines = BOUND.map(|(name, port)| format!("{name}::0.0.0.0:{port}\n"));
        return Reply::text(lines.concat());
    }
    let statuses: Vec<Value> = BOUND
        .iter()
        .map(|(name, port)| {
            json!({ "name": name, "local_address": { "socket_address": { "address": "0.0.0.0", "port_value": port } } })
        })
        .collect();
    Reply::json(&json!({ "listener_statuses": statuses }))
}
