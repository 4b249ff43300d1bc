//! Listener filters of `virtualInbound`: which ports are looked at for TLS and for HTTP.
//!
//! Istio: `pilot/pkg/networking/core/listener_inbound.go:populateListenerFilters`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::lab::envoy_config::http::listener_filter;
use crate::model::filter_chain::{FilterChain, PLAINTEXT_HTTP_ALPN, TransportMatch};

/// The port that `virtualInbound` itself listens on; its chain only guards against loops.
const OWN_PORT: u16 = 15006;

/// The listener filters that these chains need.
pub(super) fn filters(chains: &[FilterChain]) -> Value {
    let mut filters = vec![listener_filter("original_dst", "OriginalDst")];
    let tls = inspector("tls_inspector", "TlsInspector", chains, |chain| chain.transport == TransportMatch::Tls);
    filters.extend(tls.map(|mut filter| {
        if let Some(config) = filter.get_mut("typed_config").and_then(Value::as_object_mut) {
            config.insert("initial_read_buffer_size".to_owned(), json!(512));
        }
        filter
    }));
    filters.extend(inspector("http_inspector", "HttpInspector", chains, |chain| {
        chain.alpn.iter().any(|name| PLAINTEXT_HTTP_ALPN.contains(&name.as_str()))
    }));
    json!(filters)
}

/// An inspector that leaves alone the ports whose chains do not ask for it; `None` where none does.
fn inspector(name: &str, kind: &str, chains: &[FilterChain], asks: impl Fn(&FilterChain) -> bool) -> Option<Value> {
    let mut ports = BTreeMap::from([(OWN_PORT, false)]);
    let mut otherwise = false;
    for chain in chains {
        let asked = match chain.port {
            Some(port) => ports.entry(port.0).or_default(),
            None => &mut otherwise,
        };
        *asked |= asks(chain);
    }
    if !otherwise && !ports.values().any(|asked| *asked) {
        return None;
    }
    let of = |wanted: bool| -> Vec<Value> {
        ports.iter().filter(|(_, asked)| **asked == wanted).map(|(port, _)| range(*port)).collect()
    };
    let disabled = if otherwise { any_of(of(false)) } else { json!({ "not_match": any_of(of(true)) }) };
    let mut filter = listener_filter(name, kind);
    if let Some(filter) = filter.as_object_mut() {
        filter.insert("filter_disabled".to_owned(), disabled);
    }
    Some(filter)
}

fn range(port: u16) -> Value {
    json!({ "destination_port_range": { "start": port, "end": u32::from(port) + 1 } })
}

/// `or_match` wants at least two rules.
fn any_of(mut rules: Vec<Value>) -> Value {
    match rules.len() {
        1 => rules.remove(0),
        _ => json!({ "or_match": { "rules": rules } }),
    }
}
