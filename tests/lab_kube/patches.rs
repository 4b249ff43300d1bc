//! The four kinds of PATCH, and who owns what.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "helpers of tests")]

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{object, peer_authentications, refused, with_namespace};

fn deployment(containers: &Value) -> Deployment {
    serde_json::from_value(json!({
        "metadata": { "name": "web" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": containers } },
        },
    }))
    .unwrap()
}

async fn containers(deployments: &Api<Deployment>) -> Value {
    let deployment = json!(deployments.get("web").await.unwrap());
    deployment["spec"]["template"]["spec"]["containers"].clone()
}

async fn two_containers(client: Client) -> Api<Deployment> {
    let deployments = Api::<Deployment>::namespaced(client, "foo");
    let both =
        json!([{ "name": "a", "image": "a:1", "ports": [{ "containerPort": 80 }] }, { "name": "b", "image": "b:1" }]);
    deployments.create(&PostParams::default(), &deployment(&both)).await.unwrap();
    deployments
}

/// The patch is what `kubectl apply` of kubectl 1.32 sent when an image changed and a container went.
#[tokio::test]
async fn a_strategic_patch_means_items_by_name() {
    let (_server, client) = with_namespace("foo").await;
    let deployments = two_containers(client).await;
    let patch = json!({ "spec": { "template": { "spec": {
        "$setElementOrder/containers": [{ "name": "a" }],
        "containers": [{ "$patch": "delete", "name": "b" }, { "image": "a:2", "name": "a" }],
    } } } });
    deployments.patch("web", &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
    let expected = json!([{ "name": "a", "image": "a:2", "ports": [{ "containerPort": 80 }] }]);
    assert_eq!(containers(&deployments).await, expected);
}

#[tokio::test]
async fn a_merge_patch_replaces_lists() {
    let (_server, client) = with_namespace("foo").await;
    let deployments = two_containers(client).await;
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "c:1" }] } } } });
    deployments.patch("web", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    assert_eq!(containers(&deployments).await, json!([{ "name": "c", "image": "c:1" }]));
}

#[tokio::test]
async fn custom_resources_take_no_strategic_patch() {
    let (_server, client) = with_namespace("foo").await;
    let policies = peer_authentications(&client, "foo");
    policies.create(&PostParams::default(), &object(policy("STRICT"))).await.unwrap();
    let patch = Patch::Strategic(json!({ "spec": {} }));
    assert_eq!(refused(policies.patch("default", &PatchParams::default(), &patch).await).code, 415);
}

fn policy(mode: &str) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": { "name": "default" },
        "spec": { "mtls": { "mode": mode } },
    })
}

#[tokio::test]
async fn a_json_patch_that_does_not_fit_changes_nothing() {
    let (_server, client) = with_namespace("foo").await;
    let policies = peer_authentications(&client, "foo");
    policies.create(&PostParams::default(), &object(policy("STRICT"))).await.unwrap();
    let wrong = json!([
        { "op": "replace", "path": "/spec/mtls/mode", "value": "DISABLE" },
        { "op": "test", "path": "/spec/mtls/mode", "value": "STRICT" },
    ]);
    assert_eq!(refused(json_patch(&client, &wrong).await).code, 422);
    assert_eq!(policies.get("default").await.unwrap().data["spec"]["mtls"]["mode"], "STRICT");
    let right = json!([{ "op": "remove", "path": "/spec/mtls/mode" }]);
    assert_eq!(json_patch(&client, &right).await.unwrap()["spec"], json!({ "mtls": {} }));
}

async fn json_patch(client: &Client, steps: &Value) -> kube::Result<Value> {
    let path = "/apis/security.istio.io/v1/namespaces/foo/peerauthentications/default";
    let request = http::Request::patch(path).header("content-type", "application/json-patch+json");
    client.request(request.body(steps.to_string().into_bytes()).unwrap()).await
}

