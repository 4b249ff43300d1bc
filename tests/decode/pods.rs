//! Pods, what owns them, and what stands before them.

use kubectl_mtls::decode::{self, Assume, Loaded, manifests, snapshot};
use kubectl_mtls::model::port::WorkloadPort;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::tls::MtlsMode;
use kubectl_mtls::model::workload::{OperatingSystem, Pod, ProxyKind};

use super::{clean, mesh};

/// `workload kind/name proxy` of each pod.
fn outline(snapshot: &Snapshot) -> Vec<String> {
    let line =
        |pod: &Pod| format!("{} {}/{} {}", pod.meta.key(), pod.workload.kind, pod.workload.name, pod.proxy.as_str());
    snapshot.pods.iter().map(line).collect()
}

/// A pod with these lines of metadata and of spec.
fn pod(metadata: &str, spec: &str) -> Pod {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  uid: '1'\n{}spec:\n{}",
        indented(metadata),
        indented(spec)
    );
    mesh(&text).pods.remove(0)
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect::<Vec<_>>().concat()
}

const SIDECAR: &str = "containers: [{name: app}, {name: istio-proxy, args: [proxy, sidecar, --domain]}]";

#[test]
fn a_pod_for_windows_is_known_by_its_own_field_or_by_the_nodes_it_selects() {
    use OperatingSystem::{Linux, Windows};
    for (spec, os) in [
        ("os: {name: windows}", Windows),
        ("nodeSelector: {kubernetes.io/os: windows}", Windows),
        ("os: {name: linux}", Linux),
        ("nodeSelector: {kubernetes.io/os: linux, windows: windows}", Linux),
        ("nodeSelector: windows", Linux),
        ("", Linux),
    ] {
        assert_eq!(pod("", &format!("containers: [{{name: app}}]\n{spec}")).os, os, "{spec}");
    }
}

#[test]
fn what_stands_before_a_pod_is_what_is_written_there() {
    let rows = [
        ("", "containers: [{name: app}]", ProxyKind::None),
        ("", SIDECAR, ProxyKind::Sidecar),
        ("", "containers: [{name: app}, {name: istio-proxy}]", ProxyKind::Sidecar),
        (
            "",
            "containers: [{name: app}]\ninitContainers: [{name: istio-proxy, restartPolicy: Always}]",
            ProxyKind::Sidecar,
        ),
        // An init container that ends is no sidecar.
        ("", "containers: [{name: app}]\ninitContainers: [{name: istio-proxy}]", ProxyKind::None),
        // The label that clients look at says nothing about the pod itself.
        ("labels: {security.istio.io/tlsMode: istio}", "containers: [{name: app}]", ProxyKind::None),
        ("", "containers: [{name: istio-proxy, args: [proxy, router]}]", ProxyKind::Gateway),
        ("labels: {istio: ingressgateway}", "containers: [{name: istio-proxy}]", ProxyKind::Gateway),
        // What the proxy calls itself comes before the label.
        ("labels: {istio: ingressgateway}", SIDECAR, ProxyKind::Sidecar),
        (
            "labels: {gateway.networking.k8s.io/gateway-name: x}",
            "containers: [{name: istio-proxy}]",
            ProxyKind::Gateway,
        ),
        (
            "annotations: {inject.istio.io/templates: gateway}",
            "containers: [{name: istio-proxy, image: auto}]",
            ProxyKind::Gateway,
        ),
        (
            "labels: {gateway.istio.io/managed: istio.io-mesh-controller}",
            "containers: [{name: istio-proxy, args: [proxy, waypoint]}]",
            ProxyKind::Waypoint,
        ),
        ("annotations: {ambient.istio.io/redirection: enabled}", "containers: [{name: app}]", ProxyKind::Ztunnel),
        ("annotations: {inject.istio.io/templates: 'grpc-agent'}", SIDECAR, ProxyKind::Proxyless),
    ];
    for (metadata, spec, expected) in rows {
        assert_eq!(pod(metadata, spec).proxy, expected, "{metadata} {spec}");
    }
}

