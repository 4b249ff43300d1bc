//! Meshes that are odd or broken: what is said, and that the rest is answered.

use std::fmt::Write as _;

use super::{Run, mtls};

/// Two pods with sidecars, and a Service of the one.
const MESH: &str = "apiVersion: v1
kind: Namespace
metadata: {name: foo, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep, namespace: foo, labels: {app: sleep}}
spec: {containers: [{name: sleep, image: curlimages/curl}]}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin, namespace: foo, labels: {app: httpbin}}
spec: {containers: [{name: httpbin, image: httpbin}]}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: foo}
spec: {selector: {app: httpbin}, ports: [{name: http, port: 80}]}
---
";

/// What is said of it, whatever else there is.
const ANSWERED: &str = "sleep.foo  httpbin.foo:80";

fn check(mesh: &str) -> Run {
    mtls(&["check", "--from", "sleep.foo", "-f", "mesh"]).file("mesh", mesh)
}

#[test]
fn a_hundred_thousand_documents_are_no_trouble() {
    let mut text = MESH.to_owned();
    for number in 0..100_000 {
        let _ = writeln!(text, "apiVersion: v1\nkind: Secret\nmetadata: {{name: s{number}}}\n---");
    }
    check(&text).patiently().end().status(0).stdout(&[ANSWERED]);
}

#[test]
fn a_list_of_a_hundred_thousand_is_none_either() {
    let item = r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"}},"#;
    let mesh: Vec<String> = MESH.split("---\n").filter(|text| !text.is_empty()).map(json).collect();
    let text = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}{}]}}"#, item.repeat(100_000), mesh.join(","));
    check(&text).patiently().end().status(0).stdout(&[ANSWERED]);
}

fn json(yaml: &str) -> String {
    let value: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    value.to_string()
}

#[test]
fn a_list_within_itself_is_refused_with_its_place() {
    let text =
        format!("{MESH}apiVersion: v1\nkind: List\nitems: &all\n- apiVersion: v1\n  kind: List\n  items: *all\n");
    check(&text).end().status(3).stdout(&[ANSWERED]).stderr(&[
        "mesh:25:10: error: this document cannot be read: an alias stands within its own anchor, so it would never end",
    ]);
}

#[test]
fn objects_of_other_groups_that_share_a_name_are_counted_and_left_out() {
    let foreign = [
        ("serving.knative.dev/v1", "Service", "sleep"),
        ("acme.io/v1", "Pod", "sleep"),
        ("kuma.io/v1alpha1", "Sidecar", "default"),
        ("gateway.networking.k8s.io/v1", "Gateway", "default"),
        ("v1", "PeerAuthentication", "default"),
    ];
    let mut text = MESH.to_owned();
    for (version, kind, name) in foreign {
        let _ = writeln!(
            text,
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}, namespace: foo}}\nspec: {{mtls: {{mode: DISABLE}}}}\n---"
        );
    }
    check(&text).end().status(0).stdout(&[ANSWERED, "1 pair: 1 mTLS"]).stderr(&[
        "note: not read: 1 Gateway.gateway.networking.k8s.io, 1 PeerAuthentication, 1 Pod.acme.io, 1 Service.serving.knative.dev, 1 Sidecar.kuma.io\n",
        "hint: Istio's PeerAuthentication is of the API group security.istio.io; Istio's Sidecar is of the API group networking.istio.io\n",
    ]);
}

/// Names of things that are nowhere: pods, namespaces, services, subsets, gateways, ports, secrets.
const DANGLING: &str = "apiVersion: v1
kind: Service
metadata: {name: empty, namespace: nowhere}
spec: {selector: {app: gone}, ports: [{name: http, port: 80, targetPort: gone}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: e, namespace: foo, labels: {kubernetes.io/service-name: gone}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.9], targetRef: {kind: Pod, name: gone, namespace: foo}}]
ports: [{name: http, port: 80}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: foo}
spec:
  hosts: [empty.nowhere.svc.cluster.local]
  gateways: [gone/gw, mesh]
  http: [{route: [{destination: {host: gone.foo.svc.cluster.local, subset: gone}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: d, namespace: foo}
spec: {host: gone.foo.svc.cluster.local, exportTo: [gone], trafficPolicy: {tls: {mode: SIMPLE, credentialName: gone}}}
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s, namespace: foo}
spec: {workloadSelector: {labels: {app: gone}}, egress: [{hosts: [gone/*]}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: se, namespace: foo}
spec:
  hosts: [x.example.com]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: STATIC
  workloadSelector: {labels: {app: gone}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: p, namespace: foo}
spec: {selector: {matchLabels: {app: gone}}, mtls: {mode: STRICT}}
";

#[test]
fn names_of_things_that_are_nowhere_are_told_and_cost_no_row() {
    check(&format!("{MESH}{DANGLING}")).end().status(0).stdout(&[
        "sleep.foo  httpbin.foo:80     mTLS",
        "sleep.foo  x.example.com:443  none",
        "sleep.foo  empty.nowhere:80   refused",
        "vs/v.foo routes to gone.foo.svc.cluster.local subset gone",
        "MTLS206 warning  pa/p.foo does nothing: no pod of foo has app=gone",
    ]);
}
