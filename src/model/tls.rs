//! Modes of the two policies that decide mutual TLS, and the settings a client originates TLS with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `mtls.mode` of a `PeerAuthentication`; `UNSET` is the absence of a mode and has no variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MtlsMode {
    /// Plaintext only.
    Disable,
    /// Mutual TLS and plaintext.
    Permissive,
    /// Mutual TLS only.
    Strict,
}

/// TLS that a server's sidecar ends with a certificate from files: `tls.mode` of a Sidecar's `ingress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OwnTls {
    /// No client certificate is asked for.
    Simple,
    /// A client certificate is checked where one is shown.
    OptionalMutual,
    /// A client certificate is demanded.
    Mutual,
}

/// `tls.mode` of a `DestinationRule`. There is no UNSET: `tls: {}` is `DISABLE`, the enum's zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// Plaintext.
    #[default]
    Disable,
    /// TLS that verifies the server.
    Simple,
    /// TLS with a client certificate from files or a Secret.
    Mutual,
    /// Mutual TLS with Istio's own certificates.
    IstioMutual,
}

/// `tls` of a traffic policy as written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientTlsSettings {
    /// `mode`; absent means `DISABLE`.
    pub mode: ClientTlsMode,
    /// `sni`; absent means Istio's default.
    pub sni: Option<String>,
    /// `subjectAltNames`; `None` when absent, which is not the same as empty.
    pub subject_alt_names: Option<Vec<String>>,
    /// `caCertificates`, a path in the proxy's file system.
    pub ca_certificates: Option<String>,
    /// `clientCertificate`, a path.
    pub client_certificate: Option<String>,
    /// `privateKey`, a path.
    pub private_key: Option<String>,
    /// `credentialName`.
    pub credential_name: Option<String>,
    /// `insecureSkipVerify`.
    pub insecure_skip_verify: bool,
}

/// The TLS context of an outbound cluster, as istiod writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpstreamTls {
    /// Server name sent; `None` where none is.
    pub sni: Option<String>,
    /// Exact names the server's certificate must carry one of; empty = not checked.
    pub subject_alt_names: Vec<String>,
    /// ALPN of the cluster; HTTP requests to Istio mutual TLS get Istio's own (see `alpn_override`).
    pub alpn: Vec<String>,
    /// Which certificate the client presents.
    pub certificate: ClientCertificate,
    /// What the server's certificate is verified against.
    pub validation: ServerValidation,
    /// Whether the `istio.alpn` filter replaces the ALPN of HTTP requests by `istio-http/1.1, istio, http/1.1`
    /// (`istio.alpn_override` in the cluster's metadata turns it off since 1.19).
    pub alpn_override: bool,
}

/// The certificate a client presents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientCertificate {
    /// None (SIMPLE).
    None,
    /// The workload's own, SDS name `default`.
    Workload,
    /// Files, SDS name `file-cert:<cert>~<key>`.
    Files {
        /// Certificate chain.
        certificate: String,
        /// Private key.
        key: String,
    },
    /// A Secret, SDS name `kubernetes://<name>`.
    Secret(String),
}

/// What a client verifies a server's certificate against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ServerValidation {
    /// Nothing.
    Skip,
    /// The mesh's root, SDS name `ROOTCA`.
    MeshRoot,
    /// The proxy's operating system bundle, SDS name `file-root:system` (since 1.21).
    System,
    /// A file, SDS name `file-root:<path>`.
    File(String),
    /// A Secret's CA, SDS name `kubernetes://<name>-cacert`.
    Secret(String),
}

// === impl MtlsMode ===

impl MtlsMode {
    /// Istio's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "DISABLE",
            Self::Permissive => "PERMISSIVE",
            Self::Strict => "STRICT",
        }
    }
}

impl fmt::Display for MtlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ClientTlsMode ===

impl ClientTlsMode {
    /// Istio's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "DISABLE",
            Self::Simple => "SIMPLE",
            Self::Mutual => "MUTUAL",
            Self::IstioMutual => "ISTIO_MUTUAL",
        }
    }
}

impl fmt::Display for ClientTlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
