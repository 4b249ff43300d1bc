//! Lists: pages, tokens that expire, servers that are too busy, answers that break off.

use std::time::Duration;

use serde_json::json;

use super::Faulty;
use super::front::Fate;

const PODS: &str = "/api/v1/pods";
const QUIET: [&str; 2] = ["--no-probe", "--no-proxy"];

fn of_pods(line: &str) -> bool {
    line.starts_with("GET /api/v1/pods?")
}

/// The same request for three objects at most.
fn narrow(line: &str) -> Fate {
    Fate::As(line.replace("limit=1000", "limit=3"))
}

fn gone() -> Fate {
    // Kubernetes: `apiserver/pkg/storage/etcd3/errors.go`.
    let message = "The provided continue parameter is too old to display a consistent list result.";
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": "Expired", "code": 410 });
    Fate::Answer(410, "content-type: application/json\r\n", status.to_string())
}

/// What API priority and fairness writes: `apiserver/pkg/server/filters/maxinflight.go:tooManyRequests`.
fn busy(headers: &'static str) -> Fate {
    Fate::Answer(429, headers, "Too many requests, please try again later.\n".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_listed_once_and_in_pages() {
    let whole = Faulty::server(|_, _| Fate::Pass).await;
    let expected = whole.check(&QUIET).await;
    for path in [PODS, "/api/v1/services", "/apis/security.istio.io/v1/peerauthentications"] {
        assert_eq!(whole.front.asked(path), [format!("GET {path}?limit=1000")]);
    }
    let paged = Faulty::server(|line, _| if of_pods(line) { narrow(line) } else { Fate::Pass }).await;
    let ended = paged.check(&QUIET).await;
    // Seven pods: six of the tutorials' and istiod's.
    let first = format!("GET {PODS}?limit=1000");
    assert_eq!(paged.front.asked(PODS), [first.clone(), format!("{first}&"), format!("{first}&")]);
    assert_eq!((ended.verdicts(), ended.status), (expected.verdicts(), expected.status));
    assert_eq!(ended.unseen(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_token_expired_begins_anew() {
    let server = Faulty::server(|line, before| match (of_pods(line), before) {
        (true, 1) => gone(),
        (true, _) => narrow(line),
        (false, _) => Fate::Pass,
    })
    .await;
    let ended = server.check(&QUIET).await;
    let (first, next) = (format!("GET {PODS}?limit=1000"), format!("GET {PODS}?limit=1000&"));
    assert_eq!(server.front.asked(PODS), [&first, &next, &first, &next, &next].map(Clone::clone));
    assert_eq!((ended.unseen(), ended.verdicts().len()), (Vec::new(), 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_whose_tokens_always_expire_is_given_up_and_named() {
    let server = Faulty::server(|line, _| match (of_pods(line), line.contains("continue=")) {
        (true, true) => gone(),
        (true, false) => narrow(line),
        (false, _) => Fate::Pass,
    })
    .await;
    let ended = server.check(&QUIET).await;
    assert_eq!(server.front.asked(PODS).len(), 8, "four times two pages");
    let why = "The provided continue parameter is too old to display a consistent list result.";
    assert_eq!(ended.unseen(), [("list pods in all namespaces", why)]);
    assert_eq!(ended.status, 3, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_gets_the_time_that_it_asks_for() {
    let services = |line: &str| line.starts_with("GET /api/v1/services?");
    let server = Faulty::server(move |line, before| match (services(line), before) {
        (true, 0) => busy("retry-after: 2\r\n"),
        (true, 1) => busy(""),
        _ => Fate::Pass,
    })
    .await;
    let ended = server.check(&QUIET).await;
    assert_eq!(server.front.asked("/api/v1/services").len(), 3);
    assert_eq!((ended.unseen(), ended.verdicts().len()), (Vec::new(), 30));
    assert!(ended.took >= Duration::from_secs(3), "{:?}", ended.took);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_busy_is_left_alone_and_named() {
    let rules = "/apis/networking.istio.io/v1/destinationrules";
    for (headers, requests) in [("retry-after: 0\r\n", 6), ("retry-after: 3600\r\n", 1)] {
        let server = Faulty::server(move |line, _| if line.contains(rules) { busy(headers) } else { Fate::Pass }).await;
        let ended = server.check(&QUIET).await;
        assert_eq!(server.front.asked(rules).len(), requests, "{headers}");
        let why = "the server answered 429: Too many requests, please try again later.";
        assert_eq!(ended.unseen(), [("list destinationrules.networking.istio.io in all namespaces", why)]);
        assert_eq!(ended.status, 4, "{}", ended.stderr);
        assert!(ended.verdicts().iter().any(|verdict| verdict == "unknown"), "{:?}", ended.verdicts());
        assert!(ended.took < Duration::from_secs(20), "{:?}", ended.took);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_off_or_never_come_are_named() {
    let sidecars = "/apis/networking.istio.io/v1/sidecars";
    for (fate, why) in [
        ("cut", "the connection broke off in the middle of the answer"),
        ("reset", "connection"),
        ("silence", "no answer within 1s"),
        ("500", "the server answered 500: etcdserver: request timed out"),
        ("503", "the server answered 503: upstream connect error"),
    ] {
        let server = Faulty::server(move |line, _| match (line.contains(sidecars), fate) {
            (false, _) => Fate::Pass,
            (true, "cut") => Fate::Cut(20),
            (true, "reset") => Fate::Reset,
            (true, "silence") => Fate::Silence,
            (true, "500") => Fate::Answer(
                500,
                "content-type: application/json\r\n",
                json!({ "kind": "Status", "status": "Failure", "message": "etcdserver: request timed out", "code": 500 })
                    .to_string(),
            ),
            (true, _) => Fate::Answer(503, "", "upstream connect error".to_owned()),
        })
        .await;
        let ended = server.check(&["--no-probe", "--no-proxy", "--request-timeout", "1s"]).await;
        let unseen = ended.unseen();
        assert_eq!(unseen.len(), 1, "{fate}: {unseen:?}");
        assert_eq!(unseen[0].0, "list sidecars.networking.istio.io in all namespaces", "{fate}");
        assert!(unseen[0].1.starts_with(why), "{fate}: {}", unseen[0].1);
        assert_eq!((ended.status, ended.verdicts().len()), (4, 30), "{fate}: {}", ended.stderr);
    }
}
