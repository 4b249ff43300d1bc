//! Ports and what is spoken on them.
//!
//! A service port and a workload port are two types on purpose: a `DestinationRule`'s `portLevelSettings` is keyed by
//! the former, a `PeerAuthentication`'s `portLevelMtls` by the latter, and mixing them up is the commonest mistake.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The `port` of a Service: what clients dial, and the key of `portLevelSettings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServicePort(pub u16);

/// The port the container listens on: a Service's `targetPort`, and the key of `portLevelMtls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkloadPort(pub u16);

/// Protocol of a Service port as Istio reads it from `appProtocol`, the port's name or its number.
///
/// Istio: `pkg/config/kube/conversion.go:ConvertProtocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 by way of a `http_proxy` port.
    #[serde(rename = "http_proxy")]
    HttpProxy,
    /// HTTP/2 without TLS.
    Http2,
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    #[serde(rename = "grpc-web")]
    GrpcWeb,
    /// Opaque bytes.
    Tcp,
    /// TLS that the application terminates.
    Tls,
    /// HTTPS that the application terminates.
    Https,
    /// `MongoDB`.
    Mongo,
    /// Redis.
    Redis,
    /// `MySQL`.
    Mysql,
    /// Not told: Envoy sniffs it.
    Auto,
    /// Not TCP at all; such ports make no rows.
    Udp,
}

/// How a proxy treats a port's bytes.
///
/// Istio: `pilot/pkg/networking/networking.go:ModelProtocolToListenerProtocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortClass {
    /// An HTTP codec reads them.
    Http,
    /// They are passed on as they come.
    Tcp,
    /// Sniffed; ports that nobody declares are of this class too.
    Auto,
}

/// What the application sends on a connection, TLS of its own aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// An HTTP/1.1 request.
    Http,
    /// Bytes that are not HTTP.
    Tcp,
}

// === impl Protocol ===

impl Protocol {
    /// The class that decides filter chains at the server and codecs at the client.
    #[must_use]
    pub fn class(self) -> PortClass {
        match self {
            Self::Http | Self::HttpProxy | Self::Http2 | Self::Grpc | Self::GrpcWeb => PortClass::Http,
            Self::Tcp | Self::Tls | Self::Https | Self::Mongo | Self::Redis | Self::Mysql | Self::Udp => PortClass::Tcp,
            Self::Auto => PortClass::Auto,
        }
    }

    /// Whether it is carried by HTTP/2. Istio: `pkg/config/protocol/instance.go:IsHTTP2`.
    #[must_use]
    pub fn is_http2(self) -> bool {
        match self {
            Self::Http2 | Self::Grpc | Self::GrpcWeb => true,
            Self::Http
            | Self::HttpProxy
            | Self::Tcp
            | Self::Tls
            | Self::Https
            | Self::Mongo
            | Self::Redis
            | Self::Mysql
            | Self::Auto
            | Self::Udp => false,
        }
    }

    /// The word of the report: `http`, `http2`, `grpc`, `tcp`, `tls` or `auto`.
    #[must_use]
    pub fn report_word(self) -> &'static str {
        match self {
            Self::Http | Self::HttpProxy => "http",
            Self::Http2 => "http2",
            Self::Grpc | Self::GrpcWeb => "grpc",
            Self::Tcp | Self::Mongo | Self::Redis | Self::Mysql | Self::Udp => "tcp",
            Self::Tls | Self::Https => "tls",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for WorkloadPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
