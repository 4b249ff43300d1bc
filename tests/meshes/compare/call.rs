//! What a request meets: route, endpoints, wire and reason.

use std::collections::BTreeSet;

use kubectl_mtls::intent::{Location, Mesh, ServiceEndpoint};
use kubectl_mtls::model::derivation::Effect;
use kubectl_mtls::model::pair::{Endpoint, Originates, PairIntent, Route};
use kubectl_mtls::model::wire::{Outcome, Sends, Why, Wire};

use crate::meshes::compare::client::{place, server};
use crate::meshes::compare::pod;
use crate::meshes::recorded::{Call, Expected, Pair};
use crate::meshes::tally::Tally;

pub(crate) fn calls(id: &str, expected: &Expected, mesh: &Mesh<'_>, tally: &mut Tally) {
    for pair in &expected.pairs {
        tally.pairs += 1;
        let at = place(id, pair);
        let Some(client) = pod(mesh, id, &pair.client, tally) else { continue };
        let Some(server) = server(mesh, &at, pair, tally) else { continue };
        let ours = match &pair.subset {
            Some(subset) => mesh.pair_to_subset(client, &server, subset),
            None => mesh.pair(client, &server),
        };
        for (app, call) in &pair.calls {
            Meeting::of(pair, app).compare(&format!("{at} {app}"), &ours, call, tally);
        }
        // A route may lead to another cluster; the recording names the rule of the Service's own.
        rule(&at, pair, &mesh.originate(client, &server, pair.subset.as_deref()), tally);
    }
}

/// The rule that istiod names in the cluster is among what the rules name.
fn rule(at: &str, pair: &Pair, ours: &Originates, tally: &mut Tally) {
    let Some(named) = &pair.destination_rule else { return };
    if !pair.visible || pair.cluster.is_none() {
        return;
    }
    let mut layers = ours.layers.iter();
    let named_by_us =
        layers.any(|step| step.policy.kind.as_str() == "DestinationRule" && step.effect != Effect::Ignored);
    tally.checks += 1;
    if !named_by_us {
        tally.differ("rule", at, "no rule among the layers".to_owned(), named.clone());
    }
}

/// What the rules tell of endpoints: they list those of the port's own kind of request, and raw bytes may go elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Everything,
    /// The same addresses by another route: not what is sent there.
    Addresses,
    Nothing,
}

/// One kind of request of a pair.
struct Meeting {
    /// Raw bytes on a port that is sniffed.
    raw: bool,
    told: Told,
    /// Whether the client's proxy has the Service.
    visible: bool,
}

/// Address, pod, mark, what is sent, wire, why.
type Row = (String, Option<String>, Option<bool>, Option<String>, String, Option<String>);

// === impl Meeting ===

impl Meeting {
    fn of(pair: &Pair, app: &str) -> Self {
        let first = pair.calls.values().next();
        // Machines may share an address: one more or less of them is another list.
        let ends = |call: &Call| {
            let mut ends: Vec<String> = call.endpoints.iter().map(|end| end.address.clone()).collect();
            ends.sort();
            ends
        };
        let all = |same: &dyn Fn(&Call, &Call) -> bool| {
            pair.calls.values().all(|other| first.is_some_and(|first| same(first, other)))
        };
        let raw = app == "tcp" && pair.calls.len() > 1;
        let told = match (raw, all(&|one, other| ends(one) == ends(other))) {
            (true, false) => Told::Nothing,
            (true, true) if !all(&|one, other| one.routes() == other.routes()) => Told::Addresses,
            (true | false, _) => Told::Everything,
        };
        Self { raw, told, visible: pair.visible }
    }

    fn compare(&self, at: &str, ours: &PairIntent, recorded: &Call, tally: &mut Tally) {
        let outcome = if self.raw { ours.tcp } else { Some(ours.outcome) };
        tally.same("wire", at, &outcome.map(|outcome| outcome.wire.as_str()), &Some(recorded.wire.as_str()));
        if recorded.why.is_some() {
            tally.same("why", at, &outcome.and_then(why), &recorded.why);
        }
        if self.told == Told::Nothing {
            // Only the outcome can be compared.
        } else if recorded.endpoints.is_empty() {
            let silent = ours.endpoints.iter().all(|endpoint| endpoint.sends.is_none());
            tally.same("silence", at, &silent, &true);
        } else {
            tally.endpoints += recorded.endpoints.len();
            tally.same("endpoints", at, &self.ours(ours), &self.recorded(recorded));
        }
        if !self.raw && self.visible && !recorded.routes().is_empty() {
            tally.same("route", at, &routes(&ours.originates.route), &recorded.routes());
        }
    }

