//! Proxies that depart from policy, found at the end where they do, and dumps in place of proxies.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

mod again;
mod bundle;

/// The report of a command line on the policies of the README: STRICT for `httpbin.foo` and `httpbin.bar`, and a rule that
/// says DISABLE towards `httpbin.bar`.
fn report(args: &[&str]) -> (Value, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
        .args(["check", "-o", "json", "-f", "tests/cli/policies.yaml"])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}")), output.status.code().unwrap())
}

fn drifting(drift: &str) -> Value {
    report(&["--standalone", "--drift", drift]).0
}

/// Address and pair of every gap.
fn gaps(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |pair: &Value| -> Vec<_> {
        pair["gaps"].as_array().unwrap().iter().map(|gap| (text(&gap["at"]), text(&pair["id"]))).collect()
    };
    report["pairs"].as_array().unwrap().iter().flat_map(of).collect()
}

fn pair<'r>(report: &'r Value, id: &str) -> &'r Value {
    report["pairs"].as_array().unwrap().iter().find(|pair| pair["id"] == id).unwrap()
}

fn at(address: &str, pairs: &[&str]) -> Vec<(String, String)> {
    pairs.iter().map(|pair| (address.to_owned(), (*pair).to_owned())).collect()
}

#[test]
fn without_drift_the_three_witnesses_agree() {
    let (report, exit) = report(&["--standalone"]);
    assert_eq!((gaps(&report), exit), (Vec::new(), 1));
    let by = |id: &str| pair(&report, id)["confirmedBy"].clone();
    let all = serde_json::json!(["intent", "programmed", "observed"]);
    for id in ["bar/sleep->bar/httpbin:8000", "foo/sleep->foo/httpbin:8000", "legacy/sleep->foo/httpbin:8000"] {
        assert_eq!(by(id), all, "{id}");
    }
}

#[test]
fn tls_that_an_application_does_not_take_is_no_gap() {
    let rule = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    let host = "httpbin.legacy.svc.cluster.local";
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: httpbin, namespace: legacy}}\n\
         spec: {{host: {host}, trafficPolicy: {{tls: {{mode: SIMPLE}}}}}}\n"
    );
    std::fs::write(rule.path(), text).unwrap();
    let (report, _) = report(&["--standalone", "-f", rule.path().to_str().unwrap()]);
    let pair = pair(&report, "foo/sleep->legacy/httpbin:8000");
    let wire = |witness: &str| pair[witness]["wire"].as_str().unwrap();
    // No proxy ends it and the mesh does not decide: 503, on a cluster as here.
    assert_eq!((wire("intent"), wire("programmed"), wire("observed")), ("tls", "tls", "refused"));
    assert_eq!((&pair["observed"]["http"], &pair["verdict"]), (&Value::from("503"), &Value::from("refused")));
    assert_eq!(gaps(&report), []);
}

#[test]
fn beyond_the_most_proxies_none_is_asked_and_each_pair_says_so() {
    let (report, exit) = report(&["--standalone", "--max-proxies", "1"]);
    assert_eq!((gaps(&report), exit), (Vec::new(), 1));
    for client in ["foo", "bar"] {
        for server in ["foo", "bar"] {
            let pair = pair(&report, &format!("{client}/sleep->{server}/httpbin:8000"));
            // Two proxies are needed, and one was asked.
            assert_eq!(pair["programmed"]["unseen"], "budget", "{}", pair["id"]);
            assert_eq!(pair["confirmedBy"], serde_json::json!(["intent", "observed"]), "{}", pair["id"]);
        }
    }
    let args = ["explain", "httpbin.bar", "--standalone", "--from", "sleep.foo", "--max-proxies", "1"];
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls")).args(args).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let silent = "unseen: budget (beyond the number of proxies: --max-proxies asks more of them)\n";
    assert!(told.contains(silent), "{told}");
}

#[test]
fn a_client_that_was_not_given_the_rule_is_a_gap_at_the_client() {
    let report = drifting("client=sleep.foo");
    assert_eq!(gaps(&report), at("client", &["foo/sleep->bar/httpbin:8000"]));
    let pair = pair(&report, "foo/sleep->bar/httpbin:8000");
    assert_eq!((pair["verdict"].as_str(), &pair["intent"]["wire"]), (Some("mutual-tls"), &Value::from("refused")));
    assert_eq!(pair["programmed"]["originates"]["kind"], "mutual-tls");
}

#[test]
fn a_server_that_was_not_given_the_policy_is_a_gap_at_the_server() {
    let report = drifting("server=httpbin.foo");
    let called = ["bar/sleep->foo/httpbin:8000", "foo/sleep->foo/httpbin:8000", "legacy/sleep->foo/httpbin:8000"];
    assert_eq!(gaps(&report), at("server", &called));
    let pair = pair(&report, called[2]);
    assert_eq!(pair["verdict"], "plaintext");
    assert_eq!(pair["endpoints"][0]["programmed"]["accepts"]["mode"], "PERMISSIVE");
}

#[test]
fn a_proxy_that_is_passed_by_is_a_gap_on_the_wire() {
    let report = drifting("bypass=httpbin.foo");
    let called = ["bar/sleep->foo/httpbin:8000", "foo/sleep->foo/httpbin:8000", "legacy/sleep->foo/httpbin:8000"];
    assert_eq!(gaps(&report), at("wire", &called));
    assert_eq!(pair(&report, called[2])["verdict"], "plaintext");
}

