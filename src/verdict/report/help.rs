//! What helps a person beyond the answer: what it is not, who else is concerned, what would change it.

use serde::Serialize;

use crate::model::derivation::PolicyRef;

/// A cause that is not it, by the evidence at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuledOut {
    /// `application`, `AuthorizationPolicy`, `certificates`, `network`, `stale config`.
    pub what: &'static str,
    /// The evidence.
    pub because: String,
}

/// Clients beyond those that were asked about, refused by a service port that was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlsoBroken {
    /// `bar/httpbin:8000`.
    pub server: String,
    /// Clients whose end and the server's contradict each other.
    pub conflicts: Vec<String>,
    /// Clients refused for another reason.
    pub refused: Vec<String>,
}

/// A change that would help.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// What it does.
    pub title: String,
    /// A command that can be pasted.
    pub command: String,
    /// What the rules say with it.
    pub simulated: Simulated,
    /// Whether a server takes plaintext by it that it refuses now.
    pub weaker: bool,
    /// The object that is changed; absent for a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<PolicyRef>,
    /// The steps of a JSON patch on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patch: Vec<serde_json::Value>,
    /// The new object, or where it came from a file the object as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<serde_json::Value>,
}

/// What the rules say of a change: over every client that was read, not only those that were asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// How many pairs go from what to what.
    pub moved: Vec<Moved>,
    /// Pairs of the finding that are still refused.
    pub still_refused: usize,
    /// Pairs that are refused or less protected than before, and ports that take plaintext and did not.
    pub worse: usize,
    /// Of those the ports of pods that take plaintext and did not.
    pub weakened: usize,
    /// Pairs that were looked at.
    pub pairs: usize,
}

/// Pairs that go from one wire to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// The wire before, or `partly-refused`.
    pub from: &'static str,
    /// What curl shows before, where it is refused with a status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// The wire after.
    pub to: &'static str,
    /// How many.
    pub pairs: usize,
}
