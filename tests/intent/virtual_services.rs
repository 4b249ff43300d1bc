//! Routes of VirtualServices: which cluster the plain request of a client takes, and how the answer is told.
//!
//! Istio's own code was asked about the same meshes, with an address for each pod and Service: `tests/vectors/istiod-routes.jsonl`.
//! One is missing there: its admission refuses `exportTo: ['~']`. Status codes and layers are nobody's but ours.

use kubectl_mtls::model::derivation::Effect;
use kubectl_mtls::model::pair::{PairIntent, Route};
use kubectl_mtls::model::snapshot::Snapshot;

use crate::intent::small::{ask, verdict, with};

const SERVICE: &str = "httpbin.foo:8000";

/// A second version of httpbin in foo without a sidecar, behind a Service of its own, and a rule with the subsets of the first.
const SECOND: &str = "
apiVersion: v1
kind: Pod
metadata: {name: second, namespace: foo, labels: {app: second}}
spec: {serviceAccountName: second, containers: [{name: httpbin, image: httpbin}]}
---
apiVersion: v1
kind: Service
metadata: {name: second, namespace: foo}
spec: {selector: {app: second}, ports: [{name: http, port: 8000, targetPort: 80}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: subsets, namespace: foo}
spec: {host: httpbin, subsets: [{name: plain, labels: {app: httpbin}, trafficPolicy: {tls: {mode: DISABLE}}}]}
---
";

fn routed(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: foo}}\nspec: {spec}\n---\n"
    )
}

fn mesh(documents: &[String]) -> Snapshot {
    with(&format!("{SECOND}{}", documents.concat()))
}

fn call(documents: &[String], client: &str) -> PairIntent {
    ask(&mesh(documents), client, SERVICE)
}

fn http(routes: &str) -> PairIntent {
    call(&[routed("routes", &format!("{{hosts: [httpbin], http: {routes}}}"))], "foo/sleep")
}

fn cluster(pair: &PairIntent) -> Option<&str> {
    if let Route::Cluster(name) = &pair.originates.route { Some(name) } else { None }
}

const PLAIN: &str = "outbound|8000|plain|httpbin.foo.svc.cluster.local";
const OWN: &str = "outbound|8000||httpbin.foo.svc.cluster.local";
const ELSEWHERE: &str = "outbound|8000||second.foo.svc.cluster.local";

#[test]
fn a_subset_that_is_routed_to_speaks() {
    let strict = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: foo}\n\
                  spec: {mtls: {mode: STRICT}}\n---\n";
    let route =
        routed("routes", "{hosts: [httpbin], http: [{route: [{destination: {host: httpbin, subset: plain}}]}]}");
    let pair = call(&[route, strict.to_owned()], "foo/sleep");
    assert_eq!(verdict(&pair), "refused no-filter-chain dr/subsets.foo");
    assert_eq!(cluster(&pair), Some(PLAIN));
    assert!(pair.conflict);
    assert!(
        pair.because.starts_with("vs/routes.foo routes to httpbin.foo.svc.cluster.local subset plain"),
        "{}",
        pair.because
    );
    let layer = pair.originates.layers.iter().find(|step| step.policy.short() == "vs/routes.foo");
    assert_eq!(layer.and_then(|step| step.policy.field.as_deref()), Some("spec.http[0]"));
}

#[test]
fn another_service_is_what_counts_where_the_route_leads_there() {
    let pair = http("[{route: [{destination: {host: second}}]}]");
    assert_eq!(verdict(&pair), "plaintext no-proxy-at-server <no-sidecar>");
    assert_eq!(cluster(&pair), Some(ELSEWHERE));
    assert_eq!(pair.endpoints.iter().filter_map(|end| end.pod.as_deref()).collect::<Vec<_>>(), ["second"]);
}

#[test]
fn a_client_without_sidecar_reads_no_route() {
    let route = routed("routes", "{hosts: [httpbin], http: [{route: [{destination: {host: second}}]}]}");
    let pair = call(&[route], "legacy/sleep");
    assert_eq!(pair.endpoints.iter().filter_map(|end| end.pod.as_deref()).collect::<Vec<_>>(), ["httpbin"]);
}

