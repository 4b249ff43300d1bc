//! What the rules say before and after a change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::audit::change::Change;
use crate::intent::Mesh;
use crate::model::filter_chain::{FilterChain, TransportMatch};
use crate::model::pair::{Endpoint, PairIntent, ServerRef};
use crate::model::port::WorkloadPort;
use crate::model::snapshot::Snapshot;
use crate::model::wire::{Sends, Wire};
use crate::model::workload::{Pod, ProxyKind};

/// How a pair fares: its wire, and whether some of several endpoints refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fares {
    /// The wire.
    pub wire: Wire,
    /// The endpoints differ, and one of them refuses.
    pub partly_refused: bool,
}

/// What a change does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consequence {
    /// How many pairs go from what to what; the text is what curl shows before.
    pub moves: BTreeMap<(Fares, Option<String>, Fares), usize>,
    /// Pairs that fare worse: refused, or less protected than before.
    pub worse: usize,
    /// Ports of workloads that take plaintext and did not.
    pub weakened: usize,
    /// Pairs of the finding that are still refused.
    pub still_refused: usize,
    /// Pairs of the finding that fare better.
    pub better: usize,
    /// Pairs that were looked at.
    pub pairs: usize,
}

/// A pair: places of the client among the pods and of the server among the servers.
pub(super) type Asked = (usize, usize);

/// A mesh, the pairs that are asked, and what the rules say of them.
#[derive(Debug)]
pub(super) struct Before<'q> {
    pub(super) servers: &'q [ServerRef],
    /// Pairs in order, and whether each is one of the finding's.
    pub(super) asked: &'q [(Asked, bool)],
    answers: Vec<Arc<PairIntent>>,
    open: Vec<BTreeSet<WorkloadPort>>,
}

// === impl Before ===

impl<'q> Before<'q> {
    pub(super) fn new(mesh: &Mesh<'_>, servers: &'q [ServerRef], asked: &'q [(Asked, bool)]) -> Self {
        Self { servers, asked, answers: answers(mesh, servers, asked), open: Vec::new() }
    }

    /// The same for another finding about the same mesh.
    pub(super) fn open(mut self, mesh: &Mesh<'_>, ports: &[BTreeSet<WorkloadPort>]) -> Self {
        self.open = open_ports(mesh, ports);
        self
    }

    /// Makes the change, asks again, and takes the change back.
    pub(super) fn after(
        &self,
        change: &Change,
        snapshot: &mut Snapshot,
        ports: &[BTreeSet<WorkloadPort>],
    ) -> Option<Consequence> {
        let kept = (snapshot.peer_authentications.clone(), snapshot.destination_rules.clone());
        let made = change.make(snapshot);
        let consequence = made.map(|()| {
            let mesh = Mesh::new(snapshot);
            let mut consequence = self.compare(&answers(&mesh, self.servers, self.asked));
            consequence.weakened = opened(&self.open, &open_ports(&mesh, ports));
            consequence
        });
        (snapshot.peer_authentications, snapshot.destination_rules) = kept;
        consequence
    }

    fn compare(&self, after: &[Arc<PairIntent>]) -> Consequence {
        let mut consequence = Consequence { pairs: self.asked.len(), ..Consequence::default() };
        for ((was, is), (_, concerned)) in self.answers.iter().zip(after).zip(self.asked) {
            let (from, to) = (Fares::of(was), Fares::of(is));
            if from != to {
                *consequence.moves.entry((from, shown(was), to)).or_default() += 1;
            }
            consequence.worse += usize::from(is_worse(was, is));
            consequence.better += usize::from(*concerned && to.rank() > from.rank());
            consequence.still_refused += usize::from(*concerned && to.rank() == 0);
        }
        consequence
    }
}

fn answers(mesh: &Mesh<'_>, servers: &[ServerRef], asked: &[(Asked, bool)]) -> Vec<Arc<PairIntent>> {
    let pods = &mesh.snapshot().pods;
    asked
        .iter()
        .filter_map(|((client, server), _)| Some(mesh.pair_shared(pods.get(*client)?, servers.get(*server)?)))
        .collect()
}

/// What curl shows where something is refused.
fn shown(pair: &PairIntent) -> Option<String> {
    let code = pair.symptom.as_ref().and_then(|symptom| symptom.http.first());
    code.filter(|code| pair.outcome.wire == Wire::Refused && *code != "000").cloned()
}

