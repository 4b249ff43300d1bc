//! What the lab's cluster makes of objects: pods, sidecars, addresses, endpoints.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use kubectl_mtls::lab::controllers::empty_cluster;
use kubectl_mtls::lab::kube_api::apply::apply;
use kubectl_mtls::lab::store::kinds::{self, DEPLOYMENT, ENDPOINT_SLICE, Kind, POD, REPLICA_SET, SERVICE};
use kubectl_mtls::lab::store::{Key, Store};
use kubectl_mtls::model::mesh::IstioVersion;
use serde_json::{Value, json};

fn cluster() -> Store {
    let store = empty_cluster(IstioVersion::NEWEST);
    put(&store, json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "plain" } }));
    put(&store, namespace("mesh", &json!({ "istio-injection": "enabled" })));
    store
}

fn put(store: &Store, manifest: Value) {
    apply(store, manifest, "plain").unwrap();
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name, "labels": labels } })
}

fn deployment(namespace: &str, name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{
                    "name": name, "image": "example.com/app", "ports": [{ "name": "web", "containerPort": 8080 }],
                }] },
            },
        },
    })
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
        "spec": { "containers": [{ "name": "app", "image": "example.com/app" }] },
    })
}

fn service(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    })
}

fn list(store: &Store, kind: &Kind, namespace: &str) -> Vec<Arc<Value>> {
    store.list(kind, Some(namespace)).objects
}

fn names(objects: &[Arc<Value>]) -> Vec<String> {
    objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn get(store: &Store, kind: &Kind, namespace: &str, name: &str) -> Arc<Value> {
    store.get(&Key::new(kind, namespace, name)).unwrap()
}

fn has_sidecar(pod: &Value) -> bool {
    pod["spec"]["initContainers"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == "istio-proxy"))
}

#[test]
fn a_deployment_runs_as_many_pods_as_it_asks_for() {
    let store = cluster();
    for replicas in [3, 1, 0, 2] {
        put(&store, deployment("plain", "web", replicas));
        assert_eq!(list(&store, &POD, "plain").len(), replicas as usize);
        assert_eq!(list(&store, &REPLICA_SET, "plain").len(), 1);
        let status = get(&store, &DEPLOYMENT, "plain", "web")["status"].clone();
        assert_eq!((&status["replicas"], &status["readyReplicas"]), (&json!(replicas), &json!(replicas)));
    }
}

#[test]
fn names_follow_the_form_of_kubernetes_and_are_the_same_in_every_run() {
    let run = || {
        let store = cluster();
        put(&store, deployment("plain", "web", 2));
        names(&list(&store, &POD, "plain"))
    };
    let pods = run();
    assert_eq!(pods, run());
    for pod in pods {
        let parts: Vec<&str> = pod.split('-').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len(), parts.len()), ("web", 10, 5, 3), "{pod}");
        assert!(parts[1..].concat().chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{pod}");
    }
}

#[test]
fn a_new_template_replaces_the_pods_and_keeps_the_old_replica_set_idle() {
    let store = cluster();
    put(&store, deployment("plain", "web", 2));
    let before: BTreeSet<String> = names(&list(&store, &POD, "plain")).into_iter().collect();
    let mut changed = deployment("plain", "web", 2);
    changed["spec"]["template"]["metadata"]["labels"]["version"] = json!("v2");
    put(&store, changed);
    let pods = list(&store, &POD, "plain");
    assert!(before.is_disjoint(&names(&pods).into_iter().collect()));
    assert!(pods.len() == 2 && pods.iter().all(|pod| pod["metadata"]["labels"]["version"] == "v2"));
    let replicas: BTreeSet<u64> =
        list(&store, &REPLICA_SET, "plain").iter().map(|set| set["spec"]["replicas"].as_u64().unwrap()).collect();
    assert_eq!(replicas, BTreeSet::from([0, 2]));
}

#[test]
fn a_deleted_pod_comes_back_under_another_name() {
    let store = cluster();
    put(&store, deployment("plain", "web", 1));
    let before = names(&list(&store, &POD, "plain"));
    remove(&store, &POD, "plain", &before[0]);
    let after = names(&list(&store, &POD, "plain"));
    assert_eq!(after.len(), 1);
    assert_ne!(before, after);
}

