//! Who decides what a cluster sends. Its metadata names the rule that applies, which need not say anything of TLS
//! (Istio: `util.go:AddConfigInfoMetadata`, `cluster_tls.go:buildUpstreamTLSSettings`): recorded dumps with that path.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::evidence::{Reading, Unseen};
use kubectl_mtls::model::pair::{OriginMode, ServerRef};
use kubectl_mtls::model::port::{Protocol, ServicePort};
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};
use kubectl_mtls::programmed::{Proxies, outbound};
use kubectl_mtls::verdict::join;
use serde_json::{Value, json};

use crate::programmed::cluster::{mesh_from, read};

const CLUSTER: &str = "outbound|8000||httpbin.bar.svc.cluster.local";

/// What the report says of `sleep.foo` towards `httpbin.bar:8000`: its proxy holds this cluster, policy has these objects.
fn told(recorded: &str, edit: impl Fn(&mut Value), policies: &[Value]) -> Value {
    let mut objects: Value = serde_json::from_str(&read("a-none.objects.json")).unwrap();
    objects["items"].as_array_mut().unwrap().extend(policies.iter().cloned());
    let snapshot = mesh_from(&objects.to_string());
    let mut dump: Value = serde_json::from_str(&read(&format!("{recorded}.sleep.foo.config_dump.json"))).unwrap();
    let sections = dump["configs"].as_array_mut().unwrap().iter_mut();
    let mut clusters =
        sections.filter_map(|section| section.get_mut("dynamic_active_clusters")?.as_array_mut()).flatten();
    edit(&mut clusters.find(|entry| entry["cluster"]["name"] == CLUSTER).unwrap()["cluster"]);
    let mesh = Mesh::new(&snapshot);
    let client = mesh.clients().into_iter().find(|one| one.pod.display_name() == "sleep.foo").unwrap();
    let is_it = |server: &ServerRef| server.service == "httpbin" && server.namespace == "bar" && server.port.0 == 8000;
    let server = mesh.servers().into_iter().find(is_it).unwrap();
    let mut proxies = Proxies::default();
    let body = dump.to_string().into_bytes();
    let answers = vec![Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body }];
    let (namespace, pod) = ("foo".to_owned(), client.pod.meta.name.clone());
    proxies.read(&ProxyAnswers { namespace, pod, answers, ..ProxyAnswers::default() }, &Wanted::all());
    let intent = mesh.pair(client.pod, &server);
    let programmed = proxies.told(&client.reference, &server, &intent);
    let unseen = Reading::Unseen(Unseen::NotRequested);
    let pair = join::pair(&client.reference, &server, intent, &programmed, &unseen);
    serde_json::to_value(&pair).unwrap()["programmed"]["originates"].clone()
}

fn names(rule: &'static str) -> impl Fn(&mut Value) {
    move |cluster| {
        cluster["metadata"]["filter_metadata"]["istio"]["config"] =
            json!(format!("/apis/networking.istio.io/v1/namespaces/bar/destination-rule/{rule}"));
    }
}

/// A rule of `httpbin.bar` with this traffic policy.
fn rule(name: &str, policy: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": { "name": name, "namespace": "bar", "creationTimestamp": format!("2026-01-01T00:00:0{}Z", name.len() % 10) },
        "spec": { "host": "httpbin.bar.svc.cluster.local", "trafficPolicy": policy },
    })
}

fn balanced() -> Value {
    json!({ "loadBalancer": { "simple": "ROUND_ROBIN" } })
}

#[test]
fn a_rule_without_tls_is_named_and_automatic_mutual_tls_decides() {
    let told = told("a-none", names("httpbin"), &[rule("httpbin", &balanced())]);
    assert_eq!((&told["kind"], &told["mode"]), (&json!("mutual-tls"), &json!("AUTO")));
    assert_eq!(told["decidedBy"], json!({ "layer": "default", "kind": "AutoMtls" }));
    assert_eq!((&told["named"]["kind"], &told["named"]["name"]), (&json!("DestinationRule"), &json!("httpbin")));
    assert!(told["modes"].is_null(), "matches on tlsMode are made by nothing else: {told}");
}

#[test]
fn plaintext_with_a_rule_named_is_disable_or_automatic_mutual_tls_that_is_off() {
    let both = json!(["DISABLE", "AUTO"]);
    let disable = told("e-dr-disable", |_| {}, &[rule("httpbin", &json!({ "tls": { "mode": "DISABLE" } }))]);
    assert_eq!((&disable["mode"], &disable["modes"]), (&json!("DISABLE"), &both));
    assert_eq!(disable["decidedBy"]["name"], "httpbin");
    // A namespace that says DISABLE turns automatic mutual TLS off for its Services (`BestEffortInferServiceMTLSMode`).
    let off = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": { "name": "default", "namespace": "bar" }, "spec": { "mtls": { "mode": "DISABLE" } },
    });
    let silent = told("e-dr-disable", |_| {}, &[rule("httpbin", &balanced()), off]);
    assert_eq!((&silent["mode"], &silent["modes"]), (&json!("AUTO"), &both));
    assert_eq!(silent["decidedBy"]["kind"], "AutoMtls");
    assert_eq!(silent["named"]["name"], "httpbin");
    // Nobody's plaintext is automatic mutual TLS of another kind: what policy would send is mutual TLS.
    let stale = told("e-dr-disable", |_| {}, &[]);
    assert_eq!((&stale["mode"], &stale["decidedBy"]["name"]), (&json!("DISABLE"), &json!("httpbin")));
}

