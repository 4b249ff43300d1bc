//! Where the witnesses disagree, and what the evidence makes of it.
//!
//! A proxy that was told something else than policy demands is a gap at its own end; proxies that were told the right thing
//! and a wire that shows something else is a gap on the wire. A policy younger than a minute is being pushed: no gap.

use crate::model::derivation::PolicyRef;
use crate::model::evidence::Reading;
use crate::model::pair::{AcceptMode, Endpoint, PairIntent, Route};
use crate::model::wire::{Why, Wire};
use crate::observed::repeats::Repeats;
use crate::programmed::told::{Accepts, End, EndpointTold, Originates, Programmed, TroubleKind};
use crate::verdict::report::told::Gap;

/// Disagreements, and those that are only a push under way.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    pub(crate) gaps: Vec<Gap>,
    pub(crate) pushing: Vec<Gap>,
}

/// A push reaches every proxy within this time, or it does not.
const PUSH: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Envoy's idle time-out for pooled connections: as long as this an answer may come over a connection older than the policy.
const POOLED: jiff::SignedDuration = jiff::SignedDuration::from_secs(3600);

/// Compares the witnesses of a pair; `seen` is `unknown` where nothing was observed, with what became of it when it was asked
/// for again.
pub(crate) fn of(intent: &PairIntent, programmed: &Programmed, (seen, repeats): (Wire, Option<&Repeats>)) -> Gaps {
    let mut gaps = Gaps::default();
    if let Reading::Seen(told) = &programmed.client
        && let Some(what) = client(intent, told, programmed)
    {
        let age = Age { policy: &intent.originates.decided_by, told: told.changed, programmed, end: End::Client };
        gaps.add("client", what, told.evidence.clone(), &age);
    }
    for (endpoint, told) in intent.endpoints.iter().zip(&programmed.endpoints) {
        if let Reading::Seen(accepts) = &told.accepts
            && let Some(what) = server(endpoint, told, accepts)
            && !endpoint.is_self
        {
            let age = Age { policy: &endpoint.accepts.decided_by, told: accepts.changed, programmed, end: End::Server };
            gaps.add("server", what, accepts.evidence.clone(), &age);
        }
    }
    gaps.gaps.extend(wire(intent, programmed, (seen, repeats)));
    gaps
}

/// What the client's proxy was told that policy does not demand.
pub(super) fn client(intent: &PairIntent, told: &Originates, programmed: &Programmed) -> Option<String> {
    // Nobody told it anything: there is nothing to compare.
    if told.evidence.is_empty() && told.route == Route::Direct && told.refuses.is_none() {
        return None;
    }
    if intent.outcome.wire == Wire::Unknown {
        return None;
    }
    let demanded = &intent.originates;
    if let Some(why) = told.refuses
        && intent.endpoints.iter().any(|endpoint| endpoint.sends.is_some())
    {
        return Some(format!(
            "policy has the client send {}, its proxy refuses: {}",
            demanded.kind.as_str(),
            why.as_str()
        ));
    }
    let counted = || intent.endpoints.iter().zip(&told.sends).filter(|(endpoint, _)| !endpoint.is_self);
    let differs = counted().find_map(|(endpoint, sends)| {
        let (demanded, sent) = (endpoint.sends?, (*sends)?);
        (demanded != sent)
            .then(|| format!("policy has the client send {}, its proxy sends {}", demanded.as_str(), sent.as_str()))
    });
    if let Some(what) = differs {
        let rule = told.named.as_ref().map_or_else(
            || "its cluster names no rule".to_owned(),
            |rule| format!("its cluster names {}", rule.short()),
        );
        return Some(format!("{what} ({}; {rule})", demanded.decided_by.short()));
    }
    let ends = || intent.endpoints.iter().zip(&programmed.endpoints);
    // HTTP as policy has it, and raw TCP on a sniffed port not.
    let raw = ends().filter(|(endpoint, _)| !endpoint.is_self).find_map(|(endpoint, told)| {
        let (demanded, sent) = (endpoint.tcp_sends?, told.tcp_sends?);
        (demanded != sent).then(|| {
            format!("policy has the client send raw TCP as {}, its proxy sends {}", demanded.as_str(), sent.as_str())
        })
    });
    if raw.is_some() {
        return raw;
    }
    let unexpected = ends().any(|(endpoint, told)| {
        told.outcome.why == Why::ServerIdentityNotExpected && endpoint.outcome.why != told.outcome.why
    });
    unexpected.then(|| "the client's proxy expects other identities than the server has".to_owned())
}

