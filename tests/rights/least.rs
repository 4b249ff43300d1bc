//! What `rbac` prints: enough for its command, and nothing that could be left out.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{World, mtls, rights};

fn printed(args: &[&str]) -> String {
    let args: Vec<String> = ["rbac"].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
    let ended = mtls(&args);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    ended.stdout
}

#[test]
fn roles_are_printed_as_they_are_applied() {
    insta::assert_snapshot!("everywhere", printed(&[]));
    insta::assert_snapshot!("one_namespace", printed(&["-n", "foo", "--no-probe", "--user", "jane@example.com"]));
}

#[test]
fn what_is_not_done_needs_no_right() {
    let has = |args: &[&str], resource: &str| rights(&printed(args)).iter().any(|(_, known)| known == resource);
    assert!(has(&[], "pods/exec") && has(&[], "pods/portforward"));
    assert!(!has(&["--no-probe"], "pods/exec") && has(&["--no-probe"], "pods/portforward"));
    assert!(has(&["--no-proxy"], "pods/exec") && !has(&["--no-proxy"], "pods/portforward"));
    assert!(rights(&printed(&[])).iter().all(|(_, resource)| resource != "secrets"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_what_is_printed_is_answered_in_full() {
    let world = World::start().await;
    for (user, rbac, command) in [
        ("checker", &["--for", "check"][..], &["check", "-A", "--from", "app=sleep", "-o", "json"][..]),
        ("explainer", &["--for", "explain"], &["explain", "httpbin.bar:8000", "-o", "json"]),
        ("reader", &["--no-probe", "--no-proxy"], &["check", "-A", "--no-probe", "--no-proxy", "-o", "json"]),
        ("asker", &["--no-probe"], &["check", "-A", "--no-probe", "--all-pods", "-o", "json"]),
        ("caller", &["--no-proxy"], &["check", "-A", "--from", "app=sleep", "--no-proxy", "-o", "json"]),
    ] {
        world.grant(user, rbac, None).await;
        let (theirs, owners) = (world.run(user, command).await, world.run("system:masters", command).await);
        // Nobody but the owner was granted anything without roles.
        assert_eq!(owners.status, 3, "{user}");
        let theirs_again = theirs.json();
        assert_eq!(theirs_again["unseen"], json!([]), "{user}");
        assert!(!theirs.stderr.contains("warning"), "{user}: {}", theirs.stderr);
        let confirmed = theirs.stdout.matches("\"confirmedBy\"").count();
        assert!(confirmed >= 3, "{user}: {confirmed} pairs");
    }
}

/// With any one right less than is printed, the answer lacks something and says which right would give it.
#[tokio::test(flavor = "multi_thread")]
async fn every_right_that_is_printed_is_needed_and_named_where_it_is_missing() {
    let world = World::start().await;
    let wire = ["check", "-A", "--from", "app=sleep", "--no-proxy", "-o", "json"];
    let proxies = ["check", "-A", "--from", "app=sleep", "--no-probe", "-o", "json"];
    let mut cases = Vec::new();
    for (rbac, command) in [("--no-proxy", wire), ("--no-probe", proxies)] {
        for (verb, resource) in rights(&printed(&[rbac])) {
            cases.push((rbac, command, verb, resource));
        }
    }
    assert!(cases.len() > 20, "{}", cases.len());
    let world = &world;
    let run = |(number, (rbac, command, verb, resource)): (
        usize,
        (&'static str, [&'static str; 7], String, String),
    )| async move {
        let user = format!("user-{number}");
        world.grant(&user, &[rbac], Some((&verb, &resource))).await;
        (verb, resource, world.run(&user, &command).await)
    };
    let mut cases = cases.into_iter().enumerate().peekable();
    while cases.peek().is_some() {
        let few: Vec<_> = cases.by_ref().take(4).collect();
        for (verb, resource, ended) in join_all(few.into_iter().map(run)).await {
            let unseen = ended.json()["unseen"].clone();
            let named = |look: &Value| {
                let why = look["why"].as_str().unwrap();
                why.contains(&format!("cannot {verb} resource \"{resource}\""))
                    || why.contains(&format!("{verb} {resource}")) && why.contains("no right to")
            };
            assert!(unseen.as_array().unwrap().iter().any(named), "{verb} {resource}: {unseen}");
            let remedied = |look: &Value| look["next"].as_str().is_some_and(|next| next.contains("kubectl mtls rbac"));
            assert!(unseen.as_array().unwrap().iter().all(remedied), "{verb} {resource}: {unseen}");
            assert!(ended.stderr.contains("kubectl mtls rbac"), "{verb} {resource}: {}", ended.stderr);
        }
    }
}

/// Two ways lead to a proxy: without the quicker one the other is taken, and nothing is missing.
#[tokio::test(flavor = "multi_thread")]
async fn without_port_forward_proxies_are_asked_by_exec() {
    let world = World::start().await;
    let command = ["check", "-A", "--from", "app=sleep", "-o", "json"];
    world.grant("both", &[], None).await;
    world.grant("exec", &[], Some(("get", "pods/portforward"))).await;
    let (both, exec) = (world.run("both", &command).await.json(), world.run("exec", &command).await.json());
    assert_eq!((&exec["unseen"], &exec["summary"]), (&json!([]), &both["summary"]));
    let told = |report: &Value| {
        report["pairs"].as_array().unwrap().iter().map(|pair| pair["confirmedBy"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(told(&exec), told(&both));
}

/// A control plane of a revision has a mesh configuration of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_a_revision_is_read_and_has_its_right() {
    let world = World::start().await;
    world
        .apply(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio-canary, namespace: istio-system}\n\
             data: {mesh: 'rootNamespace: policies'}\n---\n\
             apiVersion: v1\nkind: Namespace\nmetadata: {name: policies}\n---\n\
             apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: policies}\n\
             spec: {mtls: {mode: STRICT}}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: legacy, labels: {app: web}, annotations: \
             {istio.io/rev: canary, sidecar.istio.io/inject: 'false'}}\n\
             spec: {containers: [{name: web, image: web}, {name: istio-proxy, image: 'docker.io/istio/proxyv2:1.31.0'}]}\n---\n\
             apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: legacy}\n\
             spec: {selector: {app: web}, ports: [{name: http, port: 80}]}\n",
        )
        .await;
    let asked = ["check", "web.legacy", "--from", "sleep.legacy", "--no-probe", "--no-proxy", "-o", "json"];
    world.grant("told", &["--no-probe", "--no-proxy", "--revision", "canary"], None).await;
    let told = world.run("told", &asked).await;
    let (report, strict) = (told.json(), (&json!("refused"), &json!("policies")));
    let pair = &report["pairs"][0];
    assert_eq!((&pair["verdict"], &pair["decidedBy"]["namespace"]), strict, "{report}");
    assert!(!told.stderr.contains("warning"), "{}", told.stderr);
    world.grant("untold", &["--no-probe", "--no-proxy"], None).await;
    let untold = world.run("untold", &asked).await;
    assert_eq!(untold.status, 4, "{}", untold.stderr);
    let hint = "hint: `kubectl mtls rbac --revision canary` prints the role that has it\n";
    assert!(
        untold.stderr.contains("warning: could not get configmaps istio-system/istio-canary: "),
        "{}",
        untold.stderr
    );
    assert!(untold.stderr.contains(hint), "{}", untold.stderr);
}