#[test]
fn the_owner_follows_from_the_name_of_the_replica_set() {
    let owned = |kind: &str, name: &str, labels: &str| {
        let metadata = format!(
            "labels: {{{labels}}}\nownerReferences: [{{apiVersion: x, kind: {kind}, name: {name}, controller: true}}]"
        );
        let workload = pod(&metadata, SIDECAR).workload;
        format!("{}/{}", workload.kind, workload.name)
    };
    assert_eq!(owned("ReplicaSet", "my-app-5d4f8c7b9", "pod-template-hash: 5d4f8c7b9"), "Deployment/my-app");
    assert_eq!(owned("ReplicaSet", "my-app-5d4f8c7b9", "rollouts-pod-template-hash: 5d4f8c7b9"), "Rollout/my-app");
    assert_eq!(owned("ReplicaSet", "my-app", "app: x"), "ReplicaSet/my-app");
    assert_eq!(owned("ReplicaSet", "my-app", "pod-template-hash: other"), "ReplicaSet/my-app");
    assert_eq!(owned("StatefulSet", "db", "a: b"), "StatefulSet/db");
    assert_eq!(owned("Job", "nightly-28391", "a: b"), "Job/nightly-28391");
    assert_eq!(owned("Node", "worker-1", "a: b"), "Pod/a");
    assert_eq!(pod("", SIDECAR).workload.name, "a");
}

#[test]
fn ready_unless_something_says_no() {
    let with = |metadata: &str, status: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, {metadata}}}\nspec: {{containers: [{{name: app}}]}}\n{status}\n"
        );
        let pod = mesh(&text).pods.remove(0);
        (pod.ready, pod.finished)
    };
    assert_eq!(with("", ""), (true, false));
    assert_eq!(with("", "status: {podIP: 10.0.0.1}"), (true, false));
    assert_eq!(with("", "status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}"), (true, false));
    assert_eq!(with("", "status: {phase: Running, conditions: [{type: Ready, status: 'False'}]}"), (false, false));
    assert_eq!(with("", "status: {phase: Pending}"), (false, false));
    assert_eq!(with("", "status: {phase: Succeeded, conditions: [{type: Ready, status: 'False'}]}"), (false, true));
    assert_eq!(with("", "status: {phase: Failed}"), (false, true));
    assert_eq!(with("deletionTimestamp: '2026-01-01T00:00:00Z', ", "status: {phase: Running}"), (false, false));
}

