//! A whole dump, cut to the services that were asked about while it is read.

use std::cell::Cell;

use kubectl_mtls::model::evidence::Reading;
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::programmed::Proxies;
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use serde_json::{Value, json};

fn cluster(host: &str, port: u16) -> Value {
    json!({ "cluster": { "name": format!("outbound|{port}||{host}.svc.cluster.local"), "type": "EDS" } })
}

fn section(kind: &str, list: &str, elements: &[Value]) -> Value {
    json!({ "@type": format!("type.googleapis.com/envoy.admin.v3.{kind}ConfigDump"), list: elements })
}

fn route(name: &str, host: &str, leads_to: &str) -> Value {
    json!({ "route_config": { "name": name, "virtual_hosts": [ { "name": host, "domains": [format!("{host}.svc.cluster.local")],
        "routes": [ { "match": { "prefix": "/" }, "route": { "cluster": format!("outbound|8000||{leads_to}.svc.cluster.local") } } ] } ] } })
}

fn listener(name: &str, leads_to: &str) -> Value {
    let filter = json!({ "name": "envoy.filters.network.tcp_proxy", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": format!("outbound|3306||{leads_to}.svc.cluster.local") } });
    json!({ "name": name, "active_state": { "listener": { "name": name, "filter_chains": [ { "filters": [filter] } ] } } })
}

/// A VirtualService leads `web.a` to `other.b`, another one `db.a` to `shadow.b`.
fn dump() -> Vec<u8> {
    let clusters = [
        cluster("web.a", 8000),
        cluster("other.b", 8000),
        cluster("far.c", 8000),
        cluster("db.a", 3306),
        cluster("shadow.b", 3306),
    ];
    let configs = json!({ "configs": [
        section("Clusters", "dynamic_active_clusters", &clusters),
        section("Listeners", "dynamic_listeners", &[
            listener("10.96.0.9_3306", "shadow.b"), listener("10.96.0.8_5432", "far.c"),
            json!({ "name": "10.96.0.8_5433", "error_state": { "details": "no" } }),
        ]),
        section("Routes", "dynamic_route_configs", &[route("8000", "web.a", "other.b"), route("9000", "far.c", "far.c")]),
    ] });
    configs.to_string().into_bytes()
}

fn kept(proxy: &Proxy) -> (Vec<&str>, Vec<&str>, Vec<&str>) {
    let listeners = proxy.listeners.iter().map(|kept| kept.value.name.as_str()).collect();
    (proxy.clusters.keys().map(String::as_str).collect(), listeners, proxy.routes.keys().map(String::as_str).collect())
}

#[test]
fn a_route_to_another_host_brings_that_hosts_cluster_and_nothing_else() {
    let wanted = Wanted::services([("web.a.svc.cluster.local", 8000), ("db.a.svc.cluster.local", 3306)]);
    let opened = Cell::new(0);
    let mut proxies = Proxies::default();
    let body = dump();
    let open = || {
        opened.set(opened.get() + 1);
        Ok(body.as_slice())
    };
    proxies.read_stream("a", "sleep", open, &wanted).unwrap();
    let Reading::Seen(proxy) = proxies.of("a", "sleep") else { panic!("it was read") };
    let clusters = ["outbound|3306||db.a", "outbound|3306||shadow.b", "outbound|8000||other.b", "outbound|8000||web.a"];
    let clusters: Vec<String> = clusters.iter().map(|name| format!("{name}.svc.cluster.local")).collect();
    let clusters: Vec<&str> = clusters.iter().map(String::as_str).collect();
    assert_eq!(kept(&proxy), (clusters, vec!["10.96.0.9_3306", "10.96.0.8_5433"], vec!["8000"]));
    // The pointers are those of the whole dump.
    assert_eq!(proxy.routes["8000"].pointer, "/configs/2/dynamic_route_configs/0");
    assert_eq!(opened.get(), 2);
}

#[test]
fn a_dump_whose_routes_lead_nowhere_else_is_read_once() {
    let wanted = Wanted::services([("far.c.svc.cluster.local", 9000)]);
    let opened = Cell::new(0);
    let body = dump();
    let open = || {
        opened.set(opened.get() + 1);
        Ok(body.as_slice())
    };
    Proxies::default().read_stream("a", "sleep", open, &wanted).unwrap();
    assert_eq!(opened.get(), 1);
}

fn both(body: &[u8], wanted: &Wanted) -> (Proxy, Proxy) {
    let answer = Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body: body.to_vec() };
    let answers = ProxyAnswers { answers: vec![answer], ..ProxyAnswers::default() };
    (Proxy::read(&answers, wanted), Proxy::stream("", "", body, wanted))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..300), begin in 0..4_usize) {
        let begins = ["", "{", "{\"configs\":[", "{\"configs\":[{\"@type\":\"type.googleapis.com/envoy.admin.v3.ListenersConfigDump\",\"dynamic_listeners\":["];
        let body = [begins[begin].as_bytes(), &body].concat();
        for wanted in [Wanted::all(), Wanted::services([("web.a.svc.cluster.local", 8000)])] {
            both(&body, &wanted);
        }
    }

    #[test]
    fn a_bent_dump_is_read_alike_in_memory_and_as_a_stream(at in 0..1000_usize, byte in any::<u8>(), cut in 0..2000_usize) {
        let mut body = dump();
        let length = body.len();
        body[at % length] = byte;
        body.truncate(length.saturating_sub(cut / 4));
        for wanted in [Wanted::all(), Wanted::services([("web.a.svc.cluster.local", 8000)])] {
            let (memory, stream) = both(&body, &wanted);
            // A stream shows what came before the damage; memory shows nothing of it. Neither takes one for whole.
            if memory.refusals.is_empty() && stream.refusals.is_empty() {
                assert_eq!(kept(&memory), kept(&stream));
            }
        }
    }
}
