//! From what curl saw to what that proves: who answered, and which wires it is compatible with.

use crate::model::evidence::Transfer;
use crate::model::identity::SpiffeId;
use crate::model::port::PortClass;
use crate::model::wire::Wire;
use crate::xfcc;

/// What is known of the two ends without asking policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// A sidecar stands before the client.
    pub client_proxy: bool,
    /// A sidecar stands before the server's port; `None` where endpoints differ.
    pub server_proxy: Option<bool>,
    /// How the server's sidecar reads the port.
    pub class: PortClass,
    /// The server sends back the headers it received.
    pub echoes: bool,
}

/// What one answer proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// Wires that would have given this answer; never empty, several where it does not decide.
    pub wires: Vec<Wire>,
    /// Why, as a code.
    pub why: &'static str,
    /// Who made the answer.
    pub answered_by: Answerer,
    /// Who called, as the application saw it.
    pub peer: Peer,
}

/// Who made an answer.
///
/// Measured on Envoy 1.36 to 1.40: `server: envoy` without `x-envoy-upstream-service-time` is the client's own sidecar,
/// `server: istio-envoy` the server's sidecar asked by a caller without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answerer {
    /// The client's own sidecar: nothing came back from the server side.
    ClientProxy,
    /// The server's sidecar, by itself.
    ServerProxy,
    /// The server's sidecar or the application behind it.
    ServerSide,
    /// An application without a proxy in between.
    Application,
    /// Nobody.
    Nobody,
}

/// The caller's identity, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// From the last element of X-Forwarded-Client-Cert.
    Seen {
        /// The caller.
        uri: String,
        /// The server that verified it.
        by: String,
    },
    /// There is none.
    Absent(Absence),
}

/// Why no identity was seen: a closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// There was no answer of the application.
    NoAnswer,
    /// The application does not send its headers back.
    NotEchoed,
    /// The application received no certificate: the connection was not mutual TLS.
    Plaintext,
    /// A header was there, but no sidecar stands before the application that would have verified it.
    NoProxyAtServer,
    /// The port's bytes may have gone through a TCP chain, which adds no header.
    NotHttp,
}

// === impl Conclusion ===

impl Conclusion {
    /// Reads an answer.
    #[must_use]
    pub fn of(transfer: &Transfer, ends: Ends) -> Self {
        let answered_by = answerer(transfer, ends);
        match answered_by {
            Answerer::Nobody => no_answer(transfer),
            Answerer::ClientProxy => Self {
                wires: vec![Wire::Refused],
                why: local_reply(transfer),
                answered_by,
                peer: Peer::Absent(Absence::NoAnswer),
            },
            Answerer::ServerProxy | Answerer::ServerSide | Answerer::Application => {
                accepted(transfer, ends, answered_by)
            }
        }
    }

    /// The wire, where the answer leaves only one, or the one that another witness names among those left.
    #[must_use]
    pub fn wire(&self, expected: Wire) -> Wire {
        match self.wires.as_slice() {
            [only] => *only,
            several if several.contains(&expected) => expected,
            _ => Wire::Unknown,
        }
    }
}

pub(crate) fn answerer(transfer: &Transfer, ends: Ends) -> Answerer {
    if transfer.http == "000" {
        return Answerer::Nobody;
    }
    let timed = transfer.header("x-envoy-upstream-service-time").is_some();
    match (transfer.header("server"), timed, ends.client_proxy) {
        (Some("envoy"), false, true) => Answerer::ClientProxy,
        (Some("envoy" | "istio-envoy"), true, _) => Answerer::ServerSide,
        (Some("istio-envoy"), false, _) => Answerer::ServerProxy,
        (_, true, _) => Answerer::ServerSide,
        (_, false, _) => Answerer::Application,
    }
}

/// What curl's exit code says when no HTTP answer came.
fn no_answer(transfer: &Transfer) -> Conclusion {
    let (wires, why) = match transfer.exit {
        6 => (vec![Wire::Unknown], "name-not-resolved"),
        7 => (vec![Wire::Refused], "connection-refused"),
        28 => (vec![Wire::Unknown], "timed-out"),
        35 => (vec![Wire::Refused], "tls-handshake-failed"),
        52 => (vec![Wire::Refused], "empty-reply"),
        55 | 56 => (vec![Wire::Refused], "connection-reset"),
        60 => (vec![Wire::Unknown], "certificate-not-accepted"),
        _ => (vec![Wire::Unknown], "no-answer"),
    };
    Conclusion { wires, why, answered_by: Answerer::Nobody, peer: Peer::Absent(Absence::NoAnswer) }
}

/// What the client's own sidecar says in its body when it could not get through.
fn local_reply(transfer: &Transfer) -> &'static str {
    let body = transfer.body.as_str();
    if body.contains("connection termination") {
        "connection-termination"
    } else if body.contains("connection failure") {
        "connection-failure"
    } else if body.contains("no healthy upstream") {
        "no-healthy-upstream"
    } else if transfer.http == "502" && body.is_empty() {
        "blocked-by-outbound-policy"
    } else if body.contains("upstream request timeout") {
        "upstream-timeout"
    } else {
        "client-proxy-answered"
    }
}

