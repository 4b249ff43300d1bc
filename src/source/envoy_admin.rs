//! A sidecar's admin endpoint, asked by port-forward to 15000 or by `pilot-agent request GET` in its container, whichever
//! the rights allow.
//!
//! Bodies come back as they are; the pure parts parse them. Istio's proxy image may have no curl and no shell.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;

use crate::source::cluster::Cluster;
use crate::source::exec::{Command, End, KEEP};
use crate::source::failure::{Failure, Reason};

/// Envoy's admin port in a pod with Istio's sidecar.
pub const PORT: u16 = 15000;
/// The container of the sidecar.
const CONTAINER: &str = "istio-proxy";

/// The admin endpoints of a cluster's proxies.
#[derive(Debug)]
pub struct EnvoyAdmin<'c> {
    cluster: &'c Cluster,
    patience: Patience,
    /// [`Way`] that worked before; what the rights allow is the same for all pods in practice.
    known: AtomicU8,
}

/// How long an answer may take and how large it may be.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Bound on one answer.
    pub each: Duration,
    /// Largest body that is read, in bytes.
    pub largest: usize,
    /// An answer that took longer than this makes the next question to the same proxy wait as long.
    pub slow: Duration,
}

/// A proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
}

/// The way to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    PortForward = 1,
    Exec = 2,
}

/// Why a proxy did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Neither way is allowed.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such pod any more.
    #[error("{0}")]
    Gone(String),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer is larger than what is read.
    #[error("the answer to {path} is larger than {most} bytes")]
    TooLarge {
        /// What was asked.
        path: String,
        /// The bound.
        most: usize,
    },
    /// The endpoint refused the question; its own words.
    #[error("{path} was answered with {status}: {text}")]
    Refused {
        /// What was asked.
        path: String,
        /// HTTP status; 0 where the way does not tell it.
        status: u16,
        /// First line of the body.
        text: String,
    },
    /// The connection or the program failed.
    #[error("{0}")]
    Failed(String),
}

/// One answer: its body, or why there is none.
pub type Body = Result<Vec<u8>, Unanswered>;

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self { each: Duration::from_secs(10), largest: 16 * 1024 * 1024, slow: Duration::from_secs(1) }
    }
}

// === impl EnvoyAdmin ===

impl<'c> EnvoyAdmin<'c> {
    /// The endpoints of the proxies in a cluster.
    #[must_use]
    pub fn new(cluster: &'c Cluster, patience: Patience) -> Self {
        Self { cluster, patience, known: AtomicU8::new(0) }
    }

    /// Asks a proxy several questions in order; ends at the first that shows that it cannot be asked.
    ///
    /// # Errors
    /// [`Unanswered`] when the proxy cannot be asked at all; a question that only it refuses is part of the answer.
    pub async fn ask(&self, at: At<'_>, paths: &[String]) -> Result<Vec<Body>, Unanswered> {
        if self.known.load(Ordering::Relaxed) == Way::Exec as u8 {
            return self.by_exec(at, paths).await;
        }
        let failure = match self.by_port_forward(at, paths).await {
            Ok(said) => {
                self.known.store(Way::PortForward as u8, Ordering::Relaxed);
                return said;
            }
            Err(failure) => failure,
        };
        let Some(forbidden) = not_served(&failure) else { return Err(of_failure(&failure)) };
        match self.by_exec(at, paths).await {
            Ok(bodies) => {
                self.known.store(Way::Exec as u8, Ordering::Relaxed);
                Ok(bodies)
            }
            Err(Unanswered::Forbidden(text)) => Err(Unanswered::Forbidden(format!("{forbidden}; {text}"))),
            Err(other) => Err(other),
        }
    }

    async fn by_port_forward(&self, at: At<'_>, paths: &[String]) -> Result<Result<Vec<Body>, Unanswered>, Failure> {
        let place = (at.namespace, at.pod, PORT);
        let said = self.cluster.forward(place, |stream| self.converse(stream, paths)).await?;
        Ok(said.unwrap_or_else(|why| Err(Unanswered::Failed(why))))
    }

    /// Several requests over one connection, one after the other.
    async fn converse(&self, stream: DuplexStream, paths: &[String]) -> Result<Vec<Body>, Unanswered> {
        let broken = |error: hyper::Error| Unanswered::Failed(format!("the admin endpoint broke off: {error}"));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let asking = async {
            let mut bodies = Vec::with_capacity(paths.len());
            for path in paths {
                let began = tokio::time::Instant::now();
                let asked = tokio::time::timeout(self.patience.each, get(&mut sender, path, self.patience.largest));
                match asked.await {
                    Err(_) => return Err(Unanswered::TimedOut(self.patience.each)),
                    Ok(Err(Broken(why))) => return Err(Unanswered::Failed(why)),
                    Ok(Ok(Err(large @ Unanswered::TooLarge { .. }))) => {
                        // The rest of that body is still to come: nothing can be asked behind it.
                        bodies.push(Err(large));
                        break;
                    }
                    Ok(Ok(body)) => bodies.push(body),
                }
                self.rest(began.elapsed()).await;
            }
            Ok(bodies)
        };
        tokio::select! {
            biased;
            said = asking => said,
            ended = connection => Err(ended.map_or_else(broken, |()| {
                Unanswered::Failed("the admin endpoint closed the connection".to_owned())
            })),
        }
    }

