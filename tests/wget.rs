//! What wget says of a server, held against what curl said of the same one.

#![expect(clippy::unwrap_used, reason = "a recorded case that cannot be read is a failed test")]

use std::time::Duration;

use kubectl_mtls::model::evidence::{Program, Transfer, Unseen};
use kubectl_mtls::observed::probe::Patience;
use kubectl_mtls::observed::wget::{Ended, Wget};
use serde_json::{Value, json};

use crate::ended::mtls;

/// Recorded from curl 7.88.1, GNU Wget 1.21.3 and BusyBox 1.35.0; see tests/vectors/README.md.
const CASES: &str = include_str!("vectors/wget.jsonl");

fn cases() -> impl Iterator<Item = Value> {
    CASES.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn text<'v>(run: &'v Value, field: &str) -> &'v str {
    run[field].as_str().unwrap()
}

fn read(wget: Wget, run: &Value) -> Result<Transfer, Unseen> {
    let ended = run["exit"]
        .as_i64()
        .map_or(Ended::Late(Duration::from_secs(3)), |code| Ended::Exited(code.try_into().unwrap()));
    wget.answer(text(run, "stdout").as_bytes(), text(run, "stderr").as_bytes(), ended)
}

/// The status, the exit code, the last answer's headers and the body, as curl tells them.
fn by_curl(run: &Value) -> (String, u8, Vec<(String, String)>, String) {
    let (mut rest, http) = text(run, "stdout").rsplit_once('\n').unwrap();
    let mut headers = Vec::new();
    while let Some((head, body)) = rest.split_once("\r\n\r\n").filter(|_| rest.starts_with("HTTP/")) {
        let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers = lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        rest = body;
    }
    (http.to_owned(), run["exit"].as_u64().unwrap().try_into().unwrap(), headers, rest.to_owned())
}

/// What they cannot tell, each with its reason.
fn less(case: &str, wget: Wget, of_curl: &mut (String, u8, Vec<(String, String)>, String)) {
    match (case, wget) {
        // GNU's says nothing of why an answer is not whole.
        ("half an answer, then a reset" | "half an answer, then silence", Wget::Gnu) => of_curl.1 = 18,
        // GNU's leaves the body of a refused authentication out.
        ("a missing token", Wget::Gnu) => of_curl.3.clear(),
        _ => {}
    }
}

