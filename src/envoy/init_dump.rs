//! `/init_dump`: what an Envoy that is not ready waits for.

use serde::Deserialize;

use crate::envoy::lossy;
use crate::envoy::refusal::Refusal;

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct InitDump {
    /// Who waits.
    pub unready_targets_dumps: Vec<Unready>,
}

/// Something that waits.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Unready {
    /// `init manager Listener-local-init-manager virtualInbound 139...`.
    pub name: String,
    /// `shared target SdsApi default`.
    #[serde(deserialize_with = "lossy::or_default")]
    pub target_names: Vec<String>,
}

// === impl InitDump ===

impl InitDump {
    /// Reads the answer.
    ///
    /// # Errors
    /// A [`Refusal`] that names what came instead.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        crate::envoy::refusal::object(body, "unready_targets_dumps")
    }
}
