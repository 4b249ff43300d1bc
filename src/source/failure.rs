//! Why a look at a cluster failed, in words that say what was tried and what to do next.

use crate::model::evidence::FailedLook;

/// A request to the API server that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot {tried}: {reason}")]
pub struct Failure {
    /// What was tried, e.g. `list pods in all namespaces`.
    pub tried: String,
    /// Why it failed.
    pub reason: Reason,
}

/// The kinds of failure that are told apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// 401: the server does not know who asks.
    #[error("{0} (the server does not accept these credentials)")]
    Unauthorized(String),
    /// 403: the rights do not allow it.
    #[error("{0}")]
    Forbidden(String),
    /// 404: there is no such object or kind.
    #[error("{0}")]
    NotFound(String),
    /// 410: a continue token expired.
    #[error("{0}")]
    Gone(String),
    /// Any other answer of the server.
    #[error("the server answered {code}: {message}")]
    Answer {
        /// HTTP status.
        code: u16,
        /// The server's own message.
        message: String,
    },
    /// No answer came in time.
    #[error("no answer within {0:?}")]
    TimedOut(std::time::Duration),
    /// The server could not be reached at all.
    #[error("{0}")]
    Unreachable(String),
    /// The connection ended before the answer did.
    #[error("the connection broke off in the middle of the answer: {0}")]
    BrokenOff(String),
    /// A container that was asked for does not run.
    #[error("it does not start: {0}")]
    NotStarted(String),
    /// The answer could not be understood.
    #[error("the answer could not be read: {0}")]
    Unreadable(String),
}

/// Where a right is missing.
pub const ROLE: &str = "`kubectl mtls rbac` prints the role that has it";
/// A page of a proxy on the way is no message.
const LONGEST: usize = 500;

// === impl Failure ===

impl Failure {
    /// From kube's error, keeping the server's own message.
    #[must_use]
    pub fn of(tried: impl Into<String>, error: &kube::Error) -> Self {
        Self { tried: tried.into(), reason: Reason::of(error) }
    }

    /// As an entry of the report's `unseen`.
    #[must_use]
    pub fn look(&self) -> FailedLook {
        FailedLook { tried: self.tried.clone(), why: self.reason.to_string(), next: self.reason.next(&self.tried) }
    }

    /// The same where it is that the server cannot be reached.
    #[must_use]
    pub fn unreachable(&self) -> Option<Self> {
        let Reason::Unreachable(why) = &self.reason else { return None };
        Some(Self { tried: self.tried.clone(), reason: Reason::Unreachable(why.clone()) })
    }

    /// Whether nothing at all can be asked of this server.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self.reason, Reason::Unauthorized(_) | Reason::Unreachable(_))
    }
}

// === impl Reason ===

impl Reason {
    /// From kube's error, keeping the server's own message.
    pub(crate) fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::with_code(status.code, status.message.clone()),
            kube::Error::SerdeError(error) => Self::Unreadable(error.to_string()),
            other => Self::Unreachable(innermost(other)),
        }
    }

    /// From an answer: the message of its `Status`, or what a proxy on the way wrote instead.
    pub(crate) fn answered(code: u16, body: &[u8]) -> Self {
        let message = match serde_json::from_slice::<kube::core::Status>(body) {
            Ok(status) if !status.message.is_empty() => status.message,
            Ok(_) | Err(_) => String::from_utf8_lossy(body).trim().chars().take(LONGEST).collect(),
        };
        Self::with_code(code, message)
    }

    fn with_code(code: u16, message: String) -> Self {
        match code {
            401 => Self::Unauthorized(message),
            403 => Self::Forbidden(message),
            404 => Self::NotFound(message),
            410 => Self::Gone(message),
            code => Self::Answer { code, message },
        }
    }

    /// What would make it work.
    fn next(&self, tried: &str) -> Option<String> {
        match self {
            Self::Forbidden(_) => Some(format!("ask for the right to {tried}; {ROLE}")),
            Self::Unauthorized(_) => Some("log in again, or name another --context".to_owned()),
            Self::Unreachable(_) => Some("check the server of the context and the network".to_owned()),
            Self::BrokenOff(_) => Some("try again".to_owned()),
            Self::TimedOut(_) => Some("try again, or raise --request-timeout".to_owned()),
            Self::NotStarted(_) => Some("name an image that the node can pull and that has sleep and curl".to_owned()),
            Self::NotFound(_) | Self::Gone(_) | Self::Answer { .. } | Self::Unreadable(_) => None,
        }
    }
}

/// The last cause of an error: the outer ones only say that something inside failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
