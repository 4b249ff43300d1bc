//! The inbound listener: looks, picks a filter chain, ends mutual TLS or passes bytes on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{PeerIncompatible, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::lab::desired::access::Caller;
use crate::lab::desired::{ClusterEndpoint, Limits, TransportSocket};
use crate::lab::network::proxy_protocol::Dialled;
use crate::lab::proxy::access_log::{AccessLogEntry, Flag, Flags, LogKind};
use crate::lab::proxy::failure::{INSPECTED_HTTP, INSPECTED_OTHER, NO_SECRET, TlsFailure, logged};
use crate::lab::proxy::http::{Manager, Routing};
use crate::lab::proxy::sniff::{self, Hello, Spoken};
use crate::lab::proxy::stream::{Connection, Prefixed};
use crate::lab::proxy::{Proxy, Upstream, Via, tcp, tls};
use crate::model::filter_chain::{self, FilterChain, PLAINTEXT_HTTP_ALPN, Sniffed, TransportMatch};
use crate::model::port::{Payload, WorkloadPort};

/// The cluster of ports that no chain names.
pub(crate) const PASSTHROUGH: &str = "InboundPassthroughCluster";
/// Envoy's name of the listener in its counters.
const LISTENER: &str = "listener.0.0.0.0_15006";
/// ALPN of the chains that read HTTP and of the others (Istio: `BuildInboundTLS`).
const ALPN_HTTP: [&str; 2] = ["h2", "http/1.1"];
const ALPN_TCP: [&str; 3] = ["istio-peer-exchange", "h2", "http/1.1"];
/// Read of a connection before a rule ends it.
const FIRST: usize = 16 * 1024;
/// The fatal alert `protocol_version` (RFC 5246, section 7.2): rustls calls it a failed handshake.
const PROTOCOL_VERSION: [u8; 7] = [21, 3, 1, 0, 2, 2, 70];
/// How long a refused TLS client has to read why.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What the listener filters found.
struct Found {
    hello: Option<Hello>,
    spoken: Option<Spoken>,
    inspected: bool,
}

/// A connection whose chain is picked.
struct Accepted {
    proxy: Arc<Proxy>,
    dialled: Dialled,
    codec: Payload,
    upstream: Arc<Upstream>,
    sni: Option<String>,
}

/// Takes one connection, a PROXY header first.
pub(crate) async fn accept(proxy: Arc<Proxy>, mut stream: TcpStream) {
    let Ok(dialled) = Dialled::read(&mut stream).await else { return };
    let port = WorkloadPort(dialled.destination.port());
    let programmed = proxy.programmed();
    let chains = &programmed.config.inbound;
    let mut stream = Prefixed::new(stream);
    let Ok(found) = inspect(&proxy, chains, port, &mut stream).await else { return };
    let Some(chain) = filter_chain::select(chains, port, &found.sniffed()) else {
        refuse(&proxy, dialled, &found, &stream);
        return;
    };
    // Envoy counts a connection once a chain took it (`active_stream_listener_base.cc`).
    proxy.count(format!("{LISTENER}.downstream_cx_total"));
    let accepted = Accepted {
        upstream: Arc::new(Upstream::application(chain.port, dialled.destination, programmed.config.inbound_retries)),
        proxy: Arc::clone(&proxy),
        dialled,
        codec: chain.codec,
        sni: found.hello.as_ref().and_then(|hello| hello.sni.clone()),
    };
    match (chain.terminates, &programmed.server_tls) {
        (false, _) => accepted.serve(stream, None, false).await,
        (true, Some(config)) => {
            let offered = found.hello.map(|hello| hello.alpn).unwrap_or_default();
            accepted.terminate(stream, with_alpn(config, chain.codec, &offered)).await;
        }
        (true, None) => {
            accepted.log_refused(NO_SECRET);
            stream.reset_on_close();
        }
    }
}

