//! `/server_info`: version, state, and since when it runs.

use serde::Deserialize;

use crate::envoy::lossy;
use crate::envoy::refusal::Refusal;

/// The answer, without the command line.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ServerInfo {
    /// `9e55.../1.40.0/Clean/RELEASE/BoringSSL`.
    pub version: String,
    /// `LIVE`, `PRE_INITIALIZING`, `INITIALIZING`, `DRAINING`.
    pub state: String,
    /// `86400s`.
    pub uptime_current_epoch: String,
    /// The node.
    #[serde(deserialize_with = "lossy::or_default")]
    pub node: crate::envoy::config_dump::Node,
}

// === impl ServerInfo ===

impl ServerInfo {
    /// Reads the answer.
    ///
    /// # Errors
    /// A [`Refusal`] that names what came instead.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        crate::envoy::refusal::object(body, "version")
    }

    /// Envoy's version, `1.40.0`.
    #[must_use]
    pub fn envoy_version(&self) -> Option<&str> {
        self.version.split('/').nth(1)
    }

    /// Seconds since it started.
    #[must_use]
    pub fn uptime_seconds(&self) -> Option<u64> {
        self.uptime_current_epoch.strip_suffix('s')?.parse().ok()
    }
}
