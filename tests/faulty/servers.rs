//! Servers that refuse, that lost a node, that are old, dated otherwise or very large.

use std::time::Duration;

use serde_json::{Value, json};

use super::Faulty;
use super::front::Fate;

const QUIET: [&str; 2] = ["--no-probe", "--no-proxy"];
const JSON: &str = "content-type: application/json\r\n";

fn status(code: u16, reason: &str, message: &str) -> Fate {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code });
    Fate::Answer(code, JSON, status.to_string())
}

/// At once, or when the token ends between two requests: nothing that is shown then would be whole.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_not_accepted_end_it() {
    for of in ["", "/api/v1/pods?"] {
        let server =
            Faulty::server(
                move |line, _| if line.contains(of) { status(401, "Unauthorized", "Unauthorized") } else { Fate::Pass },
            )
            .await;
        let ended = server.run(&["check", "-A", "-o", "json"]).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (3, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains("the server does not accept these credentials"), "{}", ended.stderr);
        assert!(ended.stderr.contains("hint: log in again, or name another --context"), "{}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_somebody_else_adds_meanwhile_is_a_conflict_that_is_named() {
    let message = "Operation cannot be fulfilled on pods \"httpbin\": the object has been modified; please apply your \
                   changes to the latest version and try again";
    let server = Faulty::server(
        move |line, _| if line.starts_with("PATCH ") { status(409, "Conflict", message) } else { Fate::Pass },
    )
    .await;
    let debug = ["httpbin.bar:8000", "--from", "httpbin.foo", "--debug-image", "curlimages/curl:8.9.1"];
    let ended = server.run(&[&["check", "-o", "json", "--fail-on", "never"], &debug[..]].concat()).await;
    assert_eq!(ended.status, 4, "{}", ended.stderr);
    let look = &ended.json()["unseen"][0];
    assert!(look["tried"].as_str().unwrap().starts_with("add container kubectl-mtls-1 of image"), "{look}");
    assert_eq!(look["why"], format!("the server answered 409: {message}"));
}

/// Kubernetes: `staging/src/k8s.io/apimachinery/pkg/util/proxy/dial.go`; the API server answers 500.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_costs_its_own_pods_alone() {
    let why = "error dialing backend: dial tcp 10.0.0.7:10250: connect: no route to host";
    let of_bar = |line: &str| line.contains("/namespaces/bar/pods/") && line.contains('?');
    let server = Faulty::server(move |line, _| if of_bar(line) { status(500, "", why) } else { Fate::Pass }).await;
    let ended = server.check(&[]).await;
    // What the policies of this world make of it counts more than looks that failed.
    assert_eq!(ended.status, 1, "{}", ended.stderr);
    let unseen = ended.unseen();
    assert!(unseen.len() >= 3, "{unseen:?}");
    for (tried, because) in unseen {
        assert!(tried.contains(" bar/"), "{tried}");
        assert!(because.contains(why), "{tried}: {because}");
    }
    let seen = ended.report["pairs"].as_array().unwrap().iter().filter(|pair| pair["observed"].get("http").is_some());
    assert_eq!(seen.filter(|pair| pair["client"]["namespace"] == "bar").count(), 0);
    let foo = ended.report["pairs"].as_array().unwrap().iter().find(|pair| pair["id"] == "foo/sleep->foo/httpbin:8000");
    assert_eq!(foo.unwrap()["confirmedBy"], json!(["intent", "programmed", "observed"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exec_whose_answer_never_comes_ends_with_the_request_s_bound() {
    let of = |line: &str| line.contains("/namespaces/legacy/pods/sleep-") && line.contains("/exec?");
    let server = Faulty::server(move |line, _| if of(line) { Fate::Silence } else { Fate::Pass }).await;
    let ended = server.check(&["--no-proxy", "--request-timeout", "3s"]).await;
    let unseen = ended.unseen();
    assert_eq!(unseen.len(), 1, "{unseen:?}");
    assert!(unseen[0].0.starts_with("exec in legacy/sleep-") && unseen[0].1 == "no answer within 3s", "{unseen:?}");
    assert!(ended.took < Duration::from_secs(30), "{:?}", ended.took);
}

/// Istio before 1.22 has no v1: what the server prefers is asked for, and judged alike.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_v1beta1_alone_is_read_in_that() {
    let expected = Faulty::server(|_, _| Fate::Pass).await.check(&QUIET).await;
    let server = Faulty::server(|line, _| {
        let path = line.split(' ').nth(1).unwrap_or_default();
        let Some((group, rest)) = path.strip_prefix("/apis/").and_then(|path| path.split_once(".istio.io")) else {
            return Fate::Pass;
        };
        let version = json!({ "groupVersion": format!("{group}.istio.io/v1beta1"), "version": "v1beta1" });
        match rest {
            "" => Fate::Answer(
                200,
                JSON,
                json!({ "kind": "APIGroup", "apiVersion": "v1", "name": format!("{group}.istio.io"),
                "versions": [version.clone()], "preferredVersion": version })
                .to_string(),
            ),
            rest if rest.starts_with("/v1/") => {
                status(404, "NotFound", "the server could not find the requested resource")
            }
            _ => Fate::Pass,
        }
    })
    .await;
    let ended = server.check(&QUIET).await;
    assert_eq!(ended.unseen(), []);
    assert_eq!((ended.status, ended.verdicts()), (expected.status, expected.verdicts()));
    assert!(!server.front.asked("/apis/security.istio.io/v1beta1/peerauthentications").is_empty());
}

/// An API server behind this one that does not answer makes the whole of discovery fail: nothing here needs the whole.
#[tokio::test(flavor = "multi_thread")]
async fn an_aggregated_api_that_is_down_is_nobody_s_concern() {
    let discovery =
        |line: &str| ["GET /apis ", "GET /apis?", "GET /api ", "GET /api?"].iter().any(|it| line.starts_with(it));
    let server = Faulty::server(move |line, _| {
        if discovery(line) || line.contains("metrics.k8s.io") {
            Fate::Answer(503, "", "service unavailable\n".to_owned())
        } else {
            Fate::Pass
        }
    })
    .await;
    let ended = server.check(&[]).await;
    assert_eq!(ended.unseen(), []);
    assert_eq!(ended.verdicts().len(), 30);
}

/// Ages and the validity of certificates are the cluster's: whoever looks may have another time.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_s_clock_counts() {
    let dated = |line: &str, off: i64| {
        // What is sent with a body is handed on as it is.
        if !line.starts_with("GET ") {
            return Fate::Pass;
        }
        let at = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(off)).unwrap();
        Fate::Dated(jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap())
    };
    let explain = ["explain", "httpbin.foo:8000", "--from", "sleep.legacy", "--no-probe"];
    // Half a minute more, so that what starting takes does not show.
    for (off, note, age) in [
        (3 * 3600 + 30, "note: the server's clock is 3h ahead of this machine's", "changed 3h ago"),
        (-1170, "note: the server's clock is 19m behind this machine's", "changed 0s ago"),
    ] {
        let server = Faulty::server(move |line, _| dated(line, off)).await;
        let ended = server.run(&explain).await;
        assert!(ended.stderr.contains(note), "{}", ended.stderr);
        assert!(ended.stdout.contains(age), "{}", ended.stdout);
    }
    // Certificates of the lab end after a day.
    let server = Faulty::server(move |line, _| dated(line, 30 * 86_400)).await;
    let ended = server.run(&explain).await;
    assert!(ended.stdout.contains("expired") || ended.stdout.contains("out of date"), "{}", ended.stdout);
    let ended = Faulty::server(|_, _| Fate::Pass).await.run(&explain).await;
    assert!(!ended.stderr.contains("clock"), "{}", ended.stderr);
}

const PODS: usize = 20_000;

/// A page of a thousand pods of twenty workloads.
fn page(number: usize) -> Value {
    let pod = |index: usize| {
        let (workload, index) = (index % 20, number * 1000 + index);
        json!({
            "metadata": { "name": format!("sleep-{workload}-7c9f-{index}"), "namespace": "legacy",
                "labels": { "app": "sleep", "pod-template-hash": "7c9f" },
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("sleep-{workload}-7c9f"),
                    "uid": format!("{workload}"), "controller": true }] },
            "spec": { "containers": [{ "name": "sleep", "image": "curlimages/curl" }] },
            "status": { "phase": "Running", "podIP": format!("10.{}.{}.{}", 100 + index / 65_536, index / 256 % 256, index % 256),
                "conditions": [{ "type": "Ready", "status": "True" }] },
        })
    };
    let next = number + 1;
    let token = if next * 1000 < PODS { json!(next.to_string()) } else { json!("") };
    json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "1", "continue": token },
        "items": (0..1000).map(pod).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_pods_are_read_in_pages() {
    let server = Faulty::server(|line, _| {
        if !line.starts_with("GET /api/v1/pods?") {
            return Fate::Pass;
        }
        let token = line.split("continue=").nth(1).and_then(|rest| rest.split([' ', '&']).next()).unwrap_or("0");
        Fate::Answer(200, JSON, page(token.parse().unwrap()).to_string())
    })
    .await;
    let ended = server.check(&[&["httpbin.legacy:8000"], &QUIET[..]].concat()).await;
    assert_eq!(server.front.asked("/api/v1/pods").len(), 20);
    assert_eq!((ended.unseen(), ended.verdicts().len()), (Vec::new(), 20), "{}", ended.stderr);
    assert!(ended.took < Duration::from_mins(1), "{:?}", ended.took);
}

/// No watch is ever opened, so that none can break off: `--wait` asks the proxies, not the API server.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_watched() {
    let server = Faulty::server(|_, _| Fate::Pass).await;
    for args in [&[][..], &["--wait=20s"]] {
        server.check(args).await;
    }
    let asked = server.front.asked("/");
    assert!(asked.len() > 20 && !asked.iter().any(|line| line.contains("watch")), "{asked:?}");
}