/// What a server's proxy was told that policy does not demand.
pub(super) fn server(endpoint: &Endpoint, told: &EndpointTold, accepts: &Accepts) -> Option<String> {
    let demanded = endpoint.accepts.mode;
    if demanded == AcceptMode::NoProxy || endpoint.outcome.wire == Wire::Unknown {
        return None;
    }
    let pod = endpoint.pod.as_deref().unwrap_or(&endpoint.workload);
    match accepts.mode {
        Some(mode) if mode != demanded => Some(format!(
            "policy has {pod} accept {} on port {} ({}), its proxy accepts {}",
            demanded.as_str(),
            endpoint.port,
            endpoint.accepts.decided_by.short(),
            mode.as_str()
        )),
        None => {
            let odd = accepts.odd.first().map_or_else(|| "no chain takes the port".to_owned(), |odd| odd.says.clone());
            Some(format!("{pod} has chains for port {} that policy does not make: {odd}", endpoint.port))
        }
        // What listens behind it no proxy is told.
        Some(_) if endpoint.outcome.why == Why::NothingListens => None,
        Some(_) => {
            if let Some(what) = raw(endpoint, told) {
                return Some(format!("{pod} {what}"));
            }
            let settled = |wire| !matches!(wire, Wire::Unknown | Wire::Depends | Wire::None);
            let same = endpoint.sends == told.sends;
            (same
                && settled(told.outcome.wire)
                && settled(endpoint.outcome.wire)
                && told.outcome.wire != endpoint.outcome.wire)
                .then(|| {
                    format!(
                        "{pod} reads port {} otherwise than policy has it: {} instead of {}",
                        endpoint.port,
                        told.outcome.why.as_str(),
                        endpoint.outcome.why.as_str()
                    )
                })
        }
    }
}

/// On a sniffed port raw TCP may be told otherwise although HTTP is not.
fn raw(endpoint: &Endpoint, told: &EndpointTold) -> Option<String> {
    let (demanded, tcp) = (endpoint.tcp?, told.tcp?);
    let settled = |wire| !matches!(wire, Wire::Unknown | Wire::Depends | Wire::None);
    let differs = settled(demanded.wire) && settled(tcp.wire) && demanded.wire != tcp.wire;
    (differs && endpoint.tcp_sends == told.tcp_sends).then(|| {
        format!(
            "treats raw TCP on port {} otherwise than policy has it: {} instead of {}",
            endpoint.port,
            tcp.why.as_str(),
            demanded.why.as_str()
        )
    })
}

/// What the wire shows that the proxies, or else policy, do not explain.
fn wire(intent: &PairIntent, programmed: &Programmed, (seen, repeats): (Wire, Option<&Repeats>)) -> Option<Gap> {
    let told = programmed.outcome.wire;
    let (at, expected, who) = match (told, intent.outcome.wire) {
        (Wire::Unknown, demanded) => ("unproven", demanded, "policy demands"),
        (told, _) => ("wire", told, "the proxies were told"),
    };
    // The proxies do not know that nothing listens behind them; policy does.
    let unheard = intent.outcome.why == Why::NothingListens && seen == intent.outcome.wire;
    if !differs(expected, seen) || unheard {
        return None;
    }
    let what = format!("{who} {}, the wire shows {}", expected.as_str(), seen.as_str());
    let mut gap = Gap::new(at, what);
    if at == "wire" {
        gap.evidence = evidence(programmed);
        let stays = repeats.filter(|repeats| repeats.settled && !repeats.changed());
        if let Some(repeats) = stays {
            gap.what = format!("{}, {} times in a row", gap.what, repeats.answers.len());
        }
        // One that was there before serves one more request: what stays the same does not come over those.
        if let Some(word) = old_connection(programmed, seen).filter(|_| stays.is_none()) {
            gap.state = Some("old-connection");
            gap.what = format!("{}; {word}", gap.what);
        }
    }
    Some(gap)
}

