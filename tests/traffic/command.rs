//! `--traffic` as people meet it.

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_quiet_mesh_shows_that_nothing_grew_and_a_bundle_repeats_it_to_the_byte() {
    let home = tempfile::tempdir().unwrap();
    let bundle = home.path().join("saved");
    let bundle = bundle.to_str().unwrap();
    let json = ["check", "httpbin.bar", "--from", "sleep.foo", "-o", "json"];
    let live = run(&[&json[..], &["--standalone", "--traffic", "1s", "--save", bundle]].concat());
    let report: serde_json::Value = serde_json::from_slice(&live.stdout).unwrap();
    let watched = report["traffic"].as_array().unwrap();
    assert_eq!(watched.len(), 1, "{watched:?}");
    assert_eq!((&watched[0]["namespace"], &watched[0]["seconds"]), (&"bar".into(), &1.into()));
    // The requests of the check itself are over before the counters are read.
    let none = serde_json::json!({ "connections": 0, "handshakes": 0, "failedHandshakes": 0, "unmatched": 0,
                                   "noCertificate": 0, "certificateRejected": 0 });
    assert_eq!(watched[0]["listener"], none);
    assert_eq!(watched[0]["ports"], serde_json::json!([{ "port": 80, "connections": 0, "tls": 0, "requests": 0 }]));
    let kept = run(&[&json[..], &["--bundle", bundle]].concat());
    assert_eq!(text(&live.stdout), text(&kept.stdout));

    let pod = watched[0]["pod"].as_str().unwrap();
    let said = format!("bar/{pod} in 1 s: 0 connections with TLS that the proxy ended, 0 passed on as they came\n");
    let table = text(&run(&["check", "httpbin.bar", "--from", "sleep.foo", "--bundle", bundle]).stdout);
    assert!(table.contains(&format!("Traffic\n  {said}")), "{table}");
    let explained = text(&run(&["explain", "httpbin.bar", "--from", "sleep.foo", "--bundle", bundle]).stdout);
    assert!(explained.contains(&format!("\n  traffic  {said}")), "{explained}");
}

#[test]
fn only_what_runs_can_be_watched_and_for_a_time_that_makes_sense() {
    for (args, told) in [
        (&["--traffic", "30s", "-f", "tests/cli/policies.yaml"][..], "--traffic watches a mesh that runs"),
        (&["--traffic", "0s", "--standalone"][..], "write seconds or minutes, up to an hour: 30s, 2m"),
        (&["--traffic", "soon", "--standalone"][..], "write seconds or minutes, up to an hour: 30s, 2m"),
        (&["--traffic", "5s", "--no-proxy", "--standalone"][..], "cannot be used with"),
    ] {
        for command in [&["check"][..], &["explain", "httpbin.bar"][..]] {
            let output = run(&[command, args].concat());
            assert!(text(&output.stderr).contains(told), "{args:?}: {}", text(&output.stderr));
            assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        }
    }
}
