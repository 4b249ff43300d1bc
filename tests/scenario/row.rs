//! One line of expectation: who calls what, what comes of it, and which policy decides at each end.
//!
//! ```text
//! sleep.foo -> httpbin.bar:8000  CONFLICT 503 no-filter-chain  client: DISABLE by dr/httpbin.bar  server: STRICT by workload pa/httpbin.bar  peer: no-answer
//! ```

use anyhow::{Context as _, Result, bail, ensure};

use crate::scenario::side::{client_side, server_side};

/// Reason codes of the report; a refusal names one.
const WHYS: [&str; 20] = [
    "passed-to-application",
    "no-proxy-at-server",
    "no-filter-chain",
    "client-certificate-required",
    "tls-on-plaintext-http",
    "not-http",
    "application-gets-ciphertext",
    "server-identity-not-expected",
    "nothing-listens",
    "blocked-by-outbound-policy",
    "no-route",
    "no-cluster",
    "no-listener",
    "client-certificate-origin",
    "outside-the-mesh",
    "no-endpoints",
    "only-itself",
    "not-a-kubernetes-service",
    "endpoints-differ",
    "not-readable",
];

/// What is expected of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Line in the scenario's file, from 1.
    pub(crate) line: usize,
    /// Who calls what.
    pub(crate) pair: PairName,
    /// What comes of it.
    pub(crate) verdict: Verdict,
    /// `%{http_code}` and exit code of curl; `None` where policy alone does not tell.
    pub(crate) curl: Option<Curl>,
    /// The report's reason code.
    pub(crate) why: &'static str,
    /// What the client is told to send, in the words of this format.
    pub(crate) client: String,
    /// What each endpoint accepts: its workload where several differ, and the words of this format.
    pub(crate) server: Vec<(Option<String>, String)>,
    /// Whom the application saw calling.
    pub(crate) peer: Peer,
}

/// A client workload and a service port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PairName {
    /// The calling workload.
    pub(crate) client: Name,
    /// The called Service.
    pub(crate) server: Name,
    /// Its port.
    pub(crate) port: u16,
}

/// `name.namespace`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// Name of a workload or Service.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
}

/// The word for the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    MutualTls,
    Plaintext,
    Tls,
    Refused,
    Conflict,
    Mixed,
    Depends,
    None,
}

/// What curl shows. Several values where it is a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Curl {
    /// `%{http_code}`.
    pub(crate) http: Vec<String>,
    /// The exit code.
    pub(crate) exit: Vec<u8>,
}

/// What X-Forwarded-Client-Cert said at the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Peer {
    /// This SPIFFE ID.
    Uri(String),
    /// The application answered and had no such header.
    Absent,
    /// The application was never reached.
    NoAnswer,
    /// Nobody asked: the port speaks no HTTP, or only the rules are under test.
    NotAsked,
}

// === impl Row ===

impl Row {
    /// Reads one line; `line` is its number in the file.
    pub(crate) fn parse(text: &str, line: usize) -> Result<Self> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let (head, rest) = text.split_once(" client: ").context("`client:` is missing")?;
        let (client, rest) =
            rest.split_once(" server: ").context("`server:` is missing, or stands before `client:`")?;
        let (server, peer) = rest.split_once(" peer: ").context("`peer:` is missing, or stands before `server:`")?;
        let client = client_side(client)?;
        let server = server.split(", ").map(server_side).collect::<Result<Vec<_>>>()?;

        let (pair, result) = head.split_once(" -> ").context("write `client -> service:port` first")?;
        let mut words = result.split(' ');
        let target = words.next().unwrap_or_default();
        let verdict = Verdict::parse(words.next().context("the result is missing after the pair")?)?;
        let curl = Curl::parse(words.next().context("the status of curl is missing; write `-` where there is none")?)?;
        let said = words.next();
        ensure!(words.next().is_none(), "`{result}`: too many words before `client:`");
        let why = verdict.why(said, &server)?;
        Ok(Self {
            line,
            pair: PairName::parse(pair, target)?,
            verdict,
            curl,
            why,
            client,
            server,
            peer: Peer::parse(peer)?,
        })
    }
}

// === impl PairName, Name ===

impl PairName {
    /// Reads both sides of `sleep.foo -> httpbin.bar:8000`.
    pub(crate) fn parse(client: &str, server: &str) -> Result<Self> {
        let (server, port) = server.split_once(':').with_context(|| format!("`{server}`: the port is missing"))?;
        Ok(Self {
            client: Name::parse(client)?,
            server: Name::parse(server)?,
            port: port.parse().with_context(|| format!("`{port}` is no port"))?,
        })
    }