/// Whether what was seen is something else than what was to be expected.
pub(crate) fn differs(expected: Wire, seen: Wire) -> bool {
    // Where the mesh does not decide, whatever was seen is the answer and no disagreement.
    let decided = !matches!(expected, Wire::Unknown | Wire::Depends | Wire::None | Wire::Mixed);
    // Nor where TLS is passed on to an application, which may not take it.
    let untaken = (expected, seen) == (Wire::Tls, Wire::Refused);
    decided && seen != Wire::Unknown && seen != expected && !untaken
}

/// Both ends' evidence.
fn evidence(programmed: &Programmed) -> Vec<crate::programmed::told::Evidence> {
    let client = match &programmed.client {
        Reading::Seen(told) => told.evidence.clone(),
        Reading::Unseen(_) => Vec::new(),
    };
    let servers = programmed.endpoints.iter().filter_map(|told| match &told.accepts {
        Reading::Seen(accepts) => Some(accepts.evidence.clone()),
        Reading::Unseen(_) => None,
    });
    client.into_iter().chain(servers.flatten()).collect()
}

/// Why the first of several answers was another one than the last.
pub(crate) fn at_first(programmed: &Programmed, repeats: &Repeats) -> Option<&'static str> {
    let settled = repeats.settled && repeats.changed();
    settled.then(|| if old_connection(programmed, Wire::Unknown).is_some() { "old-connection" } else { "changed" })
}

/// Why an accepted request may have gone over a connection that is older than what the proxies now hold.
fn old_connection(programmed: &Programmed, seen: Wire) -> Option<String> {
    if programmed.outcome.wire != Wire::Refused || seen == Wire::Refused {
        return None;
    }
    let mut servers = programmed.endpoints.iter().filter_map(|told| match &told.accepts {
        Reading::Seen(accepts) => Some(accepts),
        Reading::Unseen(_) => None,
    });
    if servers.clone().any(|accepts| accepts.draining) {
        return Some("the server's previous listener still serves the connections it has".to_owned());
    }
    let at = programmed.read_at?;
    let fresh = servers.find_map(|accepts| accepts.changed.filter(|changed| at.duration_since(*changed) < POOLED));
    fresh.map(|changed| format!("the server's listener changed at {changed}: a pooled connection may be older"))
}

/// What tells the age of a disagreement.
struct Age<'p> {
    policy: &'p PolicyRef,
    told: Option<jiff::Timestamp>,
    programmed: &'p Programmed,
    end: End,
}

// === impl Gaps ===

impl Gaps {
    fn add(&mut self, at: &'static str, what: String, evidence: Vec<crate::programmed::told::Evidence>, age: &Age<'_>) {
        let mut gap = Gap { at, what, state: None, evidence };
        if let Some(since) = age.being_pushed() {
            gap.state = Some("being-pushed");
            gap.what = format!("{}; {} changed {since} s before the proxy was read", gap.what, age.policy.short());
            self.pushing.push(gap);
            return;
        }
        if let Some(rejected) = age.rejected() {
            gap.state = Some("rejected");
            gap.what = format!("{}; {}", gap.what, rejected.what);
            gap.evidence.extend(rejected.evidence.iter().cloned());
        } else if let Some(told) = age.stale() {
            gap.state = Some("stale");
            gap.what = format!("{}; not updated since {told}, before the policy changed", gap.what);
        }
        self.gaps.push(gap);
    }
}

// === impl Age ===

impl Age<'_> {
    fn being_pushed(&self) -> Option<i64> {
        let age = self.programmed.read_at?.duration_since(self.policy.changed_at?);
        (age >= jiff::SignedDuration::ZERO && age < PUSH).then(|| age.as_secs())
    }

    fn rejected(&self) -> Option<&crate::programmed::told::Trouble> {
        self.programmed.troubles.iter().find(|trouble| trouble.kind == TroubleKind::Rejected && trouble.at == self.end)
    }

    fn stale(&self) -> Option<jiff::Timestamp> {
        let (told, changed) = (self.told?, self.policy.changed_at?);
        (told < changed).then_some(told)
    }
}
