//! A TCP connection that remembers how it began and how it broke, for words TLS alone does not have.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::stream::system_text;

/// A TCP connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    /// The first bytes received.
    first: Vec<u8>,
    broken: Option<String>,
}

/// As many first bytes as a TLS record's header has.
pub(super) const HEADER: usize = 5;

// === impl Wire ===

impl Wire {
    /// Around a connection nobody has used yet.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, first: Vec::new(), broken: None }
    }

    /// What came first.
    pub(super) fn first(&self) -> &[u8] {
        &self.first
    }

    /// curl's words for how the system broke the connection, if it did.
    pub(super) fn broken(&self) -> Option<String> {
        self.broken.clone()
    }

    /// The socket.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.stream
    }

    fn note<T>(&mut self, what: &str, result: &io::Result<T>) {
        if let Err(error) = result {
            self.broken = Some(format!("{what} failure: {}", system_text(error)));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        self.note("Recv", &result);
        let missing = HEADER.saturating_sub(self.first.len());
        let received = buffer.filled().get(before..).unwrap_or_default();
        self.first.extend(received.iter().take(missing));
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.note("Send", &result);
        Poll::Ready(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
