//! A connection's bytes, with or without TLS, and curl's words for what goes wrong with them.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::code::{Code, Failure};
use super::tls::{self, Secured};
use super::wire::Wire;

/// An open connection.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    /// The far end.
    pub(super) remote: SocketAddr,
    /// This end.
    pub(super) local: SocketAddr,
    /// Received and not yet used.
    pub(super) pending: Vec<u8>,
}

/// The bytes' way.
#[derive(Debug)]
pub(super) enum Socket {
    /// Without TLS.
    Plain(Wire),
    /// With TLS.
    Tls(Box<Secured>),
}

/// Most bytes read at once; curl's own buffer.
const BUFFER: usize = 102_400;

/// `strerror`: the system's text without Rust's number behind it.
pub(super) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

// === impl Socket ===

impl Socket {
    fn wire(&self) -> &Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer).await,
            Self::Tls(stream) => match stream.read(buffer).await {
                // Closed without a closing alert; curl takes that for the end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                result => result,
            },
        }
    }
}

// === impl Stream ===

impl Stream {
    /// Ready for requests.
    pub(super) fn new(socket: Socket, remote: SocketAddr, local: SocketAddr) -> Self {
        Self { socket, remote, local, pending: Vec::new() }
    }

    /// Sends all of it. A server that refuses what TLS showed it, or resets, may have done so before the request is out;
    /// its reason, if it is there to be read, is told in place of the failed sending, as on any network slower than loopback.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Err(error) = self.socket.write(bytes).await else { return Ok(()) };
        let mut buffer = vec![0; BUFFER];
        match self.socket.read(&mut buffer).await {
            Ok(0) => Err(Code::RecvError.saying("Recv failure: Connection reset by peer")),
            Ok(count) => {
                self.pending.extend(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(late) if late.raw_os_error().is_none() => Err(self.receive_failure(&late)),
            Err(_) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(Code::RecvError.saying("Recv failure: Connection reset by peer"))
            }
            Err(_) => Err(Code::SendError.saying(format!("Send failure: {}", system_text(&error)))),
        }
    }

    /// Receives more into `pending`; 0 is the end.
    pub(super) async fn receive(&mut self) -> Result<usize, Failure> {
        if !self.pending.is_empty() {
            return Ok(self.pending.len());
        }
        let mut buffer = vec![0; BUFFER];
        match self.socket.read(&mut buffer).await {
            Ok(count) => {
                self.pending.extend(buffer.get(..count).unwrap_or_default());
                Ok(count)
            }
            Err(error) => Err(self.receive_failure(&error)),
        }
    }

    fn receive_failure(&self, error: &io::Error) -> Failure {
        match (self.socket.wire().broken(), &self.socket) {
            (Some(text), _) => Code::RecvError.saying(text),
            (None, Socket::Tls(_)) => tls::receive_failure(error),
            (None, Socket::Plain(_)) => Code::RecvError.saying(format!("Recv failure: {}", system_text(error))),
        }
    }

    /// Whether an idle connection is still good: nothing to read, not closed (`Curl_conn_is_alive`).
    pub(super) fn is_alive(&self) -> bool {
        let probe = self.socket.wire().socket().try_read(&mut [0; 1]);
        matches!(probe, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}
