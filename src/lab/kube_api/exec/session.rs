//! One running exec: frames to pipes and back, until the command ends or the client goes away.

use futures_util::stream::SplitStream;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::{self, Sender};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{CLOSE, Exec, ExecRequest, ExecStreams, PIPE, Protocol, STATUS, STDIN, Wanted};
use crate::lab::kube_api::websocket::{LINGER, close, forever, frame, ping, pump, write};

/// Runs a command for a client. Returns when both are done with each other.
pub(super) async fn run<E, S>(
    exec: &E,
    socket: WebSocketStream<S>,
    request: ExecRequest,
    wanted: Wanted,
    protocol: Protocol,
) where
    E: Exec,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (sink, source) = socket.split();
    let (outgoing, queue) = mpsc::channel(4);
    let asking = outgoing.downgrade();
    let (stdin, command_stdin) = duplex(PIPE);
    let stdin = wanted.stdin.then_some(stdin);
    let running = command(exec, request, wanted, command_stdin, outgoing);
    let reading = read(source, stdin, protocol);
    let writing = write(sink, queue);
    tokio::pin!(reading);
    let finished = tokio::select! {
        // The queue closes behind the status, so this is the regular end, or a client that does not take any more.
        finished = writing => finished.is_ok(),
        () = &mut reading => false,
        never = forever(running) => match never {},
        never = ping(asking) => match never {},
    };
    if finished {
        // Unread data at the close of a socket would destroy what the client has not read yet.
        tokio::time::timeout(LINGER, reading).await.ok();
    }
}

/// The command with its outputs, then its status, then the end.
async fn command<E: Exec>(
    exec: &E,
    request: ExecRequest,
    wanted: Wanted,
    stdin: DuplexStream,
    outgoing: Sender<Message>,
) {
    let (stdout, command_stdout) = duplex(PIPE);
    let (stderr, command_stderr) = duplex(PIPE);
    let first = wanted.stdout.or(wanted.stderr).unwrap_or(STATUS);
    // An empty frame tells the client that it is connected: `websocket.go:createWebSocketStreams`.
    outgoing.send(frame(first, &[])).await.ok();
    let argv = request.command.clone();
    let streams = ExecStreams { stdin, stdout: command_stdout, stderr: command_stderr };
    let (outcome, (), ()) = tokio::join!(
        exec.exec(request, streams),
        pump(stdout, wanted.stdout, &outgoing),
        pump(stderr, wanted.stderr, &outgoing),
    );
    let status = outcome.to_status(&argv).to_string();
    outgoing.send(frame(STATUS, status.as_bytes())).await.ok();
    outgoing.send(close()).await.ok();
}

/// Carries frames to stdin; ends when the client is gone.
async fn read<S>(mut source: SplitStream<WebSocketStream<S>>, mut stdin: Option<DuplexStream>, protocol: Protocol)
where
    SplitStream<WebSocketStream<S>>: Stream<Item = Result<Message, Error>> + Unpin,
{
    while let Some(Ok(message)) = source.next().await {
        let Message::Binary(data) = message else { continue };
        match (data.split_first(), protocol) {
            (Some((&STDIN, [])), _) => {}
            (Some((&STDIN, typed)), _) => {
                if let Some(pipe) = &mut stdin
                    && pipe.write_all(typed).await.is_err()
                {
                    // The command does not read any more; what comes is dropped, as by a closed pipe.
                    stdin = None;
                }
            }
            (Some((&CLOSE, [STDIN])), Protocol::V5) => stdin = None,
            // Window sizes, and what nobody knows.
            (_, Protocol::V4 | Protocol::V5) => {}
        }
    }
}
