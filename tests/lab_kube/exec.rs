//! `pods/exec`: streams, exit codes, and clients that go away.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, PostParams};
use kube::core::Request;
use kube::{Client, Resource};
use kubectl_mtls::lab::desired::PodId;
use kubectl_mtls::lab::kube_api::ApiServer;
use kubectl_mtls::lab::kube_api::exec::{Exec, ExecOutcome, ExecRequest, ExecStreams};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::{lab_with, make_namespace, refused, with_namespace};

const SOON: Duration = Duration::from_secs(5);
/// Within which a command's output arrives whole, 64 MiB of it on a busy machine too.
const WHOLE: Duration = Duration::from_mins(1);

/// A container that knows a few commands.
#[derive(Debug)]
pub(super) struct Script {
    /// Gets a permit whenever a command is dropped before its end.
    pub(super) cut_off: Arc<Semaphore>,
    /// A port of every pod, and where it leads.
    listening: Option<(u16, SocketAddr)>,
}

impl Default for Script {
    fn default() -> Self {
        Self { cut_off: Arc::new(Semaphore::new(0)), listening: None }
    }
}

impl Script {
    /// One port of every pod leads to an address.
    pub(super) fn forwarding(port: u16, to: SocketAddr) -> Self {
        Self { listening: Some((port, to)), ..Self::default() }
    }
}

struct Notice(Arc<Semaphore>);

impl Drop for Notice {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

impl Exec for Script {
    async fn exec(&self, request: ExecRequest, mut streams: ExecStreams) -> ExecOutcome {
        let argv: Vec<&str> = request.command.iter().map(String::as_str).collect();
        match argv.as_slice() {
            ["cat"] => {
                tokio::io::copy(&mut streams.stdin, &mut streams.stdout).await.unwrap();
                ExecOutcome::Exited(0)
            }
            ["fail", code] => {
                streams.stderr.write_all(b"boom\n").await.unwrap();
                ExecOutcome::Exited(code.parse().unwrap())
            }
            ["yes", megabytes] => {
                let notice = Notice(Arc::clone(&self.cut_off));
                let chunk = vec![b'y'; 1 << 20];
                for _ in 0..megabytes.parse().unwrap() {
                    streams.stdout.write_all(&chunk).await.unwrap();
                }
                std::mem::forget(notice);
                ExecOutcome::Exited(0)
            }
            ["sleep"] => {
                let _notice = Notice(Arc::clone(&self.cut_off));
                std::future::pending().await
            }
            ["where"] => {
                let text = format!("{} {}", request.pod, request.container);
                streams.stdout.write_all(text.as_bytes()).await.unwrap();
                ExecOutcome::Exited(0)
            }
            other => ExecOutcome::NoSuchCommand(other.concat()),
        }
    }