#[test]
fn addresses_account_node_and_containers() {
    let text = "apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {istio.io/rev: canary, other.io/x: z}, labels: {istio.io/rev: stable}}
spec:
  nodeName: worker-1
  hostNetwork: true
  serviceAccountName: web
  initContainers: [{name: wait}, {name: logs, restartPolicy: Always, image: log:1}]
  containers:
  - name: app
    image: app:1
    ports: [{name: http, containerPort: 8080}, {containerPort: 53, protocol: UDP}]
    securityContext: {runAsUser: 1337}
status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
";
    let pod = mesh(text).pods.remove(0);
    assert_eq!(pod.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1", "fd00::1"]);
    assert_eq!((pod.service_account.as_str(), pod.node.as_deref(), pod.host_network), ("web", Some("worker-1"), true));
    // The injector's annotation is the revision; the label may be a tag.
    assert_eq!(pod.revision.as_deref(), Some("canary"));
    assert_eq!(pod.meta.annotations.len(), 1);
    let names: Vec<_> =
        pod.containers.iter().map(|container| (container.name.as_str(), container.native_sidecar)).collect();
    assert_eq!(names, [("app", false), ("logs", true)]);
    let app = pod.application_container().unwrap();
    assert_eq!(
        (app.ports[0].name.as_deref(), app.ports[0].port, app.ports[0].tcp),
        (Some("http"), WorkloadPort(8080), true)
    );
    assert_eq!((app.ports[1].tcp, app.run_as_user), (false, Some(1337)));
    assert_eq!(mesh("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n").pods[0].service_account, "default");
}

#[test]
fn annotations_say_what_is_captured() {
    let capture = pod(
        "annotations:
  traffic.sidecar.istio.io/includeInboundPorts: '8080, 9090'
  traffic.sidecar.istio.io/excludeInboundPorts: '9090'
  traffic.sidecar.istio.io/excludeOutboundPorts: '5432'
  traffic.sidecar.istio.io/includeOutboundIPRanges: '10.0.0.0/8'
  traffic.sidecar.istio.io/excludeOutboundIPRanges: '10.1.0.0/16,10.2.3.4'",
        SIDECAR,
    )
    .capture;
    assert!(
        capture.inbound(WorkloadPort(8080))
            && !capture.inbound(WorkloadPort(9090))
            && !capture.inbound(WorkloadPort(80))
    );
    let out = |address: &str, port| capture.outbound(address.parse().unwrap(), port);
    assert!(out("10.3.0.1", 80) && !out("10.3.0.1", 5432));
    assert!(!out("10.1.0.1", 80) && !out("10.2.3.4", 80) && !out("192.168.0.1", 80));

    let everything = pod("annotations: {traffic.sidecar.istio.io/includeInboundPorts: '*'}", SIDECAR).capture;
    assert!(everything.inbound(WorkloadPort(80)));
    let nothing = pod("annotations: {traffic.sidecar.istio.io/includeInboundPorts: ''}", SIDECAR).capture;
    assert!(!nothing.inbound(WorkloadPort(80)));
    let none = pod("annotations: {sidecar.istio.io/interceptionMode: NONE}", SIDECAR).capture;
    assert!(none.interception_none);
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: httpbin, namespace: foo, labels: {owner: x}}
spec:
  template:
    metadata: {labels: {app: httpbin}}
    spec:
      serviceAccountName: httpbin
      containers: [{name: httpbin, image: httpbin, ports: [{containerPort: 80}]}]
---
";

#[test]
fn a_deployment_and_its_pods_count_once() {
    let own = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: httpbin-6f-x\n  namespace: foo\n  uid: '1'\n  labels: {pod-template-hash: 6f}\n  ownerReferences: [{kind: ReplicaSet, name: httpbin-6f, controller: true}]\nspec: {containers: [{name: app}]}\n---\n";
    let set = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: httpbin-6f, namespace: foo, ownerReferences: [{kind: Deployment, name: httpbin}]}\nspec: {template: {spec: {containers: []}}}\n---\n";
    assert_eq!(outline(&mesh(&format!("{DEPLOYMENT}{set}{own}"))), ["foo/httpbin-6f-x Deployment/httpbin none"]);
    assert_eq!(outline(&mesh(&format!("{DEPLOYMENT}{set}"))), ["foo/httpbin Deployment/httpbin none"]);
    // The same name elsewhere, or of another kind, is another workload.
    let elsewhere = own.replace("namespace: foo", "namespace: bar");
    let stateful = DEPLOYMENT.replace("Deployment", "StatefulSet");
    assert_eq!(
        outline(&mesh(&format!("{DEPLOYMENT}{stateful}{elsewhere}"))),
        [
            "bar/httpbin-6f-x Deployment/httpbin none",
            "foo/httpbin Deployment/httpbin none",
            "foo/httpbin-statefulset StatefulSet/httpbin none"
        ]
    );
}

#[test]
fn what_makes_no_pods_makes_none() {
    let scaled = DEPLOYMENT.replace("spec:\n  template:", "spec:\n  replicas: 0\n  template:");
    let over = DEPLOYMENT
        .replace("apps/v1", "batch/v1")
        .replace("kind: Deployment", "kind: Job")
        .replace("---", "status: {conditions: [{type: Complete, status: 'True'}]}");
    assert_eq!(outline(&mesh(&scaled)), [""; 0]);
    assert_eq!(outline(&mesh(&over)), [""; 0]);
}

