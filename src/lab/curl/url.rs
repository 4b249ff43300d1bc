//! URLs as curl reads and writes them (`urlapi.c`): a missing scheme is guessed, one to three slashes will do, dots are
//! removed from paths.

mod host;
mod path;

use super::code::{Code, Failure};
use super::percent;

/// A URL in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// In lower case.
    pub(super) scheme: String,
    /// As written, still encoded.
    pub(super) user: Option<String>,
    /// As written, still encoded.
    pub(super) password: Option<String>,
    /// A name, or an address; IPv6 in brackets.
    pub(super) host: String,
    /// As written, without leading zeros.
    pub(super) port: Option<u16>,
    /// Begins with a slash.
    pub(super) path: String,
    /// Without the question mark.
    pub(super) query: Option<String>,
    /// Without the hash sign.
    fragment: Option<String>,
}

/// What is wrong with a URL; the texts are `curl_url_strerror`'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// A character no part can have.
    #[error("Bad fragment")]
    Fragment,
    /// A character names cannot have.
    #[error("Bad hostname")]
    Host,
    /// Not an address between brackets.
    #[error("Bad IPv6 address")]
    Ipv6,
    /// Nothing where the host would be.
    #[error("No host part in the URL")]
    NoHost,
    /// A character no part can have.
    #[error("Bad path")]
    Path,
    /// Not a number up to 65535.
    #[error("Port number was not a decimal number between 0 and 65535")]
    Port,
    /// A character no part can have.
    #[error("Bad query")]
    Query,
    /// A scheme curl has never heard of.
    #[error("Unsupported URL scheme")]
    Scheme,
    /// None, or more than three.
    #[error("Unsupported number of slashes following scheme")]
    Slashes,
}

/// Longest scheme curl looks for.
const MAX_SCHEME: usize = 40;

/// Schemes curl 7.88.1 can be built with, `http` and `https` among them.
const SCHEMES: &[&str] = &[
    "dict", "file", "ftp", "ftps", "gopher", "gophers", "http", "https", "imap", "imaps", "ldap", "ldaps", "mqtt",
    "pop3", "pop3s", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts", "rtsp", "scp", "sftp", "smb", "smbs",
    "smtp", "smtps", "telnet", "tftp",
];

/// Parses as curl does for a URL of its command line: the scheme may be missing.
pub(super) fn parse(text: &str, path_as_is: bool) -> Result<Url, Malformed> {
    let (scheme, rest) = match scheme(text, true) {
        Some(scheme) => {
            let rest = text.get(scheme.len() + 1..).unwrap_or_default();
            let slashes = rest.bytes().take_while(|byte| *byte == b'/').take(4).count();
            if !(1..=3).contains(&slashes) {
                return Err(Malformed::Slashes);
            }
            (Some(scheme.to_ascii_lowercase()), rest.get(slashes..).unwrap_or_default())
        }
        None => (None, text),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.is_empty() {
        return Err(Malformed::NoHost);
    }
    let (tail, fragment) = split(tail, '#');
    let (path, query) = split(tail, '?');
    let fragment = fragment.filter(|fragment| !fragment.is_empty());
    clean(fragment.unwrap_or_default(), Malformed::Fragment)?;
    clean(query.unwrap_or_default(), Malformed::Query)?;
    clean(path, Malformed::Path)?;
    clean(authority, Malformed::Host)?;
    let (login, host) = match authority.split_once('@') {
        Some((login, host)) => (Some(login), host),
        None => (None, authority),
    };
    let (user, password) = login.map_or((None, None), |login| {
        let (user, password) = split(login, ':');
        (Some(user.to_owned()), password.map(str::to_owned))
    });
    let (host, port) = host::split_port(host, scheme.is_some())?;
    let host = host::normal(host)?;
    let path = match path {
        "" | "/" => "/".to_owned(),
        path if path_as_is => path.to_owned(),
        path => path::without_dots(path),
    };
    let scheme = scheme.unwrap_or_else(|| host::guessed(&host).to_owned());
    let (query, fragment) = (query.map(str::to_owned), fragment.map(str::to_owned));
    Ok(Url { scheme, user, password, host, port, path, query, fragment })
}

/// Before the first `separator`, and after it.
fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    text.split_once(separator).map_or((text, None), |(before, after)| (before, Some(after)))
}

