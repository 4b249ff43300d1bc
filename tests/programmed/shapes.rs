//! Single shapes of a dump: what an EnvoyFilter leaves, policies named by metadata of any version, destinations that nobody
//! knows, gateways.

use kubectl_mtls::envoy::metadata::ConfigPath;
use kubectl_mtls::model::pair::{OriginMode, Route, ServerRef};
use kubectl_mtls::model::port::{Protocol, ServicePort, WorkloadPort};
use kubectl_mtls::model::wire::Why;
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};
use kubectl_mtls::programmed::told::{End, TroubleKind};
use kubectl_mtls::programmed::{inbound, outbound, troubles};
use serde_json::{Value, json};

fn proxy(sections: &[Value]) -> Proxy {
    let dump = json!({ "configs": sections }).to_string();
    Proxy::stream("bar", "httpbin", dump.as_bytes(), &Wanted::all())
}

fn section(kind: &str, list: &str, elements: &[Value]) -> Value {
    json!({ "@type": format!("type.googleapis.com/envoy.admin.v3.{kind}ConfigDump"), list: elements })
}

fn filter(kind: &str, config: Value) -> Value {
    let mut config = config;
    config["@type"] = format!("type.googleapis.com/envoy.extensions.filters.network.{kind}").into();
    json!({ "name": format!("envoy.filters.network.{}", kind.split('.').next().unwrap()), "typed_config": config })
}

fn virtual_inbound(filters: &[Value]) -> Value {
    let chain = json!({ "name": "0.0.0.0_80", "filter_chain_match": { "destination_port": 80, "transport_protocol": "raw_buffer" },
        "filters": filters });
    json!({ "name": "virtualInbound", "active_state": { "listener": { "name": "virtualInbound", "traffic_direction": "INBOUND",
        "filter_chains": [chain] } } })
}

fn web() -> ServerRef {
    ServerRef {
        namespace: "a".to_owned(),
        service: "web".to_owned(),
        entry: false,
        host: "web.a.svc.cluster.local".to_owned(),
        port: ServicePort(8000),
        port_name: "tcp".to_owned(),
        protocol: Protocol::Tcp,
    }
}

#[test]
fn filters_that_istiod_does_not_write_are_told_and_its_own_are_not() {
    let http = |names: &[&str]| {
        let filters: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
        filter("http_connection_manager.v3.HttpConnectionManager", json!({ "http_filters": filters }))
    };
    let known = ["istio.metadata_exchange", "envoy.filters.http.rbac", "istio.stats", "envoy.filters.http.router"];
    let told = |names: &[&str], more: &[Value]| {
        let filters = [vec![http(names)], more.to_vec()].concat();
        let proxy = proxy(&[section("Listeners", "dynamic_listeners", &[virtual_inbound(&filters)])]);
        troubles::of_server(&proxy, None, None)
    };
    assert_eq!(told(&known, &[]), []);
    let lua = told(&[&known[..], &["envoy.filters.http.lua"]].concat(), &[json!({ "name": "company.audit" })]);
    assert_eq!(lua.len(), 1, "{lua:?}");
    assert_eq!((lua[0].kind, lua[0].at), (TroubleKind::Foreign, End::Server));
    assert!(lua[0].what.ends_with("(EnvoyFilter?): company.audit, envoy.filters.http.lua"), "{lua:?}");
    assert_eq!(lua[0].evidence[0].pointer, "/configs/0/dynamic_listeners/0/active_state/listener/filter_chains");
}

#[test]
fn a_matcher_in_place_of_chains_is_told_and_never_guessed() {
    let mut listener = virtual_inbound(&[]);
    listener["active_state"]["listener"]["filter_chain_matcher"] = json!({ "matcher_tree": {} });
    let told =
        inbound::read(&proxy(&[section("Listeners", "dynamic_listeners", &[listener])]), WorkloadPort(80)).unwrap();
    assert_eq!(told.mode, None);
    assert!(told.odd[0].says.contains("a matcher, which istiod does not write"), "{:?}", told.odd);
}

#[test]
fn the_rule_in_a_clusters_metadata_is_read_whatever_its_version() {
    for version in ["v1alpha3", "v1beta1", "v1"] {
        let path = format!("/apis/networking.istio.io/{version}/namespaces/bar/destination-rule/httpbin");
        let found = ConfigPath::parse(&path).unwrap();
        assert_eq!(
            (found.kind, found.namespace, found.name),
            ("destination-rule".to_owned(), "bar".to_owned(), "httpbin".to_owned())
        );
    }
    for odd in [
        "",
        "/apis/networking.istio.io/v1/destination-rule/httpbin",
        "/apis/a/v1/namespaces//destination-rule/b",
        "/apis/a/v1/namespaces/b/c/d/e",
    ] {
        assert_eq!(ConfigPath::parse(odd), None, "{odd}");
    }
}

#[test]
fn a_destination_that_nobody_knows_goes_where_the_catch_all_listener_leads() {
    for (cluster, route, refuses) in [
        ("PassthroughCluster", Route::Passthrough, None),
        ("BlackHoleCluster", Route::BlackHole, Some(Why::BlockedByOutboundPolicy)),
    ] {
        let chain = json!({ "filters": [filter("tcp_proxy.v3.TcpProxy", json!({ "cluster": cluster }))] });
        let listener = json!({ "name": "virtualOutbound", "active_state": { "listener": { "name": "virtualOutbound",
            "traffic_direction": "OUTBOUND", "filter_chains": [chain] } } });
        let proxy = proxy(&[
            section("Clusters", "dynamic_active_clusters", &[json!({ "cluster": { "name": cluster } })]),
            section("Listeners", "dynamic_listeners", &[listener]),
        ]);
        let told = outbound::read(&proxy, &web(), &[]).unwrap();
        assert_eq!((told.route, told.refuses, told.mode), (route, refuses, OriginMode::Auto), "{cluster}");
    }
}
