//! Random meshes, answered by Istio's own control-plane code (format: `tests/vectors/README.md`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use kubectl_mtls::decode::Assume;
use kubectl_mtls::intent::{Location, Mesh, ServiceEndpoint};
use kubectl_mtls::model::derivation::Effect;
use kubectl_mtls::model::filter_chain::handle;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::meta::Meta;
use kubectl_mtls::model::pair::{AcceptMode, Endpoint, OriginMode, Originates, PairIntent, Route, ServerRef};
use kubectl_mtls::model::port::{ServicePort, WorkloadPort};
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::tls::{ClientCertificate, ServerValidation, UpstreamTls};
use kubectl_mtls::model::wire::{Arrival, Outcome, Sends, Wire};
use kubectl_mtls::model::workload::Pod;
use serde::Deserialize;

use crate::intent::support::{handling, recorded};

#[derive(Deserialize)]
struct Recorded {
    id: String,
    mesh: String,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    servers: Vec<Server>,
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    pod: String,
    sidecar: bool,
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Port {
    #[serde(rename = "port")]
    number: u16,
    mode: String,
    accepts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    client: String,
    service: String,
    host: String,
    port: u16,
    subset: Option<String>,
    visible: bool,
    cluster: Option<String>,
    cluster_type: Option<String>,
    destination_rule: Option<String>,
    originates: Option<Sent>,
    calls: BTreeMap<String, Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    kind: String,
    sni: Option<String>,
    #[serde(default)]
    subject_alt_names: Vec<String>,
    #[serde(default)]
    alpn: Vec<String>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    ca: String,
    #[serde(default)]
    alpn_override_off: bool,
}

#[derive(Deserialize)]
struct Call {
    route: Option<String>,
    why: Option<String>,
    wire: String,
    endpoints: Vec<End>,
}

#[derive(Deserialize)]
struct End {
    address: String,
    pod: Option<String>,
    marked: Option<bool>,
    sends: Option<String>,
    wire: String,
    why: Option<String>,
    #[serde(default, rename = "self")]
    is_self: bool,
}

/// What was compared, and what differed.
#[derive(Default)]
struct Tally {
    checks: usize,
    differences: Vec<String>,
}

impl Tally {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: impl FnOnce() -> String, ours: &T, recorded: &T) {
        self.checks += 1;
        if ours != recorded {
            self.differences.push(format!("{}: ours {ours:?}, istiod {recorded:?}", what()));
        }
    }

    fn finish(self, least: usize) {
        let shown = self.differences.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.differences.is_empty(), "{} of {} checks differ:\n{shown}", self.differences.len(), self.checks);
        assert!(self.checks >= least, "only {} checks were made", self.checks);
    }
}

/// The recordings, read once for all tests.
static CASES: LazyLock<Vec<(Recorded, Snapshot)>> = LazyLock::new(|| {
    let assume = Assume { istio_version: Some(IstioVersion::NEWEST), ..Assume::default() };
    let read = |line| {
        let case: Recorded = serde_json::from_str(line).unwrap();
        let snapshot = recorded(&case.mesh, &assume);
        (case, snapshot)
    };
    let files = [include_str!("../vectors/istiod-meshes.jsonl"), include_str!("../vectors/istiod-entries.jsonl")];
    files.into_iter().flat_map(str::lines).map(read).collect()
});

fn each(mut check: impl FnMut(&Recorded, &Mesh<'_>)) {
    for (case, snapshot) in CASES.iter() {
        check(case, &Mesh::new(snapshot));
    }
}

fn pod<'s>(mesh: &Mesh<'s>, key: &str) -> &'s Pod {
    let found = mesh.snapshot().pods.iter().find(|pod| pod.meta.key() == key);
    found.unwrap_or_else(|| panic!("no pod {key}"))
}

const ARRIVALS: [(&str, Arrival); 7] = [
    ("plaintext-http", Arrival::PlaintextHttp),
    ("plaintext-tcp", Arrival::PlaintextTcp),
    ("mutual-tls-http", Arrival::MutualTlsHttp),
    ("mutual-tls-tcp", Arrival::MutualTlsTcp),
    ("tls", Arrival::Tls),
    ("tls-no-alpn", Arrival::TlsNoAlpn),
    ("tls-client-cert", Arrival::TlsClientCert),
];

