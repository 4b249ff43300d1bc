//! From answers to findings: one finding per cause, with every pair it concerns.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::intent::{Numbers, Union};
use crate::model::derivation::{PolicyKind, PolicyRef};
use crate::model::wire::{Why, Wire};
use crate::model::workload::ProxyKind;
use crate::verdict::concerned::{Alike, At, Concerned};
use crate::verdict::finding::Code;
use crate::verdict::policies::Concerns;
use crate::verdict::report::{EndpointView, Finding, ObservedView, OneOrMany, Pair};

/// Causes as they are found, answer by answer.
#[derive(Debug)]
pub(super) struct Causes {
    by_id: BTreeMap<String, Cause>,
    /// How many ids of pairs a finding names; it counts them all.
    named: usize,
}

/// A cause and the pairs it concerns, before it is put into words. What is first in the report's order goes before the rest.
#[derive(Debug)]
struct Cause {
    code: Code,
    objects: Vec<((At, usize), PolicyRef)>,
    pairs: Concerned,
    clients: Union,
    servers: HashMap<String, At>,
    /// What callers get.
    codes: BTreeSet<String>,
    /// What the first pair tells.
    first: Option<(At, String)>,
}

/// How many names are spelled out.
const SPELLED: usize = 3;

// === impl Causes ===

impl Causes {
    /// None yet; each finding names at most so many pairs.
    pub(super) fn naming(named: usize) -> Self {
        Self { by_id: BTreeMap::new(), named }
    }

    /// Takes in an answer; the ids of the causes that concern its pairs, those aside that a finding about a policy tells.
    pub(super) fn add(&mut self, alike: &Alike<'_>, policies: &Concerns<'_>) -> Vec<String> {
        let mut ids = Vec::new();
        for (code, key, objects) in concerns(alike.pair) {
            if code == Code::Downgrade && policies.tell_why_plaintext(alike.pair) {
                continue;
            }
            let id = format!("{}/{key}", code.code());
            let cause = self.by_id.entry(id.clone()).or_insert_with(|| Cause::of(code, self.named));
            cause.add(objects, alike);
            ids.push(id);
        }
        ids
    }

    /// The findings, by id. `names` are those of the clients by number.
    pub(super) fn findings(self, names: &[String]) -> Vec<Finding> {
        let names = Names::of(names);
        self.by_id.into_iter().map(|(id, cause)| cause.put_into_words(id, &names)).collect()
    }
}

/// What is worth telling about a pair: code, key of the cause, the objects that cause it.
fn concerns(pair: &Pair) -> Vec<(Code, String, Vec<PolicyRef>)> {
    let mut found = Vec::new();
    if pair.gaps.iter().any(|gap| gap.at == "unproven") {
        found.push((Code::WireDisagreesWithPolicy, server_key(pair), vec![pair.decided_by.clone()]));
    }
    if pair.conflict {
        let objects = pair.responsible.clone();
        found.push((Code::ClientAndServerContradict, cause_key(&objects, pair), objects));
        return found;
    }
    let no_server_proxy = counted(pair).any(|endpoint| endpoint.proxy == ProxyKind::None);
    let both = pair.client.proxy.is_envoy() && counted(pair).all(|endpoint| endpoint.proxy.is_envoy());
    match (pair.intent.wire, pair.client.proxy) {
        (Wire::Refused, ProxyKind::None) if !nothing_listens(pair) => {
            let objects = pair.responsible.clone();
            found.push((Code::StrictRefusesNoSidecar, cause_key(&objects, pair), objects));
        }
        (Wire::Refused | Wire::Mixed, _)
            if no_server_proxy && pair.originates.decided_by.kind == PolicyKind::DestinationRule =>
        {
            let objects = vec![pair.originates.decided_by.clone()];
            found.push((Code::TlsToNoSidecar, cause_key(&objects, pair), objects));
        }
        (Wire::Refused, _) => found.push((Code::Refused, server_key(pair), vec![pair.decided_by.clone()])),
        (Wire::Plaintext | Wire::Mixed, _) if no_server_proxy => {
            found.push((Code::PlaintextToNoSidecar, server_key(pair), Vec::new()));
        }
        (Wire::Plaintext, _) if both && pair.decided_by.is_object() => {
            let objects = vec![pair.decided_by.clone()];
            found.push((Code::Downgrade, cause_key(&objects, pair), objects));
        }
        (Wire::Tls | Wire::Depends | Wire::Mixed, _) if both && is_own_tls(pair) => {
            let objects = vec![pair.originates.decided_by.clone()];
            found.push((Code::OwnTlsToSidecar, cause_key(&objects, pair), objects));
        }
        (
            Wire::MutualTls | Wire::Plaintext | Wire::Tls | Wire::Mixed | Wire::Depends | Wire::None | Wire::Unknown,
            _,
        ) => {}
    }
    found
}