    async fn connect(&self, _: &PodId, port: u16) -> io::Result<TcpStream> {
        match self.listening {
            Some((listening, to)) if listening == port => TcpStream::connect(to).await,
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// What a client saw of a command.
#[derive(Debug, Default)]
struct Seen {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: Value,
}

async fn open(
    client: &Client,
    container: Option<&str>,
    command: &[&str],
    stdin: bool,
) -> kube::Result<kube::client::Connection> {
    let mut wanted = AttachParams::default().stdin(stdin);
    wanted.container = container.map(str::to_owned);
    let request = Request::new(Pod::url_path(&(), Some("foo"))).exec("web", command.iter().copied(), &wanted).unwrap();
    client.connect(request).await
}

async fn run(client: &Client, command: &[&str], stdin: Option<&[u8]>) -> Seen {
    let connection = open(client, None, command, stdin.is_some()).await.unwrap();
    assert!(connection.supports_stream_close());
    let (mut sink, mut source) = connection.into_stream().split();
    let typing = async {
        if let Some(stdin) = stdin {
            for chunk in stdin.chunks(10_000) {
                sink.send(Message::binary([&[0], chunk].concat())).await.unwrap();
            }
            sink.send(Message::binary(vec![255, 0])).await.unwrap();
        }
    };
    let reading = async {
        let mut seen = Seen::default();
        while let Some(message) = source.next().await {
            match message.unwrap() {
                Message::Binary(data) => match data.split_first() {
                    Some((1, data)) => seen.stdout.extend_from_slice(data),
                    Some((2, data)) => seen.stderr.extend_from_slice(data),
                    Some((3, data)) => seen.status = serde_json::from_slice(data).unwrap(),
                    other => unreachable!("a frame on no known channel: {other:?}"),
                },
                Message::Close(_) => break,
                _ => {}
            }
        }
        seen
    };
    timeout(WHOLE, async { tokio::join!(typing, reading).1 }).await.unwrap()
}

pub(super) async fn make_pod(client: &Client) {
    let pod = json!({
        "metadata": { "name": "web" },
        "spec": { "containers": [{ "name": "app", "image": "example.com/app" }] },
    });
    let pods = Api::<Pod>::namespaced(client.clone(), "foo");
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
}

async fn with_pod() -> (ApiServer, Client) {
    let (server, client) = with_namespace("foo").await;
    make_pod(&client).await;
    (server, client)
}

#[tokio::test]
async fn stdin_comes_back_as_stdout_and_its_end_is_seen() {
    let (_server, client) = with_pod().await;
    let text = vec![b'x'; 1 << 20];
    let seen = run(&client, &["cat"], Some(&text)).await;
    assert_eq!(seen.stdout.len(), text.len());
    assert_eq!(seen.status, json!({ "metadata": {}, "status": "Success" }));
}

#[tokio::test]
async fn an_exit_code_is_a_cause_of_the_status() {
    let (_server, client) = with_pod().await;
    let seen = run(&client, &["fail", "56"], None).await;
    assert_eq!(seen.stderr, b"boom\n");
    assert_eq!(seen.status["reason"], "NonZeroExitCode");
    assert_eq!(seen.status["details"]["causes"], json!([{ "reason": "ExitCode", "message": "56" }]));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_said_as_containerd_says_it() {
    let (_server, client) = with_pod().await;
    let seen = run(&client, &["curl"], None).await;
    assert_eq!(seen.status["reason"], "InternalError");
    let message = seen.status["message"].as_str().unwrap();
    let end = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"curl\": executable file \
               not found in $PATH: unknown";
    assert!(message.starts_with("Internal error occurred: ") && message.ends_with(end), "{message}");
}

#[tokio::test]
async fn the_only_container_needs_no_name_and_a_wrong_one_is_refused() {
    let (_server, client) = with_pod().await;
    assert_eq!(run(&client, &["where"], None).await.stdout, b"foo/web app");
    let status = refused(open(&client, Some("other"), &["where"], false).await.map(|_| ()));
    assert_eq!((status.code, status.message.as_str()), (400, "container other is not valid for pod web"));
}

#[tokio::test]
async fn a_pod_that_is_not_there_is_not_found() {
    let (_server, client) = with_namespace("foo").await;
    let status = refused(open(&client, None, &["where"], false).await.map(|_| ()));
    assert_eq!((status.code, status.message.as_str()), (404, "pods \"web\" not found"));
}

#[tokio::test]
async fn much_output_arrives_whole() {
    let (_server, client) = with_pod().await;
    assert_eq!(run(&client, &["yes", "64"], None).await.stdout.len(), 64 << 20);
}

#[tokio::test]
async fn a_command_ends_when_its_client_goes_away() {
    let script = Script::default();
    let cut_off = Arc::clone(&script.cut_off);
    let (_server, client) = lab_with(script).await;
    make_namespace(&client, "foo").await;
    make_pod(&client).await;
    // One waits and is silent; the other is stuck because nobody reads what it says.
    for command in [&["sleep"][..], &["yes", "1000"]] {
        let connection = open(&client, None, command, true).await.unwrap();
        let mut stream = connection.into_stream();
        // The first frame says that the command runs.
        timeout(SOON, stream.next()).await.unwrap().unwrap().unwrap();
        drop(stream);
        timeout(SOON, cut_off.acquire()).await.unwrap().unwrap().forget();
    }
}
