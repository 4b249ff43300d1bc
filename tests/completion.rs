//! Completion as kubectl asks for it, and the scripts for shells.

#![expect(clippy::expect_used, reason = "output that is no text is a failed test")]

use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use clap::Arg;
use kubectl_mtls::cli::complete::{SHIM, Shell, complete, question, script};

/// A command line of this test's own.
fn command() -> clap::Command {
    let format =
        Arg::new("output").short('o').long("output").value_parser(["json", "yaml"]).help("Output format\n\nMore.");
    clap::Command::new("kubectl-mtls")
        .subcommand(clap::Command::new("check").about("Is it mutual TLS?").arg(format))
        .subcommand(clap::Command::new("explain").about("Why?"))
        .subcommand(clap::Command::new("secret").hide(true))
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn answer(typed: &[&str]) -> String {
    let mut out = Vec::new();
    complete(command(), &words(typed), &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("candidates are text")
}

#[test]
fn a_sub_command_is_completed_with_its_description() {
    assert_eq!(answer(&["ch"]), "check\tIs it mutual TLS?\n:4\n");
    assert_eq!(answer(&["check", "-o", ""]), "json\nyaml\n:4\n");
    assert_eq!(answer(&["check", "-o", "y"]), "yaml\n:4\n");
}

#[test]
fn an_empty_word_lists_sub_commands_and_neither_flags_nor_what_is_hidden() {
    for typed in [&[""][..], &[]] {
        let answer = answer(typed);
        assert!(answer.starts_with("check\tIs it mutual TLS?\nexplain\tWhy?\n"), "{answer}");
        assert!(!answer.contains("secret") && !answer.contains("--"), "{answer}");
    }
}

#[test]
fn flags_are_listed_once_a_dash_is_typed_with_the_first_line_of_their_help() {
    assert_eq!(answer(&["check", "--out"]), "--output\tOutput format\n:4\n");
}

#[test]
fn nothing_fits_nonsense() {
    assert_eq!(answer(&["no-such-command", "--no-such-flag", "x"]), ":4\n");
}

#[test]
fn no_blank_follows_a_value_that_goes_on() {
    let directory = Arg::new("file").long("filename").value_parser(["mesh/", "lab/"]);
    let command = clap::Command::new("kubectl-mtls").arg(directory);
    let mut out = Vec::new();
    complete(command, &words(&["--filename", "m"]), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "mesh/\n:6\n");
}

#[test]
fn kubectls_question_is_recognised() {
    let of = |args: &[&str]| question(&words(args)).map(<[OsString]>::to_vec);
    assert_eq!(of(&["kubectl-mtls", "__complete", "check", ""]), Some(words(&["check", ""])));
    assert_eq!(of(&["/usr/local/bin/kubectl_complete-mtls", "ch"]), Some(words(&["ch"])));
    assert_eq!(of(&["kubectl-mtls", "check", "__complete"]), None);
    assert_eq!(of(&["kubectl-mtls"]), None);
    assert_eq!(of(&[]), None);
}

fn script_for(shell: Shell) -> String {
    let mut out = Vec::new();
    script(shell, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("scripts are text")
}

/// Runs a shell with a script on its stdin.
fn run(shell: &str, args: &[&str], script: &str) -> std::io::Result<Output> {
    let mut child =
        Command::new(shell).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(script.as_bytes())?;
    }
    child.wait_with_output()
}

#[test]
fn bash_reads_the_script_and_leaves_kubectl_alone() {
    let script = script_for(Shell::Bash);
    let checked = run("bash", &["-n"], &script).unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
    // `complete -p` lists what is registered.
    let registered = run("bash", &["--norc", "--noprofile"], &format!("{script}\ncomplete -p\n")).unwrap();
    let registered = String::from_utf8(registered.stdout).unwrap();
    let names: Vec<&str> = registered.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(names, ["kubectl-mtls"], "{registered}");
}

#[test]
fn bash_asks_the_plugin() {
    // A function stands for the plugin and says how it was asked.
    let asking = format!(
        "kubectl-mtls() {{ printf '%s\\013%s' \"$KUBECTL_MTLS_COMPLETE\" \"$1 $2 $3\"; }}\n{}\n\
         COMP_WORDS=(kubectl-mtls ch)\nCOMP_CWORD=1\n_clap_complete_kubectl_mtls kubectl-mtls ch\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        script_for(Shell::Bash),
    );
    let output = run("bash", &["--norc", "--noprofile"], &asking).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "bash\n-- kubectl-mtls ch\n");
}

#[test]
fn the_shim_passes_every_word_on() {
    // The plugin is a shell here, which takes `__complete` for a script: nothing has to be written and run at once, which
    // fails now and then while other tests start processes ("text file busy").
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/sh", directory.path().join("kubectl-mtls")).unwrap();
    std::fs::write(directory.path().join("__complete"), "for word; do printf '[%s]' \"$word\"; done\n").unwrap();
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let arguments = ["-c", SHIM, "kubectl_complete-mtls", "check", "a b", "*", ""];
    let output = Command::new("sh").args(arguments).current_dir(&directory).env("PATH", path).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "[check][a b][*][]");
    assert!(output.status.success());
}

#[test]
fn scripts_name_the_plugin_and_nothing_else() {
    for (shell, registration) in [
        (Shell::Bash, "-F _clap_complete_kubectl_mtls kubectl-mtls\n"),
        (Shell::Zsh, "#compdef kubectl-mtls\n"),
        (Shell::Fish, "--command kubectl-mtls "),
        (Shell::Powershell, "-CommandName kubectl-mtls "),
    ] {
        let script = script_for(shell);
        assert!(script.contains(registration), "{shell:?}: {script}");
        assert!(!script.contains("kubectl mtls") && !script.contains("kubectl "), "{shell:?}: {script}");
    }
}

#[test]
fn zsh_and_fish_read_their_scripts() {
    for (shell, name) in [(Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let checked = match run(name, &["-n"], &script_for(shell)) {
            Ok(checked) => checked,
            // Where everything must be proven, a missing shell is a failure.
            Err(error) if std::env::var_os("CI").is_none() => {
                println!("NOT RUN: {name} cannot be started: {error}");
                continue;
            }
            Err(error) => panic!("{name} cannot be started: {error}"),
        };
        assert!(checked.status.success() && checked.stderr.is_empty(), "{}", String::from_utf8_lossy(&checked.stderr));
    }
}
