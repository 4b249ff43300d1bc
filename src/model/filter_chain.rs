//! An inbound listener's filter chains and how Envoy picks one.
//!
//! The rules write chains, `config_dump` shows them, the lab's proxy obeys them: one matching algorithm for all three.

use serde::{Deserialize, Serialize};

use crate::model::port::{Payload, Protocol, WorkloadPort};
use crate::model::tls::{OwnTls, UpstreamTls};
use crate::model::wire::{Arrival, Handling, Sends, Why};

/// One filter chain, reduced to what decides mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterChain {
    /// `filter_chain_match.destination_port`; absent = any port that no chain names.
    pub port: Option<WorkloadPort>,
    /// `filter_chain_match.transport_protocol`.
    pub transport: TransportMatch,
    /// `filter_chain_match.application_protocols`; empty = any.
    pub alpn: Vec<String>,
    /// Whether the chain terminates mutual TLS (it then always demands a client certificate).
    pub terminates: bool,
    /// What reads the bytes.
    pub codec: Payload,
    /// TLS that the chain ends with a certificate that is not the mesh's; it never `terminates` mutual TLS then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_tls: Option<OwnTls>,
}

/// `transport_protocol` of a filter chain match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportMatch {
    /// `tls`: a ClientHello was seen.
    Tls,
    /// `raw_buffer`: anything else.
    RawBuffer,
}

/// What the listener filters learnt about a connection before a chain is picked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniffed<'a> {
    /// `tls` or `raw_buffer`.
    pub transport: TransportMatch,
    /// The ALPN of the ClientHello in the client's order, or `http/1.1`/`h2c`/`http/1.0` for plaintext HTTP.
    pub alpn: Vec<&'a str>,
}

/// ALPN of Istio mutual TLS that carries HTTP, as matched by inbound chains.
pub const ISTIO_HTTP_ALPN: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// ALPN of Istio mutual TLS that carries anything else.
pub const ISTIO_TCP_ALPN: [&str; 2] = ["istio-peer-exchange", "istio"];
/// ALPN that the HTTP inspector gives plaintext HTTP.
pub const PLAINTEXT_HTTP_ALPN: [&str; 2] = ["http/1.1", "h2c"];

/// The chain Envoy picks, or none: port, then transport protocol, then ALPN, without going back.
///
/// Envoy: `source/common/listener_manager/filter_chain_manager_impl.cc:findFilterChain`. When any chain names the port the
/// port-less ones are not looked at; the client's protocols are tried in its own order, then chains without ALPN.
#[must_use]
pub fn select<'c>(chains: &'c [FilterChain], port: WorkloadPort, sniffed: &Sniffed<'_>) -> Option<&'c FilterChain> {
    let named = chains.iter().any(|chain| chain.port == Some(port));
    let wanted = if named { Some(port) } else { None };
    let of_transport: Vec<&FilterChain> =
        chains.iter().filter(|chain| chain.port == wanted && chain.transport == sniffed.transport).collect();
    sniffed
        .alpn
        .iter()
        .find_map(|offered| of_transport.iter().find(|chain| chain.alpn.iter().any(|alpn| alpn == offered)))
        .or_else(|| of_transport.iter().find(|chain| chain.alpn.is_empty()))
        .copied()
}

/// Whether the listener looks for TLS at all on a port: only where some chain asks for it.
///
/// Istio: `listener_inbound.go:populateListenerFilters`; on DISABLE ports a ClientHello is raw bytes.
#[must_use]
pub fn inspects_tls(chains: &[FilterChain], port: WorkloadPort) -> bool {
    let named = chains.iter().any(|chain| chain.port == Some(port));
    let wanted = if named { Some(port) } else { None };
    chains.iter().any(|chain| chain.port == wanted && chain.transport == TransportMatch::Tls)
}

/// One connection as it reaches an inbound listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection<'a> {
    /// What it shows of itself.
    pub presents: Presents,
    /// ALPN of its ClientHello in the client's order; for plaintext HTTP what the HTTP inspector makes of it.
    pub alpn: Vec<&'a str>,
    /// What it carries inside.
    pub payload: Payload,
}

/// What a connection shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presents {
    /// No TLS.
    Plaintext,
    /// TLS with a certificate of the mesh.
    MeshCertificate,
    /// TLS with a client certificate of unknown origin.
    ForeignCertificate,
    /// TLS without a client certificate.
    NoCertificate,
}

/// What the listener does with a kind of arrival on a port.
#[must_use]
pub fn handle(chains: &[FilterChain], port: WorkloadPort, arrival: Arrival) -> Handling {
    meet(chains, port, &Connection::of(arrival))
}

