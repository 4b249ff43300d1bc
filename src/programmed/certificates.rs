//! Certificates as proxies hold them: identity, validity, and the root they lead to.

use base64::Engine as _;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::envoy::secret::{DataSource, SecretEntry};
use crate::programmed::proxy::{Kept, Proxy};

/// What is read of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The first URI name: a SPIFFE identity where it is Istio's.
    pub uri: Option<String>,
    /// Its subject, for people.
    pub subject: String,
    /// Valid from this moment.
    pub not_before: Option<jiff::Timestamp>,
    /// Valid to this moment.
    pub not_after: Option<jiff::Timestamp>,
    /// SHA-256 of the DER.
    pub fingerprint: Vec<u8>,
    der: Vec<u8>,
}

/// Longer chains are nobody's.
const LONGEST: usize = 8;

/// The SPIFFE identity of a proxy's own certificate.
#[must_use]
pub fn identity(proxy: &Proxy) -> Option<String> {
    let own = own(proxy).and_then(|(_, chain)| chain.into_iter().next()?.uri);
    let listed = || {
        let mut contexts = proxy.certs.as_ref()?.certificates.iter();
        let leaf = contexts.find_map(|context| context.cert_chain.first())?;
        leaf.subject_alt_names.iter().find_map(|name| name.uri.clone())
    };
    own.or_else(listed)
}

/// A proxy's own chain, leaf first, and the secret that holds it.
#[must_use]
pub fn own(proxy: &Proxy) -> Option<(&Kept<SecretEntry>, Vec<Certificate>)> {
    let mounted = || proxy.secrets.iter().find(|(name, _)| name.starts_with("file-cert:")).map(|(_, kept)| kept);
    let kept = proxy.secrets.get("default").or_else(mounted)?;
    let source = &kept.value.secret.tls_certificate.as_ref()?.certificate_chain;
    source.filename.is_none().then(|| (kept, parse(source)))
}

/// The roots that a proxy verifies others against.
#[must_use]
pub fn roots(proxy: &Proxy) -> Option<(&Kept<SecretEntry>, Vec<Certificate>)> {
    let kept = proxy.secrets.get("ROOTCA")?;
    let context = kept.value.secret.validation_context.as_ref()?;
    let elsewhere = context.trusted_ca.filename.is_some() || context.custom_validator_config.is_some();
    (context.trusted_ca.is_here() || !elsewhere).then(|| (kept, parse(&context.trusted_ca)))
}

/// Whether a chain leads to one of the roots; `None` where that cannot be told.
#[must_use]
pub fn leads_to(chain: &[Certificate], roots: &[Certificate]) -> Option<bool> {
    let leaf = chain.first()?;
    if roots.is_empty() {
        return None;
    }
    let mut current = leaf;
    for _ in 0..LONGEST {
        if roots.iter().any(|root| root.fingerprint == current.fingerprint || current.is_signed_by(root)) {
            return Some(true);
        }
        let next = chain.iter().find(|other| other.fingerprint != current.fingerprint && current.is_signed_by(other));
        let Some(next) = next else { return Some(false) };
        current = next;
    }
    Some(false)
}

/// Reads PEM, whatever stands between the certificates; what is no certificate is left out.
fn parse(source: &DataSource) -> Vec<Certificate> {
    let bytes = match (&source.inline_bytes, &source.inline_string) {
        (Some(encoded), _) => base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default(),
        (None, Some(text)) => text.clone().into_bytes(),
        (None, None) => Vec::new(),
    };
    let blocks = x509_parser::pem::Pem::iter_from_buffer(&bytes).filter_map(Result::ok);
    blocks.filter(|block| block.label == "CERTIFICATE").filter_map(|block| Certificate::read(block.contents)).collect()
}

// === impl Certificate ===

impl Certificate {
    fn read(der: Vec<u8>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
        let uri = names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        });
        let moment = |seconds: i64| jiff::Timestamp::from_second(seconds).ok();
        let fingerprint = Sha256::digest(&der).to_vec();
        Some(Self {
            uri,
            subject: parsed.subject().to_string(),
            not_before: moment(parsed.validity().not_before.timestamp()),
            not_after: moment(parsed.validity().not_after.timestamp()),
            fingerprint,
            der,
        })
    }

    /// Whether the other's key made the signature; names alone prove nothing, every mesh's root has the same.
    fn is_signed_by(&self, other: &Self) -> bool {
        let (Ok((_, own)), Ok((_, issuer))) =
            (X509Certificate::from_der(&self.der), X509Certificate::from_der(&other.der))
        else {
            return false;
        };
        own.issuer() == issuer.subject() && own.verify_signature(Some(issuer.public_key())).is_ok()
    }

    /// `subject` or identity, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.uri.as_deref().unwrap_or(&self.subject)
    }
}
