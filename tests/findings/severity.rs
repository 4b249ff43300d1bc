//! `--severity CODE=SEVERITY`: the same for the exit status, the table and every other format.

use std::process::{Command, Output};

use crate::findings::world::{BASE, dr};

/// `check` of a mesh with one downgrade, a warning.
fn check(args: &[&str]) -> Output {
    let rule = dr("foo", "rule", "{host: httpbin, trafficPolicy: {tls: {mode: DISABLE}}}");
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mesh.yaml"), format!("{BASE}{rule}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
    command.args(["check", "-f", "mesh.yaml"]).args(args).current_dir(directory.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_raised_severity_fails_the_check_in_every_format() {
    for format in ["table", "wide", "json", "yaml", "name", "jsonpath={.kind}"] {
        assert_eq!(check(&["-o", format]).status.code(), Some(0), "{format}");
        assert_eq!(check(&["-o", format, "--severity", "MTLS102=error"]).status.code(), Some(1), "{format}");
    }
    let table = text(&check(&["--severity", "downgrade=error"]).stdout);
    assert!(table.contains("MTLS102 error  dr/rule.foo makes it plaintext"), "{table}");
}

#[test]
fn a_code_that_is_off_is_not_told_and_does_not_count() {
    let fails = ["--fail-on", "warning"];
    assert_eq!(check(&fails).status.code(), Some(1));
    let off = check(&[&fails[..], &["--severity", "mtls102=off", "-o", "json"]].concat());
    assert_eq!(off.status.code(), Some(0));
    assert!(!text(&off.stdout).contains("MTLS102"), "not as a finding, not at a pair");
    assert!(text(&off.stdout).contains("MTLS105"), "the others stay");
}

#[test]
fn of_several_for_one_code_the_last_counts() {
    let repeated = check(&["--severity", "MTLS102=error", "--severity", "MTLS102=info"]);
    assert_eq!(repeated.status.code(), Some(0));
    let list = check(&["--severity", "MTLS105=off,MTLS102=error"]);
    assert_eq!(list.status.code(), Some(1));
    assert!(!text(&list.stdout).contains("MTLS105"));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    for (typed, pieces) in [
        ("MTLS102", ["has no `=`", "MTLS105=warning"]),
        ("MTLS102=fatal", ["`fatal` is no severity", "off, info, warning, error"]),
        ("MTLS999=off", ["`MTLS999` is no finding", "MTLS101, MTLS102"]),
        ("downgrad=off", ["`downgrad` is no finding", "did you mean MTLS102 (downgrade)?"]),
    ] {
        let output = check(&["--severity", typed]);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{typed}");
        let told = text(&output.stderr);
        let plain = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(pieces.iter().all(|piece| plain.contains(piece)), "{typed}: {told}");
    }
}

#[test]
fn codes_and_severities_are_completed() {
    let complete = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls")).arg("__complete").args(words).output().unwrap();
        text(&output.stdout)
    };
    assert!(complete(&["check", "--severity", "mtls10"]).contains("MTLS102=\tdowngrade\n"));
    assert_eq!(complete(&["check", "--severity", "MTLS102=w"]), "MTLS102=warning\n:4\n");
    assert!(complete(&["explain", "MTLS21"]).contains("MTLS211\ttls-without-mode\n"));
}
