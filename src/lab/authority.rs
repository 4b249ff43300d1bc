//! The mesh's certificate authority: a root that lives as long as the lab, and what it issues.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

use crate::model::identity::SpiffeId;

/// The root of the mesh. Its key, and every key it hands out, lives in memory only.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    provider: Arc<CryptoProvider>,
}

/// A certificate with its key. `Debug` shows neither.
pub struct Issued {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// How long a certificate holds, counted from now; negative for the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Start, seconds from now.
    pub from: i64,
    /// End, seconds from now.
    pub until: i64,
}

/// Why the authority could not issue.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate could not be made.
    #[error("cannot make {what}: {source}")]
    Issue {
        /// What was to be made.
        what: String,
        /// What the certificate library says.
        source: rcgen::Error,
    },
    /// The key cannot be used by the TLS library.
    #[error("cannot use the key of {what} for TLS: {reason}")]
    Key {
        /// Whose key.
        what: String,
        /// What the TLS library says.
        reason: String,
    },
}

/// The cryptography of every TLS connection of the lab, handed to each builder instead of installed for the process.
#[must_use]
pub fn crypto_provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "ring")]
    let provider = rustls::crypto::ring::default_provider();
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(provider)
}

// === impl Authority ===

impl Authority {
    /// A new root with a new key (ECDSA P-256), organisation `trust_domain`, as istiod signs for itself.
    ///
    /// Istio: `security/pkg/pki/ca/selfsignedcarootcertrotator.go`.
    pub fn new(trust_domain: &str) -> Result<Self, AuthorityError> {
        let what = || "the root certificate".to_owned();
        let failed = |source| AuthorityError::Issue { what: what(), source };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, trust_domain);
        Validity::ROOT.apply(&mut params);
        let key = KeyPair::generate().map_err(failed)?;
        let root = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
        Ok(Self { root, provider: crypto_provider() })
    }

    /// A workload certificate in Istio's shape: no subject, one critical URI name, 24 hours.
    ///
    /// Istio: `security/pkg/pki/util/generate_cert.go:genCertTemplateFromCSR`.
    pub fn issue_workload(&self, id: &SpiffeId) -> Result<Issued, AuthorityError> {
        self.issue_workload_for(id, Validity::WORKLOAD)
    }

    /// A workload certificate that holds for the time given: expired or not yet valid ones break a handshake.
    pub fn issue_workload_for(&self, id: &SpiffeId, validity: Validity) -> Result<Issued, AuthorityError> {
        let what = format!("a certificate for `{id}`");
        let uri = id.to_string().try_into().map_err(|source| AuthorityError::Issue { what: what.clone(), source })?;
        self.issue(&what, vec![SanType::URI(uri)], validity)
    }

    /// A server certificate with DNS and IP names, as an application or an API server presents it.
    pub fn issue_server(&self, names: &[&str], addresses: &[IpAddr]) -> Result<Issued, AuthorityError> {
        let what = format!("a server certificate for `{}`", names.join("`, `"));
        let mut sans = Vec::with_capacity(names.len() + addresses.len());
        for name in names {
            let dns = (*name).try_into().map_err(|source| AuthorityError::Issue { what: what.clone(), source })?;
            sans.push(SanType::DnsName(dns));
        }
        sans.extend(addresses.iter().copied().map(SanType::IpAddress));
        self.issue(&what, sans, Validity::WORKLOAD)
    }

    /// The root in PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The root in DER.
    #[must_use]
    pub fn root_der(&self) -> &CertificateDer<'static> {
        self.root.der()
    }

    /// The cryptography its certificates are used with.
    #[must_use]
    pub fn provider(&self) -> &Arc<CryptoProvider> {
        &self.provider
    }

    fn issue(&self, what: &str, names: Vec<SanType>, validity: Validity) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::default();
        // An empty subject makes the names critical (RFC 5280, section 4.2.1.6).
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        validity.apply(&mut params);
        let signed = || {
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.root)?;
            Ok((certificate.der().clone(), key.serialize_der()))
        };
        let (certificate, key) = signed().map_err(|source| AuthorityError::Issue { what: what.to_owned(), source })?;
        let key = PrivateKeyDer::try_from(key)
            .map_err(|reason| AuthorityError::Key { what: what.to_owned(), reason: reason.to_owned() })?;
        Ok(Issued { chain: vec![certificate], key })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

// === impl Issued ===

impl Issued {
    /// The certificate; the lab's root signs directly, so it is the whole chain.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// A copy of the key, for a TLS configuration.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The chain in PEM.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    /// The key in PEM (PKCS #8).
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.secret_der())
    }

    /// Certificate and key as rustls uses them, parsed once.
    pub fn certified_key(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, AuthorityError> {
        CertifiedKey::from_der(self.chain.clone(), self.key(), provider).map(Arc::new).map_err(|error| {
            AuthorityError::Key { what: "an issued certificate".to_owned(), reason: error.to_string() }
        })
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

/// RFC 7468, section 2.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = String::with_capacity(text.len() + text.len() / 64 + 64);
    for (position, character) in text.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            lines.push('\n');
        }
        lines.push(character);
    }
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

// === impl Validity ===

impl Validity {
    /// Istio's default for workloads (`DEFAULT_WORKLOAD_CERT_TTL`), back-dated by its two minutes of clock skew.
    pub const WORKLOAD: Self = Self { from: -120, until: 24 * 3600 };
    /// Istio's default for a self-signed root (`CITADEL_SELF_SIGNED_CA_CERT_TTL`): ten years.
    const ROOT: Self = Self { from: -120, until: 3650 * 24 * 3600 };

    fn apply(self, params: &mut CertificateParams) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let now =
            OffsetDateTime::from_unix_timestamp(i64::try_from(now).unwrap_or(0)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        params.not_before = now.saturating_add(Duration::seconds(self.from));
        params.not_after = now.saturating_add(Duration::seconds(self.until));
    }
}
