//! What may go over the wire between a client and an endpoint, and why.

use serde::{Deserialize, Serialize};

/// The outcome between a client and an endpoint, or a whole service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wire {
    /// Istio mutual TLS from proxy to proxy.
    MutualTls,
    /// Accepted, in the clear.
    Plaintext,
    /// TLS that is not the mesh's; it reaches the application, or ends at the server's proxy with a certificate of its own.
    Tls,
    /// Refused; the reason says where.
    Refused,
    /// The endpoints differ.
    Mixed,
    /// The mesh does not decide it.
    Depends,
    /// There is nothing to call.
    None,
    /// Could not be determined; never printed as anything else.
    Unknown,
}

/// Why a wire is what it is: a closed list of stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Both proxies speak mutual TLS.
    MutualTls,
    /// Plaintext is sent and accepted.
    PlaintextAccepted,
    /// Nothing stands before the application; it takes what comes.
    NoProxyAtServer,
    /// The server's sidecar lets foreign TLS through to the application.
    PassedToApplication,
    /// The server's sidecar has no filter chain for this kind of connection.
    NoFilterChain,
    /// TLS without a client certificate where mutual TLS is terminated.
    ClientCertificateRequired,
    /// TLS bytes reach a plaintext HTTP codec.
    TlsOnPlaintextHttp,
    /// Bytes that are not HTTP reach an HTTP codec.
    NotHttp,
    /// Istio mutual TLS reaches an application.
    ApplicationGetsCiphertext,
    /// The server's SPIFFE identity is not among those the client expects.
    ServerIdentityNotExpected,
    /// A headless Service whose port differs from its target port.
    NothingListens,
    /// `REGISTRY_ONLY` and a destination the client does not know.
    BlockedByOutboundPolicy,
    /// The client's proxy has no route.
    NoRoute,
    /// The client's proxy has no such cluster.
    NoCluster,
    /// The client's proxy has no such listener.
    NoListener,
    /// It depends on who signed the client's certificate: Istio mutual TLS takes those of the mesh.
    ClientCertificateOrigin,
    /// Istio mutual TLS to an address that is no pod of the mesh.
    OutsideTheMesh,
    /// No pod is ready behind the Service.
    NoEndpoints,
    /// The only endpoint is the client itself.
    OnlyItself,
    /// A ServiceEntry called without a proxy that knows it.
    NotAKubernetesService,
    /// The endpoints differ.
    EndpointsDiffer,
    /// Something that decides it could not be read.
    NotReadable,
    /// A `VirtualService` makes the client's proxy answer by itself: redirect, direct response, injected fault.
    AnsweredByClientProxy,
    /// The client's certificate is of a trust domain that the server does not accept.
    ForeignTrustDomain,
    /// The endpoint is in another network, behind a gateway that decides.
    OtherNetwork,
    /// The server's sidecar ends the TLS with a certificate of its Sidecar's `ingress`.
    EndedByOwnCertificate,
}

/// What a client puts on a connection to one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sends {
    /// Istio mutual TLS.
    MutualTls,
    /// Plaintext.
    Plaintext,
    /// TLS without a client certificate (SIMPLE).
    Tls,
    /// TLS with a client certificate of the user's (MUTUAL).
    TlsClientCert,
}

/// A kind of connection as the server's listener sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// An HTTP/1.1 request without TLS.
    PlaintextHttp,
    /// Bytes that are neither HTTP nor TLS.
    PlaintextTcp,
    /// Istio mutual TLS, ALPN `istio-http/1.1`, `istio`, `http/1.1`; HTTP inside.
    MutualTlsHttp,
    /// Istio mutual TLS, ALPN `istio-peer-exchange`, `istio`.
    MutualTlsTcp,
    /// TLS without a client certificate, ALPN `http/1.1`.
    Tls,
    /// TLS without a client certificate and without ALPN.
    TlsNoAlpn,
    /// TLS with a client certificate of unknown origin, ALPN `http/1.1`.
    TlsClientCert,
}

/// What a server's sidecar does with an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handling {
    /// The bytes go on to the application as they came.
    Pass,
    /// Istio mutual TLS ends here.
    Terminate,
    /// Ends here if the certificate is from the mesh, otherwise refused.
    TerminateIfMeshCertificate,
    /// TLS ends here with a certificate that is not the mesh's.
    TerminateOwn,
    /// The same if the client's certificate is of an authority that the server was given, otherwise refused.
    TerminateOwnIfTrusted,
    /// Closed, for this reason.
    Refuse(Why),
}

/// A wire and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outcome {
    /// What goes over the wire.
    pub wire: Wire,
    /// Why.
    pub why: Why,
}

// === impl Wire ===

