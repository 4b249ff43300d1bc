//! Clusters: where a proxy sends connections, and over which transport socket.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::envoy::endpoint::LoadAssignment;
use crate::envoy::lossy;
use crate::envoy::metadata::Metadata;
use crate::envoy::refusal::UpdateFailure;
use crate::envoy::tls::TransportSocket;

/// One element of `static_clusters`, `dynamic_active_clusters` or `dynamic_warming_clusters`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClusterEntry {
    /// Version of the push.
    #[serde(alias = "versionInfo")]
    pub version_info: String,
    /// The cluster.
    pub cluster: Cluster,
    /// When it was last changed.
    #[serde(alias = "lastUpdated")]
    pub last_updated: Option<String>,
    /// A rejected update.
    #[serde(alias = "errorState")]
    pub error_state: Option<UpdateFailure>,
}

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// `outbound|8000||httpbin.foo.svc.cluster.local`.
    pub name: String,
    /// `EDS`, `ORIGINAL_DST`, `STATIC`, `STRICT_DNS`; absent = `STATIC`.
    #[serde(rename = "type")]
    pub kind: String,
    /// One socket for all endpoints.
    #[serde(alias = "transportSocket")]
    pub transport_socket: Option<TransportSocket>,
    /// A socket by the endpoint's metadata.
    #[serde(alias = "transportSocketMatches", deserialize_with = "lossy::or_default")]
    pub transport_socket_matches: Vec<SocketMatch>,
    /// What istiod notes.
    #[serde(deserialize_with = "lossy::or_default")]
    pub metadata: Metadata,
    /// Endpoints that stand in the cluster itself.
    #[serde(alias = "loadAssignment")]
    pub load_assignment: Option<LoadAssignment>,
    /// Whether a matcher picks the socket (`transport_socket_matcher`): a shape that is not read.
    #[serde(alias = "transportSocketMatcher")]
    pub transport_socket_matcher: Option<serde::de::IgnoredAny>,
}

/// An element of `transport_socket_matches`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SocketMatch {
    /// `tlsMode-istio`, `tlsMode-disabled`.
    pub name: String,
    /// Every key and value must be in the endpoint's metadata; empty matches all.
    #[serde(rename = "match", deserialize_with = "lossy::or_default")]
    pub matches: BTreeMap<String, Value>,
    /// The socket.
    #[serde(alias = "transportSocket")]
    pub transport_socket: TransportSocket,
}

// === impl SocketMatch ===

impl SocketMatch {
    /// Whether an endpoint with this metadata gets the socket.
    ///
    /// Envoy: `source/common/upstream/transport_socket_match_impl.cc:resolve`, first match in order;
    /// `source/common/config/metadata.cc:metadataLabelMatch`.
    #[must_use]
    pub fn applies_to(&self, endpoint: &BTreeMap<String, Value>) -> bool {
        self.matches.iter().all(|(key, value)| endpoint.get(key) == Some(value))
    }
}
