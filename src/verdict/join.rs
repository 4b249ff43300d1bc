//! One pair: what the witnesses say, reduced to one verdict.
//!
//! The verdict is what was observed, else what the proxies were told, else what policy demands; a witness that disagrees
//! makes a gap, never silence.

use std::collections::BTreeSet;

use crate::model::evidence::{Reading, Transfer, Unseen};
use crate::model::pair::{Accepts, ClientRef, Endpoint, Originates, PairIntent, ServerRef};
use crate::model::wire::Wire;
use crate::observed::causes::{Cause, Heard};
use crate::observed::repeats::Repeats;
use crate::observed::signature::{Conclusion, Peer};
use crate::programmed::told::{EndpointTold, Programmed};
use crate::verdict::gaps::{self, Gaps};
use crate::verdict::report::{
    AcceptsView, ClientView, EndpointView, IntentView, ObservedView, OneOrMany, OriginatesView, Pair, PeerView,
    SeenView, ServerView, UnseenView,
};
use crate::verdict::{causes, told};

/// What requests between a client and a service port showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The last answer.
    pub transfer: Transfer,
    /// What it proves.
    pub conclusion: Conclusion,
    /// What it is compatible with, taken alone.
    pub causes: BTreeSet<Cause>,
    /// Envoy's response flags, where the answer implies them.
    pub flags: Vec<&'static str>,
    /// What both ends' proxies counted and logged beside it.
    pub heard: Heard,
    /// What it showed each time, where it was sent more than once.
    pub repeats: Option<Repeats>,
}

/// Joins the witnesses of a pair.
#[must_use]
pub fn pair(
    client: &ClientRef,
    server: &ServerRef,
    intent: PairIntent,
    programmed: &Programmed,
    observed: &Reading<Seen>,
) -> Pair {
    let demanded = intent.outcome.wire;
    let told = programmed.outcome.wire;
    // Where an answer leaves several wires open, the proxies know better than policy which of them it is.
    let expected = if told == Wire::Unknown { demanded } else { told };
    let seen = match observed {
        Reading::Seen(seen) => of_all(seen.conclusion.wire(expected), expected, &intent),
        Reading::Unseen(_) => Wire::Unknown,
    };
    let verdict = [seen, told, demanded].into_iter().find(|wire| *wire != Wire::Unknown).unwrap_or(Wire::Unknown);
    let witnesses = [("intent", demanded), ("programmed", told), ("observed", seen)];
    let agrees = |(name, wire)| (wire == verdict && verdict != Wire::Unknown).then_some(name);
    let confirmed_by = witnesses.into_iter().filter_map(agrees).collect();
    let repeats = match observed {
        Reading::Seen(seen) => seen.repeats.as_ref(),
        Reading::Unseen(_) => None,
    };
    let Gaps { gaps, pushing } = gaps::of(&intent, programmed, (seen, repeats));
    let at_first = repeats.and_then(|repeats| gaps::at_first(programmed, repeats));
    let left = match observed {
        Reading::Seen(observed) => causes::narrowed(&observed.causes, client, server, &intent, programmed, seen),
        Reading::Unseen(_) => BTreeSet::new(),
    };
    let (as_intended, tcp) = (intent_view(&intent), tcp_view(&intent));
    let told = told::programmed(programmed, &intent);
    let endpoints = intent.endpoints.into_iter().enumerate();
    Pair {
        id: pair_id(client, &server_key(server)),
        client: client_view(client),
        server: server_view(server),
        verdict,
        confirmed_by,
        conflict: intent.conflict,
        originates: originates_view(intent.originates),
        endpoints: endpoints.map(|(at, endpoint)| endpoint_view(endpoint, programmed.endpoints.get(at))).collect(),
        gaps,
        being_pushed: pushing,
        intent: as_intended,
        tcp,
        programmed: told,
        observed: observed_view(observed, seen, (left, at_first)),
        decided_by: intent.decided_by,
        responsible: intent.responsible,
        findings: Vec::new(),
        ruled_out: Vec::new(),
        more: 0,
    }
}

/// What an answer shows of the pair: where endpoints differ it is one of them that answered, and the next may do otherwise.
fn of_all(seen: Wire, expected: Wire, intent: &PairIntent) -> Wire {
    let is_one_of_several = expected == Wire::Mixed && intent.endpoints.iter().any(|end| end.outcome.wire == seen);
    if is_one_of_several { Wire::Mixed } else { seen }
}

/// Whether a failure still has several causes, with all that the proxies were told.
#[must_use]
pub fn leaves_open(
    seen: &Seen,
    (client, server): (&ClientRef, &ServerRef),
    intent: &PairIntent,
    programmed: &Programmed,
) -> bool {
    let told = programmed.outcome.wire;
    let expected = if told == Wire::Unknown { intent.outcome.wire } else { told };
    let wire = seen.conclusion.wire(expected);
    causes::narrowed(&seen.causes, client, server, intent, programmed, wire).len() > 1
}

/// Whether an answer is something else than what follows from what the proxies were told.
#[must_use]
pub fn contradicts(conclusion: &Conclusion, programmed: &Programmed) -> bool {
    let told = programmed.outcome.wire;
    gaps::differs(told, conclusion.wire(told))
}

/// `namespace/workload`, with the pod where the workload's pods differ.
pub(super) fn client_key(client: &ClientRef) -> String {
    if client.told_apart {
        format!("{}/{}({})", client.namespace, client.workload, client.pod)
    } else {
        format!("{}/{}", client.namespace, client.workload)
    }
}

