//! Lists, watches and tables.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::{Value, json};

use super::{lab, make_namespace, object, peer_authentications, with_namespace};

async fn make(client: &Client, name: &str, labels: Value) {
    let map = serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap();
    Api::<ConfigMap>::namespaced(client.clone(), "foo").create(&PostParams::default(), &map).await.unwrap();
}

#[tokio::test]
async fn pages_join_to_the_whole_list() {
    let (_server, client) = with_namespace("foo").await;
    for number in 0..7 {
        make(&client, &format!("m{number}"), json!({})).await;
    }
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let (mut names, mut pages, mut token) = (Vec::new(), 0, None::<String>);
    loop {
        let params = ListParams { limit: Some(3), continue_token: token.take(), ..ListParams::default() };
        let page = maps.list(&params).await.unwrap();
        let left = page.metadata.remaining_item_count;
        names.extend(page.items.iter().map(|map| map.metadata.name.clone().unwrap()));
        pages += 1;
        assert_eq!(left, [Some(4), Some(1), None][pages - 1]);
        token = page.metadata.continue_.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
}

#[tokio::test]
async fn labels_and_fields_select() {
    let (_server, client) = with_namespace("foo").await;
    make(&client, "a", json!({ "app": "web", "tier": "front" })).await;
    make(&client, "b", json!({ "app": "db" })).await;
    make(&client, "c", json!({})).await;
    let maps = Api::<ConfigMap>::all(client);
    for (labels, fields, expected) in [
        ("app=web", "", "a"),
        ("app==web", "", "a"),
        ("app!=web", "", "b c"),
        ("app in (web, db)", "", "a b"),
        ("app notin (web)", "", "b c"),
        ("app", "", "a b"),
        ("!app", "", "c"),
        ("app in (web,db),tier", "", "a"),
        ("", "metadata.name=b", "b"),
        ("", "metadata.name!=b", "a c"),
        ("app", "metadata.namespace=foo,metadata.name=a", "a"),
        ("", "metadata.namespace=bar", ""),
    ] {
        let params = ListParams::default().labels(labels).fields(fields);
        let found = maps.list(&params).await.unwrap();
        let names: Vec<String> = found.items.into_iter().map(|map| map.metadata.name.unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{labels} {fields}");
    }
    for (labels, fields) in [("app=(", ""), ("=web", ""), ("", "spec.colour=red")] {
        assert!(maps.list(&ListParams::default().labels(labels).fields(fields)).await.is_err(), "{labels} {fields}");
    }
}

async fn next(events: &mut (impl Stream<Item = kube::Result<WatchEvent<ConfigMap>>> + Unpin)) -> (String, String) {
    let event = tokio::time::timeout(Duration::from_secs(5), events.try_next()).await.unwrap().unwrap().unwrap();
    let (what, map) = match event {
        WatchEvent::Added(map) => ("added", map),
        WatchEvent::Modified(map) => ("modified", map),
        WatchEvent::Deleted(map) => ("deleted", map),
        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => ("other", ConfigMap::default()),
    };
    (what.to_owned(), map.metadata.name.unwrap_or_default())
}

fn event(what: &str, name: &str) -> (String, String) {
    (what.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_goes_on_where_the_list_ended() {
    let (_server, client) = with_namespace("foo").await;
    make(&client, "before", json!({})).await;
    let maps = Api::<ConfigMap>::namespaced(client.clone(), "foo");
    let revision = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    make(&client, "between", json!({})).await;
    let mut events = maps.watch(&WatchParams::default(), &revision).await.unwrap().boxed();
    assert_eq!(next(&mut events).await, event("added", "between"));
    let patch = Patch::Merge(json!({ "data": { "a": "b" } }));
    maps.patch("before", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(next(&mut events).await, event("modified", "before"));
    maps.delete("before", &kube::api::DeleteParams::default()).await.unwrap();
    assert_eq!(next(&mut events).await, event("deleted", "before"));
}

#[tokio::test]
async fn a_watch_without_revision_begins_with_what_is_there() {
    let (_server, client) = with_namespace("foo").await;
    make(&client, "before", json!({})).await;
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let mut events = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert_eq!(next(&mut events).await, event("added", "before"));
}

#[tokio::test]
async fn an_object_that_ceases_to_match_is_gone_for_the_watcher() {
    let (_server, client) = with_namespace("foo").await;
    make(&client, "x", json!({ "app": "web" })).await;
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let mut events = maps.watch(&WatchParams::default().labels("app=web"), "0").await.unwrap().boxed();
    assert_eq!(next(&mut events).await, event("added", "x"));
    for (label, seen) in [("db", "deleted"), ("web", "added")] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "app": label } } }));
        maps.patch("x", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(next(&mut events).await, event(seen, "x"));
    }
}

