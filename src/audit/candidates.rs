//! Changes that might resolve a finding: found by the field that spoke, tried later.

use crate::audit::change::{Change, Key, Place, is};
use crate::model::derivation::{Effect, PolicyKind, PolicyRef};
use crate::model::meta::Meta;
use crate::model::pair::ServerRef;
use crate::model::policy::{DestinationRule, PeerAuthentication, TrafficPolicy};
use crate::model::port::WorkloadPort;
use crate::model::snapshot::Snapshot;
use crate::model::tls::{ClientTlsMode, ClientTlsSettings, MtlsMode};
use crate::verdict::report::{EndpointView, Pair};

/// A change, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) change: Change,
    pub(super) title: String,
    /// The object that is changed; `None` for a new one.
    pub(super) object: Option<PolicyRef>,
    /// Whether a server takes more than before.
    pub(super) weaker: bool,
}

/// What might help a pair; `weaker` allows what makes a server take more than before.
pub(super) fn of_pair(pair: &Pair, server: &ServerRef, mesh: &Snapshot, weaker: bool) -> Vec<Candidate> {
    let mut found = Vec::new();
    for said in spoke(pair) {
        match said.kind {
            PolicyKind::DestinationRule => found.extend(of_rule(said, mesh)),
            PolicyKind::PeerAuthentication => found.extend(of_disable(said, mesh)),
            PolicyKind::MeshConfig | PolicyKind::AutoMtls | PolicyKind::Pod => {}
            PolicyKind::Sidecar
            | PolicyKind::Service
            | PolicyKind::ServiceEntry
            | PolicyKind::WorkloadEntry
            | PolicyKind::VirtualService
            | PolicyKind::DefaultPermissive
            | PolicyKind::NoProxy
            | PolicyKind::Passthrough => {}
        }
    }
    found.extend(by_new_tls(pair, server, mesh));
    if weaker {
        for endpoint in pair.endpoints.iter().filter(|endpoint| !endpoint.is_self) {
            found.extend(of_strict(endpoint, mesh));
        }
    }
    found
}

/// Every policy that decides at either end.
fn spoke(pair: &Pair) -> Vec<&PolicyRef> {
    let mut said: Vec<&PolicyRef> = vec![&pair.originates.decided_by, &pair.decided_by];
    said.extend(&pair.responsible);
    said.extend(pair.endpoints.iter().filter(|end| !end.is_self).map(|end| &end.accepts.decided_by));
    let mut once: Vec<&PolicyRef> = Vec::new();
    for policy in said {
        if !once.iter().any(|known| known.same_object(policy) && known.field == policy.field) {
            once.push(policy);
        }
    }
    once
}

fn key_of(object: &PolicyRef) -> Option<Key> {
    Some((object.namespace.clone()?, object.name.clone()?))
}

/// TLS settings of a rule: take them away, or say `ISTIO_MUTUAL` in their place.
fn of_rule(object: &PolicyRef, mesh: &Snapshot) -> Vec<Candidate> {
    let (Some(key), Some(place)) = (key_of(object), object.field.as_deref().and_then(Place::of_field)) else {
        return Vec::new();
    };
    let rule = mesh.destination_rules.iter().find(|rule| is(&rule.meta, &key));
    let Some(settings) = rule.and_then(|rule| place.settings(rule)) else { return Vec::new() };
    let what = match (place.subset, place.entry) {
        (None, None) => String::new(),
        (None, Some(_)) => " for this port".to_owned(),
        (Some(_), _) => " for this subset".to_owned(),
    };
    let candidate = |change, title| Candidate { change, title, object: Some(object.clone()), weaker: false };
    let mut found = Vec::new();
    if settings.tls.is_some() {
        let change = Change::RemoveTls { rule: key.clone(), place };
        found.push(candidate(change, format!("remove the TLS settings of {}{what}", object.short())));
    }
    let mode = ClientTlsMode::IstioMutual;
    if settings.tls.as_ref().is_none_or(|tls| tls.mode != mode) {
        let change = Change::SetTls { rule: key, place, mode };
        found.push(candidate(change, format!("let {} send mutual TLS{what}", object.short())));
    }
    found
}

/// A DISABLE: PERMISSIVE takes mutual TLS as well and refuses nobody.
fn of_disable(object: &PolicyRef, mesh: &Snapshot) -> Option<Candidate> {
    let key = key_of(object)?;
    let policy = mesh.peer_authentications.iter().find(|policy| is(&policy.meta, &key))?;
    let port = port_of(object);
    let said = port.map_or(policy.mode, |port| policy.ports.get(&port).copied().flatten());
    let change = Change::SetMode { policy: key, port, mode: MtlsMode::Permissive };
    (said == Some(MtlsMode::Disable)).then(|| Candidate {
        change,
        title: format!("let {}{} accept mutual TLS as well", object.short(), on_port(port)),
        object: Some(object.clone()),
        weaker: false,
    })
}

fn on_port(port: Option<WorkloadPort>) -> String {
    port.map(|port| format!(" port {port}")).unwrap_or_default()
}

