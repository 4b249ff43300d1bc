//! The tutorials' loop of nine pairs and Istio's own commands beside the tool, on the test-bed of `tests/cluster`; fails where a limit is missed.
//!
//! `tests/cluster/run up && tests/cluster/run compare`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement prints, and one that cannot be made has failed"
)]

use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_kubectl-mtls");
const ROUNDS: usize = 7;
/// As the tutorials have it, a line a pair.
const LOOP: &str = r#"
for from in foo bar legacy; do for to in foo bar legacy; do
  kubectl exec "$(kubectl get pod -l app=sleep -n $from -o jsonpath={.items..metadata.name})" -c sleep -n $from -- \
    curl "http://httpbin.$to:8000/ip" -s -o /dev/null -w "sleep.$from to httpbin.$to: %{http_code}\n"
done; done
"#;
const PAIRS: [&str; 6] =
    ["check", "httpbin.foo:8000", "httpbin.bar:8000", "httpbin.legacy:8000", "--from", "app=sleep"];

fn main() -> ExitCode {
    let context = run(&["kubectl", "config", "current-context"]);
    if String::from_utf8_lossy(&context.stdout).trim() != "testbed" {
        println!("NOT RUN: this is not the test-bed: tests/cluster/run up, then tests/cluster/run compare");
        return if std::env::var_os("CI").is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let pod =
        run(&["kubectl", "get", "pods", "-n", "bar", "-l", "app=httpbin", "-o", "jsonpath={.items[0].metadata.name}"]);
    let pod = String::from_utf8_lossy(&pod.stdout).into_owned();
    let tool = |arguments: &[&'static str]| [&[BINARY], arguments].concat();
    let commands: Vec<Vec<&str>> = vec![
        vec!["bash", "-c", LOOP],
        [tool(&PAIRS), vec!["--no-proxy"]].concat(),
        tool(&PAIRS),
        vec!["istioctl", "x", "describe", "pod", &pod, "-n", "bar"],
        vec![
            "istioctl",
            "proxy-config",
            "clusters",
            "deploy/sleep",
            "-n",
            "foo",
            "--fqdn",
            "httpbin.bar.svc.cluster.local",
        ],
        tool(&["explain", "httpbin.bar:8000", "--from", "sleep.foo"]),
    ];
    let [by_hand, two, three, describe, clusters, explain] = medians(&commands)[..] else { return ExitCode::FAILURE };
    println!("medians of {ROUNDS} rounds, ms");
    for (what, took) in [
        ("nine pairs, the tutorials' loop", by_hand),
        ("nine pairs, kubectl mtls check --no-proxy (policy and wire)", two),
        ("nine pairs, kubectl mtls check (policy, proxies and wire)", three),
        ("istioctl x describe pod", describe),
        ("istioctl proxy-config clusters", clusters),
        ("kubectl mtls explain", explain),
    ] {
        println!("  {what:<60} {:>8.0}", took.as_secs_f64() * 1000.0);
    }
    let kept = [
        limit("the loop to check by policy and wire, at least", ratio(by_hand, two), 6.0, true),
        limit("the loop to check by all three, at least", ratio(by_hand, three), 3.0, true),
        limit("explain to istioctl x describe pod, at most", ratio(explain, describe), 2.0, false),
    ];
    if kept.iter().all(|kept| *kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn limit(what: &str, measured: f64, limit: f64, at_least: bool) -> bool {
    let kept = if at_least { measured >= limit } else { measured <= limit };
    println!("{what:<50} {measured:>6.1}   limit {limit:>4.1}   {}", if kept { "kept" } else { "MISSED" });
    kept
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

/// Of each command; round by round, so that a busy moment is everybody's.
fn medians(commands: &[Vec<&str>]) -> Vec<Duration> {
    let mut times = vec![Vec::new(); commands.len()];
    for _ in 0..ROUNDS {
        for (command, times) in commands.iter().zip(&mut times) {
            let began = Instant::now();
            run(command);
            times.push(began.elapsed());
        }
    }
    for times in &mut times {
        times.sort_unstable();
    }
    times.iter().map(|times| times[ROUNDS / 2]).collect()
}

/// Runs a command that has to succeed.
fn run(command: &[&str]) -> Output {
    let output = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
