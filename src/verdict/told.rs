//! The proxies' word in the words of the report.

use crate::model::evidence::Reading;
use crate::programmed::told::{Accepts, EndpointTold, Originates, Programmed, Trouble};
use crate::verdict::join::unseen_view;
use crate::verdict::report::told::{
    EndpointTold as EndpointSeen, EndpointToldView, ProgrammedView, ToldAcceptsView, ToldOriginatesView, ToldView,
    TroubleView,
};

/// What the proxies of a pair were told.
pub(crate) fn programmed(programmed: &Programmed) -> ProgrammedView {
    let (originates, unseen) = match &programmed.client {
        Reading::Seen(originates) => (Some(originates_view(originates)), None),
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

fn originates_view(told: &Originates) -> ToldOriginatesView {
    ToldOriginatesView {
        kind: told.kind.as_str(),
        mode: told.mode.as_str(),
        decided_by: told.named.clone(),
        route: told.route.clone(),
        routed_by: told.routed_by.clone(),
        tls: told.tls.clone(),
        by_label: told.by_label,
        evidence: told.evidence.clone(),
        odd: told.odd.clone(),
    }
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