    /// Reads `sleep.foo -> httpbin.bar:8000`.
    pub(crate) fn parse_arrow(text: &str) -> Result<Self> {
        let (client, server) =
            text.split_once("->").with_context(|| format!("`{text}`: write `client -> service:port`"))?;
        Self::parse(client.trim(), server.trim())
    }
}

impl std::fmt::Display for PairName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}:{}", self.client, self.server, self.port)
    }
}

impl Name {
    /// Reads `sleep.foo`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, namespace) = text.split_once('.').with_context(|| format!("`{text}`: write `name.namespace`"))?;
        ensure!(
            !name.is_empty() && !namespace.is_empty() && !namespace.contains('.'),
            "`{text}`: write `name.namespace`"
        );
        Ok(Self { name: name.to_owned(), namespace: namespace.to_owned() })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}

// === impl Verdict ===

impl Verdict {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "mTLS" => Self::MutualTls,
            "plaintext" => Self::Plaintext,
            "tls" => Self::Tls,
            "refused" => Self::Refused,
            "CONFLICT" => Self::Conflict,
            "mixed" => Self::Mixed,
            "depends" => Self::Depends,
            "none" => Self::None,
            _ => bail!("`{text}` is no result; write mTLS, plaintext, tls, refused, CONFLICT, mixed, depends or none"),
        })
    }

    /// The report's `wire`.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual-tls",
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::Refused | Self::Conflict => "refused",
            Self::Mixed => "mixed",
            Self::Depends => "depends",
            Self::None => "none",
        }
    }

    /// The reason code: it follows from the result where all is well and must be said where it is not.
    fn why(self, said: Option<&str>, server: &[(Option<String>, String)]) -> Result<&'static str> {
        let known = |text: &str| WHYS.iter().copied().find(|why| *why == text);
        match (self, said) {
            (Self::MutualTls, None) => Ok("mutual-tls"),
            (Self::Plaintext, None) if server.iter().all(|(_, side)| side == "no-proxy") => Ok("no-proxy-at-server"),
            (Self::Plaintext, None) => Ok("plaintext-accepted"),
            (Self::Mixed, None) => Ok("endpoints-differ"),
            (Self::MutualTls | Self::Plaintext | Self::Mixed, Some(word)) => {
                bail!("`{word}`: this result needs no reason code, it follows")
            }
            (Self::Tls | Self::Refused | Self::Conflict | Self::Depends | Self::None, None) => {
                bail!("the reason code is missing behind the status, e.g. no-filter-chain")
            }
            (Self::Tls | Self::Refused | Self::Conflict | Self::Depends | Self::None, Some(word)) => {
                known(word).with_context(|| format!("`{word}` is no reason code; write one of {}", WHYS.join(", ")))
            }
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::MutualTls => "mTLS",
            Self::Plaintext => "plaintext",
            Self::Tls => "tls",
            Self::Refused => "refused",
            Self::Conflict => "CONFLICT",
            Self::Mixed => "mixed",
            Self::Depends => "depends",
            Self::None => "none",
        })
    }
}

// === impl Curl ===

impl Curl {
    /// Reads `200` (exit 0), `000/56`, `000/52|56`, or `-` for nothing.
    fn parse(text: &str) -> Result<Option<Self>> {
        if text == "-" {
            return Ok(None);
        }
        let (http, exit) = text.split_once('/').unwrap_or((text, "0"));
        let status = |code: &str| code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit());
        ensure!(http.split('|').all(status), "`{text}` is no status of curl; write 200, 503, 000/56 or -");
        ensure!(http != "000" || exit != "0", "`{text}`: curl never exits with 0 without an answer; write 000/56");
        let exit = exit.split('|').map(str::parse).collect::<Result<_, _>>();
        Ok(Some(Self {
            http: http.split('|').map(str::to_owned).collect(),
            exit: exit.with_context(|| format!("`{text}`: the exit code is no number"))?,
        }))
    }
}

impl std::fmt::Display for Curl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exit = self.exit.iter().map(u8::to_string).collect::<Vec<_>>().join("|");
        write!(f, "{}/{exit}", self.http.join("|"))
    }
}

// === impl Peer ===