/// Runs the listener filters that the chains of the port need.
///
/// Istio: `listener_inbound.go:populateListenerFilters`.
async fn inspect(
    proxy: &Proxy,
    chains: &[FilterChain],
    port: WorkloadPort,
    stream: &mut Prefixed<TcpStream>,
) -> io::Result<Found> {
    let inspected = filter_chain::inspects_tls(chains, port);
    let hello = if inspected { sniff::client_hello(stream).await? } else { None };
    if inspected {
        proxy.count(if hello.is_some() { "tls_inspector.tls_found" } else { "tls_inspector.tls_not_found" });
    }
    let spoken = match hello {
        None if inspects_http(chains, port) => {
            let spoken = sniff::http(stream).await?;
            proxy.count(spoken.counter());
            Some(spoken)
        }
        None | Some(_) => None,
    };
    Ok(Found { hello, spoken, inspected })
}

/// Whether some chain of the port asks for plaintext HTTP by name.
fn inspects_http(chains: &[FilterChain], port: WorkloadPort) -> bool {
    let named = chains.iter().any(|chain| chain.port == Some(port));
    let of_port = |chain: &&FilterChain| chain.port == named.then_some(port);
    chains
        .iter()
        .filter(of_port)
        .any(|chain| chain.alpn.iter().any(|name| PLAINTEXT_HTTP_ALPN.contains(&name.as_str())))
}

/// Closes a connection that no chain wants: a reset, as Envoy closes with unread bytes.
fn refuse(proxy: &Proxy, dialled: Dialled, found: &Found, stream: &Prefixed<TcpStream>) {
    proxy.count(format!("{LISTENER}.no_filter_chain_match"));
    let mut entry = AccessLogEntry::begin(LogKind::Listener, dialled.source, dialled.destination);
    entry.flags = Flags::of(&[Flag::NoRouteFound]);
    entry.details = Some("filter_chain_not_found".to_owned());
    if found.inspected && found.hello.is_none() {
        let http = stream.ahead().starts_with(b"PRI") || !stream.ahead().first().is_some_and(u8::is_ascii_uppercase);
        entry.downstream_failure = Some(logged(if http { INSPECTED_OTHER } else { INSPECTED_HTTP }));
    }
    proxy.finish(entry);
    stream.reset_on_close();
}

/// The listener's TLS with the chain's ALPN. Envoy goes on without ALPN where nothing fits; rustls would refuse.
fn with_alpn(config: &Arc<ServerConfig>, codec: Payload, offered: &[String]) -> Arc<ServerConfig> {
    let own: &[&str] = match codec {
        Payload::Http => &ALPN_HTTP,
        Payload::Tcp => &ALPN_TCP,
    };
    if !own.iter().any(|name| offered.iter().any(|offered| offered == name)) {
        return Arc::clone(config);
    }
    let mut config = ServerConfig::clone(config);
    config.alpn_protocols = own.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

// === impl Found ===

impl Found {
    fn sniffed(&self) -> Sniffed<'_> {
        match &self.hello {
            Some(hello) => {
                Sniffed { transport: TransportMatch::Tls, alpn: hello.alpn.iter().map(String::as_str).collect() }
            }
            None => Sniffed {
                transport: TransportMatch::RawBuffer,
                alpn: self.spoken.and_then(Spoken::alpn).into_iter().collect(),
            },
        }
    }
}

// === impl Accepted ===