#[tokio::test]
async fn a_watch_can_begin_as_a_list_and_ends_when_asked_to() {
    let (_server, client) = with_namespace("foo").await;
    make(&client, "x", json!({})).await;
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let params = WatchParams::default().initial_events().timeout(1);
    let events: Vec<WatchEvent<ConfigMap>> = maps.watch(&params, "0").await.unwrap().try_collect().await.unwrap();
    let kinds: Vec<Value> = events.iter().map(|event| json!(event)["type"].clone()).collect();
    // The second bookmark is the last word before the end.
    assert_eq!(kinds, ["ADDED", "BOOKMARK", "BOOKMARK"]);
    let marked = json!(events[1])["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"].clone();
    assert_eq!(marked, "true");
}

#[tokio::test]
async fn one_object_reads_in_every_version_that_is_served() {
    let (_server, client) = with_namespace("foo").await;
    let policy = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": { "name": "default" }, "spec": {},
    });
    peer_authentications(&client, "foo").create(&PostParams::default(), &object(policy)).await.unwrap();
    for version in ["v1", "v1beta1"] {
        let path = format!("/apis/security.istio.io/{version}/namespaces/foo/peerauthentications/default");
        let read: Value = client.request(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap();
        assert_eq!(read["apiVersion"], format!("security.istio.io/{version}"));
    }
}

/// The columns are those of Istio's `additionalPrinterColumns` and of Kubernetes' printers.
#[tokio::test]
async fn tables_are_what_kubectl_get_prints() {
    let (_server, client) = with_namespace("foo").await;
    let policy = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": { "name": "default" },
        "spec": { "mtls": { "mode": "STRICT" } },
    });
    peer_authentications(&client, "foo").create(&PostParams::default(), &object(policy)).await.unwrap();
    for (path, columns, cells) in [
        (
            "/apis/security.istio.io/v1/peerauthentications",
            json!(["Name", "Mode", "Age"]),
            json!(["default", "STRICT", "0s"]),
        ),
        ("/api/v1/namespaces", json!(["Name", "Status", "Age"]), json!(["default", "Active", "0s"])),
    ] {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        let request = http::Request::get(path).header("accept", accept).body(Vec::new()).unwrap();
        let mut table: Value = client.request(request).await.unwrap();
        // It may have become a second or more.
        let age = table["rows"][0]["cells"].as_array_mut().unwrap().last_mut().unwrap();
        assert!(age.as_str().unwrap().ends_with('s'));
        *age = json!("0s");
        let names: Vec<&Value> = table["columnDefinitions"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
        assert_eq!((json!(names), &table["rows"][0]["cells"]), (columns, &cells));
        assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    }
}

#[tokio::test]
async fn discovery_names_every_kind_with_its_short_names() {
    let (_server, client) = lab().await;
    let groups = client.list_api_groups().await.unwrap();
    let names: Vec<String> = groups.groups.into_iter().map(|group| group.name).collect();
    assert!(["apps", "discovery.k8s.io", "security.istio.io"].iter().all(|group| names.contains(&(*group).to_owned())));
    let resources = client.list_api_group_resources("security.istio.io/v1beta1").await.unwrap();
    let policy = resources.resources.iter().find(|resource| resource.name == "peerauthentications").unwrap();
    assert_eq!(policy.short_names.as_deref(), Some(&["pa".to_owned()][..]));
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.34.0");
}

#[tokio::test]
async fn a_watch_ends_with_the_server() {
    let (server, client) = lab().await;
    make_namespace(&client, "foo").await;
    let maps = Api::<ConfigMap>::namespaced(client, "foo");
    let mut events = maps.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    drop(server);
    let ended = tokio::time::timeout(Duration::from_secs(5), events.next()).await.unwrap();
    assert!(ended.is_none_or(|event| event.is_err()));
}