#[test]
fn every_server_port_accepts_what_istiod_programs() {
    let mut tally = Tally::default();
    each(|case, mesh| {
        for server in case.expected.servers.iter().filter(|server| server.sidecar) {
            let pod = pod(mesh, &server.pod);
            let chains = mesh.inbound_chains(pod);
            for port in &server.ports {
                let number = WorkloadPort(if port.number == 0 { 64999 } else { port.number });
                let at = |what: &str| format!("{} {} port {} {what}", case.id, server.pod, port.number);
                let mode = match mesh.inbound(pod, number).mode {
                    AcceptMode::Strict => "STRICT",
                    AcceptMode::Permissive => "PERMISSIVE",
                    AcceptMode::Disable => "DISABLE",
                    AcceptMode::NoProxy => "NO_PROXY",
                };
                tally.same(|| at("mode"), &mode, &port.mode.as_str());
                for (name, arrival) in ARRIVALS {
                    let ours = handling(handle(&chains, number, arrival));
                    tally.same(|| at(name), &ours, &port.accepts[name]);
                }
            }
        }
    });
    tally.finish(15_000);
}

fn server(mesh: &Mesh<'_>, pair: &Pair) -> ServerRef {
    let found = mesh.servers().into_iter().find(|server| {
        format!("{}/{}", server.namespace, server.service) == pair.service
            && server.host == pair.host
            && server.port == ServicePort(pair.port)
    });
    found.unwrap_or_else(|| panic!("no server {} {}", pair.service, pair.port))
}

fn describe(originates: &Originates) -> (String, Option<&UpstreamTls>) {
    let tls = originates.tls.as_ref();
    let kind = match (originates.mode, tls, originates.original_dst) {
        (_, None, _) => "plaintext",
        (OriginMode::Auto, Some(_), false) => "auto",
        (_, Some(tls), _) => match tls.certificate {
            ClientCertificate::None => "tls",
            ClientCertificate::Workload => "mutual-tls",
            ClientCertificate::Files { .. } | ClientCertificate::Secret(_) => "tls-client-cert",
        },
    };
    (kind.to_owned(), tls)
}

#[test]
fn every_client_originates_what_istiod_programs() {
    let mut tally = Tally::default();
    each(|case, mesh| {
        for pair in &case.expected.pairs {
            let Some(sent) = pair.originates.as_ref().filter(|_| pair.visible) else { continue };
            let server = server(mesh, pair);
            let ours = mesh.originate(pod(mesh, &pair.client), &server, pair.subset.as_deref());
            let at = |what: &str| {
                format!("{} {} -> {} {:?} {what}", case.id, pair.client, server.display_name(), pair.subset)
            };
            let (kind, tls) = describe(&ours);
            tally.same(|| at("kind"), &kind, &sent.kind);
            tally.same(
                || at("original_dst"),
                &ours.original_dst,
                &(pair.cluster_type.as_deref() == Some("ORIGINAL_DST")),
            );
            let empty = Vec::new();
            tally.same(|| at("sni"), &tls.and_then(|tls| tls.sni.clone()), &sent.sni);
            tally.same(|| at("names"), tls.map_or(&empty, |tls| &tls.subject_alt_names), &sent.subject_alt_names);
            tally.same(|| at("alpn"), tls.map_or(&empty, |tls| &tls.alpn), &sent.alpn);
            let certificates: Vec<String> = match tls.map(|tls| &tls.certificate) {
                None | Some(ClientCertificate::None) => Vec::new(),
                Some(ClientCertificate::Workload) => vec!["default".to_owned()],
                Some(ClientCertificate::Files { certificate, key }) => vec![format!("file-cert:{certificate}~{key}")],
                Some(ClientCertificate::Secret(name)) => vec![format!("kubernetes://{name}")],
            };
            tally.same(|| at("certificates"), &certificates, &sent.certificates);
            let ca = match tls.map(|tls| &tls.validation) {
                None | Some(ServerValidation::Skip) => String::new(),
                Some(ServerValidation::MeshRoot) => "ROOTCA".to_owned(),
                Some(ServerValidation::System) => "file-root:system".to_owned(),
                Some(ServerValidation::File(path)) => format!("file-root:{path}"),
                Some(ServerValidation::Secret(name)) => format!("kubernetes://{name}-cacert"),
            };
            tally.same(|| at("ca"), &ca, &sent.ca);
            tally.same(
                || at("alpn override off"),
                &tls.is_some_and(|tls| !tls.alpn_override),
                &(sent.alpn_override_off && tls.is_some()),
            );
        }
    });
    tally.finish(10_000);
}

fn wire_word(outcome: Outcome) -> &'static str {
    outcome.wire.as_str()
}

/// Reasons are recorded where something is refused, undecided or missing.
fn why_word(outcome: Outcome) -> Option<String> {
    match outcome.wire {
        Wire::Refused | Wire::Depends | Wire::None => Some(outcome.why.as_str().to_owned()),
        Wire::MutualTls | Wire::Plaintext | Wire::Tls | Wire::Mixed | Wire::Unknown => None,
    }
}