fn is_worse(was: &PairIntent, is: &PairIntent) -> bool {
    let place = |end: &Endpoint| (end.namespace.clone(), end.pod.clone(), end.workload.clone(), end.address, end.port);
    let lost = |was: Wire, is: Wire| works(was) && !works(is);
    let at_an_end = was.endpoints.iter().filter(|end| !end.is_self).any(|before| {
        let same = is.endpoints.iter().find(|after| place(after) == place(before));
        same.is_some_and(|after| {
            let weaker = works(before.outcome.wire) && protection(after.sends) < protection(before.sends);
            let raw = before.tcp.zip(after.tcp).is_some_and(|(before, after)| lost(before.wire, after.wire));
            lost(before.outcome.wire, after.outcome.wire) || weaker || raw
        })
    });
    at_an_end || lost(was.outcome.wire, is.outcome.wire)
}

fn works(wire: Wire) -> bool {
    match wire {
        Wire::MutualTls | Wire::Plaintext | Wire::Tls | Wire::Mixed | Wire::Depends => true,
        Wire::Refused | Wire::None | Wire::Unknown => false,
    }
}

fn protection(sends: Option<Sends>) -> u8 {
    match sends {
        None | Some(Sends::Plaintext) => 0,
        Some(Sends::Tls) => 1,
        Some(Sends::TlsClientCert) => 2,
        Some(Sends::MutualTls) => 3,
    }
}

/// For each pod with a sidecar the ports that anybody asks about.
pub(super) fn ports_of(mesh: &Mesh<'_>) -> Vec<BTreeSet<WorkloadPort>> {
    let named = |pod: &Pod| {
        let chains =
            mesh.snapshot().peer_authentications.iter().filter(|policy| policy.meta.namespace == pod.namespace());
        chains.flat_map(|policy| policy.ports.keys().copied()).collect::<BTreeSet<_>>()
    };
    let mut ports: Vec<BTreeSet<WorkloadPort>> = Vec::new();
    for pod in &mesh.snapshot().pods {
        let mut own = BTreeSet::new();
        if pod.proxy == ProxyKind::Sidecar {
            own = named(pod);
            own.extend(mesh.inbound_chains(pod).iter().filter_map(|chain| chain.port));
            // Stands for every port that nobody names.
            own.insert(WorkloadPort(0));
        }
        ports.push(own);
    }
    ports
}

/// Those of them that take plaintext.
fn open_ports(mesh: &Mesh<'_>, ports: &[BTreeSet<WorkloadPort>]) -> Vec<BTreeSet<WorkloadPort>> {
    let pods = mesh.snapshot().pods.iter();
    pods.zip(ports)
        .map(|(pod, ports)| {
            if ports.is_empty() {
                return BTreeSet::new();
            }
            let chains = mesh.inbound_chains(pod);
            ports.iter().copied().filter(|port| takes_plaintext(&chains, *port)).collect()
        })
        .collect()
}

/// Envoy looks at chains without a port only where none names it.
fn takes_plaintext(chains: &[FilterChain], port: WorkloadPort) -> bool {
    let named = chains.iter().any(|chain| chain.port == Some(port));
    let wanted = named.then_some(port);
    chains.iter().any(|chain| chain.port == wanted && chain.transport == TransportMatch::RawBuffer)
}

fn opened(before: &[BTreeSet<WorkloadPort>], after: &[BTreeSet<WorkloadPort>]) -> usize {
    before.iter().zip(after).map(|(was, is)| is.difference(was).count()).sum()
}

// === impl Fares ===

impl Fares {
    /// How a pair fares.
    #[must_use]
    pub fn of(pair: &PairIntent) -> Self {
        let refuses = pair.endpoints.iter().any(|end| !end.is_self && end.outcome.wire == Wire::Refused);
        Self { wire: pair.outcome.wire, partly_refused: refuses && pair.outcome.wire == Wire::Mixed }
    }

    /// Whether one is better than another.
    fn rank(self) -> u8 {
        match (self.wire, self.partly_refused) {
            (Wire::Refused | Wire::Unknown | Wire::None, _) => 0,
            (Wire::Mixed, true) => 0,
            (Wire::Plaintext | Wire::Depends, _) => 1,
            (Wire::Tls | Wire::Mixed, _) => 2,
            (Wire::MutualTls, _) => 3,
        }
    }

    /// The word of tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        if self.partly_refused { "partly-refused" } else { self.wire.as_str() }
    }
}
