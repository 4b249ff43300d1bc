//! `/listeners?format=json`: what is bound.

use serde::Deserialize;

use crate::envoy::endpoint::Address;
use crate::envoy::lossy;
use crate::envoy::refusal::Refusal;

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Listeners {
    /// Listeners.
    pub listener_statuses: Vec<ListenerStatus>,
}

/// A listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// What it is bound to.
    pub local_address: Address,
    /// And what else.
    #[serde(deserialize_with = "lossy::or_default")]
    pub additional_local_addresses: Vec<Address>,
}

// === impl Listeners ===

impl Listeners {
    /// Reads the answer.
    ///
    /// # Errors
    /// A [`Refusal`] that names what came instead.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        crate::envoy::refusal::object(body, "listener_statuses")
    }
}
