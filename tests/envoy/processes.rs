//! No Envoy outlives its lab, however the lab ends.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::envoy::program;

const PATIENCE: Duration = Duration::from_mins(1);

/// Processes whose command line names this text.
fn running(text: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let named = |path: &Path| {
        std::fs::read(path.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
    };
    let numbers = entries.flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        named(&entry.path()).then_some(id)
    });
    numbers.collect()
}

fn await_count(text: &str, wanted: impl Fn(usize) -> bool) -> usize {
    let until = Instant::now() + PATIENCE;
    loop {
        let count = running(text).len();
        if wanted(count) || Instant::now() > until {
            return count;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A lab in a process of its own, whose Envoy has a path that no other test uses.
fn lab_killed_by(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let envoy = folder.path().join("envoy");
    std::os::unix::fs::symlink(program(), &envoy).unwrap();
    let mut lab = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
        .args(["lab", "--seconds", "300", "--proxy", &format!("envoy={}", envoy.display())])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mark = envoy.to_str().unwrap();
    // Each sidecar is Envoy and its watchdog.
    let started = await_count(mark, |count| count > 4);
    assert!(started > 4, "{started} processes of {mark}");
    let status = Command::new("kill").args([signal, &lab.id().to_string()]).status().unwrap();
    assert!(status.success());
    lab.wait().unwrap();
    let left = await_count(mark, |count| count == 0);
    assert_eq!(left, 0, "processes are left after {signal}: {:?}", running(mark));
    let until = Instant::now() + PATIENCE;
    let directories = || {
        let entries = std::fs::read_dir(folder.path()).unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("kubectl-mtls-")).count()
    };
    while directories() > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(directories(), 0, "directories are left after {signal}");
}

#[test]
#[ignore = "needs a real Envoy: tests/envoy/run"]
fn nothing_is_left_after_an_interrupt() {
    lab_killed_by("-INT");
}

#[test]
#[ignore = "needs a real Envoy: tests/envoy/run"]
fn nothing_is_left_when_the_lab_is_killed() {
    lab_killed_by("-KILL");
}
