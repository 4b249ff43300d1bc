//! Objects: created, read, changed, removed, refused.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::exec::Script;
use super::{TOKEN, client_of, lab, object, peer_authentications, refused, start, with_namespace};

#[tokio::test]
async fn objects_are_created_read_listed_and_deleted() {
    let (_server, client) = with_namespace("foo").await;
    let policies = peer_authentications(&client, "foo");
    let strict = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": { "name": "default" }, "spec": { "mtls": { "mode": "STRICT" } },
    });
    let created = policies.create(&PostParams::default(), &object(strict)).await.unwrap();
    assert!(created.metadata.uid.is_some() && created.metadata.creation_timestamp.is_some());
    assert_eq!(created.metadata.generation, Some(1));
    let read = policies.get("default").await.unwrap();
    assert_eq!(read.data["spec"]["mtls"]["mode"], "STRICT");
    assert_eq!(policies.list(&ListParams::default()).await.unwrap().items.len(), 1);
    policies.delete("default", &DeleteParams::default()).await.unwrap();
    assert_eq!(
        refused(policies.get("default").await).message,
        "peerauthentications.security.istio.io \"default\" not found"
    );
}

#[tokio::test]
async fn without_the_token_nothing_is_answered() {
    let server = start(Script::default()).await;
    let client = client_of(&server.kubeconfig().replace(TOKEN, "another")).await;
    let status = refused(Api::<Pod>::all(client).list(&ListParams::default()).await);
    assert_eq!((status.code, status.reason.as_str()), (401, "Unauthorized"));
}

#[tokio::test]
async fn secrets_are_forbidden_to_everyone() {
    let (_server, client) = lab().await;
    let status = refused(Api::<Secret>::namespaced(client, "foo").list(&ListParams::default()).await);
    assert_eq!(status.code, 403);
    assert_eq!(
        status.message,
        "secrets is forbidden: User \"kubectl-mtls-lab\" cannot list resource \"secrets\" in API group \"\" in the namespace \"foo\""
    );
}

#[tokio::test]
async fn the_same_name_twice_is_a_conflict() {
    let (_server, client) = with_namespace("foo").await;
    let again = serde_json::from_value(json!({ "metadata": { "name": "foo" } })).unwrap();
    let status = refused(Api::<Namespace>::all(client).create(&PostParams::default(), &again).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, "namespaces \"foo\" already exists");
}

#[tokio::test]
async fn nothing_is_made_in_a_namespace_that_is_not_there() {
    let (_server, client) = lab().await;
    let map = serde_json::from_value(json!({ "metadata": { "name": "x" } })).unwrap();
    let status = refused(Api::<ConfigMap>::namespaced(client, "nowhere").create(&PostParams::default(), &map).await);
    assert_eq!((status.code, status.message.as_str()), (404, "namespaces \"nowhere\" not found"));
}

#[tokio::test]
async fn patches_change_what_they_name() {
    let (_server, client) = with_namespace("foo").await;
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let map = serde_json::from_value(json!({ "metadata": { "name": "x" }, "data": { "a": "1", "b": "2" } })).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    let merge = Patch::Merge(json!({ "data": { "a": null, "c": "3" } }));
    let merged = maps.patch("x", &PatchParams::default(), &merge).await.unwrap();
    assert_eq!(json!(merged.data), json!({ "b": "2", "c": "3" }));
}
