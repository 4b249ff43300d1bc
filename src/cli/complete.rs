//! Completion: answers to `kubectl mtls <TAB>` in cobra's protocol, and scripts for `kubectl-mtls <TAB>` in a shell.
//!
//! kubectl: `k8s.io/kubectl/pkg/cmd/plugin/plugin_completion.go`. It runs `kubectl_complete-mtls` with the words behind `mtls`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;

use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

/// The plugin's file name. Scripts are registered for it alone: for `kubectl` they would replace kubectl's own completion.
const BINARY: &str = "kubectl-mtls";
/// Set by the scripts when they ask. Its own name, since `COMPLETE` may be set for other programs.
const VARIABLE: &str = "KUBECTL_MTLS_COMPLETE";
/// The name under which kubectl looks for a plugin's completion.
const SHIM_NAME: &str = "kubectl_complete-mtls";
/// The sub-command that the shim calls, as in cobra.
const QUESTION: &str = "__complete";

/// What kubectl needs on the PATH beside the plugin; krew does not install it.
pub const SHIM: &str = include_str!("../../completions/kubectl_complete-mtls");

/// A shell that a script can be had for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
    /// PowerShell.
    Powershell,
}

/// The words to complete, if the process was started with a question of kubectl's: by the shim's name, or as `__complete`.
#[must_use]
pub fn question(args: &[OsString]) -> Option<&[OsString]> {
    let (program, words) = args.split_first()?;
    if Path::new(program).file_stem() == Some(OsStr::new(SHIM_NAME)) {
        return Some(words);
    }
    words.split_first().filter(|(first, _)| *first == QUESTION).map(|(_, words)| words)
}

/// Answers kubectl: one candidate a line with its description behind a tab, then cobra's directive.
///
/// The last word is the one being typed. A command line that makes no sense has no candidates; that is not an error.
pub fn complete(mut command: clap::Command, words: &[OsString], out: &mut dyn Write) -> io::Result<()> {
    let typed = words.last().cloned().unwrap_or_default();
    let before = words.split_last().map_or(&[][..], |(_, before)| before);
    let args: Vec<OsString> =
        [OsString::from(BINARY)].into_iter().chain(before.iter().cloned()).chain([typed]).collect();
    let flags_wanted = args.last().is_some_and(|typed| typed.as_encoded_bytes().starts_with(b"-"));
    let at = args.len().saturating_sub(1);
    let directory = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, args, at, directory.as_deref()).unwrap_or_default();
    let candidates: Vec<String> = found
        .iter()
        .filter(|candidate| !candidate.is_hide_set())
        // As cobra does: flags once a dash is typed.
        .filter(|candidate| flags_wanted || !candidate.get_value().as_encoded_bytes().starts_with(b"-"))
        .map(line)
        .collect();
    for candidate in &candidates {
        writeln!(out, "{candidate}")?;
    }
    writeln!(out, ":{}", directive(&candidates))
}

/// A value, and the first line of its help.
fn line(candidate: &CompletionCandidate) -> String {
    let value = candidate.get_value().to_string_lossy();
    let help = candidate.get_help().map(ToString::to_string);
    match help.as_deref().and_then(|help| help.lines().next()) {
        Some(help) => format!("{value}\t{help}"),
        None => value.into_owned(),
    }
}

/// cobra's `ShellCompDirective`: 4 (no file names), and 2 (no blank) where every candidate asks for more.
fn directive(candidates: &[String]) -> u8 {
    let unfinished = |line: &String| line.split('\t').next().is_some_and(|value| value.ends_with(['/', '=', ':']));
    if !candidates.is_empty() && candidates.iter().all(unfinished) { 6 } else { 4 }
}

/// Writes the script that makes a shell complete `kubectl-mtls`, by asking the program itself.
pub fn script(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    let shells = Shells::builtins();
    let completer = shells.completer(shell.as_str()).ok_or_else(|| {
        io::Error::new(io::ErrorKind::Unsupported, format!("no completion script for `{}`", shell.as_str()))
    })?;
    completer.write_registration(VARIABLE, BINARY, BINARY, BINARY, out)
}

/// Answers a script of [`script`] on stdout, if the process was started by one; `false` where it was not.
pub fn answer_shell(command: fn() -> clap::Command, args: &[OsString]) -> io::Result<bool> {
    let directory = std::env::current_dir().ok();
    let environment = CompleteEnv::with_factory(command).var(VARIABLE).bin(BINARY).completer(BINARY);
    environment.try_complete(args, directory.as_deref()).map_err(io::Error::other)
}

// === impl Shell ===

impl Shell {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bash, Self::Zsh, Self::Fish, Self::Powershell];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
        }
    }
}
