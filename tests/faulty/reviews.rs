//! A server whose authorizer cannot list the rules that hold, as with a webhook: each right is asked about by itself.

use serde_json::json;

use super::Faulty;
use super::front::Fate;

const RULES: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
const ACCESS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

fn review(kind: &str, status: &serde_json::Value) -> Fate {
    let answer = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": {}, "status": status });
    Fate::Answer(201, "content-type: application/json\r\n", answer.to_string())
}

async fn server(allowed: bool) -> Faulty {
    Faulty::server(move |line, _| {
        let path = line.split(' ').nth(1).unwrap();
        if path.starts_with(RULES) {
            let nothing = json!({ "resourceRules": [], "nonResourceRules": [], "incomplete": true });
            review("SelfSubjectRulesReview", &nothing)
        } else if path.starts_with(ACCESS) {
            review("SelfSubjectAccessReview", &json!({ "allowed": allowed }))
        } else {
            Fate::Pass
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_done_is_named_with_its_verb_and_not_tried() {
    let server = server(false).await;
    let ended = server.check(&[]).await;
    let unseen = ended.unseen();
    for namespace in ["bar", "foo", "legacy"] {
        let tried = format!("run curl in 1 test client of namespace {namespace}");
        let look = unseen.iter().find(|(said, _)| *said == tried);
        let why = look.unwrap_or_else(|| panic!("{tried}: {unseen:?}")).1;
        assert!(why.contains("get pods/exec"), "{why}");
    }
    assert_eq!(server.front.asked(RULES).len(), 3, "once for each namespace");
    // get and create of pods/exec and of pods/portforward.
    assert_eq!(server.front.asked(ACCESS).len(), 3 * 4);
    for pods in server.front.asked("/api/v1/namespaces/") {
        assert!(!pods.contains("/exec?") && !pods.contains("/portforward?"), "{pods}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_done_is_done() {
    let server = server(true).await;
    let ended = server.check(&[]).await;
    assert_eq!(ended.unseen(), []);
    let pairs = ended.report["pairs"].as_array().unwrap();
    assert_eq!(pairs.iter().filter(|pair| pair["observed"].get("http").is_some()).count(), 9);
}
