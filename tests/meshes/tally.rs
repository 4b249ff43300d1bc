//! What was compared, and what differed.

use std::fmt;

/// A question that the rules and Istio's own code answer differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What was compared: `wire`, `sni`, ...; a disagreement is shrunk for as long as one of its kind remains.
    pub(crate) kind: &'static str,
    /// Where: mesh, server port or pair.
    pub(crate) at: String,
    pub(crate) ours: String,
    pub(crate) istiod: String,
}

/// Counts of one comparison, or the sum of several.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) servers: usize,
    pub(crate) pairs: usize,
    pub(crate) endpoints: usize,
    pub(crate) checks: usize,
    pub(crate) differences: Vec<Difference>,
}

// === impl Tally ===

impl Tally {
    /// Compares one fact.
    pub(crate) fn same<T: PartialEq + fmt::Debug>(&mut self, kind: &'static str, at: &str, ours: &T, istiod: &T) {
        self.checks += 1;
        if ours != istiod {
            self.differ(kind, at, format!("{ours:?}"), format!("{istiod:?}"));
        }
    }

    /// Notes that something differs.
    pub(crate) fn differ(&mut self, kind: &'static str, at: &str, ours: String, istiod: String) {
        self.differences.push(Difference { kind, at: at.to_owned(), ours, istiod });
    }

    /// Adds what another mesh came to.
    pub(crate) fn add(&mut self, other: Self) {
        self.servers += other.servers;
        self.pairs += other.pairs;
        self.endpoints += other.endpoints;
        self.checks += other.checks;
        self.differences.extend(other.differences);
    }
}

// === impl Difference ===

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ours {}, istiod {}", self.at, self.kind, self.ours, self.istiod)
    }
}
