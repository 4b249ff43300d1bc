//! What OpenSSL would think of a server's certificate.
//!
//! webpki decides whether the chain holds. Where it does not, the number and the text are OpenSSL's, found by walking the
//! chain as `build_chain` does. Not told apart, because webpki does not:
//! * a certificate authority's certificate used by a server is refused (26) unless it is trusted itself; OpenSSL takes it;
//! * weak keys and old signature algorithms are a bad signature (7), where OpenSSL has words of their own;
//! * certificates webpki cannot read at all, such as X.509 version 1, fail the handshake even under `-k`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

/// No certificate was looked at.
pub(super) const NOT_JUDGED: u32 = u32::MAX;

/// `X509_V_OK`.
const FINE: u32 = 0;
/// `X509_V_ERR_CERT_SIGNATURE_FAILURE`.
pub(super) const BAD_SIGNATURE: u32 = 7;
/// `X509_V_ERR_CERT_NOT_YET_VALID`.
const NOT_YET_VALID: u32 = 9;
/// `X509_V_ERR_CERT_HAS_EXPIRED`.
const EXPIRED: u32 = 10;
/// `X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT`.
const SELF_SIGNED: u32 = 18;
/// `X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN`.
const SELF_SIGNED_IN_CHAIN: u32 = 19;
/// `X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY`.
const NO_ISSUER: u32 = 20;
/// `X509_V_ERR_INVALID_PURPOSE`.
const WRONG_PURPOSE: u32 = 26;

/// Most certificates of a chain that are walked.
const MOST_DEPTH: usize = 100;

/// Judges certificates, and under `-k` accepts them all.
#[derive(Debug)]
pub(super) struct Judge {
    roots: Vec<CertificateDer<'static>>,
    anchors: RootCertStore,
    provider: Arc<CryptoProvider>,
    insecure: bool,
    verdict: Arc<AtomicU32>,
}

/// `X509_verify_cert_error_string`.
pub(super) fn text(verdict: u32) -> &'static str {
    match verdict {
        FINE => "ok",
        BAD_SIGNATURE => "certificate signature failure",
        NOT_YET_VALID => "certificate is not yet valid",
        EXPIRED => "certificate has expired",
        SELF_SIGNED => "self-signed certificate",
        SELF_SIGNED_IN_CHAIN => "self-signed certificate in certificate chain",
        NO_ISSUER => "unable to get local issuer certificate",
        WRONG_PURPOSE => "unsuitable certificate purpose",
        _ => "unspecified certificate verification error",
    }
}

// === impl Judge ===

impl Judge {
    /// Believes in these authorities, and in these certificates themselves.
    pub(super) fn new(
        roots: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
        insecure: bool,
        verdict: Arc<AtomicU32>,
    ) -> Self {
        let mut anchors = RootCertStore::empty();
        anchors.add_parsable_certificates(roots.iter().cloned());
        Self { roots, anchors, provider, insecure, verdict }
    }

    fn judge(&self, leaf: &CertificateDer<'_>, sent: &[CertificateDer<'_>], now: UnixTime) -> u32 {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let chained = ParsedCertificate::try_from(leaf).and_then(|parsed| {
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.anchors, sent, now, algorithms)
        });
        let Err(error) = chained else { return FINE };
        match self.walk(leaf, sent) {
            Walk::Ends(verdict) => verdict,
            Walk::TrustedItself => dates(leaf, now),
            Walk::Anchored => named(&error),
        }
    }

    /// Follows issuers from the leaf until an authority, a certificate that signed itself, or nothing.
    fn walk(&self, leaf: &CertificateDer<'_>, sent: &[CertificateDer<'_>]) -> Walk {
        if self.roots.iter().any(|root| **root == **leaf) {
            return Walk::TrustedItself;
        }
        let Some(mut current) = parsed(leaf) else { return Walk::Anchored };
        for depth in 0..MOST_DEPTH {
            let trusted = self.roots.iter().filter_map(parsed).any(|root| issued(&root, &current));
            if trusted {
                return Walk::Anchored;
            }
            if current.subject().as_raw() == current.issuer().as_raw() {
                return Walk::Ends(if depth == 0 { SELF_SIGNED } else { SELF_SIGNED_IN_CHAIN });
            }
            match sent.iter().filter_map(parsed).find(|issuer| issued(issuer, &current)) {
                Some(issuer) => current = issuer,
                None => break,
            }
        }
        Walk::Ends(NO_ISSUER)
    }
}

enum Walk {
    /// The chain ends without trust.
    Ends(u32),
    /// The leaf is among the trusted certificates.
    TrustedItself,
    /// The chain leads to an authority.
    Anchored,
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(certificate).ok().map(|(_, certificate)| certificate)
}

/// `X509_check_issued`: by names, and by key identifiers where both have them.
fn issued(issuer: &X509Certificate<'_>, certificate: &X509Certificate<'_>) -> bool {
    let names = issuer.subject().as_raw() == certificate.issuer().as_raw();
    let own = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0),
        _ => None,
    });
    let wanted = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => {
            identifier.key_identifier.as_ref().map(|identifier| identifier.0)
        }
        _ => None,
    });
    names && (own.is_none() || wanted.is_none() || own == wanted)
}

fn dates(certificate: &CertificateDer<'_>, now: UnixTime) -> u32 {
    let Some(certificate) = parsed(certificate) else { return FINE };
    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    match () {
        () if now < validity.not_before.timestamp() => NOT_YET_VALID,
        () if now > validity.not_after.timestamp() => EXPIRED,
        () => FINE,
    }
}

/// OpenSSL's number for what webpki found in a chain that leads to an authority.
fn named(error: &Error) -> u32 {
    let Error::InvalidCertificate(error) = error else { return BAD_SIGNATURE };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => EXPIRED,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => NOT_YET_VALID,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => WRONG_PURPOSE,
        CertificateError::Other(_) => WRONG_PURPOSE,
        _ => BAD_SIGNATURE,
    }
}

/// The error whose alert is the one OpenSSL sends for this verdict.
fn refusal(verdict: u32) -> Error {
    Error::InvalidCertificate(match verdict {
        EXPIRED => CertificateError::Expired,
        NOT_YET_VALID => CertificateError::NotValidYet,
        SELF_SIGNED | SELF_SIGNED_IN_CHAIN | NO_ISSUER => CertificateError::UnknownIssuer,
        WRONG_PURPOSE => CertificateError::InvalidPurpose,
        _ => CertificateError::BadSignature,
    })
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.judge(leaf, sent, now);
        // Under `-k` OpenSSL goes on after a wrong signature, and ends at the missing issuer.
        let told = if self.insecure && verdict == BAD_SIGNATURE { NO_ISSUER } else { verdict };
        self.verdict.store(told, Ordering::Relaxed);
        if verdict == FINE || self.insecure { Ok(ServerCertVerified::assertion()) } else { Err(refusal(verdict)) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
