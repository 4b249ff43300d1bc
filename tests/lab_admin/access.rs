//! Who may call whom, in the lab: `AuthorizationPolicy` and `RequestAuthentication` as objects.

use kubectl_mtls::decode::manifests;
use kubectl_mtls::lab::mesh::Lab;
use kubectl_mtls::source::cluster::Cluster;
use kubectl_mtls::source::exec::Command;

use super::{SOON, lab, pod};

async fn apply(lab: &Lab, cluster: &Cluster, text: &str) {
    for loaded in manifests::parse("access.yaml", text, "default").0 {
        cluster.apply(&loaded.object).await.unwrap();
    }
    lab.settled(SOON).await.unwrap();
}

/// What curl in `sleep` of each namespace gets of `httpbin.foo`.
async fn answers(cluster: &Cluster, more: &[&str]) -> Vec<String> {
    let mut answers = Vec::new();
    for namespace in ["foo", "bar", "legacy"] {
        let pod = pod(cluster, namespace, "sleep").await;
        let argv = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}"];
        let argv: Vec<&str> = argv.iter().chain(more).chain(&["http://httpbin.foo:8000/ip"]).copied().collect();
        let command = Command { namespace, pod: &pod, container: "sleep", argv: &argv, stdin: "", timeout: SOON };
        answers.push(String::from_utf8(cluster.exec(&command).await.unwrap().stdout).unwrap());
    }
    answers
}

#[tokio::test]
async fn policies_let_in_whom_they_name() {
    let (lab, cluster) = lab().await;
    assert_eq!(answers(&cluster, &[]).await, ["200", "200", "200"]);
    let policy = |name: &str, spec: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: foo}}\nspec: {spec}\n"
        )
    };
    let bar = "{rules: [{from: [{source: {principals: [cluster.local/ns/bar/sa/sleep]}}]}]}";
    apply(&lab, &cluster, &policy("allow", bar)).await;
    assert_eq!(answers(&cluster, &[]).await, ["403", "200", "403"], "plaintext has no principal");
    let namespaces = "{rules: [{from: [{source: {namespaces: [foo, bar]}}], to: [{operation: {paths: [/i*]}}]}]}";
    apply(&lab, &cluster, &policy("allow", namespaces)).await;
    assert_eq!(answers(&cluster, &[]).await, ["200", "200", "403"]);
    let deny = "{action: DENY, rules: [{from: [{source: {namespaces: [foo]}}], to: [{operation: {methods: [GET]}}]}]}";
    apply(&lab, &cluster, &policy("deny", deny)).await;
    assert_eq!(answers(&cluster, &[]).await, ["403", "200", "403"], "DENY comes first");
    let logged = lab.dataplane().desired();
    let server = logged.pods.keys().find(|id| id.namespace == "foo" && id.name.starts_with("httpbin")).unwrap();
    let details: Vec<_> = lab.dataplane().access_log(server).into_iter().filter_map(|entry| entry.details).collect();
    assert!(
        details.contains(&"rbac_access_denied_matched_policy[ns[foo]-policy[deny]-rule[0]]".to_owned()),
        "{details:?}"
    );
}

#[tokio::test]
async fn tokens_are_looked_at_where_somebody_asks() {
    let (lab, cluster) = lab().await;
    let garbage = ["-H", "Authorization: Bearer not-a-jwt"];
    assert_eq!(answers(&cluster, &garbage).await, ["200", "200", "200"]);
    let rule = "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: jwt, namespace: istio-system}\n\
                spec: {selector: {matchLabels: {app: httpbin}}, jwtRules: [{issuer: a@example.com, jwks: '{\"keys\": []}'}]}\n";
    apply(&lab, &cluster, rule).await;
    assert_eq!(answers(&cluster, &[]).await, ["200", "200", "200"], "a missing token is none that is wrong");
    assert_eq!(answers(&cluster, &garbage).await, ["401", "401", "401"]);
}