/// Whether the Service's port is none of the application's: no policy refuses anybody then.
fn nothing_listens(pair: &Pair) -> bool {
    counted(pair).any(|endpoint| endpoint.intent.why == Why::NothingListens)
}

/// Whether a rule makes the client send TLS of its own that a sidecar hands on, or takes for Istio's if the certificate fits.
fn is_own_tls(pair: &Pair) -> bool {
    let met = |endpoint: &EndpointView| {
        (endpoint.intent.wire, endpoint.intent.why) == (Wire::Tls, Why::PassedToApplication)
            || endpoint.intent.why == Why::ClientCertificateOrigin
    };
    pair.originates.decided_by.kind == PolicyKind::DestinationRule && counted(pair).any(met)
}

// === impl Cause ===

impl Cause {
    fn of(code: Code, named: usize) -> Self {
        Self {
            code,
            objects: Vec::new(),
            pairs: Concerned::naming(named),
            clients: Union::default(),
            servers: HashMap::new(),
            codes: BTreeSet::new(),
            first: None,
        }
    }

    fn add(&mut self, objects: Vec<PolicyRef>, alike: &Alike<'_>) {
        let at = alike.at();
        for (place, object) in objects.into_iter().enumerate() {
            let at = (at, place);
            match self.objects.iter_mut().find(|(_, known)| known.same_object(&object)) {
                Some(known) if at < known.0 => *known = (at, object),
                Some(_) => {}
                None => self.objects.push((at, object)),
            }
        }
        if self.first.as_ref().is_none_or(|(first, _)| at < *first) {
            self.first = Some((at, told_by(self.code, alike.pair)));
        }
        let place = self.servers.entry(server_name(alike.pair)).or_insert(at);
        *place = at.min(*place);
        self.pairs.add(alike);
        // Others are told by their servers: a set for each of them would be most of a large report.
        if self.code == Code::StrictRefusesNoSidecar {
            self.clients.add(alike.clients);
        }
        self.codes.extend(code_of(alike.pair));
    }

    fn put_into_words(mut self, id: String, clients: &Names<'_>) -> Finding {
        self.objects.sort_by_key(|(at, _)| *at);
        let count = self.pairs.count();
        let pairs = if count == 1 { "1 pair".to_owned() } else { format!("{count} pairs") };
        let names = self.objects.iter().map(|(_, object)| object.short()).collect::<Vec<_>>().join(", ");
        let (first, servers) = (self.first.as_ref().map_or("", |(_, text)| text), self.servers());
        let title = match self.code {
            Code::ClientAndServerContradict => format!("{first}: {pairs} {}", self.symptom()),
            Code::Downgrade => format!("{names} makes it plaintext where both ends have a sidecar: {pairs}"),
            Code::TlsToNoSidecar => {
                format!("{names} makes clients send TLS to pods without sidecar: {pairs} {}", self.symptom())
            }
            Code::StrictRefusesNoSidecar => {
                let refuse = if self.objects.len() == 1 { "refuses" } else { "refuse" };
                format!("{names} {refuse} {} (no sidecar): STRICT as written", self.callers(clients))
            }
            Code::PlaintextToNoSidecar => format!("no sidecar at {servers}: {pairs} in plaintext"),
            Code::Refused => format!("{servers} refused: {first}"),
            Code::OwnTlsToSidecar => {
                format!("{names} makes clients send TLS that is not the mesh's to pods with a sidecar: {pairs}, {first}")
            }
            // Told object by object.
            Code::Policy(_)
            // Told proxy by proxy.
            | Code::ClientNotGiven
            | Code::ServerNotGiven
            | Code::ProxiesBypassed
            | Code::StrictNotEnforced
            | Code::UpdateRejected
            | Code::CertificateInvalid
            | Code::RootsDiffer
            | Code::SecretsMissing
            | Code::NotWrittenByIstio => names,
            Code::WireDisagreesWithPolicy => format!("{servers}: {first} ({pairs})"),
        };
        Finding {
            id,
            code: self.code.code(),
            severity: self.code.severity(),
            title,
            pair_count: count,
            pairs: self.pairs.ids(),
            objects: self.objects.into_iter().map(|(_, object)| object).collect(),
            fixes: Vec::new(),
        }
    }