impl Peer {
    /// Reads `ns/foo/sa/sleep` (trust domain cluster.local), a whole `spiffe://` ID, `absent`, `no-answer` or `not-asked`.
    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "absent" => Self::Absent,
            "no-answer" => Self::NoAnswer,
            "not-asked" => Self::NotAsked,
            uri if uri.starts_with("spiffe://") => Self::Uri(uri.to_owned()),
            tail if tail.starts_with("ns/") && tail.contains("/sa/") => {
                Self::Uri(format!("spiffe://cluster.local/{tail}"))
            }
            _ => {
                bail!("`{text}` is no peer; write ns/NAMESPACE/sa/ACCOUNT, a SPIFFE ID, absent, no-answer or not-asked")
            }
        })
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uri(uri) => uri,
            Self::Absent => "absent",
            Self::NoAnswer => "no-answer",
            Self::NotAsked => "not-asked",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Peer, Row, Verdict};

    #[test]
    fn a_row_says_what_comes_of_a_pair_and_who_decides() {
        let row = Row::parse(
            "sleep.foo -> httpbin.bar:8000  CONFLICT 503 no-filter-chain  client: DISABLE by dr/httpbin.bar  \
             server: STRICT by port 80 of pa/httpbin.bar  peer: no-answer",
            7,
        )
        .unwrap();
        assert_eq!((row.line, row.verdict, row.why), (7, Verdict::Conflict, "no-filter-chain"));
        assert_eq!(row.pair.to_string(), "sleep.foo -> httpbin.bar:8000");
        assert_eq!(row.curl.unwrap().to_string(), "503/0");
        assert_eq!(row.client, "DISABLE by dr/httpbin.bar");
        assert_eq!(row.server, [(None, "STRICT by port 80 of pa/httpbin.bar".to_owned())]);
        assert_eq!(row.peer, Peer::NoAnswer);
    }

    #[test]
    fn endpoints_that_differ_are_named() {
        let row = Row::parse(
            "sleep.foo -> web.bar:80 mixed - client: auto mixed server: web-v1 STRICT by mesh pa/a.istio-system, web-old no-proxy peer: not-asked",
            1,
        )
        .unwrap();
        assert_eq!(row.server[1], (Some("web-old".to_owned()), "no-proxy".to_owned()));
        assert_eq!(row.why, "endpoints-differ");
    }

    #[test]
    fn a_careless_row_is_refused_with_the_reason() {
        for (text, says) in [
            (
                "sleep.foo httpbin.bar:8000 mTLS 200 client: auto mTLS server: no-proxy peer: absent",
                "client -> service:port",
            ),
            (
                "sleep.foo -> httpbin.bar mTLS 200 client: auto mTLS server: no-proxy peer: absent",
                "the port is missing",
            ),
            (
                "sleep.foo -> httpbin.bar:80 mtls 200 client: auto mTLS server: no-proxy peer: absent",
                "`mtls` is no result",
            ),
            (
                "sleep.foo -> httpbin.bar:80 refused 000/56 client: no-proxy server: no-proxy peer: absent",
                "reason code is missing",
            ),
            (
                "sleep.foo -> httpbin.bar:80 refused 000/56 reset client: no-proxy server: no-proxy peer: absent",
                "`reset` is no reason",
            ),
            (
                "sleep.foo -> httpbin.bar:80 mTLS 200 no-route client: no-proxy server: no-proxy peer: absent",
                "needs no reason",
            ),
            (
                "sleep.foo -> httpbin.bar:80 plaintext 000 client: no-proxy server: no-proxy peer: absent",
                "never exits with 0",
            ),
            ("sleep.foo -> httpbin.bar:80 mTLS 200 client: DISABLE server: no-proxy peer: absent", "say by which rule"),
            (
                "sleep.foo -> httpbin.bar:80 mTLS 200 client: auto server: no-proxy peer: absent",
                "nothing a client is told",
            ),
            (
                "sleep.foo -> httpbin.bar:80 mTLS 200 client: auto mTLS server: STRICT by pa/x.y peer: absent",
                "say the layer",
            ),
            ("sleep.foo -> httpbin.bar:80 mTLS 200 client: auto mTLS server: STRICT peer: absent", "by what"),
            ("sleep.foo -> httpbin.bar:80 mTLS 200 client: auto mTLS server: no-proxy peer: yes", "`yes` is no peer"),
            ("sleep.foo -> httpbin.bar:80 mTLS 200 client: auto mTLS server: no-proxy", "`peer:` is missing"),
        ] {
            let error = format!("{:#}", Row::parse(text, 1).unwrap_err());
            assert!(error.contains(says), "`{text}`\n  says `{error}`, not `{says}`");
        }
    }
}