    /// One exec a question: the program takes one path.
    async fn by_exec(&self, at: At<'_>, paths: &[String]) -> Result<Vec<Body>, Unanswered> {
        let mut bodies = Vec::with_capacity(paths.len());
        for path in paths {
            let began = tokio::time::Instant::now();
            let argv = ["pilot-agent", "request", "GET", path.as_str()];
            let command = Command {
                namespace: at.namespace,
                pod: at.pod,
                container: CONTAINER,
                argv: &argv,
                stdin: "",
                timeout: self.patience.each,
            };
            let most = self.patience.largest.min(KEEP);
            let ran = self.cluster.exec(&command).await.map_err(|failure| of_failure(&failure))?;
            match ran.end {
                // What is beyond the bound was dropped, so a body of its size may not be whole.
                End::Exited(0) if ran.stdout.len() >= most => {
                    bodies.push(Err(Unanswered::TooLarge { path: path.clone(), most }));
                }
                End::Exited(0) => bodies.push(Ok(ran.stdout)),
                End::Exited(_) => bodies.push(Err(refused(path, &ran.stderr)?)),
                End::NoSuchProgram(text) | End::Broken(text) => return Err(Unanswered::Failed(text)),
                End::TimedOut(bound) => return Err(Unanswered::TimedOut(bound)),
            }
            self.rest(began.elapsed()).await;
        }
        Ok(bodies)
    }

    /// Leaves a proxy that is slow alone for as long as it was busy.
    async fn rest(&self, took: Duration) {
        if took > self.patience.slow {
            tokio::time::sleep(took.min(self.patience.each)).await;
        }
    }
}

/// The connection is of no use any more.
struct Broken(String);

async fn get(sender: &mut http1::SendRequest<Empty<bytes::Bytes>>, path: &str, largest: usize) -> Result<Body, Broken> {
    let broken = |error: &dyn std::fmt::Display| Broken(format!("the admin endpoint broke off: {error}"));
    let request = http::Request::get(path).header(http::header::HOST, "localhost").body(Empty::new());
    let request = request.map_err(|error| broken(&error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let status = response.status().as_u16();
    let mut incoming = response.into_body();
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        body.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        if body.len() > largest {
            return Ok(Err(Unanswered::TooLarge { path: path.to_owned(), most: largest }));
        }
    }
    if status >= 400 {
        return Ok(Err(Unanswered::Refused { path: path.to_owned(), status, text: first_line(&body) }));
    }
    Ok(Ok(body))
}

/// What `pilot-agent` wrote: `received unsuccessful status code 400: ...`, or that nobody answers.
///
/// Istio: `pilot/pkg/request/command.go`.
fn refused(path: &str, stderr: &[u8]) -> Result<Unanswered, Unanswered> {
    let text = first_line(stderr);
    let Some((_, told)) = text.split_once("unsuccessful status code ") else { return Err(Unanswered::Failed(text)) };
    let (status, text) = told.split_once(": ").unwrap_or((told, ""));
    Ok(Unanswered::Refused { path: path.to_owned(), status: status.parse().unwrap_or(0), text: text.to_owned() })
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// Why port-forward is no way here, where another may be: it is forbidden, or the server does not upgrade it.
fn not_served(failure: &Failure) -> Option<String> {
    match &failure.reason {
        Reason::Forbidden(text) => Some(text.clone()),
        Reason::Answer { code: 400 | 405 | 500 | 501, message } => Some(message.clone()),
        Reason::Unauthorized(_)
        | Reason::NotFound(_)
        | Reason::Gone(_)
        | Reason::Answer { .. }
        | Reason::TimedOut(_)
        | Reason::Unreachable(_)
        | Reason::BrokenOff(_)
        | Reason::NotStarted(_)
        | Reason::Unreadable(_) => None,
    }
}

fn of_failure(failure: &Failure) -> Unanswered {
    match &failure.reason {
        Reason::Forbidden(text) => Unanswered::Forbidden(text.clone()),
        Reason::TimedOut(bound) => Unanswered::TimedOut(*bound),
        Reason::NotFound(_) => Unanswered::Gone(failure.reason.to_string()),
        Reason::Unauthorized(_)
        | Reason::Gone(_)
        | Reason::Answer { .. }
        | Reason::Unreachable(_)
        | Reason::BrokenOff(_)
        | Reason::NotStarted(_)
        | Reason::Unreadable(_) => Unanswered::Failed(failure.reason.to_string()),
    }
}
