//! What is known about a transfer: what `-w` can say.

use std::net::SocketAddr;
use std::time::Duration;

use super::code::Failure;
use super::trace::Trace;

/// What happened so far in one transfer, redirects included.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome {
    /// `%{url_effective}`: the last URL, normalised.
    pub(super) url: String,
    /// A connection was looked for.
    pub(super) begun: bool,
    /// The scheme spoken last, in upper case as curl says it.
    pub(super) scheme: Option<&'static str>,
    /// The last status; 0 before there is one.
    pub(super) status: u16,
    /// HTTP version of the last answer.
    pub(super) version: Option<&'static str>,
    /// Header lines of all answers, with their blank lines.
    pub(super) headers: Vec<(String, String)>,
    /// Header lines with a colon in the last answer.
    pub(super) header_count: usize,
    /// Bytes of headers received.
    pub(super) header_bytes: u64,
    /// Bytes of requests sent.
    pub(super) request_bytes: u64,
    /// Bytes of the last body.
    pub(super) downloaded: u64,
    /// Bytes of the request's body.
    pub(super) uploaded: u64,
    /// Value of the last `Content-Type`.
    pub(super) content_type: Option<String>,
    /// The method used last.
    pub(super) method: String,
    /// Connections opened.
    pub(super) connects: u32,
    /// Redirects followed.
    pub(super) redirects: u32,
    /// Where `-L` would lead.
    pub(super) redirect_url: Option<String>,
    /// The `Referer` sent last.
    pub(super) referer: Option<String>,
    /// The far end of the last connection.
    pub(super) remote: Option<SocketAddr>,
    /// This end of the last connection.
    pub(super) local: Option<SocketAddr>,
    /// OpenSSL's verification result.
    pub(super) verify_result: u32,
    /// Seconds of the last `Retry-After`.
    pub(super) retry_after: u64,
    /// The file `-o` named.
    pub(super) file: Option<String>,
    /// What `-v` says about it.
    pub(super) trace: Trace,
    /// When what was done.
    pub(super) times: Times,
    /// How it ended, if badly.
    pub(super) failure: Option<Failure>,
}

/// Time since the transfer began, at each step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    /// The name was resolved.
    pub(super) name_lookup: Duration,
    /// TCP was connected.
    pub(super) connect: Duration,
    /// TLS was connected.
    pub(super) app_connect: Duration,
    /// The request was about to be sent.
    pub(super) pretransfer: Duration,
    /// The first byte of the answer came.
    pub(super) start_transfer: Duration,
    /// All steps of earlier requests of a redirected transfer.
    pub(super) redirect: Duration,
    /// The end.
    pub(super) total: Duration,
}