#[test]
fn of_merged_rules_the_first_is_named_and_another_may_decide() {
    let silent = rule("a", &balanced());
    let with_tls = rule("bb", &json!({ "tls": { "mode": "DISABLE" } }));
    let subsets = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": { "name": "a", "namespace": "bar", "creationTimestamp": "2026-01-01T00:00:01Z" },
        "spec": { "host": "httpbin.bar.svc.cluster.local", "subsets": [{ "name": "v1", "labels": { "version": "v1" } }] },
    });
    let merged = told("e-dr-disable", names("a"), &[subsets, with_tls.clone()]);
    assert_eq!((&merged["mode"], &merged["decidedBy"]["name"]), (&json!("DISABLE"), &json!("bb")));
    assert_eq!(merged["named"]["name"], "a");
    // The first rule's trafficPolicy counts whole (`destination_rule.go:mergeDestinationRule`): here nobody's TLS does.
    let first = told("a-none", names("a"), &[silent, with_tls]);
    assert_eq!((&first["mode"], &first["decidedBy"]["kind"]), (&json!("AUTO"), &json!("AutoMtls")));
}

#[test]
fn a_context_that_could_not_be_built_leaves_its_mark() {
    // istiod notes the mode of a rule whose secret a sidecar may not have, and builds no socket
    // (`cluster_tls.go:buildUpstreamClusterTLSContext`, `util.go:AddALPNOverrideToMetadata`).
    let mark = |cluster: &mut Value| cluster["metadata"]["filter_metadata"]["istio"]["alpn_override"] = json!("false");
    let simple = rule("httpbin", &json!({ "tls": { "mode": "SIMPLE", "credentialName": "secret" } }));
    let mutual = rule("httpbin", &json!({ "tls": { "mode": "MUTUAL", "credentialName": "secret" } }));
    for (policy, mode) in [(simple, "SIMPLE"), (mutual, "MUTUAL")] {
        let told = told("e-dr-disable", mark, &[policy]);
        assert_eq!((&told["mode"], &told["kind"]), (&json!(mode), &json!("plaintext")));
        assert_eq!(told["modes"], json!(["SIMPLE", "MUTUAL"]));
    }
}

#[test]
fn a_cluster_that_goes_where_was_dialled_has_one_socket_whoever_decides() {
    // `cluster_tls.go:applyUpstreamTLSSettings`: ORIGINAL_DST gets no matches.
    let dialled = |is_ruled: bool| {
        move |cluster: &mut Value| {
            cluster["type"] = json!("ORIGINAL_DST");
            cluster["transport_socket"] = cluster["transport_socket_matches"][0]["transport_socket"].clone();
            cluster.as_object_mut().unwrap().remove("transport_socket_matches");
            if is_ruled {
                names("httpbin")(cluster);
            }
        }
    };
    let bare = told("a-none", dialled(false), &[]);
    assert_eq!((&bare["mode"], &bare["decidedBy"]["kind"]), (&json!("AUTO"), &json!("AutoMtls")));
    let silent = told("a-none", dialled(true), &[rule("httpbin", &balanced())]);
    assert_eq!((&silent["mode"], &silent["modes"]), (&json!("AUTO"), &json!(["ISTIO_MUTUAL", "AUTO"])));
    let ruled = told("a-none", dialled(true), &[rule("httpbin", &json!({ "tls": { "mode": "ISTIO_MUTUAL" } }))]);
    assert_eq!((&ruled["mode"], &ruled["decidedBy"]["name"]), (&json!("ISTIO_MUTUAL"), &json!("httpbin")));
}

/// As istiod wrote them: rules without TLS, one of them where the namespace switches automatic mutual TLS off, and one whose
/// secret a sidecar may not have.
#[test]
fn recorded_clusters_with_rules_that_do_not_decide() {
    let body = read("rules-without-tls.sleep.foo.config_dump.json").into_bytes();
    let answers = vec![Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body }];
    let (namespace, pod) = ("foo".to_owned(), "sleep".to_owned());
    let proxy = Proxy::read(&ProxyAnswers { namespace, pod, answers, ..ProxyAnswers::default() }, &Wanted::all());
    let told = |namespace: &str| {
        let server = ServerRef {
            namespace: namespace.to_owned(),
            service: "httpbin".to_owned(),
            entry: false,
            host: format!("httpbin.{namespace}.svc.cluster.local"),
            port: ServicePort(8000),
            port_name: "http".to_owned(),
            protocol: Protocol::Http,
        };
        let told = outbound::read(&proxy, &server, &[]).unwrap();
        let modes: Vec<OriginMode> = [told.mode].into_iter().chain(told.or_modes).collect();
        (modes, told.named.unwrap().short())
    };
    assert_eq!(told("bar"), (vec![OriginMode::Auto], "dr/silent.bar".to_owned()));
    assert_eq!(told("foo"), (vec![OriginMode::Disable, OriginMode::Auto], "dr/silent.foo".to_owned()));
    assert_eq!(told("legacy"), (vec![OriginMode::Simple, OriginMode::Mutual], "dr/cred.legacy".to_owned()));
}
