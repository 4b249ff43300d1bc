//! Requests from pods whose own containers have no curl, by a container that is added to them.

use serde_json::json;

use super::{World, mtls, rights};

/// The application's image has no curl.
const CALL: [&str; 6] = ["check", "httpbin.bar:8000", "--from", "httpbin.foo", "-o", "json"];

fn with_image() -> Vec<&'static str> {
    CALL.into_iter().chain(["--debug-image", "curlimages/curl:8.9.1"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_added_once_and_requests_are_sent_from_it() {
    let world = World::start().await;
    world.grant("debugger", &["--debug-image"], None).await;
    let without = world.run("debugger", &[CALL.as_slice(), &["--probe"]].concat()).await;
    assert_eq!(without.status, 1, "{}", without.stderr);
    assert!(without.stderr.contains("the container has neither curl nor wget"), "{}", without.stderr);
    assert!(without.stderr.contains("where it stays: --debug-image\n"), "{}", without.stderr);

    let with = world.run("debugger", &with_image()).await;
    let report = with.json();
    let added = &report["debugContainers"][0];
    assert_eq!((&added["container"], &added["image"]), (&json!("kubectl-mtls-1"), &json!("curlimages/curl:8.9.1")));
    let note = "note: container kubectl-mtls-1 of image curlimages/curl:8.9.1 was added to pod foo/httpbin-";
    assert!(with.stderr.contains(note), "{}", with.stderr);
    // It shares the pod's network: its requests take the sidecar's way.
    let seen = &report["pairs"][0]["observed"];
    assert_eq!(seen["http"], "503", "the policies of this world contradict each other: {report}");
    assert_eq!(seen["answeredBy"], "client-proxy", "{report}");
    assert_eq!(report["unseen"], json!([]));

    let again = world.run("debugger", &with_image()).await;
    assert_eq!(again.json()["debugContainers"], json!(null));
    assert_eq!(again.json()["pairs"][0]["observed"]["http"], "503");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_it_takes_is_named_where_it_is_missing() {
    let world = World::start().await;
    for (number, (verb, resource)) in [("get", "pods"), ("patch", "pods/ephemeralcontainers")].into_iter().enumerate() {
        let user = format!("user-{number}");
        world.grant(&user, &["--debug-image"], Some((verb, resource))).await;
        let ended = world.run(&user, &with_image()).await;
        assert_eq!(ended.status, 1, "{}", ended.stderr);
        let unseen = ended.json()["unseen"].clone();
        let looks = unseen.as_array().unwrap();
        assert_eq!(looks.len(), 1, "{unseen}");
        assert!(
            looks[0]["why"].as_str().unwrap().contains(&format!("cannot {verb} resource \"{resource}\"")),
            "{unseen}"
        );
        assert!(looks[0]["next"].as_str().unwrap().contains("kubectl mtls rbac"), "{unseen}");
    }
}

#[test]
fn only_who_asks_for_it_gets_the_right() {
    let has = |args: &[&str]| {
        let args: Vec<&str> = ["rbac"].iter().chain(args).copied().collect();
        rights(&mtls(&args).stdout).iter().any(|(_, resource)| resource == "pods/ephemeralcontainers")
    };
    assert!(!has(&[]) && has(&["--debug-image"]));
}

#[test]
fn it_names_its_clients_and_needs_a_mesh_that_runs() {
    for (args, said) in [
        (&["check", "--debug-image", "curl"][..], "--from <CLIENT>"),
        (
            &["check", "--from", "a.b", "--no-probe", "--debug-image", "curl"],
            "'--no-probe' cannot be used with '--debug-image",
        ),
        (&["check", "-f", "tests/cli/policies.yaml", "--from", "a.b", "--debug-image", "curl"], "pods that run"),
    ] {
        let ended = mtls(args);
        assert_eq!(ended.status, 2, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
}