/// `junkscan`.
fn clean(part: &str, otherwise: Malformed) -> Result<(), Malformed> {
    if part.contains(|c: char| c.is_ascii_control() || c == ' ') { Err(otherwise) } else { Ok(()) }
}

/// The scheme of an absolute URL. A guessing reader takes `name:123` for a host and a port.
pub(super) fn scheme(text: &str, guessing: bool) -> Option<&str> {
    let ends = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.');
    let (scheme, rest) = text.split_at_checked(text.find(ends)?)?;
    let rest = rest.strip_prefix(':')?;
    let slash = rest.starts_with('/') || !guessing;
    (!scheme.is_empty() && scheme.len() < MAX_SCHEME && slash).then_some(scheme)
}

// === impl Malformed ===

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        malformed.code().plain()
    }
}

impl Malformed {
    /// `Curl_uc_to_curlcode`.
    pub(super) fn code(self) -> Code {
        if self == Self::Scheme { Code::UnsupportedProtocol } else { Code::UrlMalformat }
    }
}

// === impl Url ===

impl Url {
    /// Where a `Location` leads from here: an absolute URL, or one relative to this (`concat_url`).
    pub(super) fn join(&self, location: &str, path_as_is: bool) -> Result<Self, Malformed> {
        if let Some(scheme) = scheme(location, false) {
            if !SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
                return Err(Malformed::Scheme);
            }
            return parse(&path::encoded(location, true), path_as_is);
        }
        let text = self.to_string();
        let at = text.find("//").map_or(0, |at| at + 2);
        let (front, back) = text.split_at_checked(at).unwrap_or(("", &text));
        if let Some(authority) = location.strip_prefix("//") {
            return parse(&format!("{front}{}", path::encoded(authority, true)), path_as_is);
        }
        let location = path::encoded(location, false);
        if location.starts_with('/') {
            let authority = back.find(['/', '?']).and_then(|end| back.get(..end)).unwrap_or(back);
            return parse(&format!("{front}{authority}{location}"), path_as_is);
        }
        let base = back.split('?').next().unwrap_or(back);
        if location.starts_with('?') {
            return parse(&format!("{front}{base}{location}"), path_as_is);
        }
        let folder = base.rfind('/').and_then(|end| base.get(..end)).unwrap_or(base);
        parse(&format!("{front}{folder}/{location}"), path_as_is)
    }

    /// With these credentials, which relative redirects keep.
    pub(super) fn with_login(&self, login: &str) -> Self {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let encode = |text: &str| Some(percent::encode(text.as_bytes()));
        Self { user: encode(user), password: encode(password), ..self.clone() }
    }

    /// Without credentials and fragment, for `Referer`.
    pub(super) fn without_login(&self) -> String {
        Self { user: None, password: None, fragment: None, ..self.clone() }.to_string()
    }

    /// With this added to the query.
    pub(super) fn with_query(&self, more: &str) -> Self {
        let query = match self.query.as_deref() {
            Some(query) if !query.is_empty() => format!("{query}&{more}"),
            Some(_) | None => more.to_owned(),
        };
        Self { query: Some(query), ..self.clone() }
    }

    /// What `-O` would call the file.
    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// The port that is dialled.
    pub(super) fn effective_port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Whether TLS is spoken.
    pub(super) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// The host without brackets.
    pub(super) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Path and query, as they go into the request line.
    pub(super) fn target(&self) -> String {
        let path = path::ascii(&self.path);
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        }
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://", self.scheme)?;
        match (&self.user, &self.password) {
            (Some(user), Some(password)) => write!(f, "{user}:{password}@")?,
            (Some(user), None) => write!(f, "{user}@")?,
            (None, _) => {}
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.path)?;
        if let Some(query) = self.query.as_deref().filter(|query| !query.is_empty()) {
            write!(f, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(f, "#{fragment}")?;
        }
        Ok(())
    }
}
