//! What the reference mesh must reach, measured on the binary as a whole process and printed; fails where a limit is missed.
//!
//! `cargo bench --bench limits`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement prints, and one that cannot be made has failed"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_kubectl-mtls");
const RUNS: usize = 9;

fn main() -> ExitCode {
    let rows = [
        row("check --standalone, start to table (median, ms)", median(&["check", "--standalone"]), 1000.0),
        row("nine pairs, three witnesses, policies on both ends (median, ms)", three_witnesses(), 1500.0),
        row("--help (median, ms)", median(&["--help"]), 10.0),
        row("reference mesh held open, resident (MiB)", resident(), 60.0),
        row("execs for nine pairs", execs(), 3.0),
    ];
    if rows.iter().all(|kept| *kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn row(what: &str, measured: f64, limit: f64) -> bool {
    let kept = measured <= limit;
    println!("{what:<52} {measured:>8.1}   limit {limit:>6.0}   {}", if kept { "kept" } else { "MISSED" });
    kept
}

fn median(args: &[&str]) -> f64 {
    median_of(args, 0)
}

/// The check of the README's picture, which finds a conflict: policies applied, both ends' proxies asked, requests sent.
fn three_witnesses() -> f64 {
    let policies = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/policies.yaml");
    median_of(&["check", "--standalone", "-f", policies], 1)
}

fn median_of(args: &[&str], exit: i32) -> f64 {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            let status = Command::new(BINARY).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
            assert_eq!(status.expect("the binary runs").code(), Some(exit), "{args:?}");
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2].as_secs_f64() * 1000.0
}

/// Resident memory of a lab that has just answered nine pairs to a check by kubeconfig.
fn resident() -> f64 {
    let directory = std::env::temp_dir().join(format!("kubectl-mtls-limits-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    let kubeconfig = directory.join("config");
    let mut lab = Command::new(BINARY)
        .args(["lab", "--seconds", "60", "--write-kubeconfig"])
        .arg(&kubeconfig)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the lab starts");
    let said = BufReader::new(lab.stderr.take().expect("its standard error")).lines();
    let ready = said.map_while(Result::ok).any(|line| line.contains("interrupt to end it"));
    assert!(ready, "the lab says that it runs");
    let check = Command::new(BINARY)
        .args(["check", "-A", "--from", "app=sleep", "--kubeconfig"])
        .arg(&kubeconfig)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(check.expect("check runs").success(), "the lab answers a check");
    let status = std::fs::read_to_string(format!("/proc/{}/status", lab.id())).expect("a Linux /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    let kilobytes: f64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    lab.kill().and_then(|()| lab.wait()).expect("the lab ends");
    std::fs::remove_dir_all(&directory).expect("the temporary directory goes");
    kilobytes / 1024.0
}

fn execs() -> f64 {
    let output = Command::new(BINARY).args(["check", "--standalone"]).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let words: Vec<&str> = said.split_whitespace().collect();
    let count = words.windows(2).find(|pair| pair[1].starts_with("exec")).map(|pair| pair[0].parse());
    count.expect("the first line counts execs").expect("a number")
}
