//! curl's exit codes and the failures that carry them.

use std::borrow::Cow;

/// An exit code of curl 7.88.1, of those this curl can end with (`curl(1)`, "EXIT CODES").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Everything went well.
    Ok = 0,
    /// The scheme is not one this curl speaks, or the answer was HTTP/0.9.
    UnsupportedProtocol = 1,
    /// The command line was wrong.
    FailedInit = 2,
    /// The URL could not be parsed.
    UrlMalformat = 3,
    /// The name did not resolve.
    CouldntResolveHost = 6,
    /// Nothing accepted the connection.
    CouldntConnect = 7,
    /// A header that cannot be one.
    WeirdServerReply = 8,
    /// The body ended early.
    PartialFile = 18,
    /// `--fail` and a status of 400 or above.
    HttpReturnedError = 22,
    /// The body could not be written.
    WriteError = 23,
    /// A local file could not be read.
    ReadError = 26,
    /// A time limit was reached.
    OperationTimedout = 28,
    /// The TLS handshake failed.
    SslConnectError = 35,
    /// `--max-redirs`.
    TooManyRedirects = 47,
    /// An option with a value that cannot be used.
    SetoptOptionSyntax = 49,
    /// The server closed without a byte.
    GotNothing = 52,
    /// The request could not be sent.
    SendError = 55,
    /// The connection broke while the answer was read.
    RecvError = 56,
    /// The client certificate or its key cannot be used.
    SslCertproblem = 58,
    /// `--ciphers` and the like.
    SslCipher = 59,
    /// The server's certificate was not accepted.
    PeerFailedVerification = 60,
    /// An encoding this curl cannot read.
    BadContentEncoding = 61,
    /// `--max-filesize`.
    FilesizeExceeded = 63,
    /// The file with certificate authorities cannot be used.
    SslCacertBadfile = 77,
    /// The server wants a client certificate and said so during the handshake.
    SslClientcert = 98,
}

/// A transfer that failed: the code and what `curl: (code) ...` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) code: Code,
    /// The message without prefix; where curl leaves the error buffer empty, the code's own text.
    pub(super) message: Cow<'static, str>,
}

// === impl Code ===

impl Code {
    /// The number the process exits with.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// `curl_easy_strerror`.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "No error",
            Self::UnsupportedProtocol => "Unsupported protocol",
            Self::FailedInit => "Failed initialization",
            Self::UrlMalformat => "URL using bad/illegal format or missing URL",
            Self::CouldntResolveHost => "Couldn't resolve host name",
            Self::CouldntConnect => "Couldn't connect to server",
            Self::WeirdServerReply => "Weird server reply",
            Self::PartialFile => "Transferred a partial file",
            Self::HttpReturnedError => "HTTP response code said error",
            Self::WriteError => "Failed writing received data to disk/application",
            Self::ReadError => "Failed to open/read local data from file/application",
            Self::OperationTimedout => "Timeout was reached",
            Self::SslConnectError => "SSL connect error",
            Self::TooManyRedirects => "Number of redirects hit maximum amount",
            Self::SetoptOptionSyntax => "Malformed option provided in a setopt",
            Self::GotNothing => "Server returned nothing (no headers, no data)",
            Self::SendError => "Failed sending data to the peer",
            Self::RecvError => "Failure when receiving data from the peer",
            Self::SslCertproblem => "Problem with the local SSL certificate",
            Self::SslCipher => "Couldn't use specified SSL cipher",
            Self::PeerFailedVerification => "SSL peer certificate or SSH remote key was not OK",
            Self::BadContentEncoding => "Unrecognized or bad HTTP Content or Transfer-Encoding",
            Self::FilesizeExceeded => "Maximum file size exceeded",
            Self::SslCacertBadfile => "Problem with the SSL CA cert (path? access rights?)",
            Self::SslClientcert => "SSL Client Certificate required",
        }
    }

    /// Whether curl gives up on the transfers that would follow (`is_fatal_error` of its tool).
    pub(super) fn ends_everything(self) -> bool {
        self == Self::FailedInit
    }

    /// A failure with a message of its own.
    pub(super) fn saying(self, message: impl Into<Cow<'static, str>>) -> Failure {
        Failure { code: self, message: message.into() }
    }

    /// A failure curl has no message for.
    pub(super) fn plain(self) -> Failure {
        self.saying(self.text())
    }
}
