//! Recorded dumps and objects, changed in one place: what the recordings do not have.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::evidence::{Reading, Unseen};
use kubectl_mtls::model::pair::Route;
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::wire::{Why, Wire};
use kubectl_mtls::programmed::Proxies;
use kubectl_mtls::programmed::proxy::Wanted;
use kubectl_mtls::programmed::told::Originates;
use kubectl_mtls::verdict::join;
use kubectl_mtls::verdict::report::Pair;
use serde_json::{Value, json};

use crate::programmed::cluster::{mesh_from, read};

const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const CLUSTER: &str = "outbound|8000||httpbin.bar.svc.cluster.local";

fn dump(workload: &str) -> Value {
    serde_json::from_str(&read(&format!("a-none.{workload}.config_dump.json"))).unwrap()
}

/// The section of a dump that has this list.
fn section<'d>(dump: &'d mut Value, list: &str) -> &'d mut Vec<Value> {
    let configs = dump["configs"].as_array_mut().unwrap();
    configs.iter_mut().find_map(|section| section.get_mut(list)).unwrap().as_array_mut().unwrap()
}

/// `sleep.foo` to `httpbin.bar` of the recording without policies.
fn joined(objects: &str, client: &Value, server: &Value) -> (Pair, Originates) {
    let snapshot: Snapshot = mesh_from(objects);
    let mut proxies = Proxies::default();
    for (name, dump) in [("sleep.foo", client), ("httpbin.bar", server)] {
        let pod = snapshot.pods.iter().find(|pod| pod.display_name() == name).unwrap();
        let body = dump.to_string().into_bytes();
        let answer = Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body };
        let (namespace, pod) = (pod.meta.namespace.clone(), pod.meta.name.clone());
        let answers = ProxyAnswers { namespace, pod, answers: vec![answer], ..ProxyAnswers::default() };
        proxies.read(&answers, &Wanted::services([("httpbin.bar.svc.cluster.local", 8000)]));
    }
    let mesh = Mesh::new(&snapshot);
    let client = mesh.clients().into_iter().find(|one| one.pod.display_name() == "sleep.foo").unwrap();
    let server = mesh.servers().into_iter().find(|one| one.namespace == "bar" && one.port.0 == 8000).unwrap();
    let intent = mesh.pair(client.pod, &server);
    let programmed = proxies.told(&client.reference, &server, &intent);
    let Reading::Seen(originates) = programmed.client.clone() else { panic!("{:?}", programmed.client) };
    let unseen = Reading::Unseen(Unseen::NotRequested);
    (join::pair(&client.reference, &server, intent, &programmed, &unseen), originates)
}

fn objects() -> String {
    read("a-none.objects.json")
}

#[test]
fn without_its_own_list_of_endpoints_a_proxy_is_read_by_the_pods_labels_and_that_is_said() {
    let (mut client, server) = (dump("sleep.foo"), dump("httpbin.bar"));
    let (pair, told) = joined(&objects(), &client, &server);
    assert_eq!((told.by_label, pair.gaps.len()), (false, 0));
    client["configs"].as_array_mut().unwrap().retain(|section| section.get("dynamic_endpoint_configs").is_none());
    let (pair, told) = joined(&objects(), &client, &server);
    assert_eq!((told.by_label, pair.verdict, pair.gaps.len()), (true, Wire::MutualTls, 0));
    assert!(told.evidence.iter().any(|shown| shown.says.contains("pods' labels tell")), "{:?}", told.evidence);
}

#[test]
fn a_virtual_service_that_leads_to_a_subset_is_followed_and_named() {
    let (mut client, server) = (dump("sleep.foo"), dump("httpbin.bar"));
    let subset = CLUSTER.replace("||", "|v1|");
    let original = section(&mut client, "dynamic_active_clusters");
    let mut copy = original.iter().find(|entry| entry["cluster"]["name"] == CLUSTER).unwrap().clone();
    copy["cluster"]["name"] = subset.as_str().into();
    original.push(copy);
    for routes in section(&mut client, "dynamic_route_configs") {
        for host in routes["route_config"]["virtual_hosts"].as_array_mut().unwrap() {
            let route = &mut host["routes"][0];
            if route["route"]["cluster"] == CLUSTER {
                route["route"]["cluster"] = subset.as_str().into();
                let path = "/apis/networking.istio.io/v1/namespaces/bar/virtual-service/split";
                route["metadata"] = json!({ "filter_metadata": { "istio": { "config": path } } });
            }
        }
    }
    let (pair, told) = joined(&objects(), &client, &server);
    assert_eq!((told.route, told.routed_by.as_deref()), (Route::Cluster(subset), Some("vs/split.bar")));
    assert_eq!(pair.verdict, Wire::MutualTls);
}

