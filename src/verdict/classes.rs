//! Pairs counted by how they fare, whatever their names: what a summary shows in place of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::intent::Union;
use crate::model::wire::Wire;
use crate::verdict::concerned::{Alike, Concerned};
use crate::verdict::report::{ClassView, OneOrMany, Pair, SendsView};

/// Classes as they are found, answer by answer, the answers of one service port after another.
#[derive(Debug, Default)]
pub(super) struct Tally {
    classes: BTreeMap<Fate, Counted>,
}

/// How pairs fare.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fate {
    client: &'static str,
    conflict: bool,
    verdict: Wire,
    sends: (&'static str, &'static str),
    accepts: BTreeSet<&'static str>,
    why: Option<&'static str>,
    http: Vec<String>,
}

#[derive(Debug)]
struct Counted {
    pairs: usize,
    clients: Union,
    service_ports: usize,
    last_server: usize,
    first: Concerned,
    like: Box<Pair>,
}

/// How many pairs of a class are named.
const NAMED: usize = 3;

// === impl Tally ===

impl Tally {
    /// Takes in an answer.
    pub(super) fn add(&mut self, alike: &Alike<'_>) {
        let (pair, server) = (alike.pair, alike.server);
        let counted = self.classes.entry(Fate::of(pair)).or_insert_with(|| Counted {
            pairs: 0,
            clients: Union::default(),
            service_ports: 0,
            last_server: usize::MAX,
            first: Concerned::naming(NAMED),
            like: Box::new(pair.clone()),
        });
        counted.pairs += alike.clients.count();
        counted.clients.add(alike.clients);
        if counted.last_server != server {
            counted.service_ports += 1;
            counted.last_server = server;
        }
        counted.first.add(alike);
    }

    /// The classes, the largest first.
    pub(super) fn views(self) -> Vec<ClassView> {
        let mut views: Vec<ClassView> = self.classes.into_iter().map(|(fate, counted)| counted.view(&fate)).collect();
        views.sort_by(|a, b| b.conflict.cmp(&a.conflict).then_with(|| b.pairs.cmp(&a.pairs)));
        views
    }
}

// === impl Fate ===

impl Fate {
    fn of(pair: &Pair) -> Self {
        let counted = pair.endpoints.iter().filter(|endpoint| !endpoint.is_self);
        Self {
            client: pair.client.proxy.as_str(),
            conflict: pair.conflict,
            verdict: pair.verdict,
            sends: (pair.originates.kind, pair.originates.mode),
            accepts: counted.map(|endpoint| endpoint.accepts.mode).collect(),
            why: pair.intent.why,
            http: pair.intent.http.as_ref().map(OneOrMany::values).unwrap_or_default().to_vec(),
        }
    }
}

// === impl Counted ===

impl Counted {
    fn view(self, fate: &Fate) -> ClassView {
        ClassView {
            pairs: self.pairs,
            clients: self.clients.numbers().count(),
            service_ports: self.service_ports,
            client_proxy: self.like.client.proxy,
            verdict: fate.verdict,
            conflict: fate.conflict,
            originates: SendsView { kind: fate.sends.0, mode: fate.sends.1 },
            accepts: fate.accepts.iter().copied().collect(),
            intent: self.like.intent.clone(),
            first: self.first.ids(),
            like: self.like,
        }
    }
}
