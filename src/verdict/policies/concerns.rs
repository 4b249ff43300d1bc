//! Findings about policies and the pairs that they concern, gathered answer by answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::intent::{Members, Mesh};
use crate::model::pair::ClientRef;
use crate::verdict::concerned::{Alike, Concerned};
use crate::verdict::policies::agreed;
use crate::verdict::policies::told::Survey;
use crate::verdict::report::{Finding, Pair};

/// Every finding about a policy, with the pairs that were taken in so far.
#[derive(Debug)]
pub(in crate::verdict) struct Concerns<'s> {
    survey: Survey<'s>,
    pairs: Vec<Concerned>,
    /// Findings about what a client calls, by its number.
    callers: BTreeMap<usize, Vec<usize>>,
}

// === impl Concerns ===

impl<'s> Concerns<'s> {
    /// What is wrong; each finding names at most so many pairs.
    pub(in crate::verdict) fn of(mesh: &Mesh<'s>, named: usize) -> Self {
        let survey = Survey::new(agreed(mesh));
        let pairs = vec![Concerned::naming(named); survey.len()];
        Self { survey, pairs, callers: BTreeMap::new() }
    }

    /// The same, for answers that name their clients by number.
    pub(in crate::verdict) fn of_clients(mesh: &Mesh<'s>, named: usize, clients: &[&ClientRef]) -> Self {
        let mut concerns = Self::of(mesh, named);
        for (number, client) in clients.iter().enumerate() {
            let about = concerns.survey.about_client(&client.namespace, &client.pod).to_vec();
            if !about.is_empty() {
                concerns.callers.insert(number, about);
            }
        }
        concerns
    }

    /// Takes in the pairs of a report.
    pub(in crate::verdict) fn add_pairs(&mut self, pairs: &[Pair]) {
        for (number, pair) in pairs.iter().enumerate() {
            let (clients, id) = (Members::These(vec![0]), |_| pair.id.clone());
            for finding in self.survey.concerned(pair) {
                self.note(finding, &Alike { pair, server: number, clients: &clients, id: &id });
            }
        }
    }

    /// Whether one of the findings tells already why a pair's client sends plaintext: a cause is told once.
    pub(in crate::verdict) fn tell_why_plaintext(&self, pair: &Pair) -> bool {
        self.survey.tells_why_plaintext(pair)
    }

    /// Takes in an answer that clients share. Where they stand behind the service port themselves, none is its own server: `own`
    /// is the client that a pod is.
    pub(in crate::verdict) fn add(&mut self, alike: &Alike<'_>, own: &dyn Fn(&str, &str) -> Option<usize>) {
        let pair = alike.pair;
        let whole: BTreeSet<usize> = self.survey.about_server(&pair.server).into_iter().collect();
        for finding in &whole {
            self.note(*finding, alike);
        }
        for (finding, pods) in self.behind(pair) {
            let alone = pods.first().filter(|_| pods.len() == 1);
            let itself = alone.and_then(|(namespace, pod)| own(namespace, pod)).filter(|n| alike.clients.contains(*n));
            if whole.contains(&finding) {
                continue;
            }
            match itself {
                None => self.note(finding, alike),
                Some(client) => {
                    let others = alike.clients.clone().without(&BTreeSet::from([client]));
                    self.note(finding, &Alike { clients: &others, ..*alike });
                }
            }
        }
        self.add_callers(alike, own);
    }

    /// The ids of the findings that concern a pair.
    pub(in crate::verdict) fn ids(&self, pair: &Pair) -> Vec<String> {
        self.survey.concerned(pair).into_iter().filter_map(|finding| self.survey.id(finding)).collect()
    }

    /// Findings about what a client calls concern its pairs alone.
    fn add_callers(&mut self, alike: &Alike<'_>, own: &dyn Fn(&str, &str) -> Option<usize>) {
        let callers: Vec<(usize, Vec<usize>)> = self
            .callers
            .iter()
            .filter(|(client, _)| alike.clients.contains(**client))
            .map(|(client, about)| (*client, about.clone()))
            .collect();
        for (client, about) in callers {
            let clients = Members::These(vec![client]);
            let counted: BTreeSet<usize> = self.counted(alike.pair, client, own);
            for finding in about.into_iter().filter(|finding| !counted.contains(finding)) {
                self.note(finding, &Alike { clients: &clients, ..*alike });
            }
        }
    }

    /// The findings that concern a client's pair already, by what stands behind the service port.
    fn counted(&self, pair: &Pair, client: usize, own: &dyn Fn(&str, &str) -> Option<usize>) -> BTreeSet<usize> {
        let others = |pods: &BTreeSet<(&str, &str)>| pods.iter().any(|(of, pod)| own(of, pod) != Some(client));
        let behind = self.behind(pair).into_iter().filter(|(_, pods)| others(pods)).map(|(finding, _)| finding);
        behind.chain(self.survey.about_server(&pair.server)).collect()
    }

    /// The findings about the pods behind a service port, each with those pods.
    fn behind<'p>(&self, pair: &'p Pair) -> BTreeMap<usize, BTreeSet<(&'p str, &'p str)>> {
        let mut behind: BTreeMap<usize, BTreeSet<(&str, &str)>> = BTreeMap::new();
        for endpoint in &pair.endpoints {
            let Some(pod) = endpoint.pod.as_deref() else { continue };
            for finding in self.survey.about_pod(&endpoint.namespace, Some(pod)) {
                behind.entry(*finding).or_default().insert((&endpoint.namespace, pod));
            }
        }
        behind
    }

    fn note(&mut self, finding: usize, alike: &Alike<'_>) {
        if let Some(pairs) = self.pairs.get_mut(finding)
            && alike.clients.count() > 0
        {
            pairs.add(alike);
        }
    }

    /// The findings; one without pairs is told where its object lives in one of the namespaces, `None` for all.
    pub(in crate::verdict) fn findings(self, namespaces: Option<&BTreeSet<String>>) -> Vec<Finding> {
        self.survey.findings(self.pairs, namespaces)
    }
}