    /// What callers get: `get 503`, `are refused`.
    fn symptom(&self) -> String {
        let one = self.pairs.count() == 1;
        match self.codes.iter().collect::<Vec<_>>().as_slice() {
            [code] if *code != "000" => format!("{} {code}", if one { "gets" } else { "get" }),
            _ => if one { "is refused" } else { "are refused" }.to_owned(),
        }
    }

    fn callers(&self, names: &Names<'_>) -> String {
        let mut seen = Numbers::default();
        let mut callers = Vec::new();
        for (name, text) in self.clients.clone().numbers().iter().filter_map(|number| names.0.get(number)) {
            if seen.insert(*name) {
                callers.push(*text);
            }
        }
        spelled(&callers)
    }

    fn servers(&self) -> String {
        let mut servers: Vec<(&At, &String)> = self.servers.iter().map(|(name, at)| (at, name)).collect();
        servers.sort();
        spelled(&servers.into_iter().map(|(_, name)| name).collect::<Vec<_>>())
    }
}

/// The names of clients by number, each with the number of the first client that has it: pods of a workload share one.
struct Names<'n>(Vec<(usize, &'n String)>);

impl<'n> Names<'n> {
    fn of(names: &'n [String]) -> Self {
        let mut first: HashMap<&String, usize> = HashMap::new();
        Self(names.iter().enumerate().map(|(number, name)| (*first.entry(name).or_insert(number), name)).collect())
    }
}

/// The first three names spelled out.
fn spelled(names: &[&String]) -> String {
    let listed = names.iter().take(SPELLED).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SPELLED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// What a finding says of its first pair.
fn told_by(code: Code, pair: &Pair) -> String {
    match code {
        Code::ClientAndServerContradict => contradiction(pair),
        Code::Refused => pair.intent.because.clone(),
        Code::OwnTlsToSidecar if pair.intent.wire == Wire::Depends => {
            "taken with a certificate of the mesh alone".to_owned()
        }
        Code::OwnTlsToSidecar => "passed on to an application that has to speak TLS itself".to_owned(),
        Code::WireDisagreesWithPolicy => pair.gaps.first().map(|gap| gap.what.clone()).unwrap_or_default(),
        _ => String::new(),
    }
}

/// `dr/httpbin.bar DISABLE against pa/httpbin.bar STRICT`.
fn contradiction(pair: &Pair) -> String {
    let server = counted(pair).find(|endpoint| endpoint.intent.wire == Wire::Refused);
    let accepts = server.map(|endpoint| format!("{} {}", endpoint.accepts.decided_by.short(), endpoint.accepts.mode));
    let sends = format!("{} {}", pair.originates.decided_by.short(), pair.originates.mode);
    format!("{sends} against {}", accepts.unwrap_or_else(|| pair.decided_by.short()))
}

fn code_of(pair: &Pair) -> Option<String> {
    match &pair.observed {
        ObservedView::Seen(seen) => Some(seen.http.clone()),
        ObservedView::Unseen(_) => pair.intent.http.as_ref().map(|http| match http {
            OneOrMany::One(code) => code.clone(),
            OneOrMany::Many(codes) => codes.join("|"),
        }),
    }
}

fn server_name(pair: &Pair) -> String {
    let name = pair.server.service.as_deref().or(pair.server.host.as_deref()).unwrap_or_default();
    format!("{name}.{}:{}", pair.server.namespace, pair.server.port)
}

/// The endpoints that count: not the client's own pod.
fn counted(pair: &Pair) -> impl Iterator<Item = &EndpointView> {
    pair.endpoints.iter().filter(|endpoint| !endpoint.is_self)
}

/// `namespace/name` of the first object, else of the server.
fn cause_key(objects: &[PolicyRef], pair: &Pair) -> String {
    objects
        .iter()
        .find_map(|object| Some(format!("{}/{}", object.namespace.as_ref()?, object.name.as_ref()?)))
        .unwrap_or_else(|| server_key(pair))
}

fn server_key(pair: &Pair) -> String {
    let name = pair.server.service.as_deref().or(pair.server.host.as_deref()).unwrap_or_default();
    format!("{}/{name}", pair.server.namespace)
}
