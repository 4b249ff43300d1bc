//! What an answer may have been caused by, once the other witnesses have been heard.
//!
//! A cause goes where what the proxies hold makes it impossible, and nowhere else. Proxies that contradict the wire are no
//! witnesses of it: then what was seen stands as it was seen. Policy never narrows: it says what should be.

use std::collections::BTreeSet;

use crate::model::evidence::Reading;
use crate::model::pair::{AcceptMode, ClientRef, OriginMode, PairIntent, ServerRef};
use crate::model::port::PortClass;
use crate::model::wire::{Outcome, Sends, Why, Wire};
use crate::model::workload::ProxyKind;
use crate::observed::causes::Cause;
use crate::programmed::told::Programmed;

/// What both ends of a pair hold, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What the client puts on its connections to the endpoints that count; empty where that is not known of each.
    pub sends: Vec<Sends>,
    /// What becomes of it there; empty where that is not known of each.
    pub meets: Vec<Outcome>,
    /// How the server's proxy reads the port.
    pub class: PortClass,
}

/// The causes that the proxies of a pair leave.
pub(crate) fn narrowed(
    seen: &BTreeSet<Cause>,
    client: &ClientRef,
    server: &ServerRef,
    intent: &PairIntent,
    programmed: &Programmed,
    wire: Wire,
) -> BTreeSet<Cause> {
    let told = programmed.outcome.wire;
    let mut held = Held { sends: Vec::new(), meets: Vec::new(), class: server.protocol.class() };
    if told == Wire::Unknown || wire == Wire::Unknown || told == wire {
        held.sends = sent(client, intent, programmed);
        held.meets = met(intent, programmed);
    }
    left(seen, &held)
}

/// The causes that are possible with what both ends hold; those that were seen where none is.
#[must_use]
pub fn left(seen: &BTreeSet<Cause>, held: &Held) -> BTreeSet<Cause> {
    let Held { sends, meets, class } = held;
    let possible = |cause: &Cause| {
        (sends.is_empty() || sends.iter().any(|sends| may_follow(*cause, *sends)))
            && (meets.is_empty() || meets.iter().any(|outcome| may_meet(*cause, *outcome)))
            // On an HTTP port it is a filter that answers 403, not one that closes connections.
            && !(*class == PortClass::Http && *cause == Cause::AuthorizationDenied && seen.len() > 1)
    };
    let left: BTreeSet<Cause> = seen.iter().copied().filter(possible).collect();
    if left.is_empty() { seen.clone() } else { left }
}

/// What the client puts on the connections to the endpoints that count; empty where that is not known of each.
fn sent(client: &ClientRef, intent: &PairIntent, programmed: &Programmed) -> Vec<Sends> {
    // Requests go to `http://` URLs: without a sidecar in their way they are plaintext.
    if client.proxy == ProxyKind::None || intent.originates.mode == OriginMode::NoProxy {
        return vec![Sends::Plaintext];
    }
    let Reading::Seen(told) = &programmed.client else { return Vec::new() };
    let counted = intent.endpoints.iter().zip(&told.sends).filter(|(endpoint, _)| !endpoint.is_self);
    counted.map(|(_, sends)| *sends).collect::<Option<Vec<Sends>>>().unwrap_or_default()
}

/// What becomes of it at the endpoints that count; empty where that is not known of each.
fn met(intent: &PairIntent, programmed: &Programmed) -> Vec<Outcome> {
    let counted = intent.endpoints.iter().zip(&programmed.endpoints).filter(|(endpoint, _)| !endpoint.is_self);
    let one = |told: &crate::programmed::told::EndpointTold, guarded: bool| {
        let read = matches!(told.accepts, Reading::Seen(_)) || !guarded;
        (read && told.outcome.wire != Wire::Unknown).then_some(told.outcome)
    };
    let outcomes = counted.map(|(endpoint, told)| one(told, endpoint.accepts.mode != AcceptMode::NoProxy));
    outcomes.collect::<Option<Vec<Outcome>>>().unwrap_or_default()
}

/// Whether a cause is possible where this is sent.
fn may_follow(cause: Cause, sends: Sends) -> bool {
    match sends {
        Sends::Plaintext => {
            !cause.is_certificate() && !matches!(cause, Cause::ForeignTls | Cause::TlsToPlaintext | Cause::TlsVersion)
        }
        Sends::MutualTls => {
            !matches!(cause, Cause::PlaintextToMutualTls | Cause::ClientCertificateMissing | Cause::ForeignTls)
        }
        Sends::Tls => !matches!(
            cause,
            Cause::PlaintextToMutualTls | Cause::PlaintextToTlsApplication | Cause::ClientCertificateRejected
        ),
        Sends::TlsClientCert => !matches!(
            cause,
            Cause::PlaintextToMutualTls | Cause::PlaintextToTlsApplication | Cause::ClientCertificateMissing
        ),
    }
}

/// Whether a cause is possible where the connection meets this.
fn may_meet(cause: Cause, outcome: Outcome) -> bool {
    let behind = cause.is_application() || matches!(cause, Cause::AuthorizationDenied | Cause::TokenRejected);
    match (outcome.wire, outcome.why) {
        // No chain takes it: nothing behind it is reached and no handshake begins.
        (Wire::Refused, Why::NoFilterChain) => !behind && !cause.is_certificate() && cause != Cause::TlsToPlaintext,
        (Wire::Refused, Why::ClientCertificateRequired) => {
            !behind && !matches!(cause, Cause::PlaintextToMutualTls | Cause::ForeignTls | Cause::TlsToPlaintext)
        }
        // The codec reads a handshake as a request: nothing is verified.
        (Wire::Refused, Why::TlsOnPlaintextHttp) => {
            let waits = cause == Cause::ClientSecretMissing;
            !behind
                && (waits || !cause.is_certificate())
                && !matches!(cause, Cause::PlaintextToMutualTls | Cause::ForeignTls)
        }
        (Wire::MutualTls, _) => !matches!(
            cause,
            Cause::PlaintextToMutualTls | Cause::ForeignTls | Cause::TlsToPlaintext | Cause::ClientCertificateMissing
        ),
        (Wire::Plaintext, Why::PlaintextAccepted) => {
            !cause.is_certificate()
                && !matches!(cause, Cause::PlaintextToMutualTls | Cause::ForeignTls | Cause::TlsToPlaintext)
        }
        (_, _) => true,
    }
}
