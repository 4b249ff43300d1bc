//! The causes themselves: a closed list of stable codes, each with its words.

use serde::{Serialize, Serializer};

/// Why a request failed, or that it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The application answered: whatever its status, the connection is well.
    ApplicationAnswered,
    /// The application closed the connection, or crashed.
    ApplicationClosed,
    /// The application does not speak HTTP.
    ApplicationNotHttp,
    /// The application took too long.
    ApplicationSlow,
    /// An AuthorizationPolicy denied it.
    AuthorizationDenied,
    /// `REGISTRY_ONLY` and a destination nobody knows.
    BlockedByOutboundPolicy,
    /// TLS without a client certificate where one is demanded.
    ClientCertificateMissing,
    /// The server does not accept the client's certificate.
    ClientCertificateRejected,
    /// The client's proxy has no certificate.
    ClientSecretMissing,
    /// TLS that is not Istio's, where no chain takes it.
    ForeignTls,
    /// The name is not known.
    NameNotResolved,
    /// There is no endpoint, or none that is healthy.
    NoEndpoint,
    /// The client's proxy has no route.
    NoRoute,
    /// Nothing listens at the address.
    NothingListens,
    /// A circuit breaker.
    Overflow,
    /// Plaintext where only mutual TLS is accepted.
    PlaintextToMutualTls,
    /// Plaintext to an application that serves TLS itself.
    PlaintextToTlsApplication,
    /// The client does not accept the server's certificate.
    ServerCertificateRejected,
    /// The server's proxy has no certificate.
    ServerSecretMissing,
    /// TLS where plaintext is expected: a port that is DISABLE, or no sidecar.
    TlsToPlaintext,
    /// No common version of TLS.
    TlsVersion,
    /// A token is missing or wrong.
    TokenRejected,
    /// No packet comes back.
    Unreachable,
}

// === impl Cause ===

impl Cause {
    /// Whether it is about TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        match self {
            Self::ClientCertificateMissing
            | Self::ClientCertificateRejected
            | Self::ClientSecretMissing
            | Self::ForeignTls
            | Self::PlaintextToMutualTls
            | Self::PlaintextToTlsApplication
            | Self::ServerCertificateRejected
            | Self::ServerSecretMissing
            | Self::TlsToPlaintext
            | Self::TlsVersion => true,
            Self::ApplicationAnswered
            | Self::ApplicationClosed
            | Self::ApplicationNotHttp
            | Self::ApplicationSlow
            | Self::AuthorizationDenied
            | Self::BlockedByOutboundPolicy
            | Self::NameNotResolved
            | Self::NoEndpoint
            | Self::NoRoute
            | Self::NothingListens
            | Self::Overflow
            | Self::TokenRejected
            | Self::Unreachable => false,
        }
    }

    /// The report's code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplicationAnswered => "application-answered",
            Self::ApplicationClosed => "application-closed",
            Self::ApplicationNotHttp => "application-not-http",
            Self::ApplicationSlow => "application-slow",
            Self::AuthorizationDenied => "authorization-denied",
            Self::BlockedByOutboundPolicy => "blocked-by-outbound-policy",
            Self::ClientCertificateMissing => "client-certificate-missing",
            Self::ClientCertificateRejected => "client-certificate-rejected",
            Self::ClientSecretMissing => "client-secret-missing",
            Self::ForeignTls => "foreign-tls",
            Self::NameNotResolved => "name-not-resolved",
            Self::NoEndpoint => "no-endpoint",
            Self::NoRoute => "no-route",
            Self::NothingListens => "nothing-listens",
            Self::Overflow => "overflow",
            Self::PlaintextToMutualTls => "plaintext-to-mutual-tls",
            Self::PlaintextToTlsApplication => "plaintext-to-tls-application",
            Self::ServerCertificateRejected => "server-certificate-rejected",
            Self::ServerSecretMissing => "server-secret-missing",
            Self::TlsToPlaintext => "tls-to-plaintext",
            Self::TlsVersion => "tls-version",
            Self::TokenRejected => "token-rejected",
            Self::Unreachable => "unreachable",
        }
    }

    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ApplicationAnswered => "the application answered",
            Self::ApplicationClosed => "the application closed the connection",
            Self::ApplicationNotHttp => "the application does not speak HTTP",
            Self::ApplicationSlow => "the application took too long",
            Self::AuthorizationDenied => "an AuthorizationPolicy denied it",
            Self::BlockedByOutboundPolicy => "the outbound policy blocks a destination that nobody registered",
            Self::ClientCertificateMissing => "TLS without a client certificate where one is demanded",
            Self::ClientCertificateRejected => "the server does not accept the client's certificate",
            Self::ClientSecretMissing => "the client's proxy has no certificate",
            Self::ForeignTls => "TLS that is not Istio's, where no filter chain takes it",
            Self::NameNotResolved => "the name is not known",
            Self::NoEndpoint => "there is no healthy endpoint",
            Self::NoRoute => "the client's proxy has no route or no cluster",
            Self::NothingListens => "nothing listens at the address",
            Self::Overflow => "a circuit breaker is open",
            Self::PlaintextToMutualTls => "plaintext where only mutual TLS is accepted",
            Self::PlaintextToTlsApplication => "plaintext to an application that serves TLS itself",
            Self::ServerCertificateRejected => "the client does not accept the server's certificate",
            Self::ServerSecretMissing => "the server's proxy has no certificate",
            Self::TlsToPlaintext => "TLS where plaintext is expected",
            Self::TlsVersion => "no common version of TLS",
            Self::TokenRejected => "a token is missing or wrong",
            Self::Unreachable => "no packet comes back",
        }
    }

    /// Whether it lies in the application, behind whatever proxies there are.
    #[must_use]
    pub fn is_application(self) -> bool {
        matches!(
            self,
            Self::ApplicationAnswered
                | Self::ApplicationClosed
                | Self::ApplicationNotHttp
                | Self::ApplicationSlow
                | Self::PlaintextToTlsApplication
        )
    }

    /// Whether it is about a certificate: who shows it, who verifies it, who waits for it.
    #[must_use]
    pub fn is_certificate(self) -> bool {
        matches!(
            self,
            Self::ClientCertificateMissing
                | Self::ClientCertificateRejected
                | Self::ClientSecretMissing
                | Self::ServerCertificateRejected
                | Self::ServerSecretMissing
        )
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
