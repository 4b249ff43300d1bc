//! Running a command in a pod: our own loop over the raw WebSocket.
//!
//! kube's `Api::exec` (5.0) hangs for ever when the connection drops without a status, and its pipes deadlock when output
//! is left undrained; a loop over the frames has neither problem and is two orders of magnitude faster on large output.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use kube::api::AttachParams;
use kube::core::{Request, Status};
use tokio_tungstenite::tungstenite::Message;

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};

/// A command to run in a container.
#[derive(Debug, Clone)]
pub struct Command<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// The container.
    pub container: &'a str,
    /// Program and arguments; no shell is involved.
    pub argv: &'a [&'a str],
    /// What it reads from standard input.
    pub stdin: &'a str,
    /// Bound on the whole run.
    pub timeout: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    /// Its end.
    pub end: End,
}

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// The container has no such program; the runtime's own words.
    NoSuchProgram(String),
    /// It did not run, or did not end properly; what is known of it.
    Broken(String),
    /// It was still running when time was up.
    TimedOut(Duration),
}

/// Output kept of each stream; a probe's answers are far smaller.
pub(crate) const KEEP: usize = 16 * 1024 * 1024;

impl Cluster {
    /// Runs a command and collects what it printed; what arrived before a broken end is kept.
    ///
    /// # Errors
    /// A [`Failure`] when the command could not be started (no such pod, no right to exec, unreachable).
    pub async fn exec(&self, command: &Command<'_>) -> Result<Ran, Failure> {
        let tried = format!("exec in {}/{} (container {})", command.namespace, command.pod, command.container);
        let params = AttachParams::default().container(command.container).stdin(true).stdout(true).stderr(true);
        let request = Request::new(Pod::url_path(&(), Some(command.namespace)))
            .exec(command.pod, command.argv.iter().copied(), &params)
            .map_err(|error| Failure { tried: tried.clone(), reason: Reason::Unreadable(error.to_string()) })?;
        let connection = self.upgrade(request, &tried).await?;
        if !connection.supports_stream_close() {
            let text = "the server does not speak v5.channel.k8s.io, so the end of standard input cannot be signalled";
            return Err(Failure { tried, reason: Reason::Unreadable(text.to_owned()) });
        }
        let mut run = Run { socket: connection.into_stream(), stdout: Vec::new(), stderr: Vec::new() };
        let end = match tokio::time::timeout(command.timeout, run.drive(command.stdin)).await {
            Ok(end) => end,
            Err(_) => End::TimedOut(command.timeout),
        };
        // The server may never answer the close; what it printed is already here.
        let _ = tokio::time::timeout(Duration::from_millis(200), run.socket.close(None)).await;
        Ok(Ran { stdout: run.stdout, stderr: run.stderr, end })
    }
}

struct Run<S> {
    socket: tokio_tungstenite::WebSocketStream<S>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Run<S> {
    async fn drive(&mut self, stdin: &str) -> End {
        if let Err(error) = self.feed(stdin).await {
            return End::Broken(format!("standard input could not be sent: {error}"));
        }
        loop {
            match self.socket.next().await {
                None | Some(Ok(Message::Close(_))) => {
                    return End::Broken("the connection closed without a status".to_owned());
                }
                Some(Err(error)) => return End::Broken(error.to_string()),
                Some(Ok(Message::Binary(frame))) => {
                    if let Some(end) = self.frame(&frame) {
                        return end;
                    }
                }
                Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            }
        }
    }

    async fn feed(&mut self, stdin: &str) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        for chunk in stdin.as_bytes().chunks(32 * 1024) {
            let mut frame = vec![0_u8];
            frame.extend_from_slice(chunk);
            self.socket.feed(Message::binary(frame)).await?;
        }
        // Channel 255 closes the stream it names: the end of standard input.
        self.socket.send(Message::binary(vec![255_u8, 0])).await
    }

    fn frame(&mut self, frame: &[u8]) -> Option<End> {
        let (channel, data) = frame.split_first()?;
        match channel {
            1 => keep(&mut self.stdout, data),
            2 => keep(&mut self.stderr, data),
            3 if !data.is_empty() => return Some(end_of(data)),
            _ => {}
        }
        None
    }
}

fn keep(buffer: &mut Vec<u8>, data: &[u8]) {
    let room = KEEP.saturating_sub(buffer.len());
    buffer.extend(data.iter().take(room));
}

/// Reads the status frame: `Success`, or a `Failure` whose cause `ExitCode` carries the number.
///
/// Kubernetes: `staging/src/k8s.io/client-go/tools/remotecommand/v4.go:errorDecoderV4`.
fn end_of(data: &[u8]) -> End {
    let status: Status = match serde_json::from_slice(data) {
        Ok(status) => status,
        Err(error) => return End::Broken(format!("the status could not be read: {error}")),
    };
    if matches!(status.status, Some(kube::core::response::StatusSummary::Success)) {
        return End::Exited(0);
    }
    let code = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .find(|cause| cause.reason == "ExitCode")
        .and_then(|cause| cause.message.parse().ok());
    match code {
        // A shell-less start that fails inside the container answers 126 or 127 with the runtime's text as message.
        Some(126 | 127) if status.message.contains("executable file not found") => End::NoSuchProgram(status.message),
        Some(code) => End::Exited(code),
        None if missing_program(&status.message) => End::NoSuchProgram(status.message),
        None => End::Broken(status.message),
    }
}

/// The runtimes' ways to say that a program is not there (containerd, CRI-O, crun).
fn missing_program(message: &str) -> bool {
    message.contains("executable file not found") || message.contains("no such file or directory")
}
