//! From a symptom to the causes it is compatible with.
//!
//! curl's view alone is often ambiguous: exit 56 and `connection termination` are plaintext to STRICT, a rejected client
//! certificate and a crashed application alike. What both proxies said (response flags, details, counters that grew) narrows
//! it. Measured on Envoy 1.36 to 1.40; texts are matched by their words, never by BoringSSL's numbers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::evidence::Transfer;
use crate::observed::signature::{Answerer, Ends, answerer};

mod cause;

pub use cause::Cause;

/// What proxies said of a request, beside curl's view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heard {
    /// The client's proxy: flags, details, transport failures of its access log, names of counters that grew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<String>,
    /// The server's proxy, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server: Vec<String>,
    /// Counters that the client's proxy shows and that stood still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_quiet: Vec<String>,
    /// The server's, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_quiet: Vec<String>,
}

/// The causes a request's outcome is compatible with; never empty.
#[must_use]
pub fn of(transfer: &Transfer, ends: Ends, heard: &Heard) -> BTreeSet<Cause> {
    let mut causes: BTreeSet<Cause> = seen(transfer, ends).iter().copied().collect();
    for (words, rules) in [(&heard.client, &AT_CLIENT[..]), (&heard.server, &AT_SERVER[..])] {
        for (needle, possible) in rules {
            if words.iter().any(|word| word.contains(needle)) {
                keep(&mut causes, |cause| possible.contains(&cause));
            }
        }
    }
    if heard.is_refused_late() {
        let refused = [ClientCertificateMissing, ClientCertificateRejected];
        keep(&mut causes, |cause| refused.contains(&cause));
    }
    keep(&mut causes, |cause| !heard.rules_out(cause));
    causes
}

/// Keeps the causes that a word allows; all where it allows none: then it is about another request of the same proxies.
fn keep(causes: &mut BTreeSet<Cause>, allows: impl Fn(Cause) -> bool) {
    if causes.iter().any(|cause| allows(*cause)) {
        causes.retain(|cause| allows(*cause));
    }
}

/// What a counter of the server's proxy may have grown from.
#[must_use]
pub fn of_server_counter(name: &str) -> Option<&'static [Cause]> {
    AT_SERVER.iter().find(|(needle, _)| name.contains(needle)).map(|(_, possible)| *possible)
}

/// Whether TLS is to blame: told only where every cause left says the same.
#[must_use]
pub fn blames_tls(causes: &BTreeSet<Cause>) -> Option<bool> {
    let mut each = causes.iter().map(|cause| cause.is_tls());
    let first = each.next()?;
    each.all(|other| other == first).then_some(first)
}

// === impl Heard ===

impl Heard {
    /// Whether nothing was heard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// TLS 1.3: the client's handshake is over before the server looks at its certificate, and the connection ends behind it.
    fn is_refused_late(&self) -> bool {
        let grew = |name: &str| self.client.iter().any(|word| word.ends_with(name));
        grew("ssl.handshake") && grew("ssl.connection_error") && !grew("upstream_cx_connect_fail")
    }

    /// Takes what was heard elsewhere of the same request.
    pub fn add(&mut self, other: Self) {
        self.client.extend(other.client);
        self.server.extend(other.server);
        self.client_quiet.extend(other.client_quiet);
        self.server_quiet.extend(other.server_quiet);
    }

    /// Whether a counter that always grows with a cause is shown and stood still.
    fn rules_out(&self, cause: Cause) -> bool {
        let quiet = |side: &[String], names: &[&str]| names.iter().all(|name| side.iter().any(|word| word == name));
        let at_client = matches!(cause, ClientCertificateMissing | ClientCertificateRejected)
            && quiet(&self.client_quiet, &["ssl.handshake"]);
        at_client
            || match cause {
                PlaintextToMutualTls | ForeignTls => quiet(&self.server_quiet, &["no_filter_chain_match"]),
                ClientCertificateMissing => quiet(&self.server_quiet, &["ssl.fail_verify_no_cert"]),
                ClientCertificateRejected => quiet(&self.server_quiet, VERIFIED),
                ServerCertificateRejected => quiet(&self.client_quiet, VERIFIED),
                _ => false,
            }
    }
}

