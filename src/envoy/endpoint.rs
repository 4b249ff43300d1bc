//! Endpoints of clusters, as `config_dump?include_eds` has them.

use serde::Deserialize;

use crate::envoy::lossy;
use crate::envoy::metadata::Metadata;

/// One element of `static_endpoint_configs` or `dynamic_endpoint_configs`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct EndpointEntry {
    /// The assignment.
    #[serde(alias = "endpointConfig")]
    pub endpoint_config: LoadAssignment,
}

/// A `ClusterLoadAssignment`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LoadAssignment {
    /// The cluster, or the `service_name` of its `eds_cluster_config`.
    #[serde(alias = "clusterName")]
    pub cluster_name: String,
    /// By locality.
    #[serde(deserialize_with = "lossy::or_default")]
    pub endpoints: Vec<Locality>,
}

/// Endpoints of one place.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Locality {
    /// Its endpoints.
    #[serde(alias = "lbEndpoints", deserialize_with = "lossy::or_default")]
    pub lb_endpoints: Vec<LbEndpoint>,
}

/// One endpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct LbEndpoint {
    /// Where it is.
    #[serde(deserialize_with = "lossy::or_default")]
    pub endpoint: Host,
    /// `HEALTHY`, `DRAINING`, ...
    #[serde(alias = "healthStatus")]
    pub health_status: String,
    /// Which transport socket it wants.
    #[serde(deserialize_with = "lossy::or_default")]
    pub metadata: Metadata,
}

/// `endpoint`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Host {
    /// Its address.
    #[serde(deserialize_with = "lossy::or_default")]
    pub address: Address,
}

/// An address; pipes and internal listeners have no socket address.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Address {
    /// IP address or name, and port.
    #[serde(alias = "socketAddress")]
    pub socket_address: Option<SocketAddress>,
}

/// `socket_address`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SocketAddress {
    /// The address.
    pub address: String,
    /// The port.
    #[serde(alias = "portValue", deserialize_with = "lossy::port")]
    pub port_value: Option<u16>,
}

// === impl LoadAssignment ===

impl LoadAssignment {
    /// Every endpoint with a socket address.
    pub fn hosts(&self) -> impl Iterator<Item = (&SocketAddress, &LbEndpoint)> {
        let all = self.endpoints.iter().flat_map(|locality| &locality.lb_endpoints);
        all.filter_map(|endpoint| Some((endpoint.endpoint.address.socket_address.as_ref()?, endpoint)))
    }
}
