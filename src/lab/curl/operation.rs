//! What a command line asks for: the settings of the whole run, and one set of settings for each part between `--next`.

use std::net::IpAddr;
use std::time::Duration;

/// A parsed command line.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(super) struct Plan {
    /// `-s`.
    pub(super) silent: bool,
    /// `-S`.
    pub(super) show_error: bool,
    /// `-v`.
    pub(super) verbose: bool,
    /// `--no-progress-meter`.
    pub(super) no_meter: bool,
    /// `-#`: a bar where the meter would be.
    pub(super) bar: bool,
    /// `--fail-early`.
    pub(super) fail_early: bool,
    /// `-Z`: transfers run one after another all the same.
    pub(super) parallel: bool,
    /// `--stderr -`.
    pub(super) errors_to_stdout: bool,
    /// Parts between `--next`; never empty.
    pub(super) operations: Vec<Operation>,
}

/// The settings of one part of the command line.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "one for each switch of the command line")]
pub(super) struct Operation {
    /// URLs and where their bodies go, in order.
    pub(super) targets: Vec<Target>,
    /// `-H`, in order.
    pub(super) headers: Vec<String>,
    /// `-X`.
    pub(super) method: Option<String>,
    /// Which of `-d`, `-G`, `-I` chose the request, as long as they agree.
    pub(super) request: Option<RequestKind>,
    /// `-d` and its kin.
    pub(super) body: Option<Vec<u8>>,
    /// `--json`.
    pub(super) json: bool,
    /// `-G`.
    pub(super) body_as_query: bool,
    /// `--url-query`.
    pub(super) query: Option<String>,
    /// `-I`.
    pub(super) head: bool,
    /// `-i`.
    pub(super) include: bool,
    /// `-D -`.
    pub(super) dump_header: Option<String>,
    /// `-w`.
    pub(super) write_out: Option<String>,
    /// `-A`; empty removes the header.
    pub(super) user_agent: Option<String>,
    /// `-e`.
    pub(super) referer: Option<String>,
    /// `-e ";auto"`.
    pub(super) auto_referer: bool,
    /// `-u`.
    pub(super) user: Option<String>,
    /// `--oauth2-bearer`.
    pub(super) bearer: Option<String>,
    /// `-b name=value`.
    pub(super) cookies: Vec<String>,
    /// `-r`.
    pub(super) range: Option<String>,
    /// `--compressed`.
    pub(super) compressed: bool,
    /// `--request-target`.
    pub(super) request_target: Option<String>,
    /// `-g`.
    pub(super) glob_off: bool,
    /// `--path-as-is`.
    pub(super) path_as_is: bool,
    /// `-0`, `--http1.1`.
    pub(super) http_version: Option<HttpVersion>,
    /// `--http0.9`.
    pub(super) http09: bool,
    /// `--raw`.
    pub(super) raw: bool,
    /// `--ignore-content-length`.
    pub(super) ignore_content_length: bool,
    /// `-L`.
    pub(super) location: bool,
    /// `--location-trusted`.
    pub(super) location_trusted: bool,
    /// `--max-redirs`; -1 is without limit.
    pub(super) max_redirs: i64,
    /// `--post301`, `--post302`, `--post303`.
    pub(super) keep_post: KeepPost,
    /// `-f`.
    pub(super) fail: bool,
    /// `--fail-with-body`.
    pub(super) fail_with_body: bool,
    /// `--max-filesize`; 0 is without limit.
    pub(super) max_filesize: u64,
    /// `-m`.
    pub(super) max_time: Option<Duration>,
    /// `--connect-timeout`.
    pub(super) connect_timeout: Option<Duration>,
    /// `-4`, `-6`.
    pub(super) family: Family,
    /// `--resolve`.
    pub(super) resolve: Vec<String>,
    /// `--connect-to`.
    pub(super) connect_to: Vec<String>,
    /// `--proto`.
    pub(super) protocols: Option<Vec<String>>,
    /// `--proto-default`.
    pub(super) default_protocol: Option<String>,
    /// `--retry` and its kin.
    pub(super) retry: Retry,
    /// What concerns `https`.
    pub(super) tls: TlsOptions,
}

/// A URL and where its body goes; either may come first on the command line.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    /// The URL as typed.
    pub(super) url: Option<String>,
    /// What `-o` or `-O` said.
    pub(super) output: Option<Output>,
    /// `%{urlnum}`: the place among all targets of the command line.
    pub(super) number: usize,
}

/// Where a body goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// `-o NAME`.
    File(String),
    /// `-O`.
    RemoteName,
    /// `--remote-name-all`: `-O` unless something else is said.
    RemoteNameByDefault,
    /// `--no-remote-name`.
    Stdout,
}

/// What kind of request the options ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// `-G`.
    Get,
    /// `-I`.
    Head,
    /// `-d`.
    Post,
}