#[test]
fn a_refused_update_is_told_in_envoys_words() {
    let report = drifting("rejected=httpbin.foo");
    let found = gaps(&report);
    assert!(!found.is_empty() && found.iter().all(|(at, _)| at == "server"), "{found:?}");
    assert!(report.to_string().contains("has the same matching rules defined as"), "{report}");
}

/// The recorded dump of the same client, in place of its proxy: the rule is not in it.
#[test]
fn a_dump_stands_for_the_proxies_of_a_workload() {
    let mesh = "tests/lab_drift/mesh.yaml";
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(mesh).exists());
    let dump = "curl.bar=tests/lab_admin/client.config_dump.json";
    let (report, _) = report(&["-f", mesh, "--from-dump", dump, "--from", "curl.bar", "httpbin.foo"]);
    let told = &pair(&report, "bar/curl->foo/httpbin:8000")["programmed"]["originates"];
    assert_eq!(told["kind"], "mutual-tls", "{report}");
}

#[test]
fn a_dump_of_nobody_is_a_failed_look_and_a_missing_one_is_three() {
    let here = "nobody.foo=tests/lab_admin/client.config_dump.json";
    let (told, exit) = report(&["--from-dump", here]);
    assert_eq!((told["unseen"][0]["why"].as_str(), exit), (Some("there is no such workload"), 4));
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
        .args(["check", "-f", "tests/cli/policies.yaml", "--from-dump", "sleep.foo=no-such-file.json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.starts_with("error: cannot read `no-such-file.json`: "), "{told}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_refusal_names_the_causes_that_the_proxies_leave_and_the_flag_that_envoy_gave_it() {
    let observed = |report: &Value, id: &str| pair(report, id)["observed"].clone();
    let (known, _) = report(&["--standalone"]);
    let conflict = observed(&known, "foo/sleep->bar/httpbin:8000");
    assert_eq!(conflict["causes"], serde_json::json!(["plaintext-to-mutual-tls"]));
    assert_eq!(conflict["flags"], serde_json::json!(["UC"]));
    let bare = observed(&known, "legacy/sleep->foo/httpbin:8000");
    assert_eq!((&bare["causes"], &bare["flags"]), (&serde_json::json!(["plaintext-to-mutual-tls"]), &Value::Null));
    let well = observed(&known, "foo/sleep->foo/httpbin:8000");
    assert_eq!(well["causes"], serde_json::json!(["application-answered"]));

    // A reset alone is ambiguous, whatever policy says.
    let (alone, _) = report(&["--standalone", "--no-proxy"]);
    let causes = observed(&alone, "foo/sleep->bar/httpbin:8000")["causes"].clone();
    let causes: Vec<&str> = causes.as_array().unwrap().iter().map(|cause| cause.as_str().unwrap()).collect();
    assert!(causes.len() > 2 && causes.contains(&"application-closed"), "{causes:?}");
}

#[test]
fn an_explanation_says_what_the_wire_means_and_what_it_is_not() {
    let said = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
            .args([
                "explain",
                "httpbin.bar:8000",
                "--standalone",
                "-f",
                "tests/cli/policies.yaml",
                "--from",
                "sleep.foo",
            ])
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let text = said(&[]);
    assert!(text.contains("CONFLICT, 503 UC. TLS policy; the application is never reached.\n"), "{text}");
    assert!(text.contains("\n           cause: plaintext where only mutual TLS is accepted\n"), "{text}");
    assert!(text.contains("application (every cause that is left lies before it)"), "{text}");
    let text = said(&["--no-proxy"]);
    assert!(text.contains("\n           cause, one of: the application closed the connection; "), "{text}");
    assert!(!text.contains("application (every"), "{text}");
}

#[test]
fn a_drift_that_no_proxy_can_follow_is_refused_with_a_name_that_comes_near() {
    let refused = |command: &[&str], drift: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
            .args(command)
            .args(["--drift", drift])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{drift}");
        String::from_utf8(output.stderr).unwrap()
    };
    let check = ["check", "--standalone"];
    assert_eq!(
        refused(&check, "server=httpbi.bar"),
        "error: --drift server=httpbi.bar: there is no workload `httpbi.bar`\nhint: did you mean `httpbin.bar`?\n"
    );
    let bare = refused(&check, "bypass=httpbin.legacy");
    assert!(bare.contains("httpbin.legacy has no sidecar that could depart from policy\nhint: "), "{bare}");
    let held = refused(&["lab", "--seconds", "1"], "client=nobody.nowhere");
    let all = "hint: workloads with a sidecar: httpbin.bar, httpbin.foo, sleep.bar, sleep.foo\n";
    assert!(held.ends_with(&format!("there is no workload `nobody.nowhere`\n{all}")), "{held}");
}

#[test]
fn a_whole_dump_says_the_same_as_the_parts() {
    let told = |args: &[&str]| {
        let (report, _) = report(&[&["--standalone", "--drift", "client=sleep.foo"][..], args].concat());
        let of = |pair: &Value| {
            let programmed = &pair["programmed"];
            let originates =
                ["kind", "mode", "decidedBy", "route", "tls"].map(|field| programmed["originates"][field].clone());
            let servers: Vec<Value> = pair["endpoints"]
                .as_array()
                .unwrap()
                .iter()
                .map(|end| end["programmed"]["accepts"]["mode"].clone())
                .collect();
            (pair["id"].clone(), programmed["wire"].clone(), programmed["why"].clone(), originates, servers)
        };
        (report["pairs"].as_array().unwrap().iter().map(of).collect::<Vec<_>>(), gaps(&report))
    };
    let parts = told(&[]);
    assert_eq!((parts.0.len(), parts.1.len()), (9, 1));
    assert_eq!(parts, told(&["--full-dump"]));
}
