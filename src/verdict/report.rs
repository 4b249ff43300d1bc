//! The report: the schema that `-o json` prints and every other printer reads.
//!
//! Fields are added, never renamed. `null` never stands for "unknown": what is not known is absent or says why.

use serde::Serialize;

use crate::model::derivation::{PolicyRef, Step};
use crate::model::evidence::{Added, FailedLook, Program};
use crate::model::wire::{Outcome, Wire};
use crate::model::workload::ProxyKind;
pub use crate::observed::causes::{Cause, Heard};
use crate::verdict::arrival::ArrivalView;
use crate::verdict::negative::NegativeTest;
pub use crate::verdict::report::told::Gap;
use crate::verdict::report::told::{EndpointToldView, ProgrammedView};
use crate::verdict::report::traffic::TrafficView;

pub mod told;
pub mod traffic;

mod help;

pub use help::{AlsoBroken, Fix, Moved, RuledOut, Simulated};
mod listed;
mod summary;

pub use listed::{ClassView, Listed, SendsView};
pub use summary::Summary;

/// One answer about a mesh.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `kubectl-mtls/v1`.
    pub api_version: &'static str,
    /// `Report`.
    pub kind: &'static str,
    /// What was looked at.
    pub mesh: MeshView,
    /// Counts over all pairs.
    pub summary: Summary,
    /// One per client workload and service port, in byte order. Where they are [`Listed::ByClass`], one per service port and
    /// class of clients.
    pub pairs: Vec<Pair>,
    /// What is worth telling, worst first.
    pub findings: Vec<Finding>,
    /// What could not be looked at.
    pub unseen: Vec<FailedLook>,
    /// What real traffic did at the servers' proxies; only where somebody waited for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub traffic: Vec<TrafficView>,
    /// Whether what policy demands has arrived; only where somebody waited for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival: Option<ArrivalView>,
    /// What came of sending what STRICT must refuse; only where somebody asked for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub negative_tests: Vec<NegativeTest>,
    /// Containers that were added to pods to send requests from; they stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub debug_containers: Vec<Added>,
    /// Who else is refused; only `explain` asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_broken: Vec<AlsoBroken>,
    /// What of the pairs is spelled out.
    #[serde(skip)]
    pub listed: Listed,
}

/// The mesh as found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshView {
    /// `rootNamespace`.
    pub root_namespace: String,
    /// `enableAutoMtls`.
    pub auto_mtls: bool,
    /// `trustDomain`.
    pub trust_domain: String,
    /// Control planes.
    pub revisions: Vec<RevisionView>,
    /// Pods that nothing is told about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<NotJudged>,
}

/// Pods that nothing is told about, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotJudged {
    /// The reason.
    pub why: WhyNotJudged,
    /// `namespace/pod`, in byte order.
    pub pods: Vec<String>,
}

/// Why nothing is told about pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhyNotJudged {
    /// A ztunnel takes what they send and receive.
    Ambient,
    /// Istio has no proxy for their nodes.
    Windows,
}

/// A control-plane revision.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevisionView {
    /// Its name.
    pub name: String,
    /// Version whose rules were used.
    pub istio_version: String,
    /// Whether that version was seen rather than assumed.
    pub version_seen: bool,
}

/// A client workload and a service port.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// `legacy/sleep->bar/httpbin:8000`; with `(pod)` behind the workload where its pods differ.
    pub id: String,
    /// Who calls.
    pub client: ClientView,
    /// What is called.
    pub server: ServerView,
    /// The verdict.
    pub verdict: Wire,
    /// Witnesses that agree with it: `intent`, `programmed`, `observed`.
    pub confirmed_by: Vec<&'static str>,
    /// By policy alone, with a proxy at both ends: one end is told to send what the other is told to refuse.
    pub conflict: bool,
    /// What the client is told to send.
    pub originates: OriginatesView,
    /// What stands behind the service port.
    pub endpoints: Vec<EndpointView>,
    /// What policy demands.
    pub intent: IntentView,
    /// The same for raw TCP, where a sniffed port treats it differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<IntentView>,
    /// What the proxies were told.
    pub programmed: ProgrammedView,
    /// What went over the wire.
    pub observed: ObservedView,
    /// What decides.
    pub decided_by: PolicyRef,
    /// What has to change; empty where nothing has to.
    pub responsible: Vec<PolicyRef>,
    /// Where the witnesses disagree.
    pub gaps: Vec<Gap>,
    /// Where they disagree because a policy changed less than a minute before: no gap yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub being_pushed: Vec<Gap>,
    /// Ids of the findings about this pair.
    pub findings: Vec<String>,
    /// What the evidence rules out; only `explain` asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ruled_out: Vec<RuledOut>,
    /// How many further pairs it stands for, where pairs are [`Listed::ByClass`].
    #[serde(skip)]
    pub more: usize,
}

/// The client of a pair.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientView {
    /// Its namespace.
    pub namespace: String,
    /// The workload.
    pub workload: String,
    /// The pod that stands for it.
    pub pod: String,
    /// Its proxy.
    pub proxy: ProxyKind,
    /// Its service account.
    pub service_account: String,
    /// Whether pods of this workload differ and this row is about that pod only.
    #[serde(skip)]
    pub told_apart: bool,
}

