//! From pairs to findings: one finding per cause, with every pair it concerns.

use std::collections::BTreeMap;

use crate::model::derivation::{PolicyKind, PolicyRef};
use crate::model::wire::Wire;
use crate::model::workload::ProxyKind;
use crate::verdict::finding::Code;
use crate::verdict::report::{EndpointView, Finding, ObservedView, Pair};

/// A cause and the pairs it concerns, before it is put into words.
struct Cause<'p> {
    code: Code,
    objects: Vec<PolicyRef>,
    pairs: Vec<&'p Pair>,
}

/// The findings of these pairs, by id.
#[must_use]
pub fn findings(pairs: &[Pair]) -> Vec<Finding> {
    let mut causes: BTreeMap<String, Cause<'_>> = BTreeMap::new();
    for pair in pairs {
        for (code, key, objects) in concerns(pair) {
            let cause = causes.entry(format!("{}/{key}", code.code())).or_insert_with(|| Cause {
                code,
                objects: Vec::new(),
                pairs: Vec::new(),
            });
            for object in objects {
                if !cause.objects.iter().any(|known| known.same_object(&object)) {
                    cause.objects.push(object);
                }
            }
            cause.pairs.push(pair);
        }
    }
    causes.into_iter().map(|(id, cause)| put_into_words(id, &cause)).collect()
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
        (Wire::Refused, ProxyKind::None) => {
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
        (
            Wire::MutualTls | Wire::Plaintext | Wire::Tls | Wire::Mixed | Wire::Depends | Wire::None | Wire::Unknown,
            _,
        ) => {}
    }
    found
}

fn put_into_words(id: String, cause: &Cause<'_>) -> Finding {
    let count = cause.pairs.len();
    let pairs = if count == 1 { "1 pair".to_owned() } else { format!("{count} pairs") };
    let names = || cause.objects.iter().map(PolicyRef::short).collect::<Vec<_>>().join(", ");
    let title = match cause.code {
        Code::ClientAndServerContradict => format!("{}: {pairs} {}", contradiction(cause), symptom(cause)),
        Code::Downgrade => format!("{} makes it plaintext where both ends have a sidecar: {pairs}", names()),
        Code::TlsToNoSidecar => {
            format!("{} makes clients send TLS to pods without sidecar: {pairs} {}", names(), symptom(cause))
        }
        Code::StrictRefusesNoSidecar => {
            let refuse = if cause.objects.len() == 1 { "refuses" } else { "refuse" };
            format!("{} {refuse} {} (no sidecar): STRICT as written", names(), clients(cause))
        }
        Code::PlaintextToNoSidecar => format!("no sidecar at {}: {pairs} in plaintext", servers(cause)),
        Code::Refused => format!("{} refused: {}", servers(cause), first(cause, |pair| pair.intent.because.clone())),
        // Told object by object.
Code::Policy(_)
        // Told proxy by proxy.
        | Code::ClientNotGiven
        | Code::ServerNotGiven
        | Code::ProxiesBypassed
        | Code::UpdateRejected
        | Code::CertificateInvalid
        | Code::RootsDiffer
        | Code::SecretsMissing
        | Code::NotWrittenByIstio => names(),
        Code::WireDisagreesWithPolicy => {
            format!(
                "{}: {} ({pairs})",
                servers(cause),
                first(cause, |p| p.gaps.first().map(|gap| gap.what.clone()).unwrap_or_default())
            )
        }
    };
    Finding {
        id,
        code: cause.code.code(),
        severity: cause.code.severity(),
        title,
        pairs: cause.pairs.iter().map(|pair| pair.id.clone()).collect(),
        objects: cause.objects.clone(),
        fixes: Vec::new(),
    }
}

/// `dr/httpbin.bar DISABLE against pa/httpbin.bar STRICT`.
fn contradiction(cause: &Cause<'_>) -> String {
    first(cause, |pair| {
        let server = counted(pair).find(|endpoint| endpoint.intent.wire == Wire::Refused);
        let accepts =
            server.map(|endpoint| format!("{} {}", endpoint.accepts.decided_by.short(), endpoint.accepts.mode));
        let sends = format!("{} {}", pair.originates.decided_by.short(), pair.originates.mode);
        format!("{sends} against {}", accepts.unwrap_or_else(|| pair.decided_by.short()))
    })
}

/// What callers get: `get 503`, `are refused`.
fn symptom(cause: &Cause<'_>) -> String {
    let codes: std::collections::BTreeSet<String> = cause.pairs.iter().filter_map(|pair| code_of(pair)).collect();
    match codes.into_iter().collect::<Vec<_>>().as_slice() {
        [one] if one != "000" => {
            let get = if cause.pairs.len() == 1 { "gets" } else { "get" };
            format!("{get} {one}")
        }
        _ => if cause.pairs.len() == 1 { "is refused" } else { "are refused" }.to_owned(),
    }
}

fn code_of(pair: &Pair) -> Option<String> {
    match &pair.observed {
        ObservedView::Seen(seen) => Some(seen.http.clone()),
        ObservedView::Unseen(_) => pair.intent.http.as_ref().map(|http| match http {
            crate::verdict::report::OneOrMany::One(code) => code.clone(),
            crate::verdict::report::OneOrMany::Many(codes) => codes.join("|"),
        }),
    }
}

fn clients(cause: &Cause<'_>) -> String {
    unique(cause, |pair| format!("{}.{}", pair.client.workload, pair.client.namespace))
}

fn servers(cause: &Cause<'_>) -> String {
    unique(cause, |pair| {
        let name = pair.server.service.as_deref().or(pair.server.host.as_deref()).unwrap_or_default();
        format!("{name}.{}:{}", pair.server.namespace, pair.server.port)
    })
}

/// Names in order of appearance, the first three spelled out.
fn unique(cause: &Cause<'_>, name: impl Fn(&Pair) -> String) -> String {
    let mut names: Vec<String> = Vec::new();
    for pair in &cause.pairs {
        let name = name(pair);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(3);
    names.truncate(3);
    let listed = names.join(", ");
    if more == 0 { listed } else { format!("{listed} and {more} more") }
}

fn first(cause: &Cause<'_>, text: impl Fn(&Pair) -> String) -> String {
    cause.pairs.first().map(|pair| text(pair)).unwrap_or_default()
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
