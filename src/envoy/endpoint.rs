//! Endpoints of clusters, as `config_dump?include_eds` has them.

use std::net::IpAddr;

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
    /// Its addresses of the other family.
    #[serde(alias = "additionalAddresses", deserialize_with = "lossy::or_default")]
    pub additional_addresses: Vec<AdditionalAddress>,
}

/// An element of `additional_addresses`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AdditionalAddress {
    /// The address.
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
    /// A listener of the proxy's own, which opens a tunnel.
    #[serde(alias = "envoyInternalAddress")]
    pub envoy_internal_address: Option<InternalAddress>,
}

/// `envoy_internal_address`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct InternalAddress {
    /// `10.244.0.7:80` of what is behind the tunnel (Istio: `util.go:BuildInternalLbEndpoint`).
    #[serde(alias = "endpointId")]
    pub endpoint_id: String,
}

/// `socket_address`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SocketAddress {
    /// The address.
    pub address: String,
    /// `UDP`; absent for TCP.
    pub protocol: String,
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

    /// The endpoint that has this address, by itself or behind a tunnel.
    #[must_use]
    pub fn at(&self, address: IpAddr, port: u16) -> Option<&LbEndpoint> {
        let mut all = self.endpoints.iter().flat_map(|locality| &locality.lb_endpoints);
        all.find(|endpoint| {
            let host = &endpoint.endpoint;
            let more = host.additional_addresses.iter().map(|more| &more.address);
            std::iter::once(&host.address).chain(more).any(|one| one.is(address, port))
        })
    }
}

// === impl Address ===

impl Address {
    fn is(&self, address: IpAddr, port: u16) -> bool {
        let socket = self.socket_address.as_ref();
        let socket = socket.is_some_and(|at| at.port_value == Some(port) && at.address.parse() == Ok(address));
        let tunnelled = self.envoy_internal_address.as_ref().and_then(|at| at.endpoint_id.parse().ok());
        socket || tunnelled == Some(std::net::SocketAddr::new(address, port))
    }

    /// Whether it is one of UDP, as QUIC and DNS are.
    #[must_use]
    pub fn is_udp(&self) -> bool {
        self.socket_address.as_ref().is_some_and(|at| at.protocol == "UDP")
    }
}
