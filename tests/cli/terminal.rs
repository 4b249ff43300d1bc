//! On a terminal: the progress is drawn there by a thread of its own.

use std::process::{Command, Stdio};

/// The line of progress shows after a second; a command that kept standard error for itself stopped there for ever.
#[test]
fn a_command_that_takes_longer_than_a_second_ends_on_a_terminal() {
    let inner = format!("{} check --standalone --traffic 2s", env!("CARGO_BIN_EXE_kubectl-mtls"));
    let run = Command::new("timeout").args(["60", "script", "-qec", &inner, "/dev/null"]).stdin(Stdio::null()).output();
    let output = match run {
        Ok(output) if output.status.code() != Some(127) => output,
        // Where everything must be proven, a missing terminal is a failure.
        _ if std::env::var_os("CI").is_none() => {
            println!("NOT RUN: there is no `script` to make a terminal");
            return;
        }
        other => panic!("a terminal cannot be made: {other:?}"),
    };
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("watching the servers' traffic: ") && shown.contains("9 pairs: "), "{shown}");
}
