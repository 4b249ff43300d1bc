//! What a client's proxy was told to send, with every rule that spoke and why each other one lost.

use crate::intent::accepts::MODE;
use crate::intent::capture::Bypass;
use crate::intent::cluster::{AutoOff, Cluster, ClusterKind, Socket, TlsReason};
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Source, Svc};
use crate::intent::traffic_policy::Said;
use crate::intent::visibility::Scope;
use crate::model::derivation::{Effect, Layer, PolicyKind, PolicyRef, Step};
use crate::model::pair::{OriginKind, OriginMode, Originates, Route};
use crate::model::policy::{DestinationRule, PeerAuthentication};
use crate::model::wire::Sends;
use crate::model::workload::Pod;

mod lost;

use lost::lost_rules;

/// A client without a proxy, or one that bypasses it.
pub(crate) fn without_proxy(client: &Pod, bypass: Option<Bypass>) -> Originates {
    let decided_by = match bypass {
        Some(bypass) => PolicyRef::object(Layer::Workload, PolicyKind::Pod, &client.meta, bypass.field()),
        None => PolicyRef::default_of(PolicyKind::NoProxy),
    };
    let step = Step {
        policy: decided_by.clone(),
        says: "plaintext".to_owned(),
        effect: Effect::Effective,
        why: bypass.map(|bypass| bypass.words().to_owned()),
    };
    Originates {
        kind: OriginKind::Plaintext,
        mode: OriginMode::NoProxy,
        route: Route::Direct,
        tls: None,
        original_dst: false,
        decided_by,
        layers: vec![step],
    }
}

/// A destination that the client's proxy does not know.
pub(crate) fn unknown_destination(
    route: Route,
    svc: &Svc<'_>,
    scope: &Scope<'_>,
    plane: &ControlPlane<'_>,
) -> Originates {
    let decided_by = hidden_by(svc, scope, plane);
    let step = Step {
        policy: decided_by.clone(),
        says: if route == Route::BlackHole { "refused" } else { "passed through in plaintext" }.to_owned(),
        effect: Effect::Effective,
        why: Some(format!("the client's proxy does not know {}", svc.host)),
    };
    Originates {
        kind: OriginKind::Plaintext,
        mode: OriginMode::Auto,
        route,
        tls: None,
        original_dst: false,
        decided_by,
        layers: vec![step],
    }
}

/// Why a client does not see a service: its export set, or the client's Sidecar.
fn hidden_by(svc: &Svc<'_>, scope: &Scope<'_>, plane: &ControlPlane<'_>) -> PolicyRef {
    if !plane.exports(svc, scope.namespace) {
        if svc.export_to().is_empty() {
            return PolicyRef {
                layer: Layer::Mesh,
                field: Some("defaultServiceExportTo".to_owned()),
                ..PolicyRef::default_of(PolicyKind::MeshConfig)
            };
        }
        let (kind, field) = match svc.source {
            Source::Kubernetes(_) => (PolicyKind::Service, "metadata.annotations[networking.istio.io/exportTo]"),
            Source::Entry(_) => (PolicyKind::ServiceEntry, "spec.exportTo"),
        };
        return PolicyRef::object(Layer::Workload, kind, svc.meta(), field);
    }
    match scope.sidecar {
        Some(sidecar) => PolicyRef::object(Layer::Workload, PolicyKind::Sidecar, &sidecar.meta, "spec.egress"),
        None => PolicyRef::default_of(PolicyKind::Passthrough),
    }
}

/// What a cluster sends and who decides, without the layers that led there.
pub(crate) fn deciding<'s>(cluster: &Cluster<'s>, kind: OriginKind, svc: &Svc<'s>) -> Originates {
    Originates {
        kind,
        mode: cluster.mode(),
        route: Route::Cluster(cluster.name.clone()),
        tls: cluster.tls().cloned(),
        original_dst: cluster.kind == ClusterKind::OriginalDst,
        decided_by: decider(&cluster.reason, svc),
        layers: Vec::new(),
    }
}

/// A client whose proxy has a cluster for the destination.
pub(crate) fn by_cluster<'s>(
    cluster: &Cluster<'s>,
    kind: OriginKind,
    client: &Pod,
    svc: &Svc<'s>,
    plane: &ControlPlane<'s>,
) -> Originates {
    let deciding = deciding(cluster, kind, svc);
    let mut layers = vec![automatic(cluster, &deciding.decided_by, svc)];
    layers.extend(rule_steps(cluster));
    layers.extend(lost_rules(cluster, client, svc, plane));
    layers.sort_by_key(|step| step.policy.layer);
    Originates { layers, ..deciding }
}

/// What a cluster sends over all endpoints.
pub(crate) fn kind(cluster: &Cluster<'_>, sent: &[Sends]) -> OriginKind {
    let of = |sends: Sends| match sends {
        Sends::MutualTls => OriginKind::MutualTls,
        Sends::Plaintext => OriginKind::Plaintext,
        Sends::Tls => OriginKind::Tls,
        Sends::TlsClientCert => OriginKind::TlsClientCert,
    };
    match (sent.split_first(), &cluster.socket) {
        (Some((first, rest)), _) if rest.iter().all(|sends| sends == first) => of(*first),
        (Some(_), _) => OriginKind::Mixed,
        (None, Socket::Plaintext) => OriginKind::Plaintext,
        (None, Socket::Tls(_)) => of(cluster.sends(None)),
        (None, Socket::Marked(_)) => of(cluster.sends(Some(true))),
    }
}

