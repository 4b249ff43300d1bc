//! The outbound listener: which service was meant, and how its port is read.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::lab::desired::{ClusterEndpoint, OutboundPort};
use crate::lab::network::proxy_protocol::Dialled;
use crate::lab::proxy::access_log::{AccessLogEntry, LogKind};
use crate::lab::proxy::http::{Manager, Routing};
use crate::lab::proxy::sniff::{self, Spoken};
use crate::lab::proxy::stream::Prefixed;
use crate::lab::proxy::{Programmed, Proxy, Upstream, Via, tcp};
use crate::model::mesh::OutboundPolicy;
use crate::model::port::PortClass;

/// What listens on a destination.
enum Listening {
    /// `0.0.0.0_<port>` with an HTTP connection manager; other bytes go past it.
    Http,
    /// `<address>_<port>` that sniffs.
    Auto(Arc<Upstream>),
    /// `<address>_<port>` with a TCP proxy.
    Tcp(Arc<Upstream>),
    /// `virtualOutbound`: nobody declared the destination.
    Nothing,
}

/// Takes one connection, a PROXY header first.
pub(crate) async fn accept(proxy: Arc<Proxy>, mut stream: TcpStream) {
    let Ok(dialled) = Dialled::read(&mut stream).await else { return };
    let destination = dialled.destination;
    proxy.count(format!("listener.0.0.0.0_{}.downstream_cx_total", destination.port()));
    let programmed = proxy.programmed();
    let mut stream = Prefixed::new(stream);
    match programmed.listening(destination) {
        Listening::Tcp(upstream) => pass(&proxy, stream, dialled, &upstream).await,
        Listening::Nothing => pass(&proxy, stream, dialled, &programmed.unknown_or_black_hole(destination)).await,
        Listening::Http => match spoken(&proxy, &mut stream).await {
            Some(Spoken::Http11 | Spoken::H2c) => manage(proxy, stream, dialled, Routing::OutboundByHost).await,
            // TLS of the application, HTTP/1.0, anything else: `PassthroughFilterChain`.
            Some(Spoken::Http10 | Spoken::NotHttp) => {
                pass(&proxy, stream, dialled, &programmed.unknown_or_black_hole(destination)).await;
            }
            None => {}
        },
        Listening::Auto(upstream) => match spoken(&proxy, &mut stream).await {
            Some(Spoken::Http11 | Spoken::H2c) => manage(proxy, stream, dialled, Routing::OutboundTo(upstream)).await,
            Some(Spoken::Http10 | Spoken::NotHttp) => pass(&proxy, stream, dialled, &upstream).await,
            None => {}
        },
    }
}

/// `None` when the application closed without a word.
async fn spoken(proxy: &Proxy, stream: &mut Prefixed<TcpStream>) -> Option<Spoken> {
    let spoken = sniff::http(stream).await.ok()?;
    proxy.count(spoken.counter());
    Some(spoken)
}

async fn manage(proxy: Arc<Proxy>, stream: Prefixed<TcpStream>, dialled: Dialled, routing: Routing) {
    Manager { proxy, routing, dialled, sni: None, over_tls: false, peer: None }.serve(stream).await;
}

async fn pass(proxy: &Proxy, stream: Prefixed<TcpStream>, dialled: Dialled, upstream: &Upstream) {
    let entry = AccessLogEntry::begin(LogKind::Filter, dialled.source, dialled.destination);
    tcp::proxy(proxy, stream, upstream, entry).await;
}

/// Whether a virtual host's domain, exact or `*.suffix`, covers a host in lower case.
fn answers_to(domain: &str, host: &str) -> bool {
    match domain.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(&suffix.to_ascii_lowercase()),
        None => domain.eq_ignore_ascii_case(host),
    }
}

// === impl Programmed ===

impl Programmed {
    /// Listeners of an address come before those of a port on every address.
    fn listening(&self, destination: SocketAddr) -> Listening {
        let of_port = || self.config.outbound.iter().filter(|port| port.port.0 == destination.port());
        for port in of_port().filter(|port| port.addresses.contains(&destination.ip())) {
            let upstream = || Arc::new(Upstream::of(port, destination));
            match port.class {
                PortClass::Tcp => return Listening::Tcp(upstream()),
                PortClass::Auto => return Listening::Auto(upstream()),
                PortClass::Http => {}
            }
        }
        if of_port().any(|port| port.class == PortClass::Http) { Listening::Http } else { Listening::Nothing }
    }

    /// The HTTP service of this name on the port, wherever the connection went: routes do not look at addresses.
    pub(crate) fn by_host(&self, host: &str, dialled: SocketAddr) -> Option<Upstream> {
        let named = |port: &&OutboundPort| {
            port.class == PortClass::Http
                && port.port.0 == dialled.port()
                && port.names.iter().any(|name| answers_to(name, host))
        };
        self.config.outbound.iter().find(named).map(|port| Upstream::of(port, dialled))
    }

    /// Where unknown destinations go; `None` where they are blocked.
    pub(crate) fn unknown(&self, dialled: SocketAddr) -> Option<Upstream> {
        match self.config.outbound_policy {
            OutboundPolicy::AllowAny => Some(Upstream::passthrough(dialled)),
            OutboundPolicy::RegistryOnly => None,
        }
    }

    fn unknown_or_black_hole(&self, dialled: SocketAddr) -> Upstream {
        self.unknown(dialled).unwrap_or_else(Upstream::black_hole)
    }
}

// === impl Upstream ===

impl Upstream {
    /// The cluster of a service port; `ORIGINAL_DST` clusters have the dialled address for an endpoint.
    fn of(port: &OutboundPort, dialled: SocketAddr) -> Self {
        let cluster = &port.cluster;
        let endpoints = if cluster.original_dst {
            let marked = cluster.endpoints.iter().any(|endpoint| endpoint.address == dialled && endpoint.marked);
            vec![ClusterEndpoint { address: dialled, marked }]
        } else {
            cluster.endpoints.clone()
        };
        Self {
            cluster: cluster.name.clone(),
            transport: cluster.socket.clone(),
            endpoints,
            via: Via::Network,
            retries: port.retries,
            limits: port.limits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::answers_to;

    #[test]
    fn a_wildcard_covers_what_lies_below_it() {
        let rows = [
            ("httpbin.foo", "httpbin.foo", true),
            ("Httpbin.Foo", "httpbin.foo", true),
            ("httpbin", "httpbin.foo", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
        ];
        for (domain, host, expected) in rows {
            assert_eq!(answers_to(domain, host), expected, "{domain} {host}");
        }
    }
}
