//! `completion`, and what shells and kubectl ask while somebody types.

use std::ffi::OsString;

use clap::Args;

use crate::cli::{Streams, command, complete, notice};
use crate::exit::Exit;

/// Arguments of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// Shell to print the script for
    #[arg(value_enum)]
    shell: complete::Shell,
}

/// Prints a shell's script.
pub fn script(args: &CompletionArgs, streams: &mut Streams<'_>) -> Exit {
    match complete::script(args.shell, streams.out) {
        Ok(()) => Exit::Clean,
        Err(error) => {
            notice::error(streams, &format!("cannot print the completion script: {error}"), None);
            Exit::CouldNotWork
        }
    }
}

/// Answers when the process was started by kubectl's or a shell's completion; `None` where it was not.
pub fn asked(args: &[OsString]) -> Option<Exit> {
    if let Some(words) = complete::question(args) {
        let answered = complete::complete(command(), words, &mut std::io::stdout().lock());
        return Some(if answered.is_ok() { Exit::Clean } else { Exit::CouldNotWork });
    }
    // A question that cannot be answered has no candidates; whoever types must not see why.
    complete::answer_shell(command, args).unwrap_or(true).then_some(Exit::Clean)
}
