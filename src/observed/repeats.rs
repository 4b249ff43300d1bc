//! A request that was sent again because its answer contradicted the proxies, and what became of it.
//!
//! Each connection that a proxy pooled before a policy may serve one more request under the old one, and a proxy has as many
//! as it has worker threads (recorded: 200, 200, 403 with two). So the first answer decides nothing: two in a row that agree
//! with each other and come after it do.

use serde::{Deserialize, Serialize};

use crate::model::evidence::Transfer;
use crate::observed::signature::{Conclusion, Ends};

/// A request is sent again this often at most.
pub const MOST: usize = 5;

/// What a request showed each time it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Repeats {
    /// Every answer in its order: `200`, `000/56`.
    pub answers: Vec<String>,
    /// Whether the last two, of those that came after the first, are the same.
    pub settled: bool,
}

/// Whether two answers are the same: which of curl's codes for a closed connection comes is a race.
fn same(one: &Transfer, other: &Transfer, ends: Ends) -> bool {
    one.http == other.http && Conclusion::of(one, ends).wires == Conclusion::of(other, ends).wires
}

/// An answer in a word.
fn word(transfer: &Transfer) -> String {
    if transfer.exit == 0 { transfer.http.clone() } else { format!("{}/{}", transfer.http, transfer.exit) }
}

// === impl Repeats ===

impl Repeats {
    /// A request whose answer is in doubt.
    #[must_use]
    pub fn of(first: &Transfer) -> Self {
        Self { answers: vec![word(first)], settled: false }
    }

    /// The next answer and the one before it. The first is the one in doubt, and none to agree with.
    pub fn add(&mut self, before: &Transfer, next: &Transfer, ends: Ends) {
        self.settled = self.answers.len() > 1 && same(before, next, ends);
        self.answers.push(word(next));
    }

    /// Whether the answer was not always the same one.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.answers.windows(2).any(|two| matches!(two, [one, other] if one != other))
    }
}
