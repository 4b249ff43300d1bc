//! Answers: those that pass, those the proxy makes itself, and the log line each leaves.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::lab::network::listener::AbortOnDrop;
use crate::lab::proxy::access_log::{AccessLogEntry, Flag, Flags};
use crate::lab::proxy::failure::logged;
use crate::lab::proxy::headers;
use crate::lab::proxy::http::Manager;

/// Either an upstream's body, or one of the proxy's own.
pub(super) type ReplyBody = Either<Proxied, Full<Bytes>>;

/// An upstream's body with the connection it comes from: closed with it, since nothing is pooled.
pub(super) struct Proxied {
    pub(super) body: Incoming,
    pub(super) _connection: AbortOnDrop,
}

/// The log line of a request, written even when the caller leaves before the answer.
pub(super) struct Logged {
    manager: Arc<Manager>,
    began: Instant,
    entry: Option<AccessLogEntry>,
}

/// Why an upstream gave no answer.
pub(super) struct Reset<'a> {
    /// Envoy's words.
    pub(super) reason: &'a str,
    /// Of the transport, where it failed.
    pub(super) failure: Option<String>,
    /// The response flag.
    pub(super) flag: Flag,
    /// Whether it was tried again, in vain.
    pub(super) retried: bool,
}

/// An answer of the proxy's own.
pub(super) fn local_reply(status: StatusCode, body: String) -> Response<ReplyBody> {
    let empty = body.is_empty();
    let mut response = Response::new(Either::Right(Full::new(Bytes::from(body))));
    *response.status_mut() = status;
    if !empty {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    response
}

// === impl Reset ===

impl<'a> Reset<'a> {
    /// One that is not tried again.
    pub(super) fn of(reason: &'a str, flag: Flag) -> Self {
        Self { reason, failure: None, flag, retried: false }
    }
}

// === impl Logged ===

impl Logged {
    pub(super) fn begin(manager: Arc<Manager>, request: &Request<()>) -> Self {
        let mut entry = manager.entry();
        entry.method = Some(request.method().to_string());
        entry.path = request.uri().path_and_query().map(ToString::to_string);
        entry.protocol = Some(if request.version() == http::Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" });
        Self { manager, began: Instant::now(), entry: Some(entry) }
    }

    pub(super) fn describe(&mut self, request: &Request<()>, received: usize) {
        let header =
            |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (authority, request_id, user_agent) = (header(HOST), header(headers::REQUEST_ID), header(USER_AGENT));
        self.entry_mut(|entry| {
            entry.authority = authority;
            entry.request_id = request_id;
            entry.user_agent = user_agent;
            entry.bytes_received = u64::try_from(received).unwrap_or(0);
        });
    }

    pub(super) fn entry_mut(&mut self, change: impl FnOnce(&mut AccessLogEntry)) {
        if let Some(entry) = &mut self.entry {
            change(entry);
        }
    }

    /// Envoy's answer for an upstream that gave none. Since Envoy 1.38 the body names the transport failure only where a
    /// runtime guard says so (`hide_transport_failure_reason_in_response_body=false`).
    pub(super) fn reset(&mut self, reset: Reset<'_>) -> Response<ReplyBody> {
        let Reset { reason, failure, flag, retried } = reset;
        self.entry_mut(|entry| {
            let words = logged(reason);
            let shown = failure.as_deref().map(|failure| format!("|{}", logged(failure))).unwrap_or_default();
            entry.details = Some(format!("upstream_reset_before_response_started{{{words}{shown}}}"));
            entry.upstream_failure = failure.as_deref().map(logged);
            entry.flags =
                if retried { Flags::of(&[Flag::UpstreamRetryLimitExceeded, flag]) } else { Flags::of(&[flag]) };
        });
        let retried = if retried { "retried and the latest " } else { "" };
        let named = self.manager.proxy.programmed().config().failure_in_body;
        let transport = failure.filter(|_| named).map(|failure| format!(", transport failure reason: {failure}"));
        let transport = transport.unwrap_or_default();
        let body = format!(
            "upstream connect error or disconnect/reset before headers. {retried}reset reason: {reason}{transport}"
        );
        let status = match flag {
            Flag::UpstreamProtocolError => StatusCode::BAD_GATEWAY,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        local_reply(status, body)
    }

    pub(super) fn finish(mut self, status: StatusCode, sent: u64) {
        if let Some(mut entry) = self.entry.take() {
            entry.response_code = status.as_u16();
            entry.bytes_sent = sent;
            entry.duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.manager.proxy.finish(entry);
        }
    }
}

impl Drop for Logged {
    /// The caller went before the answer came.
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.flags = Flags::of(&[Flag::DownstreamConnectionTermination]);
            entry.details = Some("downstream_remote_disconnect".to_owned());
            entry.duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.manager.proxy.finish(entry);
        }
    }
}

// === impl Proxied ===

impl Body for Proxied {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