#[test]
fn the_pod_of_a_template_bears_the_labels_of_the_template() {
    let pod = mesh(DEPLOYMENT).pods.remove(0);
    assert_eq!(pod.meta.labels.into_iter().collect::<Vec<_>>(), [("app".to_owned(), "httpbin".to_owned())]);
    assert_eq!((pod.service_account.as_str(), pod.ready, pod.addresses.is_empty()), ("httpbin", true, true));
    assert_eq!(pod.meta.origin.unwrap().line, 1);
}

/// The proxy, revision and `tlsMode` label of the Deployment's pod, in a namespace and with lines in its template.
fn injected(namespace: &str, metadata: &str, spec: &str) -> (ProxyKind, Option<String>, Option<String>) {
    let deployment = DEPLOYMENT
        .replace("metadata: {labels: {app: httpbin}}", &format!("metadata: {metadata}"))
        .replace("      serviceAccountName: httpbin", &format!("      serviceAccountName: httpbin\n      {spec}"));
    let text =
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: foo, labels: {namespace}}}\n---\n{deployment}");
    let pod = mesh(&text).pods.remove(0);
    let label = pod.tls_mode_label().map(str::to_owned);
    (pod.proxy, pod.revision, label)
}

#[test]
fn injection_as_the_webhook_would_decide() {
    let (yes, no) = (ProxyKind::Sidecar, ProxyKind::None);
    let rows = [
        ("{}", "{}", "", no, None),
        ("{istio-injection: enabled}", "{}", "", yes, Some("default")),
        ("{istio-injection: disabled}", "{labels: {sidecar.istio.io/inject: 'true'}}", "", no, None),
        ("{istio.io/rev: canary}", "{}", "", yes, Some("canary")),
        // The older label of a namespace comes before its revision.
        ("{istio-injection: enabled, istio.io/rev: canary}", "{}", "", yes, Some("default")),
        ("{istio-injection: enabled}", "{labels: {sidecar.istio.io/inject: 'false'}}", "", no, None),
        ("{istio-injection: enabled}", "{annotations: {sidecar.istio.io/inject: 'false'}}", "", no, None),
        // Of label and annotation the label counts.
        (
            "{istio-injection: enabled}",
            "{labels: {sidecar.istio.io/inject: 'true'}, annotations: {sidecar.istio.io/inject: 'false'}}",
            "",
            yes,
            Some("default"),
        ),
        ("{}", "{labels: {sidecar.istio.io/inject: 'true'}}", "", yes, Some("default")),
        // The webhook is not called for an annotation alone.
        ("{}", "{annotations: {sidecar.istio.io/inject: 'true'}}", "", no, None),
        ("{}", "{labels: {istio.io/rev: canary}}", "", yes, Some("canary")),
        ("{istio-injection: enabled}", "{}", "hostNetwork: true", no, None),
    ];
    for (namespace, metadata, spec, proxy, revision) in rows {
        let (found, by, label) = injected(namespace, metadata, spec);
        assert_eq!((found, by.as_deref()), (proxy, revision), "{namespace} {metadata} {spec}");
        assert_eq!(label.as_deref(), (proxy == yes).then_some("istio"), "{namespace} {metadata} {spec}");
    }
}

#[test]
fn injection_leaves_some_things_alone() {
    let enabled = "{istio-injection: enabled}";
    // The user's own value of the label stays.
    let (_, _, label) = injected(enabled, "{labels: {security.istio.io/tlsMode: disabled}}", "");
    assert_eq!(label.as_deref(), Some("disabled"));
    // The gateway template sets no label.
    let gateway = injected(enabled, "{annotations: {inject.istio.io/templates: gateway}}", "");
    assert_eq!((gateway.0, gateway.2), (ProxyKind::Gateway, None));
    // Namespaces of the system are never injected.
    let text =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system, labels: {istio-injection: enabled}}\n---\n";
    let system = format!("{text}{}", DEPLOYMENT.replace("namespace: foo", "namespace: kube-system"));
    assert_eq!(mesh(&system).pods[0].proxy, ProxyKind::None);
    // Without a sidecar, the namespace's mode can hand the pod to ztunnel.
    assert_eq!(injected("{istio.io/dataplane-mode: ambient}", "{}", "").0, ProxyKind::Ztunnel);
    let own = "{labels: {istio.io/dataplane-mode: none}}";
    assert_eq!(injected("{istio.io/dataplane-mode: ambient}", own, "").0, ProxyKind::None);
}