#[test]
fn the_first_rule_that_takes_a_plain_get_wins() {
    for (matches, taken) in [
        ("[{uri: {exact: /}}]", true),
        ("[{uri: {prefix: /}}]", true),
        ("[{uri: {regex: '/.*'}}]", true),
        ("[{uri: {regex: '/a?'}}]", true),
        ("[{uri: {prefix: /api}}]", false),
        ("[{uri: {regex: '/a+'}}]", false),
        ("[{method: {exact: GET}}]", true),
        ("[{method: {exact: POST}}]", false),
        ("[{headers: {end-user: {exact: jason}}}]", false),
        ("[{headers: {end-user: {}}}]", false),
        ("[{withoutHeaders: {end-user: {exact: jason}}}]", true),
        ("[{withoutHeaders: {end-user: {}}}]", true),
        ("[{withoutHeaders: {end-user: {regex: '.*'}}}]", false),
        ("[{queryParams: {debug: {exact: 'true'}}}]", false),
        ("[{port: 8000}]", true),
        ("[{port: 8001}]", false),
        ("[{sourceLabels: {app: sleep}}]", true),
        ("[{sourceLabels: {app: other}}]", false),
        ("[{sourceNamespace: foo}]", true),
        ("[{sourceNamespace: legacy}]", false),
        ("[{gateways: [mesh], sourceLabels: {app: other}}]", true),
        ("[{gateways: [ingress]}]", false),
        ("[{uri: {prefix: /api}}, {uri: {prefix: /}}]", true),
    ] {
        let pair = http(&format!(
            "[{{match: {matches}, route: [{{destination: {{host: second}}}}]}}, {{route: [{{destination: {{host: httpbin}}}}]}}]"
        ));
        assert_eq!(cluster(&pair), Some(if taken { ELSEWHERE } else { OWN }), "{matches}");
    }
}

#[test]
fn a_rule_for_other_requests_is_told() {
    let pair = http(
        "[{match: [{uri: {prefix: /api}}], route: [{destination: {host: second}}]}, {route: [{destination: {host: httpbin}}]}]",
    );
    let other = pair.originates.layers.iter().find(|step| step.policy.field.as_deref() == Some("spec.http[0]"));
    let other = other.expect("a layer for it");
    assert_eq!((other.effect, other.says.as_str()), (Effect::Ignored, "routes to second.foo.svc.cluster.local"));
    assert_eq!(other.why.as_deref(), Some("it takes other requests than a plain GET /"));
}

#[test]
fn what_the_clients_proxy_answers_itself_goes_nowhere() {
    for (rule, status) in [
        ("{redirect: {uri: /new}}", "301"),
        ("{redirect: {uri: /new, redirectCode: 308}}", "308"),
        ("{directResponse: {status: 418}}", "418"),
        (
            "{fault: {abort: {httpStatus: 555, percentage: {value: 100}}}, route: [{destination: {host: httpbin}}]}",
            "555",
        ),
    ] {
        let pair = http(&format!("[{rule}]"));
        assert_eq!(verdict(&pair), "none answered-by-client-proxy vs/routes.foo", "{rule}");
        assert_eq!(pair.symptom.map(|symptom| symptom.http), Some(vec![status.to_owned()]), "{rule}");
    }
    let half =
        http("[{fault: {abort: {httpStatus: 555, percentage: {value: 50}}}, route: [{destination: {host: httpbin}}]}]");
    assert_eq!(half.symptom.map(|symptom| symptom.http), Some(vec!["200".to_owned(), "555".to_owned()]));
    let never = http("[{fault: {abort: {httpStatus: 555}}, route: [{destination: {host: httpbin}}]}]");
    assert_eq!(never.symptom.map(|symptom| symptom.http), Some(vec!["200".to_owned()]));
}

#[test]
fn rules_without_one_for_the_request_answer_404_and_a_missing_cluster_503() {
    let none = http("[{match: [{uri: {prefix: /api}}], route: [{destination: {host: httpbin}}]}]");
    assert_eq!(verdict(&none), "refused no-route vs/routes.foo");
    assert_eq!(none.symptom.map(|symptom| symptom.http), Some(vec!["404".to_owned()]));
    for missing in ["{host: httpbin, subset: v9}", "{host: nobody}", "{host: httpbin, port: {number: 81}}"] {
        let pair = http(&format!("[{{route: [{{destination: {missing}}}]}}]"));
        assert_eq!(verdict(&pair), "refused no-cluster vs/routes.foo", "{missing}");
        assert_eq!(pair.symptom.map(|symptom| symptom.http), Some(vec!["503".to_owned()]), "{missing}");
    }
}