#[test]
fn it_is_told_as_curl_would_have_told_it() {
    let mut compared = 0;
    for case in cases().skip(1) {
        let name = text(&case, "case");
        for (field, wget) in [("gnu", Wget::Gnu), ("busybox", Wget::BusyBox { bounded: false })] {
            let mut due = by_curl(&case["curl"]);
            less(name, wget, &mut due);
            let is_error = due.0.starts_with(['3', '4', '5']);
            match read(wget, &case[field]) {
                Ok(transfer) => {
                    assert_eq!((transfer.http, transfer.exit, transfer.headers, transfer.body), due, "{name}, {field}");
                    assert_eq!(transfer.program, Program::Wget);
                    assert_eq!(
                        transfer.message.is_some(),
                        due.1 != 0 && (due.1, field) != (18, "gnu"),
                        "{name}, {field}"
                    );
                }
                Err(why) => {
                    assert!(is_error && field == "busybox", "{name}, {field}: {why:?}");
                    let said = format!("BusyBox's wget tells of an answer with status {} nothing but that", due.0);
                    assert!(why.detail().unwrap().starts_with(&said), "{why:?}");
                }
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 38);
}

#[test]
fn each_is_known_by_what_it_says_of_itself() {
    let which = cases().next().unwrap();
    let of = |run: &Value| Wget::of(text(run, "stdout").as_bytes(), text(run, "stderr").as_bytes());
    assert_eq!(of(&which["gnu"]), Some(Wget::Gnu));
    assert_eq!(of(&which["busybox"]), Some(Wget::BusyBox { bounded: false }), "Debian builds it without -T");
    let with_bound = format!("{}\n\t-T SEC\t\tNetwork read timeout is SEC seconds", text(&which["busybox"], "stderr"));
    assert_eq!(Wget::of(b"", with_bound.as_bytes()), Some(Wget::BusyBox { bounded: true }));
    for other in ["GNU Wget2 2.1.0 - multithreaded metalink/file/website downloader", "", "Toybox 0.8"] {
        assert_eq!(Wget::of(other.as_bytes(), b""), None, "{other}");
    }
    let too_old = text(&which["busybox"], "stderr").replace("\t-S\n", "");
    assert_eq!(Wget::of(b"", too_old.as_bytes()), None);
}

#[test]
fn a_bound_is_set_where_it_is_known() {
    let argv = |wget: Wget| wget.argv("http://httpbin.foo:8000/headers", Patience::default()).join(" ");
    assert!(argv(Wget::Gnu).contains(" --connect-timeout=3 --read-timeout=8 "), "{}", argv(Wget::Gnu));
    assert!(argv(Wget::BusyBox { bounded: true }).contains(" -T 8 "));
    assert!(!argv(Wget::BusyBox { bounded: false }).contains(" -T "));
    assert!(argv(Wget::Gnu).ends_with(" http://httpbin.foo:8000/headers"));
}

#[test]
fn words_that_are_not_known_prove_nothing() {
    let why = Wget::Gnu.answer(b"", b"wget: no such luck\n", Ended::Exited(3)).unwrap_err();
    assert_eq!(why.detail(), Some("wget exited with 3: wget: no such luck"));
    let why = Wget::BusyBox { bounded: true }.answer(b"", b"", Ended::Exited(139)).unwrap_err();
    assert_eq!(why.detail(), Some("wget exited with 139: it said nothing"));
}

/// BusyBox's words where it has `-T` (its `networking/wget.c`), which Debian's has not.
#[test]
fn a_download_that_timed_out_is_one() {
    let late = Wget::BusyBox { bounded: true }.answer(b"", b"wget: download timed out\n", Ended::Exited(1)).unwrap();
    assert_eq!((late.http.as_str(), late.exit), ("000", 28));
}

#[test]
fn a_pod_with_wget_alone_sends_its_requests_by_that() {
    let mesh = ["--standalone", "-f", "tests/cli/policies.yaml", "-f", "tests/cli/busybox.yaml"];
    let of = ["check", "httpbin.foo:8000", "httpbin.bar:8000", "--from", "sleep.foo", "--from", "sleep.legacy"];
    let ended = mtls(&[&of[..], &mesh, &["--probe", "-o", "json"]].concat());
    assert_eq!(ended.status, 1, "{}", ended.stderr);
    let report = ended.json();
    let seen = |id: &str| {
        let pairs = report["pairs"].as_array().unwrap();
        pairs.iter().find(|pair| pair["id"] == id).unwrap()["observed"].clone()
    };
    let mutual = seen("foo/sleep->foo/httpbin:8000");
    assert_eq!(
        (&mutual["program"], &mutual["wire"], &mutual["http"]),
        (&json!("wget"), &json!("mutual-tls"), &json!("200"))
    );
    assert_eq!(mutual["peer"]["uri"], "spiffe://cluster.local/ns/foo/sa/sleep");
    let refused = seen("legacy/sleep->foo/httpbin:8000");
    assert_eq!((&refused["wire"], &refused["http"], &refused["exit"]), (&json!("refused"), &json!("000"), &json!(56)));
    assert_eq!(refused["message"], "wget: error getting response: Connection reset by peer");
    // The client's proxy answers 503, which BusyBox does not tell from one of the application.
    let conflict = seen("foo/sleep->bar/httpbin:8000");
    assert_eq!(conflict["unseen"], "failed");
    assert!(conflict["detail"].as_str().unwrap().contains("status 503 nothing but that: who made it stays open"));
    for said in ["could not conclude from wget in foo/sleep-", "1 of 2 answers: BusyBox's wget", "--debug-image"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
}
