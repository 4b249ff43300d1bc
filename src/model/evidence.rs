//! What a look gave, or why it gave nothing.

use serde::{Deserialize, Serialize};

/// A look at something: what was seen, or why nothing was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading<T> {
    /// It was seen.
    Seen(T),
    /// It was not, and this is why.
    Unseen(Unseen),
}

/// Why a witness says nothing: a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unseen {
    /// Nobody asked for it.
    NotRequested,
    /// The client is no test client, or the server no echo server; requests are not sent to those by default.
    NotATestPair,
    /// The pod that would have to look does not run or is not ready.
    PodNotReady,
    /// The rights do not allow it.
    Forbidden(String),
    /// The container has no curl.
    NoCurl(String),
    /// It took too long.
    TimedOut(String),
    /// The look itself failed.
    Failed(String),
    /// The answer does not name the pod: it came through the Service.
    ThroughService,
    /// The port does not speak HTTP.
    NotHttp,
    /// There is nothing to call.
    NoEndpoints,
    /// More looks were asked for than allowed.
    Budget,
    /// There is no proxy that could be asked.
    NoProxy,
    /// The proxy shows none of the counters that tell.
    NoCounters,
}

/// One thing that could not be looked at, for the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedLook {
    /// What was tried, e.g. `list peerauthentications` or `exec in foo/sleep-abc`.
    pub tried: String,
    /// Why it failed.
    pub why: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// A container that was added to a pod; it stays as long as the pod does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Added {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// Its image.
    pub image: String,
}

/// What sent a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// curl.
    #[default]
    Curl,
    /// wget, where there is no curl.
    Wget,
}

/// One transfer of a curl that ran in a pod, as far as it could be read; or of a wget, told as curl would have told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// `%{http_code}`, `000` where there was no answer.
    pub http: String,
    /// curl's exit code for this transfer.
    pub exit: u8,
    /// Response headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Response body.
    pub body: String,
    /// curl's own message, without `curl: (56) `.
    pub message: Option<String>,
    /// What sent it.
    #[serde(default, skip_serializing_if = "Program::is_curl")]
    pub program: Program,
}

// === impl Program ===

impl Program {
    /// Whether it is curl.
    #[must_use]
    pub fn is_curl(&self) -> bool {
        *self == Self::Curl
    }
}

// === impl Unseen ===

impl Unseen {
    /// The report's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotRequested => "not-requested",
            Self::NotATestPair => "not-a-test-pair",
            Self::PodNotReady => "pod-not-ready",
            Self::Forbidden(_) => "forbidden",
            Self::NoCurl(_) => "no-curl",
            Self::TimedOut(_) => "timed-out",
            Self::Failed(_) => "failed",
            Self::ThroughService => "through-service",
            Self::NotHttp => "not-http",
            Self::NoEndpoints => "no-endpoints",
            Self::Budget => "budget",
            Self::NoProxy => "no-proxy",
            Self::NoCounters => "no-counters",
        }
    }

    /// What is known beyond the code.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Forbidden(text) | Self::NoCurl(text) | Self::TimedOut(text) | Self::Failed(text) => Some(text),
            Self::NotRequested
            | Self::NotATestPair
            | Self::PodNotReady
            | Self::ThroughService
            | Self::NotHttp
            | Self::NoEndpoints
            | Self::Budget
            | Self::NoProxy
            | Self::NoCounters => None,
        }
    }
}

// === impl Transfer ===

impl Transfer {
    /// The first header of that (lower-case) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}