/// Who decides what a cluster sends.
fn decider(reason: &TlsReason<'_>, svc: &Svc<'_>) -> PolicyRef {
    match reason {
        TlsReason::Rule { said, .. } => rule_ref(said.rule, said.layer, said.field.clone()),
        TlsReason::Auto { .. } | TlsReason::Off(AutoOff::EndpointWithoutSidecar) => {
            PolicyRef::default_of(PolicyKind::AutoMtls)
        }
        TlsReason::Off(AutoOff::MeshConfig) => PolicyRef {
            layer: Layer::Mesh,
            field: Some("enableAutoMtls".to_owned()),
            ..PolicyRef::default_of(PolicyKind::MeshConfig)
        },
        TlsReason::Off(AutoOff::AssumedDisable(policy)) => assumed(policy, svc),
        TlsReason::Off(AutoOff::External) => match svc.source {
            Source::Entry(entry) => {
                PolicyRef::object(Layer::Workload, PolicyKind::ServiceEntry, &entry.meta, "spec.location")
            }
            Source::Kubernetes(service) => {
                PolicyRef::object(Layer::Workload, PolicyKind::Service, &service.meta, "spec.externalName")
            }
        },
    }
}

/// The namespace's or mesh's policy that automatic mutual TLS was switched off by.
fn assumed(policy: &PeerAuthentication, svc: &Svc<'_>) -> PolicyRef {
    let layer = if policy.meta.namespace == svc.namespace() { Layer::Namespace } else { Layer::Mesh };
    PolicyRef::object(layer, PolicyKind::PeerAuthentication, &policy.meta, MODE)
}

fn automatic(cluster: &Cluster<'_>, decided_by: &PolicyRef, svc: &Svc<'_>) -> Step {
    let policy = PolicyRef::default_of(PolicyKind::AutoMtls);
    let (says, effect, why) = match &cluster.reason {
        TlsReason::Rule { .. } => {
            ("would send mTLS".to_owned(), Effect::Overridden, Some(format!("by {}", decided_by.short())))
        }
        TlsReason::Auto { guessed_from } => {
            let from = guessed_from
                .map(|policy| format!("the mode assumed for the Service comes from {}", assumed(policy, svc).short()));
            ("sends mTLS where the endpoint is marked".to_owned(), Effect::Effective, from)
        }
        TlsReason::Off(off) => {
            let why = match off {
                AutoOff::MeshConfig => "enableAutoMtls is false".to_owned(),
                AutoOff::External => "the destination lies outside the mesh".to_owned(),
                AutoOff::AssumedDisable(policy) => {
                    format!("{} says DISABLE for the Service's namespace or the mesh", assumed(policy, svc).short())
                }
                AutoOff::EndpointWithoutSidecar => {
                    "one answer for all endpoints, and one of them has no sidecar (or there is none)".to_owned()
                }
            };
            ("sends plaintext".to_owned(), Effect::Effective, Some(why))
        }
    };
    Step { policy, says, effect, why }
}

/// What the rule that applies says, layer by layer.
fn rule_steps(cluster: &Cluster<'_>) -> Vec<Step> {
    let Some(rule) = &cluster.rule else { return Vec::new() };
    let mut steps = Vec::new();
    let effective = match &cluster.reason {
        TlsReason::Rule { said, .. } => Some(said),
        TlsReason::Auto { .. } | TlsReason::Off(_) => None,
    };
    if let Some((policy, from)) = rule.policy
        && let Some(tls) = &policy.settings.tls
    {
        let said =
            Said { tls, rule: from, layer: Layer::TrafficPolicy, field: "spec.trafficPolicy.tls.mode".to_owned() };
        let is_it = effective == Some(&said);
        if !is_it {
            let why = match effective {
                Some(winner) => format!("by {}", winner.field),
                None => "its portLevelSettings entry for this port replaces it, and has no tls".to_owned(),
            };
            steps.push(step(&said, Effect::Overridden, Some(why)));
        }
    }
    if let Some(said) = effective {
        let dropped = match &cluster.reason {
            TlsReason::Rule { dropped, .. } => dropped.map(str::to_owned),
            TlsReason::Auto { .. } | TlsReason::Off(_) => None,
        };
        steps.push(step(said, Effect::Effective, dropped));
    }
    if let Some(first) = rule.from.first()
        && !steps.iter().any(|step| step.policy.name.as_ref() == Some(&first.meta.name))
    {
        let why = match effective {
            Some(said) => format!("it sets no tls for this port; `{}` is merged into it and does", said.rule.meta.name),
            None => "it sets no tls for this port: automatic mutual TLS decides".to_owned(),
        };
        let silent = Step {
            policy: rule_ref(first, Layer::TrafficPolicy, "spec.trafficPolicy".to_owned()),
            says: "no tls".to_owned(),
            effect: Effect::Inherited,
            why: Some(why),
        };
        steps.insert(0, silent);
    }
    if let Some((policy, owner)) = rule.policy
        && policy.settings.tls.is_none()
        && !rule.from.first().is_some_and(|first| std::ptr::eq(*first, owner))
        && effective.is_none_or(|said| !std::ptr::eq(said.rule, owner))
    {
        steps.push(Step {
            policy: rule_ref(owner, Layer::TrafficPolicy, "spec.trafficPolicy".to_owned()),
            says: "no tls".to_owned(),
            effect: Effect::Inherited,
            why: Some("of the rules that are merged its trafficPolicy is the first, and counts whole".to_owned()),
        });
    }
    steps
}

fn step(said: &Said<'_>, effect: Effect, why: Option<String>) -> Step {
    Step { policy: rule_ref(said.rule, said.layer, said.field.clone()), says: said.tls.mode.to_string(), effect, why }
}

fn rule_ref(rule: &DestinationRule, layer: Layer, field: String) -> PolicyRef {
    PolicyRef::object(layer, PolicyKind::DestinationRule, &rule.meta, field)
}