/// `80` of `spec.portLevelMtls[80].mode`.
fn port_of(object: &PolicyRef) -> Option<WorkloadPort> {
    let (_, rest) = object.field.as_deref()?.split_once("portLevelMtls[")?;
    rest.split_once(']')?.0.parse().ok().map(WorkloadPort)
}

/// Where no rule speaks of TLS although the server would take it: say `ISTIO_MUTUAL`, in the rule that is there or a new one.
fn by_new_tls(pair: &Pair, server: &ServerRef, mesh: &Snapshot) -> Option<Candidate> {
    if pair.originates.mode != "AUTO" || server.entry {
        return None;
    }
    let mode = ClientTlsMode::IstioMutual;
    let rules = || pair.originates.layers.iter().filter(|step| step.policy.kind == PolicyKind::DestinationRule);
    if let Some(silent) = rules().find(|step| step.effect == Effect::Inherited) {
        let place = Place { subset: None, entry: None };
        let change = Change::SetTls { rule: key_of(&silent.policy)?, place, mode };
        let title = format!("let {} send mutual TLS", silent.policy.short());
        return Some(Candidate { change, title, object: Some(silent.policy.clone()), weaker: false });
    }
    let name = free_name(&server.service, |name| {
        mesh.destination_rules.iter().any(|rule| rule.meta.namespace == server.namespace && rule.meta.name == name)
    });
    let mut policy = TrafficPolicy::default();
    policy.settings.tls = Some(ClientTlsSettings { mode, ..ClientTlsSettings::default() });
    let rule = DestinationRule {
        meta: Meta { namespace: server.namespace.clone(), name, ..Meta::default() },
        host: server.host.clone(),
        export_to: Vec::new(),
        workload_selector: None,
        traffic_policy: Some(policy),
        subsets: Vec::new(),
    };
    let title = format!("add a DestinationRule by which clients of {} send mutual TLS", server.host);
    Some(Candidate { change: Change::NewRule(Box::new(rule)), title, object: None, weaker: false })
}

/// `httpbin`, else `httpbin-2` and so on.
fn free_name(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..=99).map(|number| format!("{wanted}-{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_else(|| wanted.to_owned())
}

/// A STRICT: one port of the workload that takes plaintext too, else the whole policy.
fn of_strict(endpoint: &EndpointView, mesh: &Snapshot) -> Vec<Candidate> {
    let object = &endpoint.accepts.decided_by;
    let key =
        key_of(object).filter(|_| object.kind == PolicyKind::PeerAuthentication && endpoint.accepts.mode == "STRICT");
    let Some(key) = key else { return Vec::new() };
    let mut found: Vec<Candidate> = exception(endpoint, mesh).into_iter().collect();
    let port = port_of(object);
    let title = format!("let {}{} accept plaintext as well", object.short(), on_port(port));
    let change = Change::SetMode { policy: key, port, mode: MtlsMode::Permissive };
    found.push(Candidate { change, title, object: Some(object.clone()), weaker: true });
    found
}

/// An exception for one port: in the policy that selects the workload, or in a new one.
fn exception(endpoint: &EndpointView, mesh: &Snapshot) -> Option<Candidate> {
    let pod = mesh
        .pods
        .iter()
        .find(|pod| pod.meta.namespace == endpoint.namespace && endpoint.pod.as_ref() == Some(&pod.meta.name))?;
    let port = WorkloadPort(endpoint.port);
    let selecting = endpoint.accepts.layers.iter().rev().find(|step| {
        let selects = step.policy.field.as_deref().is_some_and(|field| field.starts_with("spec."));
        let counts = step.effect != Effect::Ignored && selects;
        counts
            && step.policy.kind == PolicyKind::PeerAuthentication
            && step.policy.layer == crate::model::derivation::Layer::Workload
    });
    let mode = MtlsMode::Permissive;
    if let Some(step) = selecting {
        let change = Change::SetMode { policy: key_of(&step.policy)?, port: Some(port), mode };
        let title = format!("let port {port} of {} accept plaintext as well", step.policy.short());
        return Some(Candidate { change, title, object: Some(step.policy.clone()), weaker: true });
    }
    let mut selector = pod.meta.labels.clone();
    selector.retain(|key, _| key == "app" || key == "app.kubernetes.io/name" || key == "k8s-app");
    if selector.is_empty() {
        return None;
    }
    let namespace = pod.meta.namespace.clone();
    let name = free_name(&format!("{}-port-{port}", endpoint.workload), |name| {
        mesh.peer_authentications.iter().any(|policy| policy.meta.namespace == namespace && policy.meta.name == name)
    });
    let title = format!("let port {port} of {}.{namespace} accept plaintext as well", endpoint.workload);
    let ports = std::iter::once((port, Some(mode))).collect();
    let meta = Meta { namespace, name, ..Meta::default() };
    let policy = PeerAuthentication { meta, selector, mode: None, ports };
    Some(Candidate { change: Change::NewPolicy(Box::new(policy)), title, object: None, weaker: true })
}
