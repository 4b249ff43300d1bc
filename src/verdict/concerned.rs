//! Pairs that share an answer, and the pairs that a finding is about.
//!
//! Whatever is kept of them is kept in the report's order, so that it does not matter in which order answers come.

use std::collections::BTreeMap;

use crate::intent::Members;
use crate::verdict::report::Pair;

/// Where a pair stands in the report's order: the number of its client, then that of its service port.
pub(super) type At = (usize, usize);

/// Pairs to one service port that share an answer.
#[derive(Clone, Copy)]
pub(super) struct Alike<'a> {
    /// The first of them.
    pub(super) pair: &'a Pair,
    /// The number of their service port.
    pub(super) server: usize,
    /// Their clients, by number.
    pub(super) clients: &'a Members,
    /// The id of the pair of a client.
    pub(super) id: &'a dyn Fn(usize) -> String,
}

/// Pairs, counted, and the first of them named.
#[derive(Debug, Clone)]
pub(super) struct Concerned {
    count: usize,
    first: BTreeMap<At, String>,
    /// How many are named.
    most: usize,
}

// === impl Alike ===

impl Alike<'_> {
    /// Where the first of them stands.
    pub(super) fn at(&self) -> At {
        (self.clients.first().unwrap_or_default(), self.server)
    }
}

// === impl Concerned ===

impl Concerned {
    /// None yet; at most so many are named.
    pub(super) fn naming(most: usize) -> Self {
        Self { count: 0, first: BTreeMap::new(), most }
    }

    /// Adds pairs.
    pub(super) fn add(&mut self, alike: &Alike<'_>) {
        self.count += alike.clients.count();
        for client in alike.clients.numbers().take(self.most) {
            let at = (client, alike.server);
            if self.first.len() >= self.most {
                if self.first.last_key_value().is_none_or(|(last, _)| *last < at) {
                    break;
                }
                self.first.pop_last();
            }
            self.first.insert(at, (alike.id)(client));
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The ids of the first of them.
    pub(super) fn ids(self) -> Vec<String> {
        self.first.into_values().collect()
    }
}
