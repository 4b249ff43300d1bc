//! The listener filters: what a connection carries, told from its first bytes.

use std::io;

use rustls::server::Acceptor;
use tokio::io::AsyncRead;

use crate::lab::proxy::stream::Prefixed;

/// `handshake`, the content type of a ClientHello's record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// What HTTP/2 without TLS begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// More than any ClientHello or request line of the lab.
const ENOUGH: usize = 64 * 1024;

/// What the TLS inspector learns from a ClientHello.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Server name.
    pub(crate) sni: Option<String>,
    /// Protocols in the client's order.
    pub(crate) alpn: Vec<String>,
}

/// What the HTTP inspector finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2 without TLS.
    H2c,
    /// Anything else.
    NotHttp,
}

/// Reads a ClientHello without consuming it; `None` for anything that is not TLS.
///
/// Waits for the first byte like Envoy's `tls_inspector` with Istio's `listener_filters_timeout: 0s`.
pub(crate) async fn client_hello<S: AsyncRead + Unpin>(stream: &mut Prefixed<S>) -> io::Result<Option<Hello>> {
    loop {
        match stream.ahead().first() {
            Some(&HANDSHAKE) => {
                if let Some(hello) = parse_hello(stream.ahead()) {
                    return Ok(Some(hello));
                }
            }
            Some(_) => return Ok(None),
            None => {}
        }
        if stream.ahead().len() > ENOUGH || stream.look().await? == 0 {
            return if stream.ahead().is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(None) };
        }
    }
}

/// Whether a `ClientHello` is of TLS 1.1 or older: newer ones all say 1.2 there (RFC 8446, section 4.1.2).
pub(crate) fn is_too_old(record: &[u8]) -> bool {
    const TLS12: [u8; 2] = [3, 3];
    // Behind the record's header, the message's kind and its length.
    record.get(9..11).is_some_and(|version| version < TLS12.as_slice())
}

/// Looks at the first line without consuming it.
pub(crate) async fn http<S: AsyncRead + Unpin>(stream: &mut Prefixed<S>) -> io::Result<Spoken> {
    loop {
        if let Some(spoken) = spoken(stream.ahead()) {
            return Ok(spoken);
        }
        if stream.ahead().len() > ENOUGH || stream.look().await? == 0 {
            return if stream.ahead().is_empty() {
                Err(io::ErrorKind::UnexpectedEof.into())
            } else {
                Ok(Spoken::NotHttp)
            };
        }
    }
}

/// `None` while the record is incomplete. A record rustls cannot read is still TLS, with nothing offered.
fn parse_hello(mut bytes: &[u8]) -> Option<Hello> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        if !matches!(acceptor.read_tls(&mut bytes), Ok(read) if read > 0) {
            return Some(Hello::default());
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => {
                let hello = accepted.client_hello();
                let alpn = hello.alpn().into_iter().flatten();
                return Some(Hello {
                    sni: hello.server_name().map(str::to_owned),
                    alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
                });
            }
            Ok(None) => {}
            Err(_) => return Some(Hello::default()),
        }
    }
    None
}

/// `None` while more bytes are needed.
fn spoken(ahead: &[u8]) -> Option<Spoken> {
    if ahead.starts_with(PREFACE) {
        return Some(Spoken::H2c);
    }
    if ahead.iter().take_while(|byte| **byte != b' ').any(|byte| !is_method(*byte)) {
        return Some(Spoken::NotHttp);
    }
    let end = ahead.iter().position(|byte| *byte == b'\n')?;
    let line = ahead.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some(match (line.ends_with(b" HTTP/1.1"), line.ends_with(b" HTTP/1.0")) {
        (true, _) => Spoken::Http11,
        (false, true) => Spoken::Http10,
        (false, false) => Spoken::NotHttp,
    })
}

fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_')
}

// === impl Spoken ===

impl Spoken {
    /// The protocol name that filter chains match, as the HTTP inspector sets it.
    pub(crate) fn alpn(self) -> Option<&'static str> {
        match self {
            Self::Http10 => Some("http/1.0"),
            Self::Http11 => Some("http/1.1"),
            Self::H2c => Some("h2c"),
            Self::NotHttp => None,
        }
    }

    /// The inspector's counter.
    pub(crate) fn counter(self) -> &'static str {
        match self {
            Self::Http10 => "http_inspector.http10_found",
            Self::Http11 => "http_inspector.http11_found",
            Self::H2c => "http_inspector.http2_found",
            Self::NotHttp => "http_inspector.http_not_found",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Spoken, spoken};

    #[test]
    fn the_first_line_tells_what_is_spoken() {
        let rows: [(&[u8], Option<Spoken>); 8] = [
            (b"GET /headers HTTP/1.1\r\nHost: a\r\n\r\n", Some(Spoken::Http11)),
            (b"GET / HTTP/1.0\r\n\r\n", Some(Spoken::Http10)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(Spoken::H2c)),
            (b"\x16\x03\x01\x02", Some(Spoken::NotHttp)),
            (b"hello\n", Some(Spoken::NotHttp)),
            (b"GET / HTTP/1", None),
            (b"PRI", None),
            (b"", None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(spoken(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