impl Wire {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual-tls",
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::Refused => "refused",
            Self::Mixed => "mixed",
            Self::Depends => "depends",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

// === impl Why ===

impl Why {
    /// The report's code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual-tls",
            Self::PlaintextAccepted => "plaintext-accepted",
            Self::NoProxyAtServer => "no-proxy-at-server",
            Self::PassedToApplication => "passed-to-application",
            Self::NoFilterChain => "no-filter-chain",
            Self::ClientCertificateRequired => "client-certificate-required",
            Self::TlsOnPlaintextHttp => "tls-on-plaintext-http",
            Self::NotHttp => "not-http",
            Self::ApplicationGetsCiphertext => "application-gets-ciphertext",
            Self::ServerIdentityNotExpected => "server-identity-not-expected",
            Self::NothingListens => "nothing-listens",
            Self::BlockedByOutboundPolicy => "blocked-by-outbound-policy",
            Self::NoRoute => "no-route",
            Self::NoCluster => "no-cluster",
            Self::NoListener => "no-listener",
            Self::ClientCertificateOrigin => "client-certificate-origin",
            Self::OutsideTheMesh => "outside-the-mesh",
            Self::NoEndpoints => "no-endpoints",
            Self::OnlyItself => "only-itself",
            Self::NotAKubernetesService => "not-a-kubernetes-service",
            Self::EndpointsDiffer => "endpoints-differ",
            Self::NotReadable => "not-readable",
            Self::AnsweredByClientProxy => "answered-by-client-proxy",
            Self::ForeignTrustDomain => "foreign-trust-domain",
            Self::OtherNetwork => "other-network",
            Self::EndedByOwnCertificate => "ended-by-own-certificate",
        }
    }
}

// === impl Sends ===

impl Sends {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual-tls",
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::TlsClientCert => "tls-client-cert",
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// What happens when a client sends this and the server handles its arrival so.
    ///
    /// `handling` is `None` where no proxy stands before the application.
    #[must_use]
    pub fn of(sends: Sends, handling: Option<Handling>) -> Self {
        let (wire, why) = match (sends, handling) {
            // No proxy at the server: the application gets what was sent.
            (Sends::Plaintext, None) => (Wire::Plaintext, Why::NoProxyAtServer),
            (Sends::MutualTls, None) => (Wire::Refused, Why::ApplicationGetsCiphertext),
            (Sends::Tls | Sends::TlsClientCert, None) => (Wire::Tls, Why::NoProxyAtServer),
            // The proxy refuses: its own reason, whatever was sent.
            (_, Some(Handling::Refuse(why))) => (Wire::Refused, why),
            // Bytes go through as they came.
            (Sends::Plaintext, Some(Handling::Pass)) => (Wire::Plaintext, Why::PlaintextAccepted),
            (Sends::MutualTls, Some(Handling::Pass)) => (Wire::Refused, Why::ApplicationGetsCiphertext),
            (Sends::Tls | Sends::TlsClientCert, Some(Handling::Pass)) => (Wire::Tls, Why::PassedToApplication),
            // Mutual TLS ends at the proxy.
            (Sends::MutualTls, Some(Handling::Terminate | Handling::TerminateIfMeshCertificate)) => {
                (Wire::MutualTls, Why::MutualTls)
            }
            (Sends::TlsClientCert, Some(Handling::Terminate | Handling::TerminateIfMeshCertificate)) => {
                (Wire::Depends, Why::ClientCertificateOrigin)
            }
            (Sends::Tls, Some(Handling::Terminate | Handling::TerminateIfMeshCertificate)) => {
                (Wire::Refused, Why::ClientCertificateRequired)
            }
            // TLS of the server's own ends at its proxy.
            (Sends::Tls | Sends::TlsClientCert, Some(Handling::TerminateOwn)) => {
                (Wire::Tls, Why::EndedByOwnCertificate)
            }
            (Sends::Tls | Sends::TlsClientCert, Some(Handling::TerminateOwnIfTrusted)) => {
                (Wire::Depends, Why::ClientCertificateOrigin)
            }
            (Sends::MutualTls, Some(Handling::TerminateOwn | Handling::TerminateOwnIfTrusted)) => {
                (Wire::Refused, Why::ServerIdentityNotExpected)
            }
            // Plaintext never selects a chain that terminates TLS.
            (
                Sends::Plaintext,
                Some(
                    Handling::Terminate
                    | Handling::TerminateIfMeshCertificate
                    | Handling::TerminateOwn
                    | Handling::TerminateOwnIfTrusted,
                ),
            ) => (Wire::Refused, Why::NoFilterChain),
        };
        Self { wire, why }
    }
}
