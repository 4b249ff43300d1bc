//! `/certs`: the certificates in use, by TLS context.

use serde::Deserialize;

use crate::envoy::lossy;
use crate::envoy::refusal::Refusal;

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Certs {
    /// One per TLS context.
    pub certificates: Vec<ContextCerts>,
}

/// The certificates of one TLS context.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ContextCerts {
    /// Roots.
    #[serde(deserialize_with = "lossy::or_default")]
    pub ca_cert: Vec<CertDetails>,
    /// Own chain.
    #[serde(deserialize_with = "lossy::or_default")]
    pub cert_chain: Vec<CertDetails>,
}

/// One certificate.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CertDetails {
    /// Serial number in hexadecimal digits.
    pub serial_number: String,
    /// Names.
    #[serde(deserialize_with = "lossy::or_default")]
    pub subject_alt_names: Vec<AltName>,
    /// RFC 3339.
    pub valid_from: Option<String>,
    /// RFC 3339.
    pub expiration_time: Option<String>,
}

/// A name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AltName {
    /// A URI: the SPIFFE identity.
    pub uri: Option<String>,
    /// A host name.
    pub dns: Option<String>,
}

// === impl Certs ===

impl Certs {
    /// Reads the answer.
    ///
    /// # Errors
    /// A [`Refusal`] that names what came instead.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        crate::envoy::refusal::object(body, "certificates")
    }
}
