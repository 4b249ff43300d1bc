//! `/server_info`.

use serde_json::{Value, json};

use crate::lab::admin::Reply;
use crate::lab::proxy::Proxy;

/// The shape is Envoy's: revision, version, state of the sources, kind of build, TLS library.
const VERSION: &str = "0000000000000000000000000000000000000000/1.40.0/Modified/RELEASE/rustls";

pub(super) fn reply(proxy: &Proxy, sections: &[Value]) -> Reply {
    let node = sections.iter().find_map(|section| section.pointer("/bootstrap/node"));
    let up = jiff::Timestamp::now().duration_since(proxy.started).as_secs();
    Reply::json(&json!({
        "version": VERSION,
        "state": "LIVE",
        "uptime_current_epoch": format!("{up}s"),
        "uptime_all_epochs": format!("{up}s"),
        "hot_restart_version": "disabled",
        "command_line_options": {
            "base_id": "0",
            "concurrency": 2,
            "config_path": "etc/istio/proxy/envoy-rev.json",
            "log_level": "warning",
            "drain_time": "45s",
            "parent_shutdown_time": "60s",
            "mode": "Serve",
        },
        "node": node,
    }))
}