impl Accepted {
    /// Ends mutual TLS, then serves what is inside.
    async fn terminate(self, mut stream: Prefixed<TcpStream>, config: Arc<ServerConfig>) {
        if sniff::is_too_old(stream.ahead()) {
            // A broken connection is the caller's affair.
            let _ = stream.write_all(&PROTOCOL_VERSION).await;
            let error = rustls::Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered);
            return self.refused(&io::Error::other(error), stream).await;
        }
        match TlsAcceptor::from(config).accept(stream).into_fallible().await {
            Ok(stream) => {
                self.proxy.count(format!("{LISTENER}.ssl.handshake"));
                let peer = peer_certificate(&stream);
                self.serve(Prefixed::new(stream), peer, true).await;
            }
            Err((error, stream)) => self.refused(&error, stream).await,
        }
    }

    async fn refused(&self, error: &io::Error, mut stream: Prefixed<TcpStream>) {
        let failure = TlsFailure::of(error);
        if let Some(counter) = failure.counter {
            self.proxy.count(format!("{LISTENER}.{counter}"));
        }
        self.log_refused(&failure.reason);
        // The alert is lost if the close comes as a reset: let the client read it first.
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(LAST_WORDS, stream.read_to_end(&mut rest)).await;
    }

    /// The TCP proxy dials its upstream before the handshake and logs the connection too; the HTTP manager has no request.
    fn log_refused(&self, reason: &str) {
        let logs: &[LogKind] = match self.codec {
            Payload::Http => &[LogKind::Listener],
            Payload::Tcp => &[LogKind::Filter, LogKind::Listener],
        };
        for log in logs {
            let mut entry = self.entry(*log);
            entry.downstream_failure = Some(logged(reason));
            if self.codec == Payload::Tcp {
                entry.attempt_count = 1;
                entry.upstream_cluster = Some(self.upstream.cluster.clone());
                entry.upstream_host = self.upstream.endpoints.first().map(|endpoint| endpoint.address);
            }
            self.proxy.finish(entry);
        }
    }

    async fn serve<S: Connection + 'static>(
        self,
        stream: Prefixed<S>,
        peer: Option<CertificateDer<'static>>,
        over_tls: bool,
    ) {
        match self.codec {
            Payload::Http => {
                let routing = Routing::Inbound(self.upstream);
                let manager =
                    Manager { proxy: self.proxy, routing, dialled: self.dialled, sni: self.sni, over_tls, peer };
                manager.serve(stream).await;
            }
            Payload::Tcp => {
                let mut entry = self.entry(LogKind::Filter);
                entry.downstream_peer_uri_san = peer.as_ref().and_then(|peer| tls::names(peer).into_iter().next());
                if let Some(rule) = self.refuses(entry.downstream_peer_uri_san.as_deref()) {
                    return self.end(stream, &rule, entry).await;
                }
                tcp::proxy(&self.proxy, stream, &self.upstream, entry).await;
            }
        }
    }

    /// The rule by which a caller's connection ends, on ports that are not read as HTTP.
    fn refuses(&self, identity: Option<&str>) -> Option<String> {
        let programmed = self.proxy.programmed();
        let access = &programmed.config().access;
        let caller = Caller {
            principal: identity.map(|name| name.trim_start_matches("spiffe://")),
            port: self.dialled.destination.port(),
            ..Caller::default()
        };
        let refused = access.refuses(&caller).map(str::to_owned);
        if access.is_ruled() {
            self.proxy.count(if refused.is_some() { "tcp.rbac.denied" } else { "tcp.rbac.allowed" });
        }
        refused
    }

    /// Ends a connection as Envoy's network filter does: at its first bytes, without a reset.
    async fn end<S: Connection>(&self, mut stream: Prefixed<S>, rule: &str, mut entry: AccessLogEntry) {
        let mut first = vec![0; FIRST];
        let read = stream.read(&mut first).await.unwrap_or_default();
        entry.bytes_received = u64::try_from(read).unwrap_or(0);
        entry.termination = Some(format!("rbac_access_denied_matched_policy[{rule}]"));
        // The TCP proxy behind the filter has dialled by then.
        entry.attempt_count = 1;
        entry.upstream_cluster = Some(self.upstream.cluster.clone());
        entry.upstream_host = self.upstream.endpoints.first().map(|endpoint| endpoint.address);
        self.proxy.finish(entry);
        // A broken connection is the caller's affair.
        let _ = stream.shutdown().await;
    }

    fn entry(&self, log: LogKind) -> AccessLogEntry {
        let mut entry = AccessLogEntry::begin(log, self.dialled.source, self.dialled.destination);
        entry.requested_server_name.clone_from(&self.sni);
        entry
    }
}

fn peer_certificate(stream: &TlsStream<Prefixed<TcpStream>>) -> Option<CertificateDer<'static>> {
    let certificates = stream.get_ref().1.peer_certificates()?;
    certificates.first().map(|certificate| certificate.clone().into_owned())
}

// === impl Upstream ===

impl Upstream {
    /// The pod's application behind a chain: `inbound|<port>||`, or the passthrough cluster for chains without a port.
    fn application(chain: Option<WorkloadPort>, destination: SocketAddr, retries: u32) -> Self {
        Self {
            cluster: chain.map_or_else(|| PASSTHROUGH.to_owned(), |port| format!("inbound|{port}||")),
            transport: TransportSocket::RawBuffer,
            endpoints: vec![ClusterEndpoint { address: destination, marked: false }],
            via: Via::Application(WorkloadPort(destination.port())),
            retries,
            limits: Limits::default(),
        }
    }
}
