//! Clients that fare alike, for the same reasons, are told together.

use crate::model::derivation::Step;
use crate::model::wire::Wire;
use crate::verdict::report::told::ProgrammedView;
use crate::verdict::report::{EndpointView, ObservedView, Pair, Report};

/// One service port and its clients.
pub(super) struct Server<'r> {
    /// Worst first.
    pub(super) groups: Vec<Group<'r>>,
}

/// Clients that fare alike.
pub(super) struct Group<'r> {
    pub(super) pairs: Vec<&'r Pair>,
}

/// Endpoints that accept the same for the same reasons.
pub(super) struct Side<'r> {
    pub(super) endpoint: &'r EndpointView,
    pub(super) count: usize,
    pub(super) of: usize,
}

/// The service ports in the report's order.
pub(super) fn servers(report: &Report) -> Vec<Server<'_>> {
    let mut servers: Vec<(&str, Server<'_>)> = Vec::new();
    for pair in &report.pairs {
        let key = pair.id.split_once("->").map_or("", |(_, server)| server);
        let known = servers.iter_mut().find(|(known, _)| *known == key);
        match known {
            Some((_, server)) => server.add(pair),
            None => servers.push((key, Server { groups: vec![Group { pairs: vec![pair] }] })),
        }
    }
    for (_, server) in &mut servers {
        server.groups.sort_by_key(Group::badness);
    }
    servers.into_iter().map(|(_, server)| server).collect()
}

/// The ways in which the endpoints that count accept.
pub(super) fn sides(pair: &Pair) -> Vec<Side<'_>> {
    let counted = || pair.endpoints.iter().filter(|endpoint| !endpoint.is_self);
    let mut sides: Vec<Side<'_>> = Vec::new();
    for endpoint in counted() {
        let same = |side: &&mut Side<'_>| {
            side.endpoint.accepts.mode == endpoint.accepts.mode
                && side.endpoint.accepts.decided_by == endpoint.accepts.decided_by
                && said(&side.endpoint.accepts.layers) == said(&endpoint.accepts.layers)
        };
        match sides.iter_mut().find(same) {
            Some(side) => side.count += 1,
            None => sides.push(Side { endpoint, count: 1, of: counted().count() }),
        }
    }
    sides
}

fn said(layers: &[Step]) -> Vec<(&crate::model::derivation::PolicyRef, &str)> {
    layers.iter().map(|step| (&step.policy, step.says.as_str())).collect()
}

/// Whether one text explains both.
fn alike(a: &Pair, b: &Pair) -> bool {
    let ends = |pair: &Pair| {
        let counted = pair.endpoints.iter().filter(|end| !end.is_self);
        counted.map(|end| (end.accepts.mode, end.intent)).collect::<Vec<_>>()
    };
    let seen = |pair: &Pair| match &pair.observed {
        ObservedView::Seen(seen) => (seen.http.clone(), seen.wire.as_str(), seen.why),
        ObservedView::Unseen(unseen) => (String::new(), "unseen", unseen.unseen),
    };
    let programmed = |pair: &Pair| match &pair.programmed {
        ProgrammedView::Seen(told) => (told.wire.as_str(), told.why, told.troubles.len()),
        ProgrammedView::Unseen(unseen) => ("unseen", unseen.unseen, 0),
    };
    (a.verdict, a.conflict, a.client.proxy, a.intent.why) == (b.verdict, b.conflict, b.client.proxy, b.intent.why)
        && a.originates.layers == b.originates.layers
        && a.originates.kind == b.originates.kind
        && ends(a) == ends(b)
        && seen(a) == seen(b)
        && a.gaps.len() == b.gaps.len()
        && programmed(a) == programmed(b)
}

// === impl Server ===

impl<'r> Server<'r> {
    fn add(&mut self, pair: &'r Pair) {
        let like = |group: &&mut Group<'r>| group.pairs.first().is_some_and(|first| alike(first, pair));
        match self.groups.iter_mut().find(like) {
            Some(group) => group.pairs.push(pair),
            None => self.groups.push(Group { pairs: vec![pair] }),
        }
    }

    /// Every pair.
    pub(super) fn pairs(&self) -> Vec<&'r Pair> {
        self.groups.iter().flat_map(|group| group.pairs.iter().copied()).collect()
    }
}

// === impl Group ===

impl Group<'_> {
    fn badness(&self) -> u8 {
        let Some(pair) = self.pairs.first() else { return u8::MAX };
        match (pair.conflict, pair.gaps.is_empty(), pair.verdict) {
            (true, _, _) => 0,
            (false, false, _) => 1,
            (false, true, Wire::Refused) => 2,
            (false, true, Wire::Mixed | Wire::Unknown) => 3,
            (false, true, Wire::Plaintext | Wire::Depends) => 4,
            (false, true, Wire::MutualTls | Wire::Tls | Wire::None) => 5,
        }
    }
}