fn route_word(route: &Route) -> Option<String> {
    match route {
        Route::Direct => None,
        Route::Cluster(name) => Some(name.clone()),
        Route::Passthrough => Some("PassthroughCluster".to_owned()),
        Route::BlackHole => Some("BlackHoleCluster".to_owned()),
    }
}

fn location(endpoint: &Endpoint) -> String {
    endpoint.address.map_or_else(|| endpoint.workload.clone(), |address| address.to_string())
}

/// Address, whether it is the client itself, pod, mark, what is sent, wire, why.
type Row = (String, bool, Option<String>, Option<bool>, Option<&'static str>, String, Option<String>);

fn compare_call(
    tally: &mut Tally,
    at: &str,
    (raw, same_route): (bool, bool),
    ours: &(Outcome, &[Endpoint]),
    recorded: &Call,
) {
    let (outcome, endpoints) = ours;
    tally.same(|| format!("{at} wire"), &wire_word(*outcome), &recorded.wire.as_str());
    if recorded.why.is_some() {
        tally.same(|| format!("{at} why"), &why_word(*outcome), &recorded.why);
    }
    if recorded.endpoints.is_empty() {
        let silent = endpoints.iter().all(|endpoint| endpoint.sends.is_none());
        tally.same(|| format!("{at} sends nothing"), &silent, &true);
        return;
    }
    let mut mine: Vec<Row> = endpoints
        .iter()
        .map(|endpoint| {
            let outcome = if raw { endpoint.tcp.unwrap_or(endpoint.outcome) } else { endpoint.outcome };
            (
                format!("{}:{}", location(endpoint), endpoint.port),
                endpoint.is_self,
                endpoint.pod.as_ref().map(|pod| format!("{}/{pod}", endpoint.namespace)),
                endpoint.marked,
                endpoint.sends.map(Sends::as_str),
                wire_word(outcome).to_owned(),
                why_word(outcome),
            )
        })
        .collect();
    let mut theirs: Vec<Row> = recorded
        .endpoints
        .iter()
        .map(|end| {
            let sends = end.sends.as_deref().map(|word| match word {
                "mutual-tls" => "mutual-tls",
                "plaintext" => "plaintext",
                "tls" => "tls",
                "tls-client-cert" => "tls-client-cert",
                other => panic!("unknown word {other}"),
            });
            (end.address.clone(), end.is_self, end.pod.clone(), end.marked, sends, end.wire.clone(), end.why.clone())
        })
        .collect();
    // An endpoint tells what is sent for the port's own kind of request only; raw bytes may take another route.
    if raw && !same_route {
        for row in mine.iter_mut().chain(&mut theirs) {
            (row.3, row.4) = (None, None);
        }
    }
    // The client's own pod is left out of comparisons: its loopback traffic is not part of the recording's promise.
    mine.retain(|row| !row.1);
    theirs.retain(|row| !row.1);
    // A service with two addresses is recorded once for each.
    for rows in [&mut mine, &mut theirs] {
        rows.sort();
        rows.dedup();
    }
    tally.same(|| format!("{at} endpoints"), &mine, &theirs);
}

#[test]
fn every_pair_meets_what_istiod_programs() {
    let mut tally = Tally::default();
    each(|case, mesh| {
        for pair in &case.expected.pairs {
            let server = server(mesh, pair);
            let client = pod(mesh, &pair.client);
            let ours = match &pair.subset {
                Some(subset) => mesh.pair_to_subset(client, &server, subset),
                None => mesh.pair(client, &server),
            };
            let at = format!("{} {} -> {} {:?}", case.id, pair.client, server.display_name(), pair.subset);
            for (app, call) in &pair.calls {
                let raw = app == "tcp" && pair.calls.len() > 1;
                let outcome = if raw { ours.tcp.unwrap() } else { ours.outcome };
                let same_route = pair.calls.values().all(|other| other.route == call.route);
                compare_call(
                    &mut tally,
                    &format!("{at} {app}"),
                    (raw, same_route),
                    &(outcome, ours.endpoints.as_slice()),
                    call,
                );
                if !raw && pair.visible && call.route.is_some() {
                    tally.same(|| format!("{at} {app} route"), &route_word(&ours.originates.route), &call.route);
                }
            }
            let rule = ours
                .originates
                .layers
                .iter()
                .find(|step| step.policy.kind.as_str() == "DestinationRule" && step.effect != Effect::Ignored);
            if let (Some(recorded), true) = (&pair.destination_rule, pair.visible && pair.cluster.is_some()) {
                tally.checks += 1;
                if rule.is_none() {
                    tally.differences.push(format!("{at}: no rule among the layers, istiod names {recorded}"));
                }
            }
        }
    });
    tally.finish(10_500);
}

#[test]
fn every_endpoint_is_marked_as_istiod_marks_it() {
    let mut tally = Tally::default();
    each(|case, mesh| {
        for pair in case.expected.pairs.iter().filter(|pair| pair.visible) {
            let server = server(mesh, pair);
            let client = pod(mesh, &pair.client);
            let endpoints = mesh.endpoints(&server);
            for call in pair.calls.values().filter(|call| call.route == pair.cluster) {
                for end in &call.endpoints {
                    let Some(marked) = end.marked else { continue };
                    let here = |endpoint: &&ServiceEndpoint<'_>| place(endpoint) == end.address;
                    let endpoint = endpoints.iter().find(here);
                    let endpoint =
                        endpoint.unwrap_or_else(|| panic!("{} {}: no endpoint {}", case.id, pair.service, end.address));
                    let ours = mesh.marked(client, &server, pair.subset.as_deref(), endpoint);
                    let at =
                        || format!("{} {} -> {} {:?} {}", case.id, pair.client, pair.service, pair.subset, end.address);
                    tally.same(at, &ours, &marked);
                }
            }
        }
    });
    tally.finish(2_000);
}

fn place(endpoint: &ServiceEndpoint<'_>) -> String {
    match &endpoint.location {
        Location::Address(address) => format!("{address}:{}", endpoint.port),
        Location::Name(name) => format!("{name}:{}", endpoint.port),
        Location::Pod => format!("{}:{}", endpoint.workload, endpoint.port),
    }
}

#[test]
fn the_order_of_the_objects_changes_nothing() {
    let mut pairs = 0;
    for (case, snapshot) in CASES.iter().step_by(3) {
        let mut turned = snapshot.clone();
        turned.pods.reverse();
        turned.services.reverse();
        turned.service_entries.reverse();
        turned.workload_entries.reverse();
        turned.peer_authentications.reverse();
        turned.destination_rules.reverse();
        turned.sidecars.reverse();
        let (one, other) = (Mesh::new(snapshot), Mesh::new(&turned));
        assert_eq!(one.servers(), other.servers(), "{}", case.id);
        for client in &case.expected.servers {
            for server in one.servers() {
                let (a, b) = (one.pair(pod(&one, &client.pod), &server), other.pair(pod(&other, &client.pod), &server));
                let short = |pair: PairIntent| (pair.outcome, pair.tcp, pair.conflict, pair.originates, pair.symptom);
                assert_eq!(short(a), short(b), "{} {} -> {}", case.id, client.pod, server.display_name());
                pairs += 1;
            }
        }
    }
    assert!(pairs > 1_000, "only {pairs} pairs");
}

#[test]
fn a_policy_that_is_said_to_be_ignored_can_be_taken_away() {
    let (mut asked, mut wrong) = (0, Vec::new());
    for (case, snapshot) in CASES.iter() {
        let mesh = Mesh::new(snapshot);
        for client in &case.expected.servers {
            for server in mesh.servers() {
                let pair = mesh.pair(pod(&mesh, &client.pod), &server);
                let ignored = ignored(&pair);
                if ignored.is_empty() {
                    continue;
                }
                asked += 1;
                let kept =
                    |kind: &str, meta: &Meta| !ignored.contains(&format!("{kind}/{}.{}", meta.name, meta.namespace));
                let mut less = snapshot.clone();
                less.peer_authentications.retain(|policy| kept("pa", &policy.meta));
                less.destination_rules.retain(|rule| kept("dr", &rule.meta));
                let other = Mesh::new(&less);
                let again = other.pair(pod(&other, &client.pod), &server);
                if (pair.outcome, pair.tcp) != (again.outcome, again.tcp) {
                    wrong.push(format!("{} {} -> {}: {ignored:?}", case.id, client.pod, server.display_name()));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {asked} pairs change without what they ignore:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(asked >= 1_000, "only {asked} pairs ignore anything");
}

/// Policies that are among an answer's layers and matter at none.
fn ignored(pair: &PairIntent) -> BTreeSet<String> {
    let steps = || pair.endpoints.iter().flat_map(|end| &end.accepts.layers).chain(&pair.originates.layers);
    let named = |wanted: bool| {
        let of = steps().filter(move |step| (step.effect == Effect::Ignored) == wanted);
        of.map(|step| step.policy.short()).collect::<BTreeSet<_>>()
    };
    named(true).difference(&named(false)).cloned().collect()
}
