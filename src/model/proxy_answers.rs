//! The raw answers of one proxy's admin interface, as they came; reading them is not done here.

/// Everything one proxy was asked and answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyAnswers {
    /// Namespace of the pod.
    pub namespace: String,
    /// The pod whose proxy was asked.
    pub pod: String,
    /// Other pods of the namespace that it was asked for: same workload, template and revision.
    pub stands_for: Vec<String>,
    /// When it was asked; absent for files, whose age is not known.
    pub read_at: Option<jiff::Timestamp>,
    /// The answers.
    pub answers: Vec<Answer>,
}

/// One answer, whatever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub endpoint: AdminEndpoint,
    /// Path and query as asked, e.g. `/config_dump?resource=dynamic_listeners`; empty for a file.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
}

/// An endpoint of the admin interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AdminEndpoint {
    /// `/config_dump`, whole, masked or one resource.
    ConfigDump,
    /// `/clusters?format=json`.
    Clusters,
    /// `/certs`.
    Certs,
    /// `/listeners?format=json`.
    Listeners,
    /// `/stats`, as text.
    Stats,
    /// `/server_info`.
    ServerInfo,
    /// `/init_dump`.
    InitDump,
}

// === impl AdminEndpoint ===

impl AdminEndpoint {
    /// The path that asks for it.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ConfigDump => "/config_dump",
            Self::Clusters => "/clusters?format=json",
            Self::Certs => "/certs",
            Self::Listeners => "/listeners?format=json",
            Self::Stats => "/stats",
            Self::ServerInfo => "/server_info",
            Self::InitDump => "/init_dump",
        }
    }
}