/// What the listener does with a connection to a port.
#[must_use]
pub fn meet(chains: &[FilterChain], port: WorkloadPort, connection: &Connection<'_>) -> Handling {
    let tls = connection.presents != Presents::Plaintext;
    let sniffed = match (tls, inspects_tls(chains, port)) {
        (true, true) => Sniffed { transport: TransportMatch::Tls, alpn: connection.alpn.clone() },
        (true, false) => Sniffed { transport: TransportMatch::RawBuffer, alpn: Vec::new() },
        (false, _) => Sniffed { transport: TransportMatch::RawBuffer, alpn: connection.alpn.clone() },
    };
    let Some(chain) = select(chains, port, &sniffed) else {
        return Handling::Refuse(Why::NoFilterChain);
    };
    let misread = chain.codec == Payload::Http && connection.payload == Payload::Tcp;
    if let Some(own) = chain.own_tls {
        return match (connection.presents, own) {
            (Presents::Plaintext, _) => Handling::Refuse(Why::NoFilterChain),
            // The client looks for a certificate of the mesh.
            (Presents::MeshCertificate, _) => Handling::Refuse(Why::ServerIdentityNotExpected),
            (Presents::NoCertificate, OwnTls::Mutual) => Handling::Refuse(Why::ClientCertificateRequired),
            _ if misread => Handling::Refuse(Why::NotHttp),
            (Presents::NoCertificate, _) | (Presents::ForeignCertificate, OwnTls::Simple) => Handling::TerminateOwn,
            (Presents::ForeignCertificate, OwnTls::OptionalMutual | OwnTls::Mutual) => Handling::TerminateOwnIfTrusted,
        };
    }
    match (chain.terminates, connection.presents) {
        // A terminating chain asks for transport protocol "tls"; plaintext never selects one.
        (true, Presents::Plaintext) => Handling::Refuse(Why::NoFilterChain),
        (true, Presents::NoCertificate) => Handling::Refuse(Why::ClientCertificateRequired),
        (true, Presents::MeshCertificate | Presents::ForeignCertificate) if misread => Handling::Refuse(Why::NotHttp),
        (true, Presents::MeshCertificate) => Handling::Terminate,
        (true, Presents::ForeignCertificate) => Handling::TerminateIfMeshCertificate,
        (false, Presents::Plaintext) if misread => Handling::Refuse(Why::NotHttp),
        (false, Presents::Plaintext) => Handling::Pass,
        (false, Presents::MeshCertificate | Presents::ForeignCertificate | Presents::NoCertificate) => {
            match chain.codec {
                Payload::Http => Handling::Refuse(Why::TlsOnPlaintextHttp),
                Payload::Tcp => Handling::Pass,
            }
        }
    }
}

// === impl Connection ===

impl Connection<'static> {
    /// The connection that a kind of arrival stands for.
    #[must_use]
    pub fn of(arrival: Arrival) -> Self {
        let (presents, alpn, payload) = match arrival {
            Arrival::PlaintextHttp => (Presents::Plaintext, vec!["http/1.1"], Payload::Http),
            Arrival::PlaintextTcp => (Presents::Plaintext, Vec::new(), Payload::Tcp),
            Arrival::MutualTlsHttp => {
                (Presents::MeshCertificate, vec!["istio-http/1.1", "istio", "http/1.1"], Payload::Http)
            }
            Arrival::MutualTlsTcp => (Presents::MeshCertificate, vec!["istio-peer-exchange", "istio"], Payload::Tcp),
            Arrival::Tls => (Presents::NoCertificate, vec!["http/1.1"], Payload::Http),
            Arrival::TlsNoAlpn => (Presents::NoCertificate, Vec::new(), Payload::Tcp),
            Arrival::TlsClientCert => (Presents::ForeignCertificate, vec!["http/1.1"], Payload::Http),
        };
        Self { presents, alpn, payload }
    }
}

// === impl Connection ===

impl<'a> Connection<'a> {
    /// What a client's proxy opens for a request: the certificate that it shows, and the protocols that it offers.
    ///
    /// `tls` is the cluster's, `alpn_filter` whether the listener runs Istio's ALPN filter, which offers Istio's protocols for
    /// HTTP where the cluster lets it.
    #[must_use]
    pub fn opened(
        sends: Sends,
        payload: Payload,
        protocol: Protocol,
        tls: Option<&'a UpstreamTls>,
        alpn_filter: bool,
    ) -> Self {
        let http2 = protocol.is_http2();
        let own: Vec<&str> = tls.map(|tls| tls.alpn.iter().map(String::as_str).collect()).unwrap_or_default();
        let overridden = alpn_filter && tls.is_some_and(|tls| tls.alpn_override);
        let istio = if http2 { ["istio-h2", "istio", "h2"] } else { ["istio-http/1.1", "istio", "http/1.1"] };
        let alpn = match (sends, payload) {
            (Sends::Plaintext, Payload::Http) => vec![if http2 { "h2c" } else { "http/1.1" }],
            (Sends::Plaintext, Payload::Tcp) => Vec::new(),
            (_, Payload::Http) if overridden => istio.to_vec(),
            // Envoy's own default for an HTTP/1.1 pool.
            (_, Payload::Http) if own.is_empty() => vec!["http/1.1"],
            (_, Payload::Http | Payload::Tcp) => own,
        };
        let presents = match sends {
            Sends::Plaintext => Presents::Plaintext,
            Sends::MutualTls => Presents::MeshCertificate,
            Sends::Tls => Presents::NoCertificate,
            Sends::TlsClientCert => Presents::ForeignCertificate,
        };
        Self { presents, alpn, payload }
    }
}
