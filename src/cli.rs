//! The command line: arguments become requests, and clap ends here.

use std::io::{IsTerminal as _, Write};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use crate::exit::Exit;

pub mod answer;
pub mod check;
pub mod cluster;
pub mod complete;
pub mod completion;
pub mod drift;
pub mod explain;
pub mod lab;
pub mod mesh_config;
pub mod notice;
pub mod proxies;
pub mod rbac;
pub mod source;
pub mod standalone;

/// Is it mutual TLS? For every client and service port of an Istio mesh.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-mtls",
    bin_name = "kubectl mtls",
    version,
    about = "Is it mutual TLS? For every client and service port of an Istio mesh: what goes over the wire, what contradicts, which policy decides",
    after_help = EXIT_STATUS,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "Exit status, the same for every -o:
  0  nothing found at or above --fail-on
  1  findings at or above --fail-on
  2  the command line does not make sense
  3  could not work: nothing decided, or input that cannot be read
  4  a requested look failed; the answer says which";

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// When to colour.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help = "When to colour; NO_COLOR is honoured"
    )]
    color: Color,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// For each client and service port: is it mutual TLS, does anything conflict, which layer decides
    Check(Box<check::CheckArgs>),
    /// Why: every layer that spoke, the effective one, what was seen, what to change
    Explain(Box<explain::ExplainArgs>),
    /// The reference mesh, held open: prints a kubeconfig for whatever speaks to a Kubernetes API
    Lab(Box<lab::LabArgs>),
    /// The least role with which a command answers in full, to be applied
    Rbac(rbac::RbacArgs),
    /// Print the completion script of a shell
    Completion(completion::CompletionArgs),
}

/// The three streams and what is known of them.
pub struct Streams<'io> {
    /// Data.
    pub out: &'io mut dyn Write,
    /// Everything else.
    pub err: &'io mut dyn Write,
    /// Whether to colour what goes to `out`.
    pub color: bool,
    /// Whether somebody watches `err`.
    pub watched: bool,
    /// Columns of the terminal behind `out`, where it is one.
    pub width: Option<usize>,
}

/// The commands and options as clap knows them, for completion and its tests.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the command line `args` (the program's name first).
pub fn run(args: impl IntoIterator<Item = std::ffi::OsString>) -> Exit {
    let args: Vec<std::ffi::OsString> = args.into_iter().collect();
    if let Some(exit) = completion::asked(&args) {
        return exit;
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // clap picks the stream: help and version are data, a mistake is not.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Clean };
        }
    };
    let color = match cli.global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
                && std::io::stdout().is_terminal()
        }
    };
    let width = std::io::stdout().is_terminal().then(terminal_width).flatten();
    let mut streams = Streams {
        out: &mut std::io::stdout().lock(),
        // Not locked: the progress is drawn there by a thread of its own, and whoever waits for the lock would wait for ever.
        err: &mut std::io::stderr(),
        color,
        watched: std::io::stderr().is_terminal(),
        width,
    };
    match cli.command {
        Command::Check(args) => check::run(&args, &mut streams),
        Command::Explain(args) => explain::run(&args, &mut streams),
        Command::Lab(args) => lab::run(&args, &mut streams),
        Command::Rbac(args) => rbac::run(&args, &mut streams),
        Command::Completion(args) => completion::script(&args, &mut streams),
    }
}

/// Columns, by the terminal's own word through `COLUMNS` or clap's detection.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("color", &self.color).field("watched", &self.watched).finish_non_exhaustive()
    }
}