/// The Service's port lost its protocol's name; both proxies still have what an HTTP port makes, which is for HTTP alone.
#[test]
fn raw_tcp_on_a_sniffed_port_is_judged_by_the_chains_as_well() {
    // Service and EndpointSlice name it alike.
    let sniffed = objects().replace(r#""name":"http","port":80"#, r#""name":"web","port":80"#);
    assert_ne!(sniffed, objects());
    let (pair, _) = joined(&sniffed, &dump("sleep.foo"), &dump("httpbin.bar"));
    assert_eq!((pair.server.protocol, pair.intent.wire), ("auto", Wire::MutualTls));
    let report = serde_json::to_value(&pair).unwrap();
    assert_eq!(report["programmed"]["wire"], "mutual-tls");
    let refused = json!({ "wire": "refused", "why": Why::NotHttp.as_str() });
    assert_eq!((&report["programmed"]["tcp"], &report["endpoints"][0]["programmed"]["tcp"]), (&refused, &refused));
    let gaps: Vec<(&str, &str)> = pair.gaps.iter().map(|gap| (gap.at, gap.what.as_str())).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0], ("client", "policy has the client send raw TCP as mutual-tls, its proxy sends plaintext"));
    // The client has a listener for the address by now: it is the server that lags.
    let mut client = dump("sleep.foo");
    let to = json!({ "@type": format!("type.googleapis.com/{TCP_PROXY}"), "cluster": CLUSTER });
    let filter = json!({ "name": "envoy.filters.network.tcp_proxy", "typed_config": to });
    let address = json!({ "socket_address": { "address": "10.96.0.7", "port_value": 8000 } });
    let listener = json!({ "address": address, "filter_chains": [{ "filters": [filter] }], "name": "10.96.0.7_8000" });
    section(&mut client, "dynamic_listeners")
        .push(json!({ "name": "10.96.0.7_8000", "active_state": { "listener": listener } }));
    let (pair, _) = joined(&sniffed, &client, &dump("httpbin.bar"));
    let gaps: Vec<(&str, &str)> = pair.gaps.iter().map(|gap| (gap.at, gap.what.as_str())).collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!(gaps[0].0, "server");
    assert!(gaps[0].1.contains("treats raw TCP on port 80 otherwise than policy has it: "), "{gaps:?}");
    // A port that is declared HTTP has no raw TCP to judge.
    let (pair, _) = joined(&objects(), &dump("sleep.foo"), &dump("httpbin.bar"));
    assert!(serde_json::to_value(&pair).unwrap()["programmed"].get("tcp").is_none());
}

/// Seen on a real cluster: a Sidecar hides a Service with a sniffed port from a client that called it before.
#[test]
fn routes_that_are_left_over_from_before_a_sidecar_hid_the_service_are_not_followed() {
    let mut client = dump("sleep.foo");
    section(&mut client, "dynamic_active_clusters").retain(|entry| entry["cluster"]["name"] != CLUSTER);
    let left = json!({ "route_config": { "name": "httpbin.bar.svc.cluster.local:8000", "virtual_hosts": [] } });
    section(&mut client, "dynamic_route_configs").push(left);
    section(&mut client, "dynamic_listeners").retain(|listener| {
        let name = listener["name"].as_str().unwrap();
        name.starts_with("virtual") || !name.ends_with("_8000")
    });
    let sniffed = objects().replace(r#""name":"http","port":80"#, r#""name":"web","port":80"#);
    let (pair, told) = joined(&sniffed, &client, &dump("httpbin.bar"));
    assert_eq!((told.route, told.refuses), (Route::Passthrough, None));
    assert_eq!(serde_json::to_value(&pair).unwrap()["programmed"]["wire"], "plaintext");
}
