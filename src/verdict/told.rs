//! The proxies' word in the words of the report.

use crate::model::derivation::{Effect, PolicyKind, PolicyRef};
use crate::model::evidence::Reading;
use crate::model::pair::{OriginMode, PairIntent, Route};
use crate::programmed::told::{Accepts, EndpointTold, Originates, Programmed, Trouble};
use crate::verdict::join::unseen_view;
use crate::verdict::report::told::{
    EndpointTold as EndpointSeen, EndpointToldView, ProgrammedView, ToldAcceptsView, ToldOriginatesView, ToldView,
    TroubleView,
};

/// What the proxies of a pair were told; policy tells only which of several modes that fit a cluster is meant.
pub(crate) fn programmed(programmed: &Programmed, intent: &PairIntent) -> ProgrammedView {
    let (originates, unseen) = match &programmed.client {
        Reading::Seen(originates) => (Some(originates_view(originates, intent)), None),
        Reading::Unseen(why) if programmed.any_seen() => (None, Some(why)),
        Reading::Unseen(why) => return ProgrammedView::Unseen(unseen_view(why)),
    };
    ProgrammedView::Seen(Box::new(ToldView {
        originates,
        wire: programmed.outcome.wire,
        why: programmed.outcome.why.as_str(),
        tcp: programmed.tcp.filter(|tcp| *tcp != programmed.outcome),
        unseen: unseen.map(crate::model::evidence::Unseen::code),
        detail: unseen.and_then(|why| why.detail()).map(str::to_owned),
        troubles: programmed.troubles.iter().map(trouble).collect(),
    }))
}

/// What an endpoint's proxy was told; one that nobody spoke of was not asked.
pub(crate) fn endpoint(told: Option<&EndpointTold>) -> EndpointToldView {
    let unasked = &crate::model::evidence::Unseen::NotRequested;
    let Some(told) = told else { return EndpointToldView::Unseen(unseen_view(unasked)) };
    match &told.accepts {
        Reading::Seen(accepts) => EndpointToldView::Seen(Box::new(EndpointSeen {
            accepts: accepts_view(accepts),
            wire: told.outcome.wire,
            why: told.outcome.why.as_str(),
            tcp: told.tcp.filter(|tcp| *tcp != told.outcome),
        })),
        Reading::Unseen(why) => EndpointToldView::Unseen(unseen_view(why)),
    }
}

fn originates_view(told: &Originates, intent: &PairIntent) -> ToldOriginatesView {
    let mode = mode(told, intent);
    let every = if told.or_modes.is_empty() { None } else { Some(told.mode) };
    ToldOriginatesView {
        kind: told.kind.as_str(),
        mode: mode.as_str(),
        modes: every.iter().chain(&told.or_modes).map(|mode| mode.as_str()).collect(),
        decided_by: decider(told, mode, intent),
        named: told.named.clone(),
        route: told.route.clone(),
        routed_by: told.routed_by.clone(),
        tls: told.tls.clone(),
        by_label: told.by_label,
        evidence: told.evidence.clone(),
        odd: told.odd.clone(),
    }
}

/// The likeliest mode, or policy's where the cluster fits that one as well and sends what policy demands.
fn mode(told: &Originates, intent: &PairIntent) -> OriginMode {
    let demanded = intent.originates.mode;
    let fits = told.kind == intent.originates.kind && told.or_modes.contains(&demanded);
    if fits { demanded } else { told.mode }
}

/// Who decides in a mode: automatic mutual TLS, the rule that the cluster names, or one that is merged into it.
fn decider(told: &Originates, mode: OriginMode, intent: &PairIntent) -> Option<PolicyRef> {
    match (mode, &told.route) {
        (OriginMode::NoProxy, _) => None,
        (OriginMode::Auto, Route::Cluster(_) | Route::Split(_)) => Some(PolicyRef::default_of(PolicyKind::AutoMtls)),
        (_, _) => merged(told, mode, intent).or_else(|| told.named.clone()),
    }
}

/// The rule that decides by policy, where the one that the cluster names has no TLS and is only the first of those merged.
fn merged(told: &Originates, mode: OriginMode, intent: &PairIntent) -> Option<PolicyRef> {
    let named = told.named.as_ref()?;
    let is_silent = intent.originates.layers.iter().any(|step| {
        step.effect == Effect::Inherited && step.policy.name == named.name && step.policy.namespace == named.namespace
    });
    let decider = &intent.originates.decided_by;
    let is_other = is_silent && mode == intent.originates.mode && decider.kind == PolicyKind::DestinationRule;
    is_other.then(|| PolicyRef {
        layer: decider.layer,
        namespace: decider.namespace.clone(),
        name: decider.name.clone(),
        ..PolicyRef::default_of(PolicyKind::DestinationRule)
    })
}

fn accepts_view(told: &Accepts) -> ToldAcceptsView {
    ToldAcceptsView {
        mode: told.mode.map(crate::model::pair::AcceptMode::as_str),
        trusts: told.trusts.clone(),
        forwards: told.forwards.clone(),
        evidence: told.evidence.clone(),
        odd: told.odd.clone(),
    }
}

fn trouble(trouble: &Trouble) -> TroubleView {
    TroubleView {
        kind: trouble.kind.as_str(),
        at: trouble.at.as_str(),
        pod: trouble.pod.clone(),
        what: trouble.what.clone(),
        evidence: trouble.evidence.clone(),
    }
}
