//! Listeners as older versions of Istio wrote them: families of addresses, and a listener for each port.
//!
//! Constructed from Envoy's documentation of the fields (`listener.proto`, `listener_components.proto`): no proxy of those
//! versions was there to record.

use kubectl_mtls::model::pair::AcceptMode;
use kubectl_mtls::model::port::{PortClass, WorkloadPort};
use kubectl_mtls::programmed::inbound;
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};
use serde_json::{Value, json};

const ISTIO: [&str; 4] = ["istio-http/1.0", "istio-http/1.1", "istio-h2", "istio"];

fn socket() -> Value {
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": { "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [{ "name": "default" }],
            "combined_validation_context": {
                "default_validation_context": { "match_subject_alt_names": [{ "prefix": "spiffe://cluster.local/" }] },
                "validation_context_sds_secret_config": { "name": "ROOTCA" } } },
        "require_client_certificate": true } })
}

/// A chain with an HTTP codec: of a port or of any, for a transport, with ALPN or without.
fn chain(port: Option<u16>, family: Option<&str>, transport: &str, alpn: &[&str], tls: bool) -> Value {
    let mut matches = json!({ "transport_protocol": transport });
    if let Some(port) = port {
        matches["destination_port"] = port.into();
    }
    if let Some(family) = family {
        matches["prefix_ranges"] = json!([{ "address_prefix": family, "prefix_len": 0 }]);
    }
    if !alpn.is_empty() {
        matches["application_protocols"] = alpn.into();
    }
    let mut chain = json!({ "name": "chain", "filter_chain_match": matches, "filters": [
        { "name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "forward_client_cert_details": "APPEND_FORWARD" } } ] });
    if tls {
        chain["transport_socket"] = socket();
    }
    chain
}

fn permissive(port: Option<u16>, family: Option<&str>) -> Vec<Value> {
    vec![chain(port, family, "tls", &ISTIO, true), chain(port, family, "raw_buffer", &[], false)]
}

fn strict(port: Option<u16>, family: Option<&str>) -> Vec<Value> {
    vec![chain(port, family, "tls", &[], true)]
}

fn listener(name: &str, port: u16, more: &Value, chains: &[Value]) -> Value {
    let mut listener = json!({ "name": name, "address": { "socket_address": { "address": "0.0.0.0", "port_value": port } },
        "filter_chains": chains, "traffic_direction": "INBOUND",
        "listener_filters": [{ "name": "envoy.filters.listener.original_dst" }, { "name": "envoy.filters.listener.tls_inspector" }] });
    for (key, value) in more.as_object().unwrap() {
        listener[key] = value.clone();
    }
    json!({ "name": name, "active_state": { "version_info": "1", "listener": listener } })
}

fn proxy(listeners: &[Value]) -> Proxy {
    let dump = json!({ "configs": [{ "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": listeners }] });
    Proxy::stream("bar", "httpbin", dump.to_string().as_bytes(), &Wanted::services([("httpbin.bar", 8000)]))
}

fn mode(proxy: &Proxy, port: u16) -> Option<AcceptMode> {
    let told = inbound::read(proxy, WorkloadPort(port)).unwrap();
    assert!(told.odd.is_empty(), "{:?}", told.odd);
    told.mode
}

#[test]
fn undeclared_ports_before_1_23_have_chains_for_each_family_of_addresses() {
    let mut chains = strict(Some(80), None);
    for family in ["0.0.0.0", "::0"] {
        chains.extend(permissive(None, Some(family)));
    }
    let proxy = proxy(&[listener("virtualInbound", 15006, &json!({}), &chains)]);
    assert_eq!((mode(&proxy, 80), mode(&proxy, 9999)), (Some(AcceptMode::Strict), Some(AcceptMode::Permissive)));
    let told = inbound::read(&proxy, WorkloadPort(9999)).unwrap();
    assert_eq!((told.class, told.trusts), (PortClass::Http, vec!["spiffe://cluster.local/".to_owned()]));
}

#[test]
fn chains_for_some_addresses_alone_are_told_and_never_taken_for_a_mode() {
    let mut chains = permissive(None, Some("10.0.0.0"));
    chains[0]["filter_chain_match"]["prefix_ranges"][0]["prefix_len"] = 8.into();
    let proxy = proxy(&[listener("virtualInbound", 15006, &json!({}), &chains)]);
    let told = inbound::read(&proxy, WorkloadPort(80)).unwrap();
    assert_eq!(told.mode, None);
    assert!(told.odd[0].says.contains("some addresses only"), "{:?}", told.odd);
}

#[test]
fn a_listener_of_the_port_counts_where_virtual_inbound_hands_connections_on() {
    let all = strict(None, Some("0.0.0.0"));
    let port = listener("10.244.0.7_80", 80, &json!({ "bind_to_port": false }), &permissive(None, None));
    for field in ["use_original_dst", "hidden_envoy_deprecated_use_original_dst"] {
        let whole = listener("virtualInbound", 15006, &json!({ field: true }), &all);
        let proxy = proxy(&[whole, port.clone()]);
        assert_eq!((mode(&proxy, 80), mode(&proxy, 81)), (Some(AcceptMode::Permissive), Some(AcceptMode::Strict)));
        assert_eq!(
            inbound::read(&proxy, WorkloadPort(80)).unwrap().evidence[0].pointer,
            "/configs/0/dynamic_listeners/1/active_state/listener/filter_chains/0"
        );
    }
    // Since 1.10 it has the chains of every port and hands nothing on.
    let whole = listener("virtualInbound", 15006, &json!({}), &all);
    assert_eq!(mode(&proxy(&[whole, port]), 80), Some(AcceptMode::Strict));
}

#[test]
fn a_chain_for_any_transport_takes_plaintext_and_what_no_other_chain_wants() {
    let mut plain = chain(Some(80), None, "", &[], false);
    plain["filter_chain_match"].as_object_mut().unwrap().remove("transport_protocol");
    let old =
        listener("virtualInbound", 15006, &json!({}), &[chain(Some(80), None, "tls", &ISTIO, true), plain.clone()]);
    assert_eq!(mode(&proxy(&[old]), 80), Some(AcceptMode::Permissive));
    let open = listener("virtualInbound", 15006, &json!({}), &[plain]);
    assert_eq!(mode(&proxy(&[open]), 80), Some(AcceptMode::Disable));
}
