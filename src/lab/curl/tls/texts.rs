//! curl's and OpenSSL's words for what rustls found wrong: the one table of them.
//!
//! What rustls does not tell apart keeps the nearest words. Those cases are:
//! * every message that is malformed or out of turn is `unexpected message`, where OpenSSL has many words;
//! * a server that chooses a version, a cipher or a group nobody offered is `unsupported protocol`, `wrong cipher returned` or
//!   `bad key share`, and anything else a server must not do is `internal error`;
//! * a certificate with a wrong signature has the words for elliptic curves, where OpenSSL has others for RSA;
//! * a *fatal* closing alert during the handshake counts as an ordinary one;
//! * `tlsv1 alert decryption failed` and its like keep their number whatever the version spoken.

use std::io;

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

use super::verdict::{self, NOT_JUDGED};
use crate::lab::curl::code::{Code, Failure};
use crate::lab::curl::wire::{HEADER, Wire};

/// The library whose words these are.
const OPENSSL: &str = "OpenSSL/3.0.19";

/// A certificate whose issuer has the right name and another key: the first of OpenSSL's complaints, for elliptic curves.
const SIGNATURE_FAILED: &str = "error:06880006:asn1 encoding routines::EVP lib";

/// A reason of OpenSSL's `SSL routines`: its number and its text.
type Reason = (u32, &'static str);

const HTTPS_PROXY_REQUEST: Reason = (0x9b, "https proxy request");
const HTTP_REQUEST: Reason = (0x9c, "http request");
const BAD_KEY_SHARE: Reason = (0x6c, "bad key share");
const LENGTH_TOO_LONG: Reason = (0xc6, "packet length too long");
const UNEXPECTED_MESSAGE: Reason = (0xf4, "unexpected message");
const UNSUPPORTED_PROTOCOL: Reason = (0x102, "unsupported protocol");
const WRONG_CIPHER: Reason = (0x105, "wrong cipher returned");
const WRONG_VERSION: Reason = (0x10b, "wrong version number");
const BAD_RECORD: Reason = (0x119, "decryption failed or bad record mac");
const BAD_SIGNATURE: Reason = (0x7b, "bad signature");

/// Alerts by number, as OpenSSL names them when they are received.
const ALERTS: &[(u8, &str)] = &[
    (10, "sslv3 alert unexpected message"),
    (20, "sslv3 alert bad record mac"),
    (21, "tlsv1 alert decryption failed"),
    (22, "tlsv1 alert record overflow"),
    (30, "sslv3 alert decompression failure"),
    (40, "sslv3 alert handshake failure"),
    (41, "sslv3 alert no certificate"),
    (42, "sslv3 alert bad certificate"),
    (43, "sslv3 alert unsupported certificate"),
    (44, "sslv3 alert certificate revoked"),
    (45, "sslv3 alert certificate expired"),
    (46, "sslv3 alert certificate unknown"),
    (47, "sslv3 alert illegal parameter"),
    (48, "tlsv1 alert unknown ca"),
    (49, "tlsv1 alert access denied"),
    (50, "tlsv1 alert decode error"),
    (51, "tlsv1 alert decrypt error"),
    (60, "tlsv1 alert export restriction"),
    (70, "tlsv1 alert protocol version"),
    (71, "tlsv1 alert insufficient security"),
    (80, "tlsv1 alert internal error"),
    (86, "tlsv1 alert inappropriate fallback"),
    (90, "tlsv1 alert user cancelled"),
    (100, "tlsv1 alert no renegotiation"),
    (109, "tlsv13 alert missing extension"),
    (110, "tlsv1 unsupported extension"),
    (111, "tlsv1 certificate unobtainable"),
    (112, "tlsv1 unrecognized name"),
    (113, "tlsv1 bad certificate status response"),
    (114, "tlsv1 bad certificate hash value"),
    (115, "tlsv1 alert unknown psk identity"),
    (116, "tlsv13 alert certificate required"),
    (120, "tlsv1 alert no application protocol"),
];

/// `SSL_AD_REASON_OFFSET`.
const ALERT_OFFSET: u32 = 1000;

/// A handshake that failed (`ossl_connect_step2`).
pub(super) fn handshake_failure(error: &io::Error, wire: &Wire, judged: u32, host: &str, port: u16) -> Failure {
    if let Some(text) = wire.broken() {
        return Code::SslConnectError.saying(text);
    }
    if let Some(reason) = not_tls(wire.first()) {
        return Code::SslConnectError.saying(reason_text(reason));
    }
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let Some(found) = found.filter(|_| wire.first().len() >= HEADER) else {
        // A closing alert in place of an answer, or nothing at all.
        let how = if wire.first().first() == Some(&21) { "SSL_ERROR_ZERO_RETURN" } else { "SSL_ERROR_SYSCALL" };
        return Code::SslConnectError.saying(format!("OpenSSL SSL_connect: {how} in connection to {host}:{port} "));
    };
    match found {
        Error::AlertReceived(AlertDescription::CertificateRequired) => Code::SslClientcert.saying(error_text(found)),
        Error::AlertReceived(AlertDescription::CertificateExpired) if matches!(judged, 0 | NOT_JUDGED) => {
            Code::PeerFailedVerification.saying("SSL certificate verification failed")
        }
        Error::InvalidCertificate(_) if judged == verdict::BAD_SIGNATURE => {
            Code::SslConnectError.saying(format!("{OPENSSL}: {SIGNATURE_FAILED}"))
        }
        Error::InvalidCertificate(_) | Error::AlertReceived(AlertDescription::CertificateExpired) => {
            let text = verdict::text(judged);
            Code::PeerFailedVerification.saying(format!("SSL certificate problem: {text}"))
        }
        other => Code::SslConnectError.saying(error_text(other)),
    }
}

/// Reading failed after the handshake (`ossl_recv`).
pub(in crate::lab::curl) fn receive_failure(error: &io::Error) -> Failure {
    let text = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(found) => error_text(found),
        None => "SSL_ERROR_SYSCALL".to_owned(),
    };
    Code::RecvError.saying(format!("OpenSSL SSL_read: {text}, errno 0"))
}

