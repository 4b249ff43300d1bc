//! The request, in curl's order of headers (`Curl_http`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::operation::{HttpVersion, Operation, RequestKind, is_header};
use super::percent;
use super::url::Url;

/// What a request is made of.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    /// The settings.
    pub(super) operation: &'a Operation,
    /// Where it goes.
    pub(super) url: &'a Url,
    /// The kind, after what redirects made of it.
    pub(super) kind: RequestKind,
    /// The URL the first request went to; credentials and a `Host` header given by hand stay with its host.
    pub(super) first: &'a Url,
    /// The `Referer`.
    pub(super) referer: Option<&'a str>,
    /// The last answer was HTTP/1.0.
    pub(super) old_server: bool,
}

/// Body size from which curl waits for `100 Continue`.
const EXPECT_THRESHOLD: usize = 1024 * 1024;

// === impl Request ===

impl Request<'_> {
    /// The method in the request line.
    pub(super) fn method(&self) -> &str {
        self.operation.method.as_deref().unwrap_or(self.kind.method())
    }

    /// The body, for a POST.
    pub(super) fn body(&self) -> Option<&[u8]> {
        match self.kind {
            RequestKind::Post => Some(self.operation.body.as_deref().unwrap_or_default()),
            RequestKind::Get | RequestKind::Head => None,
        }
    }

    /// The body as it is sent: in one chunk where a header given by hand asks for chunks.
    pub(super) fn encoded_body(&self) -> Vec<u8> {
        let body = self.body().unwrap_or_default();
        match (self.is_chunked(), body.is_empty()) {
            (false, _) => body.to_vec(),
            (true, true) => b"0\r\n\r\n".to_vec(),
            (true, false) => [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat(),
        }
    }

    fn is_chunked(&self) -> bool {
        let asked = self.given_line("Transfer-Encoding").and_then(|line| line.split_once(':'));
        self.body().is_some() && asked.is_some_and(|(_, value)| value.to_ascii_lowercase().contains("chunked"))
    }

    /// Request line and headers, with the blank line.
    pub(super) fn head(&self) -> String {
        let operation = self.operation;
        let target = operation.request_target.clone().unwrap_or_else(|| self.url.target());
        let old = operation.http_version == Some(HttpVersion::Http10) || self.old_server;
        let mut lines = vec![format!("{} {target} HTTP/{}", self.method(), if old { "1.0" } else { "1.1" })];
        lines.extend(self.host());
        lines.extend(self.authorization());
        if let Some(range) = operation.range.as_ref().filter(|_| !self.given("Range") && self.kind == RequestKind::Get)
        {
            lines.push(format!("Range: bytes={range}"));
        }
        let agent = operation.user_agent.as_deref().unwrap_or("curl/7.88.1");
        if !agent.is_empty() && !self.given("User-Agent") {
            lines.push(format!("User-Agent: {agent}"));
        }
        if !self.given("Accept") {
            lines.push("Accept: */*".to_owned());
        }
        if operation.compressed && !self.given("Accept-Encoding") {
            lines.push("Accept-Encoding: deflate, gzip, br, zstd".to_owned());
        }
        if let Some(referer) = self.referer.filter(|_| !self.given("Referer")) {
            lines.push(format!("Referer: {referer}"));
        }
        if !operation.cookies.is_empty() && !self.given("Cookie") {
            lines.push(format!("Cookie: {}", operation.cookies.join(";")));
        }
        lines.extend(self.custom());
        if let Some(body) = self.body() {
            lines.extend(self.body_headers(body.len(), old));
        }
        lines.join("\r\n") + "\r\n\r\n"
    }

    fn host(&self) -> Option<String> {
        // A Host given by hand stays with the first host.
        if let Some(given) = self.given_line("Host").filter(|_| self.same_host()) {
            return (!given.eq_ignore_ascii_case("host:"))
                .then(|| format!("Host:{}", given.get(5..).unwrap_or_default()));
        }
        let default = if self.url.is_https() { 443 } else { 80 };
        let port = self.url.effective_port();
        Some(if port == default {
            format!("Host: {}", self.url.host)
        } else {
            format!("Host: {}:{port}", self.url.host)
        })
    }

    fn authorization(&self) -> Option<String> {
        if self.given("Authorization") {
            return None;
        }
        if let Some(token) = self.operation.bearer.as_ref().filter(|_| self.may_authenticate()) {
            return Some(format!("Authorization: Bearer {token}"));
        }
        let from_option = self.operation.user.as_ref().filter(|_| self.may_authenticate()).map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            [name.as_bytes(), password.as_bytes()].join(&b':')
        });
        let from_url = || {
            let name = percent::decode(self.url.user.as_deref()?);
            let password = percent::decode(self.url.password.as_deref().unwrap_or_default());
            Some([name, password].join(&b':'))
        };
        let credentials = from_option.or_else(from_url)?;
        Some(format!("Authorization: Basic {}", STANDARD.encode(credentials)))
    }

    /// The user whose password goes along.
    pub(super) fn basic_login(&self) -> Option<&str> {
        let basic = self.authorization().is_some_and(|line| line.starts_with("Authorization: Basic"));
        let given = self.operation.user.as_deref().map(|user| user.split(':').next().unwrap_or(user));
        given.or(self.url.user.as_deref()).filter(|_| basic)
    }

    /// Credentials of the command line go to the first host only, unless `--location-trusted` (`Curl_allow_auth_to_host`).
    pub(super) fn may_authenticate(&self) -> bool {
        self.operation.location_trusted
            || (self.same_host()
                && self.url.scheme == self.first.scheme
                && self.url.effective_port() == self.first.effective_port())
    }

    fn same_host(&self) -> bool {
        self.url.host.eq_ignore_ascii_case(&self.first.host)
    }

    /// `Curl_add_custom_headers`: `Name: value`; `Name;` sends an empty one; `Name:` removes one of curl's own.
    fn custom(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for given in &self.operation.headers {
            let (name, line) = match (given.split_once(':'), given.split_once(';')) {
                (Some((name, value)), _) if !value.trim_start().is_empty() => (name, given.clone()),
                (Some(_), _) => continue,
                (None, Some((name, value))) if value.trim_start().is_empty() => (name, format!("{name}:")),
                (None, _) => continue,
            };
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            let sensitive = (is("Authorization") || is("Cookie")) && !self.may_authenticate();
            if !is("Host") && !sensitive {
                lines.push(line);
            }
        }
        lines
    }

    fn body_headers(&self, length: usize, old: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.given("Content-Length") && !self.is_chunked() {
            lines.push(format!("Content-Length: {length}"));
        }
        if !self.given("Content-Type") {
            lines.push("Content-Type: application/x-www-form-urlencoded".to_owned());
        }
        if !old && length > EXPECT_THRESHOLD && !self.given("Expect") {
            lines.push("Expect: 100-continue".to_owned());
        }
        lines
    }

    /// Whether a header was given by hand, be it to remove it.
    fn given(&self, name: &str) -> bool {
        self.given_line(name).is_some()
    }

    fn given_line(&self, name: &str) -> Option<&str> {
        let headers = self.operation.headers.iter().map(String::as_str);
        headers.into_iter().find(|line| is_header(line, name))
    }
}
