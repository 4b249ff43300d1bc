//! Listeners and their filter chains.

use serde::Deserialize;
use serde_json::Value;

use crate::envoy::endpoint::Address;
use crate::envoy::lossy;
use crate::envoy::refusal::UpdateFailure;
use crate::envoy::route::RouteConfiguration;
use crate::envoy::tls::TransportSocket;

/// One element of `dynamic_listeners` or `static_listeners` (which has only `listener`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ListenerEntry {
    /// Its name; a rejected update has an element without one.
    pub name: String,
    /// What serves.
    #[serde(alias = "activeState")]
    pub active_state: Option<Box<ListenerState>>,
    /// What waits for its secrets or routes.
    #[serde(alias = "warmingState")]
    pub warming_state: Option<Box<ListenerState>>,
    /// What was replaced and still serves its connections.
    #[serde(alias = "drainingState")]
    pub draining_state: Option<Box<ListenerState>>,
    /// A rejected update.
    #[serde(alias = "errorState")]
    pub error_state: Option<UpdateFailure>,
    /// A static listener.
    pub listener: Option<Box<Listener>>,
    /// When a static listener was made.
    #[serde(alias = "lastUpdated")]
    pub last_updated: Option<String>,
}

/// A state of a listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ListenerState {
    /// Version of the push.
    #[serde(alias = "versionInfo")]
    pub version_info: String,
    /// The listener.
    pub listener: Listener,
    /// When it was last changed.
    #[serde(alias = "lastUpdated")]
    pub last_updated: Option<String>,
}

/// A listener.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Listener {
    /// `virtualInbound`, `0.0.0.0_8000`.
    pub name: String,
    /// What it is bound to.
    #[serde(deserialize_with = "lossy::or_default")]
    pub address: Address,
    /// Tried in Envoy's own order, not in this one.
    #[serde(alias = "filterChains", deserialize_with = "lossy::or_default")]
    pub filter_chains: Vec<FilterChain>,
    /// Where no chain matches.
    #[serde(alias = "defaultFilterChain")]
    pub default_filter_chain: Option<FilterChain>,
    /// Whether a matcher picks the chain: a shape that is not read.
    #[serde(alias = "filterChainMatcher")]
    pub filter_chain_matcher: Option<serde::de::IgnoredAny>,
    /// `INBOUND`, `OUTBOUND`.
    #[serde(alias = "trafficDirection")]
    pub traffic_direction: String,
    /// Whether connections are handed to the listener of their original destination; two names, by age.
    #[serde(
        alias = "useOriginalDst",
        alias = "hidden_envoy_deprecated_use_original_dst",
        deserialize_with = "lossy::or_default"
    )]
    pub use_original_dst: bool,
    /// What looks at a connection before a chain is picked.
    #[serde(alias = "listenerFilters", deserialize_with = "lossy::or_default")]
    pub listener_filters: Vec<ListenerFilter>,
}

/// A listener filter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ListenerFilter {
    /// `envoy.filters.listener.tls_inspector`.
    pub name: String,
    /// Where it does not look.
    #[serde(alias = "filterDisabled")]
    pub filter_disabled: Option<Value>,
}

/// A filter chain.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FilterChain {
    /// Its name, for people.
    pub name: String,
    /// What it is for.
    #[serde(alias = "filterChainMatch", deserialize_with = "lossy::or_default")]
    pub filter_chain_match: FilterChainMatch,
    /// TLS, where it ends here.
    #[serde(alias = "transportSocket")]
    pub transport_socket: Option<TransportSocket>,
    /// What reads the bytes.
    #[serde(deserialize_with = "lossy::or_default")]
    pub filters: Vec<NetworkFilter>,
}

