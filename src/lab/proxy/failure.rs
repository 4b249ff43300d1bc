//! How Envoy counts and words a TLS failure.
//!
//! The wording is measured on Envoy 1.40. Its access log has underscores for spaces, older bodies have the spaces.

use std::error::Error as _;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// A certificate whose chain is right and whose names are not.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NameMismatch(pub(crate) String);

/// A TLS failure in Envoy's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFailure {
    /// The `ssl.*` counter that grows, where one does: a reset counts nowhere.
    pub(crate) counter: Option<&'static str>,
    /// `*_transport_failure_reason`.
    pub(crate) reason: String,
}

/// The certificate of the TLS context never arrived.
pub(crate) const NO_SECRET: &str = "TLS error: Secret is not supplied by SDS";
/// Nothing listens.
pub(crate) const CONNECTION_REFUSED: &str = "delayed connect error: Connection refused";
/// What the TLS inspector makes of plaintext HTTP.
pub(crate) const INSPECTED_HTTP: &str =
    "TLS_error|error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end";
/// What the TLS inspector makes of other plaintext.
pub(crate) const INSPECTED_OTHER: &str =
    "TLS_error|error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end";

/// A reason as the access log shows it.
pub(crate) fn logged(reason: &str) -> String {
    reason.replace(' ', "_")
}

/// The TLS error inside an I/O error, where there is one.
pub(crate) fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// The TLS error behind a hyper error, where there is one.
pub(crate) fn tls_error_behind(error: &hyper::Error) -> Option<&rustls::Error> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(tls) = error.downcast_ref::<io::Error>().and_then(tls_error) {
            return Some(tls);
        }
        source = error.source();
    }
    None
}

// === impl TlsFailure ===

impl TlsFailure {
    /// A handshake that ended with an I/O error.
    pub(crate) fn of(error: &io::Error) -> Self {
        match tls_error(error) {
            Some(tls) => Self::of_tls(tls),
            None => Self { counter: None, reason: library("33554536:system library", "Connection reset by peer") },
        }
    }

    /// A TLS error.
    pub(crate) fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(reason) => Self::of_certificate(reason),
            rustls::Error::NoCertificatesPresented => Self {
                counter: Some("ssl.fail_verify_no_cert"),
                reason: ssl(
                    268_435_648,
                    "PEER_DID_NOT_RETURN_A_CERTIFICATE:peer did not provide required client certificate",
                ),
            },
            rustls::Error::AlertReceived(alert) => Self::connection_error(of_alert(*alert)),
            rustls::Error::PeerIncompatible(_) => Self::connection_error(ssl(268_435_696, "UNSUPPORTED_PROTOCOL")),
            // Plaintext where a TLS record was expected, most of all.
            _ => Self::connection_error(ssl(268_435_703, "WRONG_VERSION_NUMBER")),
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        if let CertificateError::Other(other) = error
            && let Some(NameMismatch(reason)) = other.0.downcast_ref::<NameMismatch>()
        {
            return Self { counter: Some("ssl.fail_verify_san"), reason: verify_failed(reason) };
        }
        let detail = match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate has expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "certificate is not yet valid"
            }
            _ => "unable to get local issuer certificate",
        };
        let reason = format!("X509_verify_cert: certificate verification error at depth 0: {detail}");
        Self { counter: Some("ssl.fail_verify_error"), reason: verify_failed(&reason) }
    }

    fn connection_error(reason: String) -> Self {
        Self { counter: Some("ssl.connection_error"), reason }
    }
}

/// An alert's reason: 1000 and its number (BoringSSL, `ssl.h`).
fn of_alert(alert: AlertDescription) -> String {
    let name = match alert {
        AlertDescription::BadCertificate => "SSLV3_ALERT_BAD_CERTIFICATE",
        AlertDescription::CertificateExpired => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        AlertDescription::CertificateRequired => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        AlertDescription::CertificateUnknown => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        AlertDescription::DecryptError => "TLSV1_ALERT_DECRYPT_ERROR",
        AlertDescription::HandshakeFailure => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        AlertDescription::NoApplicationProtocol => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        AlertDescription::ProtocolVersion => "TLSV1_ALERT_PROTOCOL_VERSION",
        AlertDescription::UnknownCA => "TLSV1_ALERT_UNKNOWN_CA",
        _ => "TLS_ALERT",
    };
    ssl(268_436_456 + u32::from(u8::from(alert)), name)
}

fn verify_failed(reason: &str) -> String {
    ssl(268_435_581, &format!("CERTIFICATE_VERIFY_FAILED:verify cert failed: {reason}"))
}

fn ssl(code: u32, name: &str) -> String {
    library(&format!("{code}:SSL routines"), name)
}

fn library(library: &str, name: &str) -> String {
    format!("TLS_error:|{library}:OPENSSL_internal:{name}:TLS_error_end")
}
