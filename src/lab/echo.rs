//! Applications that are not plain HTTP: a TCP echo, httpbin behind TLS of its own, and two that answer nobody.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::lab::authority::{Authority, AuthorityError};
use crate::lab::httpbin;

/// The name in the certificate of the TLS echo: its own, not the mesh's.
const NAME: &str = "httpbin.example.com";

/// The first byte of a TLS connection (RFC 8446, section 5.1: content type `handshake`).
const HANDSHAKE: u8 = 22;
/// More than any request that is not TLS.
const UNREAD: usize = 64 * 1024;

/// Sends back what it receives until the peer closes.
pub async fn serve_tcp(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    // A broken connection is the peer's affair.
    let _ = copy(&mut read, &mut write).await;
    let _ = write.shutdown().await;
}

/// Reads until the peer closes, and says nothing.
pub async fn serve_nothing(mut stream: TcpStream) {
    // A broken connection is the peer's affair.
    let _ = copy(&mut stream, &mut tokio::io::sink()).await;
}

/// Resets the connection at the first bytes.
pub async fn reset(stream: TcpStream) {
    let mut first = [0];
    let _ = stream.peek(&mut first).await;
    // The peer is gone already where this fails.
    let _ = stream.set_zero_linger();
}

/// The TLS of the echo: a certificate of an authority that no proxy trusts, as an application's own would be.
pub fn tls_config() -> Result<Arc<ServerConfig>, AuthorityError> {
    let own = Authority::new("example.com")?;
    let issued = own.issue_server(&[NAME], &[])?;
    let failed =
        |error: rustls::Error| AuthorityError::Key { what: "the TLS echo".to_owned(), reason: error.to_string() };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(own.provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(issued.chain().to_vec(), issued.key())
        .map_err(failed)?;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// httpbin over TLS. Plaintext is closed without an answer, as gunicorn does.
pub async fn serve_tls(stream: TcpStream, peer: SocketAddr, config: Arc<ServerConfig>) {
    let mut first = [0];
    if !matches!(stream.peek(&mut first).await, Ok(1) if first == [HANDSHAKE]) {
        return close_quietly(stream).await;
    }
    if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
        httpbin::serve(stream, peer, "https").await;
    }
}

/// Ends a connection with nothing but its end: unread bytes would turn it into a reset.
async fn close_quietly(mut stream: TcpStream) {
    let mut unread = vec![0; UNREAD];
    let _ = stream.try_read(&mut unread);
    let _ = stream.shutdown().await;
}