/// `filter_chain_match`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FilterChainMatch {
    /// The port that was dialled.
    #[serde(alias = "destinationPort", deserialize_with = "lossy::port")]
    pub destination_port: Option<u16>,
    /// `tls`, `raw_buffer`, or empty for any.
    #[serde(alias = "transportProtocol")]
    pub transport_protocol: String,
    /// ALPN; empty for any.
    #[serde(alias = "applicationProtocols", deserialize_with = "lossy::or_default")]
    pub application_protocols: Vec<String>,
    /// SNI; empty for any.
    #[serde(alias = "serverNames", deserialize_with = "lossy::or_default")]
    pub server_names: Vec<String>,
    /// Destination addresses; empty for any.
    #[serde(alias = "prefixRanges", deserialize_with = "lossy::or_default")]
    pub prefix_ranges: Vec<CidrRange>,
    /// Source addresses: never written by istiod.
    #[serde(alias = "sourcePrefixRanges", deserialize_with = "lossy::or_default")]
    pub source_prefix_ranges: Vec<serde::de::IgnoredAny>,
    /// Addresses of the peer itself: never written by istiod.
    #[serde(alias = "directSourcePrefixRanges", deserialize_with = "lossy::or_default")]
    pub direct_source_prefix_ranges: Vec<serde::de::IgnoredAny>,
    /// Source ports: never written by istiod.
    #[serde(alias = "sourcePorts", deserialize_with = "lossy::or_default")]
    pub source_ports: Vec<serde::de::IgnoredAny>,
    /// Source kinds: never written by istiod.
    #[serde(alias = "sourceType")]
    pub source_type: String,
}

/// A range of addresses.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CidrRange {
    /// First address.
    #[serde(alias = "addressPrefix")]
    pub address_prefix: String,
    /// Bits.
    #[serde(alias = "prefixLen", deserialize_with = "lossy::number")]
    pub prefix_len: u64,
}

/// A network filter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NetworkFilter {
    /// `envoy.filters.network.http_connection_manager`, `envoy.filters.network.tcp_proxy`, ...
    pub name: String,
    /// Its configuration, as far as it is one of those two.
    #[serde(alias = "typedConfig", deserialize_with = "lossy::or_default")]
    pub typed_config: NetworkConfig,
}

/// Fields of `HttpConnectionManager` and `TcpProxy`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NetworkConfig {
    /// The message's type.
    #[serde(rename = "@type")]
    pub kind: String,
    /// Where bytes go (`TcpProxy`).
    #[serde(deserialize_with = "lossy::text")]
    pub cluster: Option<String>,
    /// Where bytes go, by weight (`TcpProxy`).
    #[serde(alias = "weightedClusters", deserialize_with = "lossy::if_understood")]
    pub weighted_clusters: Option<WeightedClusters>,
    /// Routes by name.
    #[serde(deserialize_with = "lossy::if_understood")]
    pub rds: Option<Rds>,
    /// Routes in place.
    #[serde(alias = "routeConfig", deserialize_with = "lossy::if_understood")]
    pub route_config: Option<RouteConfiguration>,
    /// What becomes of X-Forwarded-Client-Cert.
    #[serde(alias = "forwardClientCertDetails")]
    pub forward_client_cert_details: String,
    /// HTTP filters, by name.
    #[serde(alias = "httpFilters", deserialize_with = "lossy::or_default")]
    pub http_filters: Vec<HttpFilter>,
}

/// `weighted_clusters`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct WeightedClusters {
    /// The clusters.
    pub clusters: Vec<WeightedCluster>,
}

/// One of them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct WeightedCluster {
    /// Its name.
    pub name: String,
    /// Its share.
    #[serde(deserialize_with = "lossy::number")]
    pub weight: u64,
}

/// `rds`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Rds {
    /// `8000`, `httpbin.foo.svc.cluster.local:8000`.
    #[serde(alias = "routeConfigName")]
    pub route_config_name: String,
}

/// An HTTP filter.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct HttpFilter {
    /// `istio.alpn`, `envoy.filters.http.router`.
    pub name: String,
}

// === impl NetworkFilter ===

impl NetworkFilter {
    /// Whether an HTTP codec reads the bytes.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.typed_config.kind.ends_with(".HttpConnectionManager") || self.name.ends_with("http_connection_manager")
    }

    /// Whether bytes are passed on.
    #[must_use]
    pub fn is_tcp(&self) -> bool {
        self.typed_config.kind.ends_with(".TcpProxy") || self.name.ends_with("tcp_proxy")
    }
}
