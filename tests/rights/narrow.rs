//! Rights that end at a namespace: the rest is answered, and what inherits from what is closed is unknown.

use serde_json::{Value, json};

use super::World;

fn verdicts(report: &Value) -> Vec<(&str, &str)> {
    let pairs = report["pairs"].as_array().unwrap().iter();
    pairs.map(|pair| (pair["id"].as_str().unwrap(), pair["verdict"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_one_namespace_is_answered_for_it() {
    let world = World::start().await;
    world.grant("foo", &["-n", "foo"], None).await;
    let ended = world.run("foo", &["check", "-n", "foo", "httpbin", "--from", "app=sleep", "-o", "json"]).await;
    let report = ended.json();
    // What nobody asked about is told, and no failure.
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(verdicts(&report), [("foo/sleep->foo/httpbin:8000", "mutual-tls")]);
    assert_eq!(report["pairs"][0]["confirmedBy"], json!(["intent", "programmed", "observed"]));
    let unseen = report["unseen"].as_array().unwrap();
    let tried = unseen.iter().map(|look| look["tried"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(unseen.len(), 1, "{tried:?}");
    assert!(
        tried[0].starts_with("list namespaces, pods, ") && tried[0].ends_with(" beyond foo, istio-system"),
        "{tried:?}"
    );
}

/// What the root namespace says holds for all others: where it cannot be read, nothing is guessed.
#[tokio::test(flavor = "multi_thread")]
async fn what_inherits_from_a_closed_namespace_is_unknown_and_says_why() {
    let world = World::start().await;
    world.grant_where("foo", &["-n", "foo"], None, |place| place == "foo").await;
    let strict = world
        .run("foo", &["check", "-n", "foo", "httpbin", "--from", "app=sleep", "--no-probe", "--no-proxy", "-o", "json"])
        .await;
    let report = strict.json();
    let pair = &report["pairs"][0];
    assert_eq!((pair["id"].as_str(), pair["verdict"].as_str()), (Some("foo/sleep->foo/httpbin:8000"), Some("unknown")));
    let because = pair["intent"]["because"].as_str().unwrap();
    assert!(because.contains("of namespace `istio-system` could not be listed (no right to list"), "{because}");
    assert_eq!(strict.status, 4, "{}", strict.stderr);
    let why = "no right to list pods, peerauthentications.security.istio.io, destinationrules.networking.istio.io, \
               sidecars.networking.istio.io in namespace istio-system";
    let told = format!("warning: could not read all of namespace istio-system: {why}\n");
    assert!(strict.stderr.contains(&told), "{}", strict.stderr);
    assert!(strict.stderr.contains("hint: `kubectl mtls rbac -n istio-system` prints the role that has it\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_closed_namespace_does_not_spoil_the_others() {
    let world = World::start().await;
    world.grant("some", &["-n", "foo,legacy"], None).await;
    let args = ["check", "httpbin.foo", "httpbin.bar", "httpbin.legacy", "--from", "app=sleep", "-o", "json"];
    let ended = world.run("some", &args).await;
    let report = ended.json();
    let expected = [
        ("foo/sleep->foo/httpbin:8000", "mutual-tls"),
        ("foo/sleep->legacy/httpbin:8000", "plaintext"),
        ("legacy/sleep->foo/httpbin:8000", "refused"),
        ("legacy/sleep->legacy/httpbin:8000", "plaintext"),
    ];
    assert_eq!(verdicts(&report), expected);
    assert!(
        ended
            .stderr
            .contains("could not read all of namespace bar: no right to get namespaces `bar` and to list pods, ")
    );
    assert_eq!(ended.status, 3, "a name that was asked about is not there to be seen");
}

/// Nothing to be seen is no clean mesh.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_read_nothing_is_told_so() {
    let world = World::start().await;
    for args in [&["check", "-A"][..], &["check", "-n", "foo"], &["check", "-A", "-o", "json"]] {
        let ended = world.run("nobody", args).await;
        assert_eq!(ended.status, 3, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("error: nothing can be decided: what is there could not be read"), "{args:?}");
        assert!(ended.stderr.contains("kubectl mtls rbac"), "{args:?}");
        assert!(!ended.stderr.contains("No resources found"), "{args:?}");
    }
}

/// The mesh configuration may name another namespace to inherit from than the control plane's.
#[tokio::test(flavor = "multi_thread")]
async fn the_root_namespace_is_found_rather_than_assumed() {
    let world = World::start().await;
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "istio", "namespace": "istio-system" },
        "data": { "mesh": "rootNamespace: mesh-policies" } });
    world.apply_object(&config).await;
    world.grant("foo", &["-n", "foo"], None).await;
    let args = ["check", "httpbin.foo", "--from", "sleep.foo", "--no-probe", "--no-proxy", "-o", "json"];
    let ended = world.run("foo", &args).await;
    let report = ended.json();
    assert_eq!(verdicts(&report), [("foo/sleep->foo/httpbin:8000", "unknown")]);
    let because = report["pairs"][0]["intent"]["because"].as_str().unwrap();
    assert!(because.contains("of namespace `mesh-policies` could not be listed (no right to list"), "{because}");
    assert_eq!(ended.status, 4, "{}", ended.stderr);
}
