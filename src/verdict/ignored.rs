//! Policies that Istio accepts in silence and never reads: found in the derivations, one finding per policy.

use std::collections::BTreeMap;

use crate::model::derivation::{Effect, PolicyKind, PolicyRef, Step};
use crate::verdict::finding::Code;
use crate::verdict::report::{Finding, Pair};

/// What the derivations say of one policy.
struct Seen<'p> {
    policy: &'p PolicyRef,
    /// Why it is ignored where it is; `None` once it was found to count anywhere.
    why: Option<&'p str>,
    pairs: Vec<String>,
}

/// A warning for each PeerAuthentication or DestinationRule that is ignored wherever it appears and counts nowhere.
#[must_use]
pub fn findings(pairs: &[Pair]) -> Vec<Finding> {
    let mut policies: BTreeMap<(PolicyKind, &str, &str), Seen<'_>> = BTreeMap::new();
    for pair in pairs {
        for step in steps(pair) {
            note(&mut policies, step, pair);
        }
    }
    policies.into_values().filter_map(warning).collect()
}

fn steps(pair: &Pair) -> impl Iterator<Item = &Step> {
    pair.originates.layers.iter().chain(pair.endpoints.iter().flat_map(|endpoint| &endpoint.accepts.layers))
}

fn note<'p>(policies: &mut BTreeMap<(PolicyKind, &'p str, &'p str), Seen<'p>>, step: &'p Step, pair: &Pair) {
    let policy = &step.policy;
    let (Some(namespace), Some(name)) = (&policy.namespace, &policy.name) else { return };
    if !matches!(policy.kind, PolicyKind::PeerAuthentication | PolicyKind::DestinationRule) {
        return;
    }
    let why = step.why.as_deref().filter(|_| step.effect == Effect::Ignored);
    let seen =
        policies.entry((policy.kind, namespace, name)).or_insert_with(|| Seen { policy, why, pairs: Vec::new() });
    match why {
        Some(_) if seen.why.is_some() => {
            if seen.pairs.last() != Some(&pair.id) {
                seen.pairs.push(pair.id.clone());
            }
        }
        Some(_) | None => seen.why = None,
    }
}

fn warning(seen: Seen<'_>) -> Option<Finding> {
    let why = seen.why?;
    let policy = seen.policy;
    let code = Code::PolicyIgnored;
    Some(Finding {
        id: format!("{}/{}/{}", code.code(), policy.namespace.as_deref()?, policy.name.as_deref()?),
        code: code.code(),
        severity: code.severity(),
        title: format!("{} is ignored: {why}", policy.short()),
        pairs: seen.pairs,
        objects: vec![policy.clone()],
        fixes: Vec::new(),
    })
}
