//! What may be called missing: only what somebody would have shown.
//!
//! A cluster shows everything that it does not refuse to show. Manifests are often a part of a mesh: that a namespace
//! has no pod of some label can be told only where its other pods are there.

use std::collections::HashSet;

use crate::model::snapshot::Snapshot;

/// Of which namespaces everything of a kind was seen.
#[derive(Debug)]
pub(super) struct Known<'s> {
    snapshot: &'s Snapshot,
    /// Listed by an API, not gathered from files.
    listed: bool,
    pods: HashSet<&'s str>,
    services: HashSet<&'s str>,
}

// === impl Known ===

impl<'s> Known<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        let pods = snapshot.pods.iter();
        Self {
            listed: pods.clone().any(|pod| pod.meta.origin.is_none() && !pod.addresses.is_empty()),
            pods: pods.map(|pod| pod.meta.namespace.as_str()).collect(),
            services: snapshot.services.iter().map(|service| service.meta.namespace.as_str()).collect(),
            snapshot,
        }
    }

    /// Whether a pod of this namespace would have been seen.
    pub(super) fn pods(&self, namespace: &str) -> bool {
        (self.listed || self.pods.contains(namespace))
            && !self.refused("pods", namespace)
            && !self.refused("workloadentries", namespace)
    }

    /// Whether a Service of this namespace would have been seen.
    pub(super) fn services(&self, namespace: &str) -> bool {
        (self.listed || self.services.contains(namespace)) && !self.refused("services", namespace)
    }

    /// Whether any host of the mesh would have been seen.
    pub(super) fn hosts(&self) -> bool {
        self.listed && !self.any_refused("services") && !self.any_refused("serviceentries")
    }

    fn refused(&self, plural: &str, namespace: &str) -> bool {
        self.snapshot.unseen.iter().any(|scope| is_of(&scope.resource, plural) && scope.covers(namespace))
    }

    fn any_refused(&self, plural: &str) -> bool {
        self.snapshot.unseen.iter().any(|scope| is_of(&scope.resource, plural))
    }
}

fn is_of(resource: &str, plural: &str) -> bool {
    resource.split('.').next() == Some(plural)
}