use Cause::{
    ApplicationAnswered, ApplicationClosed, ApplicationNotHttp, ApplicationSlow, AuthorizationDenied,
    BlockedByOutboundPolicy, ClientCertificateMissing, ClientCertificateRejected, ClientSecretMissing, ForeignTls,
    NameNotResolved, NoEndpoint, NoRoute, NothingListens, Overflow, PlaintextToMutualTls, PlaintextToTlsApplication,
    ServerCertificateRejected, ServerSecretMissing, TlsToPlaintext, TlsVersion, TokenRejected, Unreachable,
};

/// Either of them grows where the other side's certificate is not accepted.
const VERIFIED: &[&str] = &["ssl.fail_verify_error", "ssl.fail_verify_san"];

/// A connection that was closed after it stood: curl's 16, 52, 55 and 56 are one race on a fast network.
const CLOSED: &[Cause] = &[
    PlaintextToMutualTls,
    PlaintextToTlsApplication,
    ClientCertificateMissing,
    ClientCertificateRejected,
    ForeignTls,
    TlsToPlaintext,
    ServerSecretMissing,
    AuthorizationDenied,
    ApplicationClosed,
];

/// A handshake of the caller's own that failed.
const HANDSHAKE: &[Cause] =
    &[ForeignTls, TlsToPlaintext, TlsVersion, ServerSecretMissing, ClientCertificateRejected, ApplicationClosed];

/// The client's proxy lost a connection that stood.
const TERMINATED: &[Cause] = &[
    PlaintextToMutualTls,
    PlaintextToTlsApplication,
    ClientCertificateMissing,
    ClientCertificateRejected,
    ApplicationClosed,
];

/// The client's proxy did not get a connection, and does not say why.
const UNCONNECTED: &[Cause] = &[
    TlsToPlaintext,
    ForeignTls,
    ServerCertificateRejected,
    ClientSecretMissing,
    ServerSecretMissing,
    NothingListens,
    ApplicationClosed,
];

/// The same with the bound on the wait.
const UNCONNECTED_OR_LATE: &[Cause] = &[
    TlsToPlaintext,
    ForeignTls,
    ServerCertificateRejected,
    ClientSecretMissing,
    ServerSecretMissing,
    NothingListens,
    ApplicationClosed,
    Unreachable,
];

/// What a word of the client's proxy leaves.
const AT_CLIENT: [(&str, &[Cause]); 13] = [
    ("WRONG_VERSION_NUMBER", &[TlsToPlaintext]),
    ("CERTIFICATE_VERIFY_FAILED", &[ServerCertificateRejected]),
    ("ssl.fail_verify", &[ServerCertificateRejected]),
    ("Secret_is_not_supplied", &[ClientSecretMissing]),
    ("Connection_refused", &[NothingListens]),
    ("Connection_reset_by_peer", &[ForeignTls, ServerSecretMissing, TlsToPlaintext, ApplicationClosed]),
    ("{connection_termination}", TERMINATED),
    ("{overflow}", &[Overflow]),
    ("response_timeout", &[ApplicationSlow]),
    ("connection_timeout", &[Unreachable, TlsToPlaintext]),
    ("protocol_error", &[ApplicationNotHttp]),
    ("no_healthy_upstream", &[NoEndpoint]),
    ("upstream_cx_connect_fail", UNCONNECTED_OR_LATE),
];