fn remove(store: &Store, kind: &Kind, namespace: &str, name: &str) {
    assert!(store.write(|transaction| transaction.remove(&Key::new(kind, namespace, name))).is_some());
}

#[test]
fn what_a_deployment_made_goes_with_it() {
    let store = cluster();
    put(&store, deployment("plain", "web", 2));
    put(&store, service("plain", "web", &json!({ "selector": { "app": "web" }, "ports": [{ "port": 80 }] })));
    remove(&store, &DEPLOYMENT, "plain", "web");
    assert!(list(&store, &POD, "plain").is_empty() && list(&store, &REPLICA_SET, "plain").is_empty());
    assert_eq!(list(&store, &ENDPOINT_SLICE, "plain")[0]["endpoints"], json!([]));
    remove(&store, &SERVICE, "plain", "web");
    assert!(list(&store, &ENDPOINT_SLICE, "plain").is_empty());
}

#[test]
fn everything_in_a_namespace_goes_with_it() {
    let store = cluster();
    put(&store, deployment("plain", "web", 2));
    remove(&store, &kinds::NAMESPACE, "", "plain");
    let left = store.snapshot_objects().objects;
    assert!(left.iter().all(|object| object["metadata"]["namespace"] != "plain"));
}

#[test]
fn stateful_sets_number_their_pods_and_daemon_sets_have_one_on_the_only_node() {
    let store = cluster();
    for kind in ["StatefulSet", "DaemonSet"] {
        let mut workload = deployment("plain", &kind.to_lowercase(), 2);
        workload["kind"] = json!(kind);
        put(&store, workload);
    }
    let pods = names(&list(&store, &POD, "plain"));
    assert_eq!(pods.len(), 3);
    assert!(pods[0].starts_with("daemonset-"));
    assert_eq!(pods[1..], ["statefulset-0", "statefulset-1"]);
}

/// The marks are those of a pod that istiod 1.31 injected on a real cluster.
#[test]
fn an_injected_pod_looks_as_istiod_makes_it() {
    let store = cluster();
    put(&store, deployment("mesh", "web", 1));
    let pod = &list(&store, &POD, "mesh")[0];
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["security.istio.io/tlsMode"], "istio");
    assert_eq!(labels["service.istio.io/canonical-name"], "web");
    assert_eq!(pod["metadata"]["annotations"]["istio.io/rev"], "default");
    assert_eq!(pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"], "web");
    let status = pod["metadata"]["annotations"]["sidecar.istio.io/status"].as_str().unwrap();
    let status: Value = serde_json::from_str(status).unwrap();
    assert_eq!(status["initContainers"], json!(["istio-init", "istio-proxy"]));
    let init = pod["spec"]["initContainers"].as_array().unwrap();
    assert_eq!((&init[0]["name"], &init[1]["name"]), (&json!("istio-init"), &json!("istio-proxy")));
    assert_eq!(init[1]["restartPolicy"], "Always");
    assert_eq!(init[1]["image"], "docker.io/istio/proxyv2:1.31.0");
}

/// Rows: labels of the namespace, labels and annotations of the pod, whether it gets a sidecar.
#[test]
fn who_gets_a_sidecar() {
    let no = json!({ "sidecar.istio.io/inject": "false" });
    let yes = json!({ "sidecar.istio.io/inject": "true" });
    let enabled = json!({ "istio-injection": "enabled" });
    let rows = [
        (json!({}), json!({}), json!({}), false),
        (json!({}), yes.clone(), json!({}), true),
        (json!({}), json!({}), yes.clone(), false),
        (json!({}), json!({ "istio.io/rev": "canary" }), json!({}), true),
        (enabled.clone(), json!({}), json!({}), true),
        (enabled.clone(), no.clone(), json!({}), false),
        (enabled.clone(), json!({}), no.clone(), false),
        (enabled.clone(), yes.clone(), no.clone(), true),
        (json!({ "istio-injection": "disabled" }), yes.clone(), json!({}), false),
        (json!({ "istio.io/rev": "canary" }), json!({}), json!({}), true),
        (json!({ "istio.io/rev": "canary", "istio-injection": "disabled" }), json!({}), json!({}), false),
    ];
    for (number, (namespace_labels, labels, annotations, expected)) in rows.into_iter().enumerate() {
        let store = cluster();
        let name = format!("row-{number}");
        put(&store, namespace(&name, &namespace_labels));
        let mut manifest = pod(&name, "web");
        manifest["metadata"]["labels"] = labels;
        manifest["metadata"]["annotations"] = annotations;
        put(&store, manifest);
        assert_eq!(has_sidecar(&get(&store, &POD, &name, "web")), expected, "row {number}");
    }
}