    fn ours(&self, pair: &PairIntent) -> Vec<Row> {
        // The client's own pod is left out: its loopback traffic is not part of the recording's promise.
        let others = pair.endpoints.iter().filter(|endpoint| !endpoint.is_self);
        let row = |endpoint: &Endpoint| {
            let outcome = if self.raw { endpoint.tcp.unwrap_or(endpoint.outcome) } else { endpoint.outcome };
            (
                format!("{}:{}", location(endpoint), endpoint.port),
                endpoint.pod.as_ref().map(|pod| format!("{}/{pod}", endpoint.namespace)),
                endpoint.marked,
                if self.raw { endpoint.tcp_sends } else { endpoint.sends }.map(Sends::as_str).map(str::to_owned),
                outcome.wire.as_str().to_owned(),
                why(outcome),
            )
        };
        self.comparable(others.map(row).collect())
    }

    fn recorded(&self, call: &Call) -> Vec<Row> {
        let rows = call.endpoints.iter().filter(|end| !end.is_self).map(|end| {
            (end.address.clone(), end.pod.clone(), end.marked, end.sends.clone(), end.wire.clone(), end.why.clone())
        });
        self.comparable(rows.collect())
    }

    fn comparable(&self, mut rows: Vec<Row>) -> Vec<Row> {
        if self.told == Told::Addresses {
            for row in &mut rows {
                (row.2, row.3) = (None, None);
            }
        }
        // A service with two addresses is recorded once for each.
        rows.sort();
        rows.dedup();
        if self.raw { joined(rows) } else { rows }
    }
}

/// An endpoint has one word for raw bytes, by however many clusters they get there.
fn joined(rows: Vec<Row>) -> Vec<Row> {
    let mut joined: Vec<Row> = Vec::new();
    for row in rows {
        let Some(held) = joined.last_mut().filter(|held| (&held.0, &held.1) == (&row.0, &row.1)) else {
            joined.push(row);
            continue;
        };
        if held.3 != row.3 {
            held.3 = None;
        }
        if held.4 != row.4 {
            (held.4, held.5) = (Wire::Mixed.as_str().to_owned(), None);
        } else if held.5 != row.5 {
            held.5 = Some(Why::EndpointsDiffer.as_str().to_owned());
        }
    }
    joined
}

/// Reasons are recorded where something is refused, undecided or missing.
fn why(outcome: Outcome) -> Option<String> {
    match outcome.wire {
        Wire::Refused | Wire::Depends | Wire::None => Some(outcome.why.as_str().to_owned()),
        Wire::MutualTls | Wire::Plaintext | Wire::Tls | Wire::Mixed | Wire::Unknown => None,
    }
}

fn routes(route: &Route) -> BTreeSet<&str> {
    match route {
        Route::Direct | Route::Answered => BTreeSet::new(),
        Route::Cluster(name) => BTreeSet::from([name.as_str()]),
        Route::Passthrough => BTreeSet::from(["PassthroughCluster"]),
        Route::BlackHole => BTreeSet::from(["BlackHoleCluster"]),
        Route::Split(names) => names.iter().map(String::as_str).collect(),
    }
}

fn location(endpoint: &Endpoint) -> String {
    endpoint.address.map_or_else(|| endpoint.workload.clone(), |address| address.to_string())
}

/// Which endpoints each client's proxy is told that they take mutual TLS.
pub(crate) fn marks(id: &str, expected: &Expected, mesh: &Mesh<'_>, tally: &mut Tally) {
    for pair in expected.pairs.iter().filter(|pair| pair.visible) {
        let at = place(id, pair);
        let Some(client) = pod(mesh, id, &pair.client, tally) else { continue };
        let Some(server) = server(mesh, &at, pair, tally) else { continue };
        let endpoints = mesh.endpoints(&server);
        let calls = pair.calls.values().filter(|call| call.route == pair.cluster);
        for end in calls.flat_map(|call| &call.endpoints).filter(|end| end.route.is_none()) {
            let Some(marked) = end.marked else { continue };
            let here = |endpoint: &&ServiceEndpoint<'_>| address(endpoint) == end.address;
            let ours = endpoints.iter().filter(here);
            let ours = ours.map(|endpoint| mesh.marked(client, &server, pair.subset.as_deref(), endpoint));
            // A pod and a WorkloadEntry may share an address and differ.
            let ours: Vec<bool> = ours.collect();
            let ours = if ours.contains(&marked) { Some(marked) } else { ours.first().copied() };
            tally.same("mark", &format!("{at} {}", end.address), &ours, &Some(marked));
        }
    }
}

fn address(endpoint: &ServiceEndpoint<'_>) -> String {
    match &endpoint.location {
        Location::Address(address) => format!("{address}:{}", endpoint.port),
        Location::Name(name) => format!("{name}:{}", endpoint.port),
        Location::Pod => format!("{}:{}", endpoint.workload, endpoint.port),
    }
}
