//! A finding about an object, and which pairs it concerns, said without looking at any.

use std::collections::HashMap;

use crate::model::derivation::PolicyRef;
use crate::model::workload::Pod;
use crate::verdict::finding::Code;
use crate::verdict::report::{Finding, Pair};

/// Something wrong with an object.
#[derive(Debug, Clone)]
pub(super) struct Told<'s> {
    pub(super) code: Code,
    /// The object that causes it.
    pub(super) object: PolicyRef,
    /// Others that play a part.
    pub(super) others: Vec<PolicyRef>,
    pub(super) title: String,
    pub(super) about: About<'s>,
}

/// Which pairs a finding concerns.
#[derive(Debug, Clone)]
pub(super) enum About<'s> {
    /// None that exists.
    Nobody,
    /// Pairs whose servers live in a namespace.
    Namespace(&'s str),
    /// All.
    Mesh,
    /// Pairs that these pods serve.
    Pods(Vec<&'s Pod>),
}

// === impl Told ===

impl Told<'_> {
    /// `MTLS201/foo/default`; with the kind where the code is about several kinds.
    pub(super) fn id(&self) -> String {
        let (namespace, name) = (self.object.namespace.as_deref(), self.object.name.as_deref());
        let place = format!("{}/{}", namespace.unwrap_or_default(), name.unwrap_or_default());
        match self.code {
            Code::SelectsNothing => format!("{}/{}/{place}", self.code.code(), self.object.kind.short()),
            _ => format!("{}/{place}", self.code.code()),
        }
    }
}

/// Gives each its pairs, in one walk over them.
pub(super) fn with_pairs(told: Vec<Told<'_>>, pairs: &[Pair]) -> Vec<Finding> {
    let mut by_pod: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    let mut by_namespace: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut everywhere: Vec<usize> = Vec::new();
    for (index, told) in told.iter().enumerate() {
        match &told.about {
            About::Nobody => {}
            About::Namespace(namespace) => by_namespace.entry(namespace).or_default().push(index),
            About::Mesh => everywhere.push(index),
            About::Pods(pods) => {
                for pod in pods {
                    by_pod.entry((&pod.meta.namespace, &pod.meta.name)).or_default().push(index);
                }
            }
        }
    }
    let mut concerned: Vec<Vec<String>> = vec![Vec::new(); told.len()];
    for pair in pairs {
        let served = pair.endpoints.iter().filter(|endpoint| !endpoint.is_self).filter_map(|endpoint| {
            let pod = endpoint.pod.as_deref()?;
            by_pod.get(&(endpoint.namespace.as_str(), pod))
        });
        let here = by_namespace.get(pair.server.namespace.as_str());
        for index in served.chain(here).flatten().chain(&everywhere) {
            if let Some(ids) = concerned.get_mut(*index)
                && ids.last() != Some(&pair.id)
            {
                ids.push(pair.id.clone());
            }
        }
    }
    told.into_iter().zip(concerned).map(|(told, pairs)| finding(told, pairs)).collect()
}

fn finding(told: Told<'_>, pairs: Vec<String>) -> Finding {
    Finding {
        id: told.id(),
        code: told.code.code(),
        severity: told.code.severity(),
        title: told.title,
        pairs,
        objects: std::iter::once(told.object).chain(told.others).collect(),
        fixes: Vec::new(),
    }
}
