//! Secrets as SDS delivered them: certificates only, never a key.

use serde::Deserialize;

use crate::envoy::lossy;
use crate::envoy::refusal::UpdateFailure;

/// One element of `dynamic_active_secrets`, `dynamic_warming_secrets` or `static_secrets`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SecretEntry {
    /// `default`, `ROOTCA`, ...
    pub name: String,
    /// `uninitialized` until SDS answered.
    #[serde(alias = "versionInfo")]
    pub version_info: String,
    /// When it was last changed.
    #[serde(alias = "lastUpdated")]
    pub last_updated: Option<String>,
    /// The certificates in it.
    #[serde(deserialize_with = "lossy::or_default")]
    pub secret: Secret,
    /// A rejected update.
    #[serde(alias = "errorState")]
    pub error_state: Option<UpdateFailure>,
}

/// A secret without what is secret in it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// A certificate; its key is not read.
    #[serde(alias = "tlsCertificate")]
    pub tls_certificate: Option<TlsCertificate>,
    /// Roots.
    #[serde(alias = "validationContext")]
    pub validation_context: Option<Roots>,
}

/// `tls_certificate`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TlsCertificate {
    /// The chain, leaf first.
    #[serde(alias = "certificateChain", deserialize_with = "lossy::or_default")]
    pub certificate_chain: DataSource,
}

/// `validation_context`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Roots {
    /// The roots.
    #[serde(alias = "trustedCa", deserialize_with = "lossy::or_default")]
    pub trusted_ca: DataSource,
    /// Whether an extension verifies, as for several trust domains; what its roots are is not read.
    #[serde(alias = "customValidatorConfig")]
    pub custom_validator_config: Option<serde::de::IgnoredAny>,
}

/// A `DataSource`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct DataSource {
    /// PEM in base64.
    #[serde(alias = "inlineBytes")]
    pub inline_bytes: Option<String>,
    /// PEM.
    #[serde(alias = "inlineString")]
    pub inline_string: Option<String>,
    /// A file in the proxy's container.
    pub filename: Option<String>,
}

// === impl DataSource ===

impl DataSource {
    /// Whether it is here: the proxy's files are not.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.inline_bytes.is_some() || self.inline_string.is_some()
    }
}