fn accepted(transfer: &Transfer, ends: Ends, answered_by: Answerer) -> Conclusion {
    let proven = |wires: Vec<Wire>, why, peer| Conclusion { wires, why, answered_by, peer };
    let absent = |reason| Peer::Absent(reason);
    // An answer that the application did not make cannot tell what it received.
    let echo = if ends.echoes { echoed(&transfer.body) } else { Echo::None };
    let unverified = match echo {
        Echo::Certificate { .. } => Absence::NoProxyAtServer,
        Echo::NoCertificate => Absence::Plaintext,
        Echo::None => Absence::NotEchoed,
    };
    match (ends.server_proxy, ends.client_proxy, ends.class, echo) {
        // Nobody before the application could have ended mutual TLS: a header that it echoes was sent by the client itself.
        (Some(false), false, _, _) => proven(vec![Wire::Plaintext], "no-proxy-anywhere", absent(unverified)),
        (Some(false), true, _, _) => proven(vec![Wire::Plaintext, Wire::Tls], "no-proxy-at-server", absent(unverified)),
        // Without a sidecar the client of an http:// URL speaks plaintext, and it was taken.
        (Some(true), false, _, _) => proven(vec![Wire::Plaintext], "client-without-proxy", absent(Absence::Plaintext)),
        (Some(true), true, PortClass::Http | PortClass::Auto, Echo::Certificate { uri, by }) => {
            proven(vec![Wire::MutualTls], "client-certificate-echoed", Peer::Seen { uri, by })
        }
        // An HTTP chain adds the header to every request over mutual TLS; there was none.
        (Some(true), true, PortClass::Http, Echo::NoCertificate) => {
            proven(vec![Wire::Plaintext], "no-client-certificate", absent(Absence::Plaintext))
        }
        (Some(true), true, PortClass::Auto, Echo::NoCertificate) | (Some(true), true, PortClass::Tcp, _) => {
            proven(vec![Wire::Plaintext, Wire::MutualTls, Wire::Tls], "accepted", absent(Absence::NotHttp))
        }
        (Some(true), true, _, Echo::None) => {
            proven(vec![Wire::Plaintext, Wire::MutualTls, Wire::Tls], "accepted", absent(Absence::NotEchoed))
        }
        (None, false, _, _) => {
            proven(vec![Wire::Plaintext, Wire::Mixed], "client-without-proxy", absent(Absence::Plaintext))
        }
        (None, true, _, Echo::Certificate { uri, by }) => {
            proven(vec![Wire::MutualTls, Wire::Mixed], "client-certificate-echoed", Peer::Seen { uri, by })
        }
        (None, true, _, Echo::NoCertificate | Echo::None) => {
            proven(vec![Wire::Plaintext, Wire::Tls, Wire::Mixed], "accepted", absent(Absence::NotEchoed))
        }
    }
}

enum Echo {
    Certificate { uri: String, by: String },
    NoCertificate,
    None,
}

/// Reads httpbin's `/headers`: `{"headers": {"X-Forwarded-Client-Cert": "..."}}`; go-httpbin answers lists.
fn echoed(body: &str) -> Echo {
    let Ok(answer) = serde_json::from_str::<serde_json::Value>(body) else {
        return Echo::None;
    };
    let Some(headers) = answer.get("headers").and_then(serde_json::Value::as_object) else {
        return Echo::None;
    };
    let value = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-client-cert")).map(|(_, v)| v);
    let text = match value {
        None => return Echo::NoCertificate,
        Some(serde_json::Value::Array(values)) => values.last().and_then(serde_json::Value::as_str),
        Some(value) => value.as_str(),
    };
    // The last element is the last hop's: a caller may forge the ones before it.
    let elements = text.and_then(|text| xfcc::parse(text).ok()).unwrap_or_default();
    match xfcc::last(&elements) {
        Some(hop) => {
            Echo::Certificate { uri: hop.uris().next().unwrap_or_default(), by: hop.by().next().unwrap_or_default() }
        }
        None => Echo::None,
    }
}

// === impl Peer ===

impl Peer {
    /// The caller as an identity of Istio's shape, where it is one.
    #[must_use]
    pub fn identity(&self) -> Option<SpiffeId> {
        match self {
            Self::Seen { uri, .. } => uri.parse().ok(),
            Self::Absent(_) => None,
        }
    }
}

// === impl Answerer, Absence ===

impl Answerer {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientProxy => "client-proxy",
            Self::ServerProxy => "server-proxy",
            Self::ServerSide => "server-side",
            Self::Application => "application",
            Self::Nobody => "nobody",
        }
    }
}

impl Absence {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no-answer",
            Self::NotEchoed => "not-echoed",
            Self::Plaintext => "plaintext",
            Self::NoProxyAtServer => "no-proxy-at-server",
            Self::NotHttp => "not-http",
        }
    }
}
