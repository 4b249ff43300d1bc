//! The TCP proxy: bytes both ways, and who ended it.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use crate::lab::proxy::access_log::{AccessLogEntry, Flag, Flags};
use crate::lab::proxy::failure::{logged, tls_error};
use crate::lab::proxy::stream::Connection;
use crate::lab::proxy::upstream::NotConnected;
use crate::lab::proxy::{Proxy, Upstream};

const BUFFER: usize = 16 * 1024;

/// How a pair of connections ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Both sides finished, the caller first.
    Closed,
    /// Both sides finished, the upstream first.
    ClosedByUpstream,
    /// The upstream was reset.
    UpstreamReset,
    /// The upstream's TLS failed after the handshake: it did not like the certificate.
    UpstreamTls,
    /// The caller was reset.
    DownstreamReset,
}

/// Where a one-way copy stopped.
enum Stopped {
    Reading(io::Error),
    Writing,
}

/// Connects a caller to a cluster until either side ends it, and logs it. One attempt (`max_connect_attempts`).
pub(crate) async fn proxy<D: Connection>(
    proxy: &Proxy,
    mut downstream: D,
    upstream: &Upstream,
    mut entry: AccessLogEntry,
) {
    proxy.count(format!("tcp.{}.downstream_cx_total", upstream.cluster));
    entry.upstream_cluster = Some(upstream.cluster.clone());
    let Some(endpoint) = proxy.pick(upstream) else {
        proxy.count_cluster(&upstream.cluster, "upstream_cx_none_healthy");
        entry.flags = Flags::of(&[Flag::NoHealthyUpstream]);
        downstream.reset_on_close();
        return proxy.finish(entry);
    };
    entry.upstream_host = Some(endpoint.address);
    entry.attempt_count = 1;
    match proxy.connect_upstream(upstream, &endpoint, None).await {
        Err(reason) => {
            entry.flags = Flags::of(&[Flag::UpstreamConnectionFailure, Flag::UpstreamRetryLimitExceeded]);
            entry.upstream_failure = match reason {
                NotConnected::TimedOut => None,
                NotConnected::Failed(reason) => Some(logged(&reason)),
            };
            // Envoy never read the caller's bytes, so its close is a reset.
            downstream.reset_on_close();
        }
        Ok(connected) => {
            entry.upstream_peer_uri_san = connected.peer;
            let mut upward = connected.stream;
            let end = splice(&mut downstream, &mut upward, &mut entry).await;
            proxy.count_end(upstream, &end);
            match end {
                End::Closed | End::ClosedByUpstream => {}
                End::UpstreamTls => finish_cleanly(&mut downstream).await,
                End::UpstreamReset => {
                    entry.flags = Flags::of(&[Flag::UpstreamRemoteReset]);
                    downstream.reset_on_close();
                }
                End::DownstreamReset => upward.reset_on_close(),
            }
        }
    }
    proxy.finish(entry);
}

impl Proxy {
    fn count_end(&self, upstream: &Upstream, end: &End) {
        match end {
            // The last to go is this side.
            End::DownstreamReset | End::ClosedByUpstream => return,
            End::Closed | End::UpstreamReset => {}
            End::UpstreamTls => self.count_cluster(&upstream.cluster, "ssl.connection_error"),
        }
        self.count_cluster(&upstream.cluster, "upstream_cx_destroy_remote_with_active_rq");
    }
}

async fn splice<D, U>(downstream: &mut D, upstream: &mut U, entry: &mut AccessLogEntry) -> End
where
    D: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_caller, mut to_caller) = split(downstream);
    let (mut from_upstream, mut to_upstream) = split(upstream);
    let upward = pump(&mut from_caller, &mut to_upstream, &mut entry.bytes_received);
    let downward = pump(&mut from_upstream, &mut to_caller, &mut entry.bytes_sent);
    tokio::pin!(upward, downward);
    let mut sending = true;
    loop {
        tokio::select! {
            sent = &mut upward, if sending => match sent {
                Err(Stopped::Reading(_)) => return End::DownstreamReset,
                // What the upstream said before it went is still to be read.
                Ok(()) | Err(Stopped::Writing) => sending = false,
            },
            received = &mut downward => {
                return match received {
                    Ok(()) if sending => match upward.await {
                        Ok(()) | Err(_) => End::ClosedByUpstream,
                    },
                    Ok(()) => End::Closed,
                    Err(Stopped::Writing) => End::DownstreamReset,
                    Err(Stopped::Reading(error)) => of_upstream(&error),
                };
            }
        }
    }
}

fn of_upstream(error: &io::Error) -> End {
    match (tls_error(error), error.kind()) {
        (Some(_), _) => End::UpstreamTls,
        // TLS without its closing alert: a plain end for anybody but a browser.
        (None, io::ErrorKind::UnexpectedEof) => End::Closed,
        (None, _) => End::UpstreamReset,
    }
}

async fn pump<R, W>(from: &mut R, to: &mut W, bytes: &mut u64) -> Result<(), Stopped>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await.map_err(Stopped::Reading)?;
        if read == 0 {
            return to.shutdown().await.map_err(|_| Stopped::Writing);
        }
        let chunk = buffer.get(..read).unwrap_or_default();
        to.write_all(chunk).await.map_err(|_| Stopped::Writing)?;
        to.flush().await.map_err(|_| Stopped::Writing)?;
        *bytes += u64::try_from(read).unwrap_or(0);
    }
}

async fn finish_cleanly<D: AsyncWrite + Unpin>(downstream: &mut D) {
    let _ = downstream.shutdown().await;
}