#[tokio::test]
async fn a_dry_run_answers_and_keeps_nothing() {
    let (_server, client) = with_namespace("foo").await;
    let policies = peer_authentications(&client, "foo");
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let answered = policies.create(&dry, &object(policy("STRICT"))).await.unwrap();
    assert!(answered.metadata.uid.is_some());
    assert_eq!(refused(policies.get("default").await).code, 404);
}

fn manager(name: &str) -> PatchParams {
    PatchParams { field_manager: Some(name.to_owned()), ..PatchParams::default() }
}

/// What an applier leaves out goes, unless someone else owns it, or the server set it.
#[tokio::test]
async fn server_side_apply_takes_away_what_its_manager_no_longer_says() {
    let (_server, client) = with_namespace("foo").await;
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let apply = |data: Value| Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": data }));
    maps.patch("x", &manager("one"), &apply(json!({ "a": "1", "b": "1" }))).await.unwrap();
    maps.patch("x", &manager("two"), &apply(json!({ "b": "1", "c": "2" }))).await.unwrap();
    let left = maps.patch("x", &manager("one"), &apply(json!({}))).await.unwrap();
    assert_eq!(json!(left.data), json!({ "b": "1", "c": "2" }));
}

/// Text: Kubernetes `apimachinery/pkg/util/managedfields/internal/conflict.go`.
#[tokio::test]
async fn what_another_manager_owns_is_a_conflict_unless_forced() {
    let (_server, client) = with_namespace("foo").await;
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let apply = |data: Value| Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": data }));
    maps.patch("x", &manager("one"), &apply(json!({ "a": "1" }))).await.unwrap();
    let status = refused(maps.patch("x", &manager("two"), &apply(json!({ "a": "2" }))).await);
    assert_eq!(
        (status.code, status.message.as_str()),
        (409, "Apply failed with 1 conflict: conflict with \"one\": .data.a")
    );
    maps.patch("x", &manager("two").force(), &apply(json!({ "a": "2" }))).await.unwrap();
    // It is no longer the first manager's to take away.
    let left = maps.patch("x", &manager("one"), &apply(json!({}))).await.unwrap();
    assert_eq!(json!(left.data), json!({ "a": "2" }));
}

#[tokio::test]
async fn managed_fields_name_who_wrote_a_field_last_and_when() {
    let (_server, client) = with_namespace("foo").await;
    let policies = peer_authentications(&client, "foo");
    let post = PostParams { field_manager: Some("argocd-controller".to_owned()), ..PostParams::default() };
    policies.create(&post, &object(policy("STRICT"))).await.unwrap();
    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    let labelled = json!(policies.patch("default", &manager("kubectl-label"), &label).await.unwrap());
    let entries = labelled["metadata"]["managedFields"].as_array().unwrap().clone();
    let summary: Vec<Value> =
        entries.iter().map(|entry| json!([entry["manager"], entry["operation"], entry["fieldsV1"]])).collect();
    assert_eq!(
        summary,
        [
            json!(["argocd-controller", "Update", { "f:spec": { "f:mtls": { "f:mode": {} } } }]),
            json!(["kubectl-label", "Update", { "f:metadata": { "f:labels": { "f:a": {} } } }]),
        ]
    );
    assert!(entries.iter().all(|entry| entry["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok()));
    // A patch that changes nothing is no change.
    let again = json!(policies.patch("default", &manager("someone"), &label).await.unwrap());
    assert_eq!(again, labelled);
}

#[tokio::test]
async fn an_outdated_replacement_is_a_conflict() {
    let (_server, client) = with_namespace("foo").await;
    let policies = peer_authentications(&client, "foo");
    let created = policies.create(&PostParams::default(), &object(policy("STRICT"))).await.unwrap();
    let mut newer = created.clone();
    newer.data["spec"]["mtls"]["mode"] = json!("DISABLE");
    let replaced = policies.replace("default", &PostParams::default(), &newer).await.unwrap();
    assert_eq!(replaced.metadata.generation, Some(2));
    let status = refused(policies.replace("default", &PostParams::default(), &created).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on peerauthentications.security.istio.io \"default\": the object has been modified; \
         please apply your changes to the latest version and try again"
    );
}
