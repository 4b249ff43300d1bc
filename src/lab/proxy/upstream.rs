//! Connections to upstreams: which transport, which certificate, what counts when it fails.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::lab::desired::{ClusterEndpoint, TransportSocket};
use crate::lab::proxy::failure::{CONNECTION_REFUSED, NO_SECRET, TlsFailure};
use crate::lab::proxy::stream::Connection;
use crate::lab::proxy::tls::{self, ExpectedNames, UpstreamServer};
use crate::lab::proxy::{Proxy, Upstream, Via};
use crate::model::tls::{ServerValidation, UpstreamTls};

/// What the `istio.alpn` filter offers for an HTTP/1.1 request.
///
/// Istio: `pilot/pkg/networking/core/listener_builder.go`, `mtlsHTTP11ALPN`.
const ALPN_HTTP: [&str; 3] = ["istio-http/1.1", "istio", "http/1.1"];
/// What Envoy's HTTP/1.1 connection pool offers where the cluster offers nothing.
const ALPN_FALLBACK: &str = "http/1.1";

/// A connection that can be used.
pub(crate) struct Connected {
    pub(crate) stream: Box<dyn Connection>,
    /// First URI or DNS name of the upstream's certificate.
    pub(crate) peer: Option<String>,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotConnected {
    /// It took too long.
    TimedOut,
    /// `upstream_transport_failure_reason`.
    Failed(String),
}

impl Proxy {
    /// Connects to an endpoint of a cluster. `server_name` is the request's host on HTTP, for clusters without SNI.
    pub(crate) async fn connect_upstream(
        &self,
        upstream: &Upstream,
        endpoint: &ClusterEndpoint,
        request_host: Option<&str>,
    ) -> Result<Connected, NotConnected> {
        let tls = match (&upstream.transport, endpoint.marked) {
            (TransportSocket::RawBuffer, _) | (TransportSocket::Matches(_), false) => None,
            (TransportSocket::Tls(tls), _) | (TransportSocket::Matches(tls), true) => Some(tls),
        };
        self.count_cluster(&upstream.cluster, "upstream_cx_total");
        self.count_host(&upstream.cluster, endpoint.address, |host| host.cx_total += 1);
        let connecting = async {
            match tls {
                None => self
                    .open(upstream, endpoint.address)
                    .await
                    .map(|stream| Connected { stream: Box::new(stream), peer: None }),
                Some(tls) => self.connect_tls(upstream, endpoint.address, tls, request_host).await,
            }
        };
        let connected = if let Ok(connected) = tokio::time::timeout(upstream.limits.connect, connecting).await {
            connected.map_err(NotConnected::Failed)
        } else {
            self.count_cluster(&upstream.cluster, "upstream_cx_connect_timeout");
            Err(NotConnected::TimedOut)
        };
        if connected.is_err() {
            self.count_cluster(&upstream.cluster, "upstream_cx_connect_fail");
            self.count_host(&upstream.cluster, endpoint.address, |host| host.cx_connect_fail += 1);
        }
        connected
    }

    async fn open(&self, upstream: &Upstream, address: SocketAddr) -> Result<TcpStream, String> {
        let opened = match upstream.via {
            Via::Network => self.network.connect_as_sidecar(&self.pod, address).await,
            Via::Application(port) => self.network.connect_to_application(&self.pod, port).await,
        };
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::HostUnreachable => "delayed connect error: No route to host".to_owned(),
            _ => CONNECTION_REFUSED.to_owned(),
        })
    }

    async fn connect_tls(
        &self,
        upstream: &Upstream,
        address: SocketAddr,
        tls: &UpstreamTls,
        request_host: Option<&str>,
    ) -> Result<Connected, String> {
        let Ok((certificate, roots)) = self.secrets_for(tls).await else {
            self.count_cluster(&upstream.cluster, "client_ssl_socket_factory.upstream_context_secrets_not_ready");
            return Err(NO_SECRET.to_owned());
        };
        // Istio: `cluster_tls.go:setAutoSniAndAutoSanValidation`: without SNI the request's host is sent, and demanded
        // where nothing else is.
        let automatic = tls.sni.is_none().then_some(request_host).flatten();
        let names = match (tls.subject_alt_names.is_empty(), automatic, &tls.validation) {
            (false, _, _) => ExpectedNames::OneOf(tls.subject_alt_names.clone()),
            (true, _, ServerValidation::Skip) | (true, None, _) => ExpectedNames::Any,
            (true, Some(host), _) => ExpectedNames::ServerName(host.to_owned()),
        };
        let server = UpstreamServer { roots, names, provider: Arc::clone(&self.provider) };
        let name = tls.sni.as_deref().or(automatic).and_then(|name| ServerName::try_from(name.to_owned()).ok());
        let alpn = alpn(tls, request_host.is_some());
        let config =
            tls::client_config(certificate, server, &alpn, name.is_some()).map_err(|error| error.to_string())?;
        let stream = self.open(upstream, address).await?;
        let name = name.unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into()));
        match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            Ok(stream) => {
                self.count_cluster(&upstream.cluster, "ssl.handshake");
                let peer = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let peer = peer.and_then(|certificate| tls::names(certificate).into_iter().next());
                Ok(Connected { stream: Box::new(stream), peer })
            }
            Err(error) => {
                let failure = TlsFailure::of(&error);
                if let Some(counter) = failure.counter {
                    self.count_cluster(&upstream.cluster, counter);
                }
                Err(failure.reason)
            }
        }
    }
}

/// What is offered: the cluster's own on TCP, Istio's for HTTP over its mutual TLS, else what the codec needs.
fn alpn(tls: &UpstreamTls, http: bool) -> Vec<String> {
    match (http, tls.alpn_override, tls.alpn.is_empty()) {
        (true, true, _) => ALPN_HTTP.map(str::to_owned).to_vec(),
        (true, false, true) => vec![ALPN_FALLBACK.to_owned()],
        (true, false, false) | (false, _, _) => tls.alpn.clone(),
    }
}
