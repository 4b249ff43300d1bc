//! Route configurations: which cluster an HTTP request leaves by.

use serde::Deserialize;

use crate::envoy::listener::WeightedClusters;
use crate::envoy::lossy;
use crate::envoy::metadata::Metadata;

/// One element of `static_route_configs` or `dynamic_route_configs`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RouteEntry {
    /// The routes.
    #[serde(alias = "routeConfig")]
    pub route_config: RouteConfiguration,
    /// When they were last changed.
    #[serde(alias = "lastUpdated")]
    pub last_updated: Option<String>,
    /// A rejected update.
    #[serde(alias = "errorState")]
    pub error_state: Option<crate::envoy::refusal::UpdateFailure>,
}

/// A route configuration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RouteConfiguration {
    /// `8000`.
    pub name: String,
    /// By host.
    #[serde(alias = "virtualHosts", deserialize_with = "lossy::or_default")]
    pub virtual_hosts: Vec<VirtualHost>,
}

/// A virtual host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct VirtualHost {
    /// Its name; `allow_any` and `block_all` are istiod's for hosts nobody knows.
    pub name: String,
    /// Hosts it is for.
    #[serde(deserialize_with = "lossy::or_default")]
    pub domains: Vec<String>,
    /// Tried in order.
    #[serde(deserialize_with = "lossy::or_default")]
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Route {
    /// What it is for.
    #[serde(rename = "match", deserialize_with = "lossy::or_default")]
    pub matches: RouteMatch,
    /// Where it leads.
    pub route: Option<RouteAction>,
    /// An answer of the proxy's own.
    #[serde(alias = "directResponse")]
    pub direct_response: Option<DirectResponse>,
    /// Another address is told.
    pub redirect: Option<serde::de::IgnoredAny>,
    /// The VirtualService that wrote it.
    #[serde(deserialize_with = "lossy::or_default")]
    pub metadata: Metadata,
}

/// `match`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RouteMatch {
    /// Beginning of the path.
    pub prefix: Option<String>,
    /// Conditions on headers.
    #[serde(deserialize_with = "lossy::or_default")]
    pub headers: Vec<serde::de::IgnoredAny>,
    /// Conditions on the query.
    #[serde(alias = "queryParameters", deserialize_with = "lossy::or_default")]
    pub query_parameters: Vec<serde::de::IgnoredAny>,
    /// A share of the requests.
    #[serde(alias = "runtimeFraction")]
    pub runtime_fraction: Option<serde::de::IgnoredAny>,
}

/// `route`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RouteAction {
    /// One cluster.
    pub cluster: Option<String>,
    /// Several.
    #[serde(alias = "weightedClusters", deserialize_with = "lossy::if_understood")]
    pub weighted_clusters: Option<WeightedClusters>,
}

/// `direct_response`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DirectResponse {
    /// The status.
    #[serde(deserialize_with = "lossy::number")]
    pub status: u64,
}

// === impl RouteMatch ===

impl RouteMatch {
    /// Whether every request matches.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.prefix.as_deref() == Some("/")
            && self.headers.is_empty()
            && self.query_parameters.is_empty()
            && self.runtime_fraction.is_none()
    }
}
