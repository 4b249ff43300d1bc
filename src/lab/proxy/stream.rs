//! Streams a proxy holds: bytes read ahead are not lost, and a close can be made a reset.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// One read ahead.
const CHUNK: usize = 4096;

/// Something that carries bytes both ways and can be torn down.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {
    /// Makes the coming close a TCP reset, the way Envoy drops a connection with unread bytes.
    fn reset_on_close(&self);
}

/// A stream whose first bytes were already looked at.
#[derive(Debug)]
pub(crate) struct Prefixed<S> {
    ahead: Vec<u8>,
    taken: usize,
    stream: S,
}

// === impl Prefixed ===

impl<S> Prefixed<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { ahead: Vec::new(), taken: 0, stream }
    }

    /// The bytes seen and not yet consumed.
    pub(crate) fn ahead(&self) -> &[u8] {
        self.ahead.get(self.taken..).unwrap_or_default()
    }
}

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// Looks further ahead; 0 at the end of the stream.
    pub(crate) async fn look(&mut self) -> io::Result<usize> {
        let mut chunk = vec![0; CHUNK];
        let read = self.stream.read(&mut chunk).await?;
        self.ahead.extend_from_slice(chunk.get(..read).unwrap_or_default());
        Ok(read)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let ahead = self.ahead();
        if ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let fits = ahead.len().min(buf.remaining());
        buf.put_slice(ahead.get(..fits).unwrap_or_default());
        self.taken += fits;
        if self.ahead().is_empty() {
            self.ahead = Vec::new();
            self.taken = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

// === impl Connection ===

impl Connection for TcpStream {
    fn reset_on_close(&self) {
        // The peer is gone already where this fails.
        let _ = self.set_zero_linger();
    }
}

impl<S: Connection> Connection for Prefixed<S> {
    fn reset_on_close(&self) {
        self.stream.reset_on_close();
    }
}

impl<S: Connection> Connection for tokio_rustls::server::TlsStream<S> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

impl<S: Connection> Connection for tokio_rustls::client::TlsStream<S> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

impl Connection for Box<dyn Connection> {
    fn reset_on_close(&self) {
        (**self).reset_on_close();
    }
}