/// A version asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// After which redirects a POST stays a POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct KeepPost {
    /// `--post301`.
    pub(super) on_301: bool,
    /// `--post302`.
    pub(super) on_302: bool,
    /// `--post303`.
    pub(super) on_303: bool,
}

/// Which addresses of a name are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Family {
    /// All of them.
    #[default]
    Any,
    /// `-4`.
    V4,
    /// `-6`.
    V6,
}

/// `--retry` and its kin.
#[derive(Debug, Clone, Default)]
pub(super) struct Retry {
    /// `--retry`.
    pub(super) times: u64,
    /// `--retry-delay`, seconds; 0 doubles from one second.
    pub(super) delay: u64,
    /// `--retry-max-time`, seconds; 0 is without limit.
    pub(super) max_time: u64,
    /// `--retry-connrefused`.
    pub(super) refused: bool,
    /// `--retry-all-errors`.
    pub(super) all_errors: bool,
}

/// What concerns `https`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TlsOptions {
    /// `-k`.
    pub(super) insecure: bool,
    /// `--cacert`.
    pub(super) ca_file: Option<String>,
    /// `--capath`.
    pub(super) ca_path: Option<String>,
    /// `-E`.
    pub(super) certificate: Option<String>,
    /// `--cert-type`.
    pub(super) certificate_type: Option<String>,
    /// `--key`.
    pub(super) key: Option<String>,
    /// `--key-type`.
    pub(super) key_type: Option<String>,
    /// `--pass`, or what follows the colon in `-E`.
    pub(super) password: Option<String>,
    /// `--tlsv1.x`.
    pub(super) lowest: Option<TlsVersion>,
    /// `--tls-max`.
    pub(super) highest: Option<TlsVersion>,
    /// `--no-alpn`.
    pub(super) no_alpn: bool,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TlsVersion {
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

// === impl Operation ===

impl Default for Operation {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            headers: Vec::new(),
            method: None,
            request: None,
            body: None,
            json: false,
            body_as_query: false,
            query: None,
            head: false,
            include: false,
            dump_header: None,
            write_out: None,
            user_agent: None,
            referer: None,
            auto_referer: false,
            user: None,
            bearer: None,
            cookies: Vec::new(),
            range: None,
            compressed: false,
            request_target: None,
            glob_off: false,
            path_as_is: false,
            http_version: None,
            http09: false,
            raw: false,
            ignore_content_length: false,
            location: false,
            location_trusted: false,
            max_redirs: 50,
            keep_post: KeepPost::default(),
            fail: false,
            fail_with_body: false,
            max_filesize: 0,
            max_time: None,
            connect_timeout: None,
            family: Family::Any,
            resolve: Vec::new(),
            connect_to: Vec::new(),
            protocols: None,
            default_protocol: None,
            retry: Retry::default(),
            tls: TlsOptions::default(),
        }
    }
}

impl Operation {
    /// Adds what other settings imply (`get_args`).
    pub(super) fn complete(&mut self) {
        if self.json {
            for (name, value) in [("Content-Type", "application/json"), ("Accept", "application/json")] {
                if !self.headers.iter().any(|line| is_header(line, name)) {
                    self.headers.push(format!("{name}: {value}"));
                }
            }
        }
    }

    /// The kind of the first request.
    pub(super) fn kind(&self) -> RequestKind {
        match (self.head, self.body.is_some(), self.body_as_query) {
            (true, _, _) => RequestKind::Head,
            (false, true, false) => RequestKind::Post,
            (false, _, _) => RequestKind::Get,
        }
    }
}

// === impl Family ===

impl Family {
    /// Whether an address is of this family.
    pub(super) fn takes(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

// === impl RequestKind ===

impl RequestKind {
    /// The method of the request line.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
        }
    }

    /// As `SetHTTPrequest` names it.
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET (-G, --get)",
            Self::Head => "HEAD (-I, --head)",
            Self::Post => "POST (-d, --data)",
        }
    }

    /// The warning when `self` comes after `earlier`.
    pub(super) fn conflict(self, earlier: Self) -> String {
        format!(
            "You can only select one HTTP request method! You asked for both {} and {}.",
            self.name(),
            earlier.name()
        )
    }
}

/// Whether a line of `-H` is about this header: to set it, to empty it or to remove it.
pub(super) fn is_header(line: &str, name: &str) -> bool {
    let (start, rest) = line.split_at_checked(name.len()).unwrap_or((line, ""));
    start.eq_ignore_ascii_case(name) && rest.starts_with([':', ';'])
}

// === impl Plan ===

impl Plan {
    /// Whether messages about failures are shown: always, unless `-s` came without `-S`.
    pub(super) fn tells_errors(&self) -> bool {
        !self.silent || self.show_error
    }
}
