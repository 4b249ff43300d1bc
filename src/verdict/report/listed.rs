//! What of its pairs a report spells out, and what stands for the others.

use serde::Serialize;

use crate::model::wire::Wire;
use crate::model::workload::ProxyKind;
use crate::verdict::report::{IntentView, Pair};

/// What of the pairs a report spells out.
#[derive(Debug, Clone, Default)]
pub enum Listed {
    /// Every one.
    #[default]
    Each,
    /// One for each service port and class of clients, with how many it stands for.
    ByClass,
    /// None: the counts, what happens how often, and the findings have to do.
    Summary {
        /// How many answers were given, each for all clients that a service port does not tell apart.
        answers: usize,
        /// What happens how often.
        classes: Vec<ClassView>,
    },
}

/// Pairs that fare alike, whatever their names.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassView {
    /// How many pairs.
    pub pairs: usize,
    /// Of how many clients.
    pub clients: usize,
    /// To how many service ports.
    pub service_ports: usize,
    /// The clients' proxy.
    pub client_proxy: ProxyKind,
    /// Verdict.
    pub verdict: Wire,
    /// Whether the two ends contradict each other.
    pub conflict: bool,
    /// What the clients are told to send.
    pub originates: SendsView,
    /// What the endpoints accept, each mode once.
    pub accepts: Vec<&'static str>,
    /// What policy demands, of the first pair.
    pub intent: IntentView,
    /// Ids of the first few pairs.
    pub first: Vec<String>,
    /// The first pair.
    #[serde(skip)]
    pub like: Box<Pair>,
}

/// What is sent, without who decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SendsView {
    /// `mutual-tls`, `plaintext`, `tls`, `tls-client-cert`, `mixed`.
    pub kind: &'static str,
    /// `AUTO`, `DISABLE`, `SIMPLE`, `MUTUAL`, `ISTIO_MUTUAL`, `NO_PROXY`.
    pub mode: &'static str,
}
