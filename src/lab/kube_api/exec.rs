//! `pods/<name>/exec` over a WebSocket, as the kubelet serves it.
//!
//! Channels: 0 stdin, 1 stdout, 2 stderr, 3 status, 4 resize, 255 close (v5 only).
//! Kubernetes: `apimachinery/pkg/util/remotecommand/constants.go`, `kubelet/pkg/cri/streaming/remotecommand`.

use std::future::Future;
use std::io;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::lab::desired::PodId;
use crate::lab::kube_api::Server;
use crate::lab::kube_api::body::Body;
use crate::lab::kube_api::query::Query;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::kube_api::websocket::upgrade;
use crate::lab::store::{Key, object};

mod session;

/// Bytes each of stdin, stdout and stderr may be ahead of their reader.
const PIPE: usize = 64 * 1024;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;

/// A command to run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRequest {
    /// The pod. It exists.
    pub pod: PodId,
    /// The container. It exists; init containers that stay are containers too.
    pub container: String,
    /// Program and arguments; at least the program.
    pub command: Vec<String>,
    /// Whether the client has a terminal there.
    pub tty: bool,
}

/// The ends of the command's pipes. Those the client did not ask for are empty, or go nowhere.
#[derive(Debug)]
pub struct ExecStreams {
    /// What the client types; ends when the client closes it or asked for none.
    pub stdin: DuplexStream,
    /// Drop it, or return, to end it.
    pub stdout: DuplexStream,
    /// Drop it, or return, to end it. With a terminal it goes where stdout goes.
    pub stderr: DuplexStream,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecOutcome {
    /// It ran, and exited with this status.
    Exited(u8),
    /// The container has no such program.
    NoSuchCommand(String),
}

/// Whatever runs commands in the lab's pods.
///
/// The future is dropped when the client goes away; that must end the command.
pub trait Exec: Send + Sync + 'static {
    /// Runs a command to its end.
    fn exec(&self, request: ExecRequest, streams: ExecStreams) -> impl Future<Output = ExecOutcome> + Send;

    /// Connects to a port of a pod from within, for port-forward. Nothing listens unless said otherwise.
    fn connect(&self, pod: &PodId, port: u16) -> impl Future<Output = io::Result<TcpStream>> + Send {
        let (_, _) = (pod, port);
        std::future::ready(Err(io::ErrorKind::ConnectionRefused.into()))
    }
}

/// Which streams the client wants, and on which channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    stdin: bool,
    stdout: Option<u8>,
    /// With a terminal there is one output.
    stderr: Option<u8>,
}

/// A version of the channel protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// Cannot close stdin.
    V4,
    /// Can.
    V5,
}

/// Answers a request for an exec: checks it, upgrades, and lets the session run by itself.
pub(crate) fn answer<E: Exec>(
    server: &Arc<Server<E>>,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let wanted = Wanted::of(query)?;
    let exec = command(server, target, query)?;
    let (protocol, response) = upgrade(request.headers(), &Protocol::ALL.map(Protocol::name))?;
    let server = Arc::clone(server);
    tokio::spawn(async move {
        let mut running = server.running.clone();
        let session = async {
            match hyper::upgrade::on(request).await {
                Ok(upgraded) => {
                    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
                    session::run(&server.exec, socket, exec, wanted, Protocol::of(protocol)).await;
                }
                Err(error) => tracing::debug!(%error, "an exec of the lab was not upgraded"),
            }
        };
        tokio::select! {
            () = session => {}
            _ = running.changed() => {}
        }
    });
    Ok(response)
}

/// The command, for a container that exists.
///
/// Texts: Kubernetes `pkg/registry/core/pod/strategy.go:streamLocation,validateContainer`.
fn command<E>(server: &Server<E>, target: &Target, query: &Query) -> Result<ExecRequest, Refusal> {
    let name = target.name.as_deref().unwrap_or_default();
    let key = Key::new(target.kind, target.namespace.as_deref().unwrap_or_default(), name);
    let pod = server.store.get(&key).ok_or_else(|| Refusal::not_found(target.kind, name))?;
    let names = |pointer: &str| -> Vec<String> {
        object::elements(&pod, pointer).map(|container| object::text(container, "/name").to_owned()).collect()
    };
    let (regular, init) = (names("/spec/containers"), names("/spec/initContainers"));
    let added = names("/spec/ephemeralContainers");
    let container = match (query.first("container"), regular.as_slice()) {
        ("", [only]) => only.clone(),
        ("", several) => {
            let list = |before: &str, names: &[String]| match names {
                [] => String::new(),
                names => format!("{before} [{}]", names.join(" ")),
            };
            let message = format!(
                "a container name must be specified for pod {name}{}{}",
                list(", choose one of:", several),
                list(" or one of the init containers:", &init),
            );
            return Err(Refusal::bad_request(message));
        }
        (asked, _) if regular.iter().chain(&init).chain(&added).any(|known| known == asked) => asked.to_owned(),
        (asked, _) => {
            return Err(Refusal::bad_request(format!("container {asked} is not valid for pod {name}")));
        }
    };
    let command: Vec<String> = query.all("command").map(str::to_owned).collect();
    if command.is_empty() {
        return Err(Refusal::bad_request("you must specify at least one command for the container"));
    }
    let pod = PodId { namespace: key.namespace.clone(), name: key.name };
    Ok(ExecRequest { pod, container, command, tty: query.flag("tty") })
}

// === impl Wanted ===

impl Wanted {
    fn of(query: &Query) -> Result<Self, Refusal> {
        let stdout = query.flag("stdout").then_some(STDOUT);
        let stderr = if query.flag("tty") { stdout } else { query.flag("stderr").then_some(STDERR) };
        let wanted = Self { stdin: query.flag("stdin"), stdout, stderr };
        if wanted.stdin || wanted.stdout.is_some() || wanted.stderr.is_some() {
            Ok(wanted)
        } else {
            Err(Refusal::bad_request("you must specify at least 1 of stdin, stdout, stderr"))
        }
    }
}

// === impl Protocol ===

impl Protocol {
    const ALL: [Self; 2] = [Self::V5, Self::V4];

    fn of(name: &str) -> Self {
        if name == Self::V5.name() { Self::V5 } else { Self::V4 }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V4 => "v4.channel.k8s.io",
            Self::V5 => "v5.channel.k8s.io",
        }
    }
}

// === impl ExecOutcome ===

impl ExecOutcome {
    /// The `Status` on the status channel.
    ///
    /// Shapes: Kubernetes `kubelet/pkg/cri/streaming/remotecommand/exec.go:ServeExec`; texts within: containerd 1.6 and runc 1.1.
    fn to_status(&self, command: &[String]) -> Value {
        match self {
            Self::Exited(0) => json!({ "metadata": {}, "status": "Success" }),
            Self::Exited(code) => {
                let command = command.join(" ");
                json!({
                    "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
                    "message": format!("command terminated with non-zero exit code: error executing command [{command}], exit code {code}"),
                    "details": { "causes": [{ "reason": "ExitCode", "message": code.to_string() }] },
                })
            }
            Self::NoSuchCommand(program) => {
                let why = format!(
                    "error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec \
                     failed: exec failed: unable to start container process: exec: \"{program}\": executable file not found in \
                     $PATH: unknown"
                );
                json!({
                    "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
                    "message": format!("Internal error occurred: {why}"),
                    "details": { "causes": [{ "message": why }] },
                })
            }
        }
    }
}
