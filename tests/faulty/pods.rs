//! Pods that go away between the list and the look, and execs that break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// The server goes on listing it.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_gone_is_waited_for_no_longer_than_the_limit() {
    let gone = |line: &str| line.contains("/namespaces/bar/") && into(line, "portforward", "httpbin");
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let fate = move |line: &str, _| {
        counted.fetch_add(usize::from(line.starts_with("GET /api/v1/pods?")), Ordering::Relaxed);
        if gone(line) { not_found(line) } else { Fate::Pass }
    };
    let server = Faulty::server(fate).await;
    let ended = server.check(&["--wait=5s"]).await;
    assert_eq!(ended.status, 4, "{}", ended.stderr);
    let lagging = &ended.report["arrival"]["lagging"];
    assert!(lagging[0]["what"].as_str().unwrap().ends_with("not found"), "{lagging}");
    assert!(ended.stderr.contains("pods that were asked are gone"), "{}", ended.stderr);
    // After 0, 0.25, 0.75, 1.75, 3.75 and 5 s, on a machine that has nothing else to do.
    let lists = lists.load(Ordering::Relaxed);
    assert!((2..=6).contains(&lists), "{lists} lists of pods");
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