/// The server of a pair.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerView {
    /// Its namespace.
    pub namespace: String,
    /// The Service; absent for a ServiceEntry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The host of a ServiceEntry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The Service's port.
    pub port: u16,
    /// Its name.
    pub port_name: String,
    /// `http`, `http2`, `grpc`, `tcp`, `tls`, `auto`.
    pub protocol: &'static str,
}

/// What the client is told to send.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OriginatesView {
    /// `mutual-tls`, `plaintext`, `tls`, `tls-client-cert`, `mixed`.
    pub kind: &'static str,
    /// `AUTO`, `DISABLE`, `SIMPLE`, `MUTUAL`, `ISTIO_MUTUAL`, `NO_PROXY`.
    pub mode: &'static str,
    /// The policy or default that decides.
    pub decided_by: PolicyRef,
    /// Everything that spoke.
    pub layers: Vec<Step>,
}

/// An endpoint of a pair.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    /// Its namespace.
    pub namespace: String,
    /// The pod; absent for addresses that are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its workload.
    pub workload: String,
    /// Its address; absent on manifests that were never applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The port on it.
    pub port: u16,
    /// Its proxy.
    pub proxy: ProxyKind,
    /// The client's own pod; not counted.
    #[serde(rename = "self", skip_serializing_if = "std::ops::Not::not")]
    pub is_self: bool,
    /// What it accepts.
    pub accepts: AcceptsView,
    /// What policy demands for it.
    pub intent: Outcome,
    /// The same for raw TCP, where a sniffed port treats it differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Outcome>,
    /// What its proxy was told.
    pub programmed: EndpointToldView,
    /// What was seen of it.
    pub observed: UnseenView,
}

/// What an endpoint accepts.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptsView {
    /// `STRICT`, `PERMISSIVE`, `DISABLE`, `NO_PROXY`.
    pub mode: &'static str,
    /// The policy or default that decides.
    pub decided_by: PolicyRef,
    /// Everything that spoke.
    pub layers: Vec<Step>,
}

/// What policy demands for a pair.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IntentView {
    /// The wire.
    pub wire: Wire,
    /// Its reason; absent where endpoints differ in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// What curl would print for `%{http_code}`: a string, or a list where it is a race.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<OneOrMany<String>>,
    /// What curl would exit with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<OneOrMany<u8>>,
    /// One sentence.
    pub because: String,
}

/// One value, or several where the answer is a race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// The answer.
    One(T),
    /// The possible answers.
    Many(Vec<T>),
}

/// A witness that says nothing, and why.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnseenView {
    /// The code of the reason.
    pub unseen: &'static str,
    /// What is known beyond it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What went over the wire.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ObservedView {
    /// Requests were sent.
    Seen(Box<SeenView>),
    /// None were, and why.
    Unseen(UnseenView),
}

/// What requests showed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenView {
    /// The wire, as far as the answer allows to conclude.
    pub wire: Wire,
    /// Why it was concluded, as a code.
    pub why: &'static str,
    /// `%{http_code}`.
    pub http: String,
    /// curl's exit code; of wget the one that stands for what it said.
    pub exit: u8,
    /// What sent the request; absent where it was curl.
    #[serde(skip_serializing_if = "Program::is_curl")]
    pub program: Program,
    /// How many requests were sent.
    pub requests: usize,
    /// Each answer in its order, where the first contradicted the proxies and the request was sent again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// What the first ones were that differ from the last: `old-connection` where they may have come over connections that are
    /// older than what the server's proxy holds, else `changed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_first: Option<&'static str>,
    /// Whether the answers had not settled when enough had been sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// What the answer is compatible with, as far as the proxies leave it; several where it is ambiguous.
    pub causes: Vec<Cause>,
    /// Envoy's response flags of the proxy that made the answer, where the answer implies them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<&'static str>,
    /// What both proxies counted (what grew, what stood still) and logged of the request, where curl's view leaves several causes.
    #[serde(skip_serializing_if = "Heard::is_empty")]
    pub heard: Heard,
    /// curl's own message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who made the answer: `client-proxy`, `server-proxy`, `server-side`, `application`, `nobody`.
    pub answered_by: &'static str,
    /// The `server` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// First line of an error's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The last X-Forwarded-Client-Cert element.
    pub peer: PeerView,
}

/// The caller as the application saw it.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum PeerView {
    /// From the last XFCC element.
    Seen {
        /// Who called.
        uri: String,
        /// Who answered.
        by: String,
    },
    /// There was none, and why.
    Absent {
        /// `no-answer`, `not-echoed`, `plaintext`, `not-http`, ...
        absent: &'static str,
    },
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Ignored policy, downgrade, trap.
    Warning,
    /// Something is broken.
    Error,
}

/// One cause, with every pair it concerns.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `MTLS104/bar/httpbin`.
    pub id: String,
    /// `MTLS104`.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// How many pairs it concerns.
    pub pair_count: usize,
    /// Their ids; in a summary those of the first few.
    pub pairs: Vec<String>,
    /// The objects that cause it.
    pub objects: Vec<PolicyRef>,
    /// What could be done, smallest first.
    pub fixes: Vec<Fix>,
}

// === impl Report ===

impl<T> OneOrMany<T> {
    /// All values.
    #[must_use]
    pub fn values(&self) -> &[T] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    /// `None` where there is no value at all.
    #[must_use]
    pub fn from_vec(mut values: Vec<T>) -> Option<Self> {
        match values.len() {
            0 => None,
            1 => values.pop().map(Self::One),
            _ => Some(Self::Many(values)),
        }
    }
}

impl Severity {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}