/// An offer of TLS 1.0 or 1.1 that was answered with this alert, with something else, or not at all.
pub(super) fn old_version_refused(wire: &Wire, alert: Option<u8>, host: &str, port: u16) -> Failure {
    let reason = not_tls(wire.first()).map(reason_text);
    let text = wire.broken().or(reason).or_else(|| alert.map(alert_text));
    Code::SslConnectError.saying(match text {
        Some(text) => text,
        None if wire.first().len() < HEADER => {
            format!("OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to {host}:{port} ")
        }
        None => reason_text(UNSUPPORTED_PROTOCOL),
    })
}

/// What OpenSSL makes of a first record that is none (`ssl3_get_record`).
fn not_tls(first: &[u8]) -> Option<Reason> {
    let major = *first.get(1)?;
    if first.len() < HEADER || major == 3 {
        return None;
    }
    let requests: [&[u8]; 4] = [b"GET ", b"POST ", b"HEAD ", b"PUT "];
    match () {
        () if requests.iter().any(|method| first.starts_with(method)) => Some(HTTP_REQUEST),
        () if first.starts_with(b"CONNE") => Some(HTTPS_PROXY_REQUEST),
        () => Some(WRONG_VERSION),
    }
}

fn error_text(error: &Error) -> String {
    reason_text(match error {
        Error::AlertReceived(alert) => return alert_text(u8::from(*alert)),
        Error::InvalidMessage(InvalidMessage::MessageTooLarge) | Error::PeerSentOversizedRecord => LENGTH_TOO_LONG,
        Error::InvalidMessage(InvalidMessage::UnknownProtocolVersion) => WRONG_VERSION,
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            UNEXPECTED_MESSAGE
        }
        Error::DecryptError => BAD_RECORD,
        Error::InvalidCertificate(_) => BAD_SIGNATURE,
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => WRONG_CIPHER,
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => BAD_KEY_SHARE,
        Error::PeerIncompatible(_) => UNSUPPORTED_PROTOCOL,
        _ => return format!("{OPENSSL}: error:0A0C0103:SSL routines::internal error"),
    })
}

/// `error:0A00010B:SSL routines::wrong version number`.
fn reason_text((number, text): Reason) -> String {
    format!("{OPENSSL}: error:0A{number:06X}:SSL routines::{text}")
}

fn alert_text(alert: u8) -> String {
    let number = ALERT_OFFSET + u32::from(alert);
    match ALERTS.iter().find(|(known, _)| *known == alert) {
        Some((_, text)) => reason_text((number, text)),
        None => format!("{OPENSSL}: error:0A{number:06X}:SSL routines::reason({number})"),
    }
}
