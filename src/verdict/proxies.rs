//! Findings that only proxies can tell: where they were not given the policy, what they refused, whom they cannot trust.

use std::collections::BTreeMap;

use crate::verdict::finding::Code;
use crate::verdict::report::told::{Gap, ProgrammedView};
use crate::verdict::report::{Finding, Pair};

/// A cause, what it says, and the pairs it concerns.
struct Cause {
    code: Code,
    title: String,
    pairs: Vec<String>,
    objects: Vec<crate::model::derivation::PolicyRef>,
}

/// One finding per proxy and kind of trouble, one per gap's place.
#[must_use]
pub(crate) fn findings(pairs: &[Pair]) -> Vec<Finding> {
    let mut causes: BTreeMap<String, Cause> = BTreeMap::new();
    for pair in pairs {
        for gap in &pair.gaps {
            let Some((code, key)) = place(pair, gap) else { continue };
            let title = format!("{key}: {}", gap.what);
            note(&mut causes, code, &key, title, pair);
        }
        for trouble in troubles(pair) {
            if let Some(code) = of_trouble(trouble.kind) {
                note(&mut causes, code, &trouble.pod, format!("{}: {}", trouble.pod, trouble.what), pair);
            }
        }
    }
    causes.into_iter().map(|(id, cause)| finding(id, cause)).collect()
}

fn troubles(pair: &Pair) -> impl Iterator<Item = &crate::verdict::report::told::TroubleView> {
    let told = match &pair.programmed {
        ProgrammedView::Seen(told) => Some(told),
        ProgrammedView::Unseen(_) => None,
    };
    told.into_iter().flat_map(|told| &told.troubles)
}

/// Whose gap it is; that of policy and wire alone is told by the rules of pairs.
fn place(pair: &Pair, gap: &Gap) -> Option<(Code, String)> {
    let server = pair.server.service.as_deref().or(pair.server.host.as_deref()).unwrap_or_default();
    let server = format!("{}/{server}", pair.server.namespace);
    match gap.at {
        "client" => Some((Code::ClientNotGiven, format!("{}/{}", pair.client.namespace, pair.client.workload))),
        "server" => Some((Code::ServerNotGiven, server)),
        "wire" => Some((Code::ProxiesBypassed, server)),
        _ => None,
    }
}

fn of_trouble(kind: &str) -> Option<Code> {
    Some(match kind {
        "rejected" => Code::UpdateRejected,
        "certificate" => Code::CertificateInvalid,
        "roots" => Code::RootsDiffer,
        "warming" => Code::SecretsMissing,
        "foreign" => Code::NotWrittenByIstio,
        _ => return None,
    })
}

fn note(causes: &mut BTreeMap<String, Cause>, code: Code, key: &str, title: String, pair: &Pair) {
    let id = format!("{}/{key}", code.code());
    let cause = causes.entry(id).or_insert_with(|| Cause { code, title, pairs: Vec::new(), objects: Vec::new() });
    if cause.pairs.last() != Some(&pair.id) {
        cause.pairs.push(pair.id.clone());
    }
    let object = match code {
        Code::ClientNotGiven => Some(&pair.originates.decided_by),
        Code::ServerNotGiven => pair.endpoints.first().map(|endpoint| &endpoint.accepts.decided_by),
        _ => None,
    };
    if let Some(object) = object.filter(|object| object.is_object())
        && !cause.objects.iter().any(|known| known.same_object(object))
    {
        cause.objects.push(object.clone());
    }
}

fn finding(id: String, cause: Cause) -> Finding {
    Finding {
        id,
        code: cause.code.code(),
        severity: cause.code.severity(),
        title: cause.title,
        pair_count: cause.pairs.len(),
        pairs: cause.pairs,
        objects: cause.objects,
        fixes: Vec::new(),
    }
}