#[test]
fn a_bare_pod_is_injected_only_before_it_was_applied() {
    let pod = |metadata: &str, status: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: foo, labels: {{istio-injection: enabled}}}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: foo{metadata}}}\nspec: {{containers: [{{name: app}}]}}\n{status}"
        );
        mesh(&text).pods[0].proxy
    };
    assert_eq!(pod("", ""), ProxyKind::Sidecar);
    assert_eq!(pod(", uid: '1'", ""), ProxyKind::None);
    assert_eq!(pod("", "status: {phase: Running}\n"), ProxyKind::None);
}

#[test]
fn of_two_objects_with_one_name_the_last_counts() {
    let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: foo}\nspec: {mtls: {mode: STRICT}}\n---\napiVersion: security.istio.io/v1beta1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: foo}\nspec: {mtls: {mode: DISABLE}}\n---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: bar}\n";
    let (mut objects, _) = manifests::parse("a.yaml", text, "default");
    objects[0].origin.as_mut().unwrap().file = "b.yaml".to_owned();
    let (snapshot, problems) = snapshot(&objects, &Assume::default());
    let policies: Vec<_> =
        snapshot.peer_authentications.iter().map(|pa| (pa.meta.key(), pa.mode.map(MtlsMode::as_str))).collect();
    assert_eq!(policies, [("foo/default".to_owned(), Some("DISABLE")), ("bar/default".to_owned(), None)]);
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "a.yaml:6: warning: PeerAuthentication foo/default: stands twice, at b.yaml:1 and at a.yaml:6; the last one counts"
    );
}

#[test]
fn kinds_that_nobody_reads_are_counted_in_one_note() {
    let text = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n---\napiVersion: policy.example.com/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n---\napiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\n---\napiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: b}\n";
    let (snapshot, problems) = snapshot(&clean(text), &Assume::default());
    assert_eq!(snapshot.peer_authentications, []);
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "note: not read: 2 EnvoyFilter.networking.istio.io, 1 PeerAuthentication.policy.example.com\n  hint: Istio's PeerAuthentication is of the API group security.istio.io"
        ]
    );
}

#[test]
fn lean_objects_tell_the_same() {
    let text = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "foo", "uid": "1",
        "labels": {"app": "a", "pod-template-hash": "6f", "istio.io/rev": "x"}, "annotations": {"sidecar.istio.io/interceptionMode": "NONE"},
        "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "5", "finalizers": ["f"],
        "ownerReferences": [{"kind": "ReplicaSet", "name": "a-6f", "controller": true}]},
      "spec": {"nodeName": "n", "hostNetwork": true, "serviceAccountName": "s", "volumes": [{"name": "v"}], "tolerations": [],
        "containers": [{"name": "app", "image": "i", "env": [{"name": "e", "value": "1"}], "ports": [{"containerPort": 80}],
            "securityContext": {"runAsUser": 5}, "livenessProbe": {}},
          {"name": "istio-proxy", "image": "proxyv2:1.20.1", "args": ["proxy", "router"]}],
        "initContainers": [{"name": "log", "restartPolicy": "Always", "resources": {}}]},
      "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "hostIP": "1.1.1.1",
        "conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [{"name": "app"}]}}"#;
    let whole = clean(text);
    let mut lean = whole.clone();
    for loaded in &mut lean {
        decode::lean(&mut loaded.object);
    }
    let size = |objects: &[Loaded]| objects[0].object.to_string().len();
    assert!(size(&lean) < size(&whole));
    assert_eq!(lean[0].object.pointer("/spec/volumes"), None);
    assert_eq!(snapshot(&lean, &Assume::default()), snapshot(&whole, &Assume::default()));
}
