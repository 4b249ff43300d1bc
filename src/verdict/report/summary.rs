//! Counts over pairs.

use serde::Serialize;

use crate::model::wire::Wire;
use crate::verdict::report::Pair;

/// How many pairs ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// All pairs.
    pub pairs: usize,
    /// Istio mutual TLS.
    pub mutual_tls: usize,
    /// Plaintext.
    pub plaintext: usize,
    /// TLS that no proxy terminates.
    pub tls: usize,
    /// Refused.
    pub refused: usize,
    /// Endpoints differ.
    pub mixed: usize,
    /// Not decided by the mesh.
    pub depends: usize,
    /// Nothing to call.
    pub none: usize,
    /// Not known.
    pub unknown: usize,
    /// Pairs whose two ends contradict each other; counted above as well.
    pub conflicts: usize,
}

impl Summary {
    /// Counts pairs, and those that they stand for.
    #[must_use]
    pub fn of(pairs: &[Pair]) -> Self {
        let mut summary = Self::default();
        for pair in pairs {
            summary.add(pair, 1 + pair.more);
        }
        summary
    }

    /// Counts pairs that fare like this one.
    pub fn add(&mut self, pair: &Pair, times: usize) {
        let count = match pair.verdict {
            Wire::MutualTls => &mut self.mutual_tls,
            Wire::Plaintext => &mut self.plaintext,
            Wire::Tls => &mut self.tls,
            Wire::Refused => &mut self.refused,
            Wire::Mixed => &mut self.mixed,
            Wire::Depends => &mut self.depends,
            Wire::None => &mut self.none,
            Wire::Unknown => &mut self.unknown,
        };
        *count += times;
        self.pairs += times;
        self.conflicts += if pair.conflict { times } else { 0 };
    }
}
