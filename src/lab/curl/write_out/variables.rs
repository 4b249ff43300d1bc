//! The variables of `-w`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use super::About;
use crate::lab::curl::outcome::Outcome;
use crate::lab::curl::version;

/// A variable's value and how it looks in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    /// A text, or nothing.
    Text(Option<String>),
    /// A number.
    Number(i64),
    /// A status: three digits, but not in JSON.
    Status(u16),
    /// Seconds with six decimals.
    Time(Duration),
}

/// Every variable that has a value, in curl's order, which is that of `%{json}`.
const NAMES: &[&str] = &[
    "certs",
    "content_type",
    "errormsg",
    "exitcode",
    "filename_effective",
    "ftp_entry_path",
    "http_code",
    "http_connect",
    "http_version",
    "local_ip",
    "local_port",
    "method",
    "num_certs",
    "num_connects",
    "num_headers",
    "num_redirects",
    "proxy_ssl_verify_result",
    "redirect_url",
    "referer",
    "remote_ip",
    "remote_port",
    "response_code",
    "scheme",
    "size_download",
    "size_header",
    "size_request",
    "size_upload",
    "speed_download",
    "speed_upload",
    "ssl_verify_result",
    "time_appconnect",
    "time_connect",
    "time_namelookup",
    "time_pretransfer",
    "time_redirect",
    "time_starttransfer",
    "time_total",
    "url",
    "url_effective",
    "urlnum",
];

/// The value of a variable; `None` for names curl does not know.
pub(super) fn field(name: &str, about: About<'_>) -> Option<Field> {
    let outcome = about.outcome;
    let count = |number: u64| Field::Number(i64::try_from(number).unwrap_or(i64::MAX));
    let ip = |address: Option<SocketAddr>| {
        Field::Text(Some(address.map(|address| address.ip().to_string()).unwrap_or_default()))
    };
    let port = |address: Option<SocketAddr>| Field::Number(address.map_or(0, |address| address.port().into()));
    Some(match name {
        "certs" => Field::Text(Some(String::new())),
        "content_type" => Field::Text(outcome.content_type.clone()),
        "errormsg" => Field::Text(outcome.failure.as_ref().map(|failure| failure.message.clone().into_owned())),
        "exitcode" => Field::Number(outcome.failure.as_ref().map_or(0, |failure| failure.code.number().into())),
        "filename_effective" => Field::Text(outcome.file.clone()),
        "ftp_entry_path" => Field::Text(None),
        "http_code" | "response_code" => Field::Status(outcome.status),
        "http_connect" => Field::Status(0),
        "http_version" => Field::Text(Some(outcome.version.unwrap_or("0").to_owned())),
        "local_ip" => ip(outcome.local),
        "local_port" => port(outcome.local),
        "method" => Field::Text(Some(outcome.method.clone())),
        "num_certs" => Field::Number(0),
        "num_connects" => Field::Number(outcome.connects.into()),
        "num_headers" => count(outcome.header_count as u64),
        "num_redirects" => Field::Number(outcome.redirects.into()),
        "proxy_ssl_verify_result" => Field::Number(0),
        "redirect_url" => Field::Text(outcome.redirect_url.clone()),
        "referer" => Field::Text(outcome.referer.clone()),
        "remote_ip" => ip(outcome.remote),
        "remote_port" => port(outcome.remote),
        "scheme" => Field::Text(outcome.scheme.map(str::to_owned)),
        "size_download" => count(outcome.downloaded),
        "size_header" => count(outcome.header_bytes),
        "size_request" => count(outcome.request_bytes),
        "size_upload" => count(outcome.uploaded),
        "speed_download" => count(speed(outcome.downloaded, outcome)),
        "speed_upload" => count(speed(outcome.uploaded, outcome)),
        "ssl_verify_result" => Field::Number(outcome.verify_result.into()),
        "time_appconnect" => Field::Time(outcome.times.app_connect),
        "time_connect" => Field::Time(outcome.times.connect),
        "time_namelookup" => Field::Time(outcome.times.name_lookup),
        "time_pretransfer" => Field::Time(outcome.times.pretransfer),
        "time_redirect" => Field::Time(outcome.times.redirect),
        "time_starttransfer" => Field::Time(outcome.times.start_transfer),
        "time_total" => Field::Time(outcome.times.total),
        "url" => Field::Text(Some(about.url.to_owned())),
        "url_effective" => Field::Text(Some(outcome.url.clone())),
        "urlnum" => count(about.number as u64),
        _ => return None,
    })
}

/// Bytes per second.
fn speed(bytes: u64, outcome: &Outcome) -> u64 {
    let micros = outcome.times.total.as_micros().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

/// `%{json}`: every variable, and the version of curl.
pub(super) fn json(about: About<'_>) -> String {
    let mut out = String::from("{");
    for name in NAMES {
        if let Some(field) = field(name, about) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\"{name}\":{},", field.json());
        }
    }
    let _ = write!(out, "\"curl_version\":{}}}", quoted(version::LIBCURL));
    out
}

/// `%{header_json}`: the headers of the last answer, in order. As in curl 7.88.1, a name that occurs several times is listed
/// with all its values where it first occurs and everything up to its last occurrence is left out; where that hides the
/// first occurrence of another such name, a closing bracket is all that is left of it.
pub(super) fn header_json(outcome: &Outcome) -> String {
    let headers = &outcome.headers;
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some((name, _)) = headers.get(at) {
        let same: Vec<usize> = headers
            .iter()
            .enumerate()
            .filter(|(_, (other, _))| other.eq_ignore_ascii_case(name))
            .map(|(place, _)| place)
            .collect();
        let first = same.first() == Some(&at);
        let values: Vec<String> =
            same.iter().filter_map(|place| headers.get(*place)).map(|(_, value)| quoted(value)).collect();
        let list = if first { format!("[{}]", values.join(",")) } else { "]".to_owned() };
        entries.push(format!("{}:{list}", quoted(&name.to_ascii_lowercase())));
        at = if first { same.last().copied().unwrap_or(at) } else { at } + 1;
    }
    format!("{{{}\n}}", entries.join(",\n"))
}

/// `jsonWriteString`, which escapes less than JSON asks for.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

// === impl Field ===

impl Field {
    /// As `%{name}` prints it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone().unwrap_or_default(),
            Self::Number(number) => number.to_string(),
            Self::Status(status) => format!("{status:03}"),
            Self::Time(time) => format!("{}.{:06}", time.as_secs(), time.subsec_micros()),
        }
    }

    /// As `%{json}` prints it.
    fn json(&self) -> String {
        match self {
            Self::Text(Some(text)) => quoted(text),
            Self::Text(None) => "null".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Status(status) => status.to_string(),
            Self::Time(_) => self.text(),
        }
    }
}
