//! `/clusters?format=json`: hosts with counters that Istio's `stats_matcher` does not hide.

use serde::Deserialize;

use crate::envoy::endpoint::Address;
use crate::envoy::lossy;
use crate::envoy::refusal::Refusal;

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Clusters {
    /// Clusters.
    pub cluster_statuses: Vec<ClusterStatus>,
}

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClusterStatus {
    /// Its name.
    pub name: String,
    /// Its hosts.
    #[serde(deserialize_with = "lossy::or_default")]
    pub host_statuses: Vec<HostStatus>,
}

/// A host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HostStatus {
    /// Where it is.
    pub address: Address,
    /// `cx_connect_fail`, `cx_total`, `rq_error`, `rq_success`, `rq_timeout`, `rq_total`; an absent value is 0.
    #[serde(deserialize_with = "lossy::or_default")]
    pub stats: Vec<HostStat>,
}

/// A counter or gauge of a host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HostStat {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(deserialize_with = "lossy::number")]
    pub value: u64,
}

// === impl Clusters ===

impl Clusters {
    /// Reads the answer.
    ///
    /// # Errors
    /// A [`Refusal`] that names what came instead.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        crate::envoy::refusal::object(body, "cluster_statuses")
    }
}

// === impl HostStatus ===

impl HostStatus {
    /// A counter by name.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.stats.iter().find(|stat| stat.name == name).map_or(0, |stat| stat.value)
    }
}
