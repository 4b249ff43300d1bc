//! The admin interface of a real Envoy, with the lab's addresses.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::lab::envoy::back::Back;
use crate::lab::network::listener::AbortOnDrop;
use crate::lab::proxy::telemetry::Counters;

/// Envoy answers from its main thread, in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a real Envoy.
#[derive(Debug, Clone)]
pub struct EnvoyAdmin {
    address: SocketAddr,
    back: Arc<RwLock<Back>>,
}

/// An answer of Envoy's admin interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAnswer {
    /// HTTP status.
    pub status: u16,
    /// `content-type`.
    pub content_type: String,
    /// The body, loopback addresses of the lab translated to virtual ones.
    pub body: Bytes,
}

// === impl EnvoyAdmin ===

impl EnvoyAdmin {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn new(address: SocketAddr, back: Arc<RwLock<Back>>) -> Self {
        Self { address, back }
    }

    /// One GET.
    pub async fn get(&self, path_and_query: &str) -> io::Result<AdminAnswer> {
        let asked = tokio::time::timeout(PATIENCE, self.ask(path_and_query));
        let mut answer = asked.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let back = self.back.read().unwrap_or_else(PoisonError::into_inner).clone();
        answer.body = back.body(&answer.body).into();
        Ok(answer)
    }

    /// Every counter and gauge that is not 0, by Envoy's name.
    pub async fn counters(&self) -> io::Result<Counters> {
        let answer = self.ask("/stats?usedonly&type=Counters").await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let counters = text.lines().filter_map(|line| {
            // Names contain colons, values do not.
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok().filter(|value| *value > 0)?))
        });
        Ok(counters.collect())
    }

    async fn ask(&self, path_and_query: &str) -> io::Result<AdminAnswer> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let _driver = AbortOnDrop::spawn(async move {
            // What goes wrong here goes wrong for the request.
            let _ = connection.await;
        });
        let request = Request::get(path_and_query).header(header::HOST, "127.0.0.1").body(Empty::<Bytes>::new());
        let request = request.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let (parts, body) = response.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(AdminAnswer {
            status: parts.status.as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: body.collect().await.map_err(io::Error::other)?.to_bytes(),
        })
    }
}
