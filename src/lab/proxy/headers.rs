//! What a proxy does to the headers of requests and responses.

use http::header::{CONNECTION, HOST, HeaderName, SERVER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::lab::desired::ForwardMode;
use crate::lab::proxy::tls;
use crate::model::identity::SpiffeId;
use crate::xfcc::{Element, Key};

pub(crate) const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");
pub(crate) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const OVERLOADED: HeaderName = HeaderName::from_static("x-envoy-overloaded");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");
pub(crate) const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Headers that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what must not be forwarded.
pub(crate) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Names the proxy as the server.
pub(crate) fn name_server(headers: &mut HeaderMap, name: &'static str) {
    headers.insert(SERVER, HeaderValue::from_static(name));
}

/// The host of a request without its port, lower case.
pub(crate) fn host(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    Some(name.to_ascii_lowercase())
}

/// Gives a request an id where it has none.
pub(crate) fn ensure_request_id(headers: &mut HeaderMap, provider: &CryptoProvider) {
    if headers.contains_key(REQUEST_ID) {
        return;
    }
    if let Ok(id) = HeaderValue::try_from(uuid(provider)) {
        headers.insert(REQUEST_ID, id);
    }
}

/// Says how the request came, where nobody said it before.
pub(crate) fn ensure_forwarded_proto(headers: &mut HeaderMap, over_tls: bool) {
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if over_tls { "https" } else { "http" }));
    }
}

/// `forward_client_cert_details` with `set_current_client_cert_details` of subject, URI and DNS.
///
/// `peer` is the client's certificate where the connection is mutual TLS. Envoy:
/// `source/common/http/conn_manager_utility.cc:mutateXfccRequestHeader`.
pub(crate) fn forward_client_cert(
    headers: &mut HeaderMap,
    mode: ForwardMode,
    this: &SpiffeId,
    peer: Option<&CertificateDer<'_>>,
) {
    match (mode, peer) {
        (ForwardMode::AlwaysForwardOnly, _) | (ForwardMode::ForwardOnly, Some(_)) => {}
        (ForwardMode::Sanitize, _)
        | (ForwardMode::ForwardOnly | ForwardMode::AppendForward | ForwardMode::SanitizeSet, None) => {
            headers.remove(XFCC);
        }
        (ForwardMode::SanitizeSet, Some(peer)) => set(headers, hop(this, peer).to_string()),
        (ForwardMode::AppendForward, Some(peer)) => {
            let came: Vec<_> = headers.get_all(XFCC).iter().filter_map(|value| value.to_str().ok()).collect();
            let mut all = came.join(",");
            if !all.is_empty() {
                all.push(',');
            }
            all.push_str(&hop(this, peer).to_string());
            set(headers, all);
        }
    }
}

fn set(headers: &mut HeaderMap, value: String) {
    headers.remove(XFCC);
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(XFCC, value);
    }
}

/// What this hop knows of its client.
fn hop(this: &SpiffeId, peer: &CertificateDer<'_>) -> Element {
    let hash = hex(&Sha256::digest(peer));
    let element =
        Element::new().with(Key::By, &this.to_string()).with(Key::Hash, &hash).with(Key::Subject, &tls::subject(peer));
    tls::names(peer)
        .iter()
        .fold(element, |element, name| element.with(if name.contains("://") { Key::Uri } else { Key::Dns }, name))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
        text.push(digit(byte >> 4));
        text.push(digit(byte & 0xf));
        text
    })
}

/// A random UUID (RFC 9562, version 4).
fn uuid(provider: &CryptoProvider) -> String {
    let mut bytes = [0; 16];
    // Ids of zeros are ugly and harmless.
    let _ = provider.secure_random.fill(&mut bytes);
    let value = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{value:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{host, uuid};
    use crate::lab::authority::crypto_provider;

    #[test]
    fn the_host_loses_its_port_and_its_capitals() {
        for (given, expected) in [("HTTPBIN.foo:8000", "httpbin.foo"), ("httpbin", "httpbin"), ("[::1]:80", "[::1]")] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(given));
            assert_eq!(host(&headers).as_deref(), Some(expected));
        }
    }

    #[test]
    fn request_ids_are_version_4() {
        let id = uuid(&crypto_provider());
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
    }
}
