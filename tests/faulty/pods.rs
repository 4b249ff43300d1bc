//! Pods that go away between the list and the look, and execs that break.

use serde_json::json;

use super::Faulty;
use super::front::Fate;

fn not_found(line: &str) -> Fate {
    let pod = line.split("/pods/").nth(1).unwrap().split('/').next().unwrap();
    let message = format!("pods \"{pod}\" not found");
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": "NotFound", "code": 404 });
    Fate::Answer(404, "content-type: application/json\r\n", status.to_string())
}

fn into(line: &str, part: &str, pod: &str) -> bool {
    line.contains(&format!("/pods/{pod}-")) && line.contains(&format!("/{part}?"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_gone_is_named_and_the_others_answer() {
    let gone = |line: &str| line.contains("/namespaces/foo/") && into(line, "exec", "sleep");
    let server = Faulty::server(move |line, _| if gone(line) { not_found(line) } else { Fate::Pass }).await;
    let ended = server.check(&["--no-proxy"]).await;
    let unseen = ended.unseen();
    assert_eq!(unseen.len(), 1, "{unseen:?}");
    let (tried, why) = unseen[0];
    assert!(tried.starts_with("exec in foo/sleep-") && why.starts_with("pods \"sleep-") && why.ends_with("not found"));
    let seen = ended.report["pairs"].as_array().unwrap().iter().filter(|pair| pair["observed"].get("http").is_some());
    let clients: std::collections::BTreeSet<_> =
        seen.map(|pair| pair["client"]["namespace"].as_str().unwrap()).collect();
    assert_eq!(clients.into_iter().collect::<Vec<_>>(), ["bar", "legacy"]);
    // What is at or above the bar counts more than a look that failed.
    assert_eq!(ended.status, 1, "{}", ended.stderr);
    let clean = server.check(&["--no-proxy", "--fail-on", "never"]).await;
    assert_eq!(clean.status, 4, "{}", clean.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_gone_is_named_and_the_others_are_asked() {
    let gone = |line: &str| line.contains("/namespaces/bar/") && into(line, "portforward", "httpbin");
    let server = Faulty::server(move |line, _| if gone(line) { not_found(line) } else { Fate::Pass }).await;
    let ended = server.check(&["--no-probe", "--all-pods"]).await;
    let unseen = ended.unseen();
    assert_eq!(unseen.len(), 1, "{unseen:?}");
    assert!(
        unseen[0].0.starts_with("ask the proxy of bar/httpbin-") && unseen[0].1.ends_with("not found"),
        "{unseen:?}"
    );
}

/// The connection ends in the middle of an exec, or its stream never does.
#[tokio::test(flavor = "multi_thread")]
async fn an_exec_that_breaks_off_ends_within_its_bound() {
    let cut = |line: &str| line.contains("/namespaces/legacy/") && into(line, "exec", "sleep");
    for bytes in [0, 3] {
        let server = Faulty::server(move |line, _| if cut(line) { Fate::Cut(bytes) } else { Fate::Pass }).await;
        let ended = server.check(&["--no-proxy", "--request-timeout", "5s"]).await;
        let unseen = ended.unseen();
        assert_eq!(unseen.len(), 1, "{bytes}: {unseen:?}");
        assert!(unseen[0].0.contains(" legacy/sleep-"), "{bytes}: {unseen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_too_busy_for_an_exec_is_asked_again() {
    let server = Faulty::server(|line, before| {
        if line.contains("/exec?") && before == 0 {
            Fate::Answer(429, "", "Too many requests".to_owned())
        } else {
            Fate::Pass
        }
    })
    .await;
    let ended = server.check(&["--no-proxy"]).await;
    assert_eq!(ended.unseen(), []);
    // One for each client, each asked for twice.
    assert_eq!(server.front.asked("/api/v1/namespaces/foo/pods/sleep-").len(), 2);
}