#[test]
fn pods_on_the_host_network_and_in_system_namespaces_get_no_sidecar() {
    let store = cluster();
    let mut on_host = pod("mesh", "on-host");
    on_host["spec"]["hostNetwork"] = json!(true);
    put(&store, on_host);
    let on_host = get(&store, &POD, "mesh", "on-host");
    assert!(!has_sidecar(&on_host));
    assert_eq!(on_host["status"]["podIP"], on_host["status"]["hostIP"]);
    put(&store, namespace("kube-system", &json!({ "istio-injection": "enabled" })));
    put(&store, pod("kube-system", "system"));
    assert!(!has_sidecar(&get(&store, &POD, "kube-system", "system")));
}

#[test]
fn a_value_that_the_user_gave_the_tls_mode_label_stays() {
    let store = cluster();
    let mut manifest = pod("mesh", "web");
    manifest["metadata"]["labels"]["security.istio.io/tlsMode"] = json!("disabled");
    put(&store, manifest);
    assert_eq!(get(&store, &POD, "mesh", "web")["metadata"]["labels"]["security.istio.io/tlsMode"], "disabled");
}

#[test]
fn a_namespace_that_is_labelled_later_changes_only_pods_that_start_later() {
    let store = cluster();
    put(&store, deployment("plain", "web", 1));
    put(&store, namespace("plain", &json!({ "istio-injection": "enabled" })));
    let pods = list(&store, &POD, "plain");
    assert!(!has_sidecar(&pods[0]));
    remove(&store, &POD, "plain", &names(&pods)[0]);
    assert!(has_sidecar(&list(&store, &POD, "plain")[0]));
}

#[test]
fn pods_run_have_addresses_of_their_own_and_an_account() {
    let store = cluster();
    put(&store, deployment("plain", "web", 50));
    let pods = list(&store, &POD, "plain");
    let addresses: BTreeSet<&str> = pods.iter().map(|pod| pod["status"]["podIP"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), 50);
    assert!(addresses.iter().all(|address| address.starts_with("10.244.")));
    for pod in &pods {
        assert_eq!(
            (&pod["status"]["phase"], &pod["spec"]["serviceAccountName"]),
            (&json!("Running"), &json!("default"))
        );
    }
}

#[test]
fn a_pod_of_a_live_cluster_keeps_its_address_and_readiness_and_is_not_injected() {
    let store = cluster();
    let mut manifest = pod("mesh", "web");
    manifest["status"] = json!({
        "phase": "Running", "podIP": "10.1.2.3", "conditions": [{ "type": "Ready", "status": "False" }],
    });
    put(&store, manifest);
    put(&store, service("mesh", "web", &json!({ "selector": { "app": "web" }, "ports": [{ "port": 80 }] })));
    let pod = get(&store, &POD, "mesh", "web");
    assert!(!has_sidecar(&pod));
    assert_eq!(pod["status"]["podIP"], "10.1.2.3");
    let endpoint = &list(&store, &ENDPOINT_SLICE, "mesh")[0]["endpoints"][0];
    assert_eq!((&endpoint["addresses"], &endpoint["conditions"]["ready"]), (&json!(["10.1.2.3"]), &json!(false)));
}

