//! TLS 1.0 and 1.1, which rustls does not speak: a `ClientHello` of that version, and what the server makes of it.
//!
//! No proxy of a mesh accepts these versions, so the handshake is not carried on.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::texts;
use crate::lab::curl::code::Failure;
use crate::lab::curl::operation::TlsVersion;
use crate::lab::curl::wire::Wire;

/// Suites of these versions, in OpenSSL's order, and the signal that renegotiation is understood (RFC 5746).
const SUITES: [u16; 9] = [0xc00a, 0xc014, 0x0039, 0xc009, 0xc013, 0x0033, 0x0035, 0x002f, 0x00ff];

/// Extension `supported_groups` with x25519 and P-256, `ec_point_formats` with uncompressed points (RFC 8422).
const CURVES: [u8; 16] = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 11, 0, 2, 1, 0];

/// Offers the version and reports how that failed.
pub(super) async fn refused(mut wire: Wire, version: TlsVersion, host: &str, port: u16) -> Failure {
    match answer(&mut wire, version, host).await {
        Ok(alert) => texts::old_version_refused(&wire, alert, host, port),
        Err(_) => texts::old_version_refused(&wire, None, host, port),
    }
}

/// The alert in the answer, if that is what it is.
async fn answer(wire: &mut Wire, version: TlsVersion, host: &str) -> io::Result<Option<u8>> {
    wire.write_all(&client_hello(version, host)).await?;
    let mut record = [0; 7];
    wire.read_exact(&mut record).await?;
    let [kind, _, _, _, _, _, description] = record;
    Ok((kind == 21).then_some(description))
}

fn client_hello(version: TlsVersion, host: &str) -> Vec<u8> {
    let version = [3, if version == TlsVersion::Tls10 { 1 } else { 2 }];
    let mut body = Vec::from(version);
    // The random is never used.
    body.extend([7; 32]);
    body.push(0);
    body.extend(sized(&SUITES.iter().flat_map(|suite| suite.to_be_bytes()).collect::<Vec<u8>>()));
    body.extend([1, 0]);
    body.extend(sized(&extensions(host)));
    let mut message = vec![1, 0];
    message.extend(sized(&body));
    let mut record = vec![22, 3, 1];
    record.extend(sized(&message));
    record
}

fn extensions(host: &str) -> Vec<u8> {
    let mut extensions = Vec::new();
    if host.parse::<std::net::IpAddr>().is_err() {
        let mut name = vec![0];
        name.extend(sized(host.as_bytes()));
        extensions.extend([0, 0]);
        extensions.extend(sized(&sized(&name)));
    }
    extensions.extend(CURVES);
    extensions
}

/// With its length, in two bytes, in front.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}
