//! What the proxies were told, as the report has it.

use serde::Serialize;

use crate::model::derivation::PolicyRef;
use crate::model::pair::Route;
use crate::model::tls::UpstreamTls;
use crate::model::wire::{Outcome, Wire};
use crate::programmed::told::Evidence;
use crate::verdict::report::UnseenView;

/// What the proxies of a pair were told.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum ProgrammedView {
    /// At least one end was read.
    Seen(Box<ToldView>),
    /// None was, and why.
    Unseen(UnseenView),
}

/// What the proxies of a pair were told, and what follows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldView {
    /// What the client sends; absent where its proxy was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originates: Option<ToldOriginatesView>,
    /// The wire that follows; `unknown` where one end was not read.
    pub wire: Wire,
    /// Why.
    pub why: &'static str,
    /// The same for raw TCP, where a sniffed port treats it differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Outcome>,
    /// Why the client's proxy was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<&'static str>,
    /// What is known beyond that code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Rejected updates, certificates, secrets that wait.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<TroubleView>,
}

/// What the client's proxy was told to send.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldOriginatesView {
    /// `mutual-tls`, `plaintext`, `tls`, `tls-client-cert`, `mixed`.
    pub kind: &'static str,
    /// `AUTO`, `DISABLE`, `SIMPLE`, `MUTUAL`, `ISTIO_MUTUAL`, `NO_PROXY`; policy's own where the cluster fits several.
    pub mode: &'static str,
    /// Every mode that the cluster fits, where it fits more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<&'static str>,
    /// What decides in that mode: a rule, or automatic mutual TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<PolicyRef>,
    /// The rule that the cluster's metadata names, which need not say anything of TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<PolicyRef>,
    /// Where the proxy sends it.
    pub route: Route,
    /// The VirtualService that the route names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routed_by: Option<String>,
    /// The cluster's TLS context, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Whether the pods' labels had to tell which endpoints get TLS.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_label: bool,
    /// Where it stands.
    pub evidence: Vec<Evidence>,
    /// What was not understood, or holds for some requests only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<Evidence>,
}

/// What an endpoint's proxy was told.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum EndpointToldView {
    /// It was read.
    Seen(Box<EndpointTold>),
    /// It was not, and why.
    Unseen(UnseenView),
}

/// What an endpoint's proxy was told, and what follows for it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointTold {
    /// What it accepts.
    pub accepts: ToldAcceptsView,
    /// The wire that follows; `unknown` where the client's proxy was not read.
    pub wire: Wire,
    /// Why.
    pub why: &'static str,
    /// The same for raw TCP, where a sniffed port treats it differently.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Outcome>,
}

/// What a server's proxy was told to accept.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToldAcceptsView {
    /// `STRICT`, `PERMISSIVE`, `DISABLE`; absent where the chains come to none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// What the caller's certificate is held against.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusts: Vec<String>,
    /// What becomes of X-Forwarded-Client-Cert: `APPEND_FORWARD`, `SANITIZE_SET`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwards: Option<String>,
    /// Where it stands.
    pub evidence: Vec<Evidence>,
    /// What was not understood.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub odd: Vec<Evidence>,
}

/// What a proxy is in trouble with.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TroubleView {
    /// `rejected`, `warming`, `certificate`, `roots`, `unreadable`, `foreign`.
    pub kind: &'static str,
    /// `client` or `server`.
    pub at: &'static str,
    /// `namespace/pod`.
    pub pod: String,
    /// In words.
    pub what: String,
    /// Where it stands.
    pub evidence: Vec<Evidence>,
}

/// A disagreement between witnesses.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// `client`, `server` or `wire`; `unproven` where no proxy could be asked which of them it is.
    pub at: &'static str,
    /// What disagrees, in words.
    pub what: String,
    /// What the evidence makes of it: `stale`, `rejected`, `old-connection`; absent where it tells nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// Where it can be seen again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

// === impl Gap ===

impl Gap {
    /// A gap that says only where it is.
    #[must_use]
    pub fn new(at: &'static str, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), state: None, evidence: Vec::new() }
    }
}
