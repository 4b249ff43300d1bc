//! The report from answers that many pairs share: what the list of all pairs would come to, without the list.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::intent::{Members, Mesh};
use crate::model::evidence::FailedLook;
use crate::model::pair::ClientRef;
use crate::model::snapshot::Snapshot;
use crate::verdict::assemble::{empty, order, worst_first};
use crate::verdict::classes::Tally;
use crate::verdict::concerned::Alike;
use crate::verdict::policies::Concerns;
use crate::verdict::report::told::ProgrammedView;
use crate::verdict::report::{Finding, Listed, ObservedView, Pair, Report, Summary};
use crate::verdict::rules::Causes;
use crate::verdict::{join, proxies};

/// Pairs that share an answer.
#[derive(Debug)]
pub struct Shared {
    /// The first of them.
    pub pair: Pair,
    /// The number of their service port.
    pub server: usize,
    /// Their clients, by number.
    pub clients: Members,
}

/// A report that grows answer by answer and never holds a pair for each client; answers about one service port come together.
#[derive(Debug)]
pub struct Tallied<'c, 's> {
    clients: &'c [&'c ClientRef],
    by_pod: FxHashMap<(&'c str, &'c str), usize>,
    named: usize,
    summary: Summary,
    causes: Causes,
    concerns: Concerns<'s>,
    tally: Tally,
    /// Pairs of which a proxy or a request tells something.
    told: Vec<Pair>,
    /// One pair for each answer, where they are wanted.
    kept: Option<Vec<Pair>>,
    answers: usize,
}

/// How many pairs a finding names where pairs are not listed.
pub const NAMED: usize = 5;

// === impl Tallied ===

impl<'c, 's> Tallied<'c, 's> {
    /// Nothing yet; `clients` are those that answers name by number, and each finding names so many pairs. With `keep` one pair is
    /// kept for each answer.
    #[must_use]
    pub fn new(mesh: &Mesh<'s>, clients: &'c [&'c ClientRef], named: usize, keep: bool) -> Self {
        let pod = |client: &&'c ClientRef| (client.namespace.as_str(), client.pod.as_str());
        Self {
            clients,
            by_pod: clients.iter().enumerate().map(|(number, client)| (pod(client), number)).collect(),
            named,
            summary: Summary::default(),
            causes: Causes::naming(named),
            concerns: Concerns::of_clients(mesh, named, clients),
            tally: Tally::default(),
            told: Vec::new(),
            kept: keep.then(Vec::new),
            answers: 0,
        }
    }

    /// Takes in an answer.
    pub fn add(&mut self, shared: &Shared) {
        let Shared { pair, server, clients } = shared;
        let count = clients.count();
        self.answers += 1;
        self.summary.add(pair, count);
        let to = pair.id.split_once("->").map(|(_, server)| server.to_owned()).unwrap_or_default();
        let id = |number: usize| self.clients.get(number).map(|client| join::pair_id(client, &to)).unwrap_or_default();
        let alike = Alike { pair, server: *server, clients, id: &id };
        let findings = self.causes.add(&alike, &self.concerns);
        let by_pod = &self.by_pod;
        self.concerns.add(&alike, &|namespace, pod| by_pod.get(&(namespace, pod)).copied());
        self.tally.add(&alike);
        if is_told(pair) {
            self.told.push(pair.clone());
        }
        if let Some(kept) = &mut self.kept {
            let mut pair = pair.clone();
            pair.findings = findings.into_iter().chain(self.concerns.ids(&pair)).collect();
            pair.more = count.saturating_sub(1);
            // Tables show none of it.
            pair.originates.layers = Vec::new();
            for endpoint in &mut pair.endpoints {
                endpoint.accepts.layers = Vec::new();
            }
            kept.push(pair);
        }
    }

    /// The report on everything that was taken in; `namespaces` are those that were asked about.
    #[must_use]
    pub fn report(
        mut self,
        snapshot: &Snapshot,
        unseen: Vec<FailedLook>,
        namespaces: Option<&BTreeSet<String>>,
    ) -> Report {
        let name = |client: &&ClientRef| format!("{}.{}", client.workload, client.namespace);
        let names: Vec<String> = self.clients.iter().map(name).collect();
        self.told.sort_by(|a, b| order(a).cmp(&order(b)));
        let mut by_proxies = proxies::findings(&self.told);
        for finding in &mut by_proxies {
            finding.pairs.truncate(self.named);
        }
        let findings: [Vec<Finding>; 3] =
            [self.causes.findings(&names), self.concerns.findings(namespaces), by_proxies];
        let listed = match &self.kept {
            Some(_) => Listed::ByClass,
            None => Listed::Summary { answers: self.answers, classes: self.tally.views() },
        };
        let mut pairs = self.kept.unwrap_or_default();
        pairs.sort_by(|a, b| order(a).cmp(&order(b)));
        Report { summary: self.summary, pairs, findings: worst_first(findings), unseen, listed, ..empty(snapshot) }
    }
}

/// Whether more is known of a pair than policy.
fn is_told(pair: &Pair) -> bool {
    let told = matches!(pair.programmed, ProgrammedView::Seen(_)) || matches!(pair.observed, ObservedView::Seen(_));
    told || !pair.gaps.is_empty()
}