#[test]
fn a_deployment_and_its_live_pods_count_once_in_either_order() {
    let mut live = pod("plain", "web-76849848cd-m597c");
    live["metadata"]["labels"] = json!({ "app": "web", "pod-template-hash": "76849848cd" });
    live["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-76849848cd", "uid": "from-elsewhere", "controller": true,
    }]);
    live["status"] = json!({ "phase": "Running", "podIP": "10.1.2.3" });
    let deployment = deployment("plain", "web", 1);
    for manifests in [[live.clone(), deployment.clone()], [deployment, live]] {
        let store = cluster();
        for manifest in manifests {
            put(&store, manifest);
        }
        assert_eq!(names(&list(&store, &POD, "plain")), ["web-76849848cd-m597c"]);
        assert_eq!(names(&list(&store, &REPLICA_SET, "plain")), ["web-76849848cd"]);
        assert_eq!(get(&store, &DEPLOYMENT, "plain", "web")["status"]["readyReplicas"], 1);
    }
}

#[test]
fn services_get_an_address_that_never_changes_unless_they_want_none() {
    let store = cluster();
    let ports = json!([{ "name": "http", "port": 8000 }]);
    put(&store, service("plain", "web", &json!({ "ports": ports })));
    let address = get(&store, &SERVICE, "plain", "web")["spec"]["clusterIP"].clone();
    assert!(address.as_str().unwrap().starts_with("10.96."));
    put(&store, service("plain", "web", &json!({ "ports": [{ "name": "http", "port": 9000 }] })));
    let changed = get(&store, &SERVICE, "plain", "web");
    assert_eq!((&changed["spec"]["clusterIP"], &changed["spec"]["ports"][0]["targetPort"]), (&address, &json!(9000)));
    put(&store, service("plain", "headless", &json!({ "clusterIP": "None", "ports": ports })));
    assert_eq!(get(&store, &SERVICE, "plain", "headless")["spec"]["clusterIP"], "None");
    put(&store, service("plain", "outside", &json!({ "type": "ExternalName", "externalName": "example.com" })));
    assert!(get(&store, &SERVICE, "plain", "outside")["spec"].get("clusterIP").is_none());
    put(&store, service("plain", "given", &json!({ "clusterIP": "10.96.1.1", "ports": ports })));
    assert_eq!(get(&store, &SERVICE, "plain", "given")["spec"]["clusterIP"], "10.96.1.1");
}

#[test]
fn endpoints_follow_the_pods_and_named_ports_are_those_of_each_pod() {
    let store = cluster();
    put(&store, deployment("plain", "web", 2));
    let mut other = pod("plain", "other");
    other["metadata"]["labels"] = json!({ "app": "web" });
    other["spec"]["containers"][0]["ports"] = json!([{ "name": "web", "containerPort": 9090 }]);
    put(&store, other);
    let spec = json!({ "selector": { "app": "web" }, "ports": [{ "name": "http", "port": 80, "targetPort": "web" }] });
    put(&store, service("plain", "web", &spec));
    let by_port = || -> BTreeSet<(u64, usize)> {
        let count = |slice: &Arc<Value>| {
            (slice["ports"][0]["port"].as_u64().unwrap(), slice["endpoints"].as_array().unwrap().len())
        };
        list(&store, &ENDPOINT_SLICE, "plain").iter().map(count).collect()
    };
    assert_eq!(by_port(), BTreeSet::from([(8080, 2), (9090, 1)]));
    put(&store, deployment("plain", "web", 1));
    assert_eq!(by_port(), BTreeSet::from([(8080, 1), (9090, 1)]));
    remove(&store, &POD, "plain", "other");
    assert_eq!(by_port(), BTreeSet::from([(8080, 1)]));
}

#[test]
fn a_service_without_selector_keeps_the_endpoints_it_is_given() {
    let store = cluster();
    put(&store, service("plain", "web", &json!({ "ports": [{ "port": 80 }] })));
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": "web-1", "namespace": "plain", "labels": { "kubernetes.io/service-name": "web" } },
        "endpoints": [{ "addresses": ["192.0.2.1"] }], "ports": [{ "port": 80 }],
    });
    put(&store, slice);
    put(&store, deployment("plain", "web", 1));
    let slices = list(&store, &ENDPOINT_SLICE, "plain");
    assert_eq!((slices.len(), &slices[0]["endpoints"][0]["addresses"]), (1, &json!(["192.0.2.1"])));
}
