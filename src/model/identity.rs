//! Workload identities: SPIFFE IDs as Istio writes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`.
///
/// Istio: `pkg/spiffe/spiffe.go:GenSpiffeURI`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    /// Trust domain, `cluster.local` unless the mesh says otherwise.
    pub trust_domain: String,
    /// Namespace of the workload.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
}

/// Why a string is not a workload identity of Istio's shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form spiffe://<trust domain>/ns/<namespace>/sa/<service account>")]
pub struct NotASpiffeId(pub String);

// === impl SpiffeId ===

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.service_account)
    }
}

impl std::str::FromStr for SpiffeId {
    type Err = NotASpiffeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = || {
            let rest = text.strip_prefix("spiffe://")?;
            let (trust_domain, path) = rest.split_once('/')?;
            let (namespace, service_account) = path.strip_prefix("ns/")?.split_once("/sa/")?;
            let plain = |part: &str| !part.is_empty() && !part.contains('/');
            (plain(trust_domain) && plain(namespace) && plain(service_account)).then(|| Self {
                trust_domain: trust_domain.to_owned(),
                namespace: namespace.to_owned(),
                service_account: service_account.to_owned(),
            })
        };
        parts().ok_or_else(|| NotASpiffeId(text.to_owned()))
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = NotASpiffeId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.to_string()
    }
}
