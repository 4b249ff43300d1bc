//! The README is kept true: its picture is what the command prints, its first two commands are the ones that are promised.

#![expect(clippy::unwrap_used, reason = "a README that cannot be read is a failed test")]

use std::process::Command;

const README: &str = include_str!("../README.md");

/// The lines of each block that shows a console.
fn consoles() -> Vec<Vec<&'static str>> {
    let blocks = README.split("```console\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().lines().collect()).collect()
}

#[test]
fn the_two_commands_come_first() {
    let consoles = consoles();
    assert_eq!(*consoles.first().unwrap(), ["cargo run --release -- check --standalone", "cargo test"]);
}

#[test]
fn the_picture_is_what_the_command_prints() {
    let consoles = consoles();
    let (command, expected) = consoles.get(1).unwrap().split_first().unwrap();
    let args = command.strip_prefix("$ kubectl mtls ").unwrap().split(' ');
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    let (err, out) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
    assert_eq!(format!("{err}{out}").lines().collect::<Vec<_>>(), expected);
    assert_eq!(output.status.code(), Some(1));
}