#[test]
fn weights_mix_what_differs_and_only_that() {
    let mixed =
        http("[{route: [{destination: {host: httpbin}, weight: 90}, {destination: {host: second}, weight: 10}]}]");
    assert_eq!(verdict(&mixed).split(' ').next(), Some("mixed"));
    assert_eq!(mixed.originates.route, Route::Split(vec![OWN.to_owned(), ELSEWHERE.to_owned()]));
    let alone = http("[{route: [{destination: {host: httpbin}, weight: 100}, {destination: {host: second}}]}]");
    assert_eq!(cluster(&alone), Some(OWN));
}

#[test]
fn of_two_for_one_host_the_older_is_read_and_the_other_says_so() {
    let to = |host: &str| format!("{{hosts: [httpbin], http: [{{route: [{{destination: {{host: {host}}}}}]}}]}}");
    let pair = call(&[routed("b", &to("httpbin")), routed("a", &to("second"))], "foo/sleep");
    assert_eq!(cluster(&pair), Some(ELSEWHERE));
    let lost = pair.originates.layers.iter().find(|step| step.policy.short() == "vs/b.foo").expect("a layer for it");
    assert_eq!(lost.why.as_deref(), Some("`foo/a` for the same host is read first"));
}

#[test]
fn routes_that_a_client_does_not_see_say_why() {
    let to = "http: [{route: [{destination: {host: second}}]}]";
    for (head, why) in [
        ("exportTo: [legacy]", "exportTo does not reach namespace `foo`"),
        ("exportTo: ['~']", "exportTo does not reach namespace `foo`"),
        ("gateways: [ingress]", "it is for gateways only: ingress"),
    ] {
        let pair = call(&[routed("routes", &format!("{{hosts: [httpbin], {head}, {to}}}"))], "foo/sleep");
        assert_eq!(cluster(&pair), Some(OWN), "{head}");
        let lost = pair.originates.layers.iter().find(|step| step.policy.short() == "vs/routes.foo");
        assert_eq!(lost.and_then(|step| step.why.as_deref()), Some(why), "{head}");
    }
}

#[test]
fn a_delegate_stands_in_the_place_of_the_rule_that_names_it() {
    let root = "{hosts: [httpbin], http: [{match: [{uri: {prefix: /}}], delegate: {name: parts}}]}";
    let parts = "{http: [{match: [{uri: {prefix: /api}}], route: [{destination: {host: httpbin}}]}, \
                 {match: [{uri: {exact: /}}], route: [{destination: {host: second}}]}]}";
    let pair = call(&[routed("root", root), routed("parts", parts)], "foo/sleep");
    assert_eq!(cluster(&pair), Some(ELSEWHERE));
    assert!(pair.originates.layers.iter().any(|step| step.policy.short() == "vs/parts.foo"));
    let missing = call(&[routed("root", root)], "foo/sleep");
    assert_eq!(cluster(&missing), Some(OWN));
}

#[test]
fn connections_follow_tcp_rules_and_no_http_rules() {
    let spec = "{hosts: [httpbin], http: [{route: [{destination: {host: nobody}}]}], \
                tcp: [{match: [{port: 9000}], route: [{destination: {host: second, port: {number: 8000}}}]}]}";
    let pair = ask(&mesh(&[routed("routes", spec)]), "foo/sleep", "httpbin.foo:9000");
    assert_eq!(cluster(&pair), Some(ELSEWHERE));
    let other =
        "{hosts: [httpbin], tcp: [{match: [{sourceLabels: {app: other}}], route: [{destination: {host: second}}]}]}";
    let pair = ask(&mesh(&[routed("routes", other)]), "foo/sleep", "httpbin.foo:9000");
    assert_eq!(cluster(&pair), Some("outbound|9000||httpbin.foo.svc.cluster.local"));
}

#[test]
fn a_destination_comes_with_its_route_whatever_the_sidecar_lists() {
    let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: foo}\n\
                   spec: {egress: [{hosts: ['./httpbin.foo.svc.cluster.local']}]}\n---\n";
    let to = "{hosts: [httpbin], http: [{route: [{destination: {host: httpbin.legacy.svc.cluster.local}}]}]}";
    let pair = call(&[routed("routes", to), sidecar.to_owned()], "foo/sleep");
    assert_eq!(cluster(&pair), Some("outbound|8000||httpbin.legacy.svc.cluster.local"));
    assert_eq!(pair.outcome.wire.as_str(), "plaintext");
}