/// What a word of the server's proxy leaves.
const AT_SERVER: [(&str, &[Cause]); 11] = [
    ("filter_chain_not_found", &[PlaintextToMutualTls, ForeignTls, TlsVersion]),
    ("no_filter_chain_match", &[PlaintextToMutualTls, ForeignTls, TlsVersion]),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", &[ClientCertificateMissing]),
    ("fail_verify_no_cert", &[ClientCertificateMissing]),
    ("CERTIFICATE_VERIFY_FAILED", &[ClientCertificateRejected]),
    ("ssl.fail_verify_error", &[ClientCertificateRejected]),
    ("ssl.fail_verify_san", &[ClientCertificateRejected]),
    ("Secret_is_not_supplied", &[ServerSecretMissing]),
    ("rbac_access_denied", &[AuthorizationDenied]),
    ("jwt_authn_access_denied", &[TokenRejected]),
    ("Connection_refused", &[NothingListens]),
];

/// What curl's view alone is compatible with.
fn seen(transfer: &Transfer, ends: Ends) -> &'static [Cause] {
    match answerer(transfer, ends) {
        Answerer::Nobody => by_exit(transfer.exit),
        Answerer::ClientProxy => by_client_proxy(transfer),
        Answerer::ServerProxy | Answerer::ServerSide => by_server_side(transfer),
        Answerer::Application => &[ApplicationAnswered],
    }
}

fn by_exit(exit: u8) -> &'static [Cause] {
    match exit {
        1 | 8 => &[ApplicationNotHttp],
        6 => &[NameNotResolved],
        7 => &[NothingListens],
        // TLS bytes that reach an application may leave it waiting for the end of a request.
        28 => &[ApplicationSlow, Unreachable, TlsToPlaintext],
        35 => HANDSHAKE,
        60 => &[ServerCertificateRejected],
        _ => CLOSED,
    }
}

/// Envoy: `source/common/http/utility.cc` and the router's local replies.
fn by_client_proxy(transfer: &Transfer) -> &'static [Cause] {
    let body = transfer.body.as_str();
    let says = |text: &str| body.contains(text);
    match transfer.http.as_str() {
        "404" if body.is_empty() => &[NoRoute],
        "502" if body.is_empty() => &[BlockedByOutboundPolicy],
        "503" if body.is_empty() => &[NoEndpoint, NoRoute],
        "504" => &[ApplicationSlow],
        _ if says("RBAC: access denied") => &[AuthorizationDenied],
        _ if says("WRONG_VERSION_NUMBER") => &[TlsToPlaintext],
        _ if says("CERTIFICATE_VERIFY_FAILED") => &[ServerCertificateRejected],
        _ if says("Secret is not supplied") => &[ClientSecretMissing],
        _ if says("Connection refused") => &[NothingListens],
        _ if says("Connection reset by peer") => &[ForeignTls, ServerSecretMissing, TlsToPlaintext, ApplicationClosed],
        _ if says("connection termination") => TERMINATED,
        _ if says("connection timeout") => &[Unreachable, TlsToPlaintext],
        _ if says("connection failure") => UNCONNECTED,
        _ if says("protocol error") => &[ApplicationNotHttp],
        _ if says("overflow") => &[Overflow],
        _ if says("no healthy upstream") => &[NoEndpoint],
        _ => &[ApplicationAnswered, NoRoute],
    }
}

/// The connection between the proxies is well; what failed is behind it.
fn by_server_side(transfer: &Transfer) -> &'static [Cause] {
    let body = transfer.body.as_str();
    let says = |text: &str| body.contains(text);
    match transfer.http.as_str() {
        "403" if says("RBAC: access denied") => &[AuthorizationDenied],
        "401" if says("Jwt") => &[TokenRejected],
        "502" | "503" | "504" if says("upstream connect error") => match () {
            () if says("connection termination") => &[ApplicationClosed, PlaintextToTlsApplication],
            () if says("connection timeout") => &[Unreachable],
            () if says("connection failure") => &[NothingListens],
            () if says("protocol error") => &[ApplicationNotHttp],
            () => &[ApplicationClosed, ApplicationNotHttp, NothingListens, Overflow, Unreachable],
        },
        "504" if says("upstream request timeout") => &[ApplicationSlow],
        _ => &[ApplicationAnswered],
    }
}