/// The id of a client's pair, by what stands behind the arrow.
pub(super) fn pair_id(client: &ClientRef, server: &str) -> String {
    format!("{}->{server}", client_key(client))
}

fn server_key(server: &ServerRef) -> String {
    format!("{}/{}:{}", server.namespace, server.service, server.port)
}

fn client_view(client: &ClientRef) -> ClientView {
    ClientView {
        namespace: client.namespace.clone(),
        workload: client.workload.clone(),
        pod: client.pod.clone(),
        proxy: client.proxy,
        service_account: client.service_account.clone(),
        told_apart: client.told_apart,
    }
}

fn server_view(server: &ServerRef) -> ServerView {
    ServerView {
        namespace: server.namespace.clone(),
        service: (!server.entry).then(|| server.service.clone()),
        host: server.entry.then(|| server.service.clone()),
        port: server.port.0,
        port_name: server.port_name.clone(),
        protocol: server.protocol.report_word(),
    }
}

fn originates_view(originates: Originates) -> OriginatesView {
    OriginatesView {
        kind: originates.kind.as_str(),
        mode: originates.mode.as_str(),
        decided_by: originates.decided_by,
        layers: originates.layers,
    }
}

fn accepts_view(accepts: Accepts) -> AcceptsView {
    AcceptsView { mode: accepts.mode.as_str(), decided_by: accepts.decided_by, layers: accepts.layers }
}

fn endpoint_view(endpoint: Endpoint, programmed: Option<&EndpointTold>) -> EndpointView {
    EndpointView {
        namespace: endpoint.namespace,
        pod: endpoint.pod,
        workload: endpoint.workload,
        address: endpoint.address.map(|address| address.to_string()),
        port: endpoint.port.0,
        proxy: endpoint.proxy,
        is_self: endpoint.is_self,
        accepts: accepts_view(endpoint.accepts),
        intent: endpoint.outcome,
        tcp: endpoint.tcp.filter(|tcp| *tcp != endpoint.outcome),
        programmed: told::endpoint(programmed),
        observed: unseen_view(&Unseen::ThroughService),
    }
}

fn intent_view(intent: &PairIntent) -> IntentView {
    let symptom = intent.symptom.as_ref();
    IntentView {
        wire: intent.outcome.wire,
        why: shared_reason(intent),
        http: symptom.and_then(|symptom| OneOrMany::from_vec(symptom.http.clone())),
        exit: symptom.and_then(|symptom| OneOrMany::from_vec(symptom.exit.clone())),
        because: intent.because.clone(),
    }
}

/// What raw TCP meets on a sniffed port, where that is something else; curl speaks HTTP and cannot show it.
fn tcp_view(intent: &PairIntent) -> Option<IntentView> {
    let tcp = intent.tcp.filter(|tcp| *tcp != intent.outcome)?;
    Some(IntentView {
        wire: tcp.wire,
        why: Some(tcp.why.as_str()),
        http: None,
        exit: None,
        because: "bytes that are not HTTP, on a port whose protocol is sniffed".to_owned(),
    })
}

/// The reason of the pair where all endpoints that count share it, or where there are none.
fn shared_reason(intent: &PairIntent) -> Option<&'static str> {
    let mut reasons = intent.endpoints.iter().filter(|endpoint| !endpoint.is_self).map(|endpoint| endpoint.outcome.why);
    match reasons.next() {
        None => Some(intent.outcome.why.as_str()),
        Some(first) => reasons.all(|why| why == first).then(|| first.as_str()),
    }
}

fn observed_view(
    observed: &Reading<Seen>,
    wire: Wire,
    (causes, at_first): (BTreeSet<Cause>, Option<&'static str>),
) -> ObservedView {
    let seen = match observed {
        Reading::Seen(seen) => seen,
        Reading::Unseen(why) => return ObservedView::Unseen(unseen_view(why)),
    };
    ObservedView::Seen(Box::new(SeenView {
        wire,
        why: seen.conclusion.why,
        http: seen.transfer.http.clone(),
        exit: seen.transfer.exit,
        requests: seen.repeats.as_ref().map_or(1, |repeats| repeats.answers.len()),
        answers: seen.repeats.iter().flat_map(|repeats| repeats.answers.clone()).collect(),
        at_first,
        unsettled: seen.repeats.as_ref().is_some_and(|repeats| !repeats.settled),
        causes: causes.into_iter().collect(),
        flags: seen.flags.clone(),
        heard: seen.heard.clone(),
        message: seen.transfer.message.clone(),
        program: seen.transfer.program,
        answered_by: seen.conclusion.answered_by.as_str(),
        server: seen.transfer.header("server").map(str::to_owned),
        body: error_body(&seen.transfer),
        peer: match &seen.conclusion.peer {
            Peer::Seen { uri, by } => PeerView::Seen { uri: uri.clone(), by: by.clone() },
            Peer::Absent(why) => PeerView::Absent { absent: why.as_str() },
        },
    }))
}

/// First line of the body of an error, cut to a line's length.
fn error_body(transfer: &Transfer) -> Option<String> {
    let failed = transfer.http.starts_with(['4', '5']);
    let line = transfer.body.lines().next().filter(|line| failed && !line.is_empty())?;
    Some(line.chars().take(200).collect())
}

pub(crate) fn unseen_view(why: &Unseen) -> UnseenView {
    UnseenView { unseen: why.code(), detail: why.detail().map(str::to_owned) }
}
