//! What proxies were told, in the words of policy, each with the place in the dump that shows it.

use serde::Serialize;

use crate::model::derivation::PolicyRef;
use crate::model::evidence::{Reading, Unseen};
use crate::model::filter_chain::FilterChain;
use crate::model::pair::{AcceptMode, OriginKind, OriginMode, PairIntent, Route};
use crate::model::port::PortClass;
use crate::model::tls::UpstreamTls;
use crate::model::wire::{Outcome, Sends, Why, Wire};

/// Where something can be seen again by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// `namespace/pod` whose proxy said it.
    pub pod: String,
    /// What the proxy was asked; absent for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// JSON pointer into the answer.
    pub pointer: String,
    /// What stands there, in words.
    pub says: String,
    /// The command that shows it; absent for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What the proxies of a pair were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programmed {
    /// The client side.
    pub client: Reading<Originates>,
    /// Every endpoint of the pair, in the order of the intent.
    pub endpoints: Vec<EndpointTold>,
    /// Over the endpoints that count; `unknown` where one end was not read.
    pub outcome: Outcome,
    /// The same for raw TCP, on a port whose protocol is sniffed.
    pub tcp: Option<Outcome>,
    /// What both ends are in trouble with.
    pub troubles: Vec<Trouble>,
    /// When the later end was read.
    pub read_at: Option<jiff::Timestamp>,
}

/// An endpoint of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointTold {
    /// What its proxy accepts.
    pub accepts: Reading<Accepts>,
    /// What the client sends to it; `None` where its own proxy refuses, or was not read.
    pub sends: Option<Sends>,
    /// What follows.
    pub outcome: Outcome,
    /// What follows for raw TCP, on a port whose protocol is sniffed.
    pub tcp: Option<Outcome>,
    /// What the client sends of it there.
    pub tcp_sends: Option<Sends>,
}

/// What the client's proxy was told to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originates {
    /// What it comes to over all endpoints.
    pub kind: OriginKind,
    /// The mode that most likely made it so.
    pub mode: OriginMode,
    /// Other modes from which istiod makes the very same cluster.
    pub or_modes: Vec<OriginMode>,
    /// Where the proxy sends it.
    pub route: Route,
    /// Why the proxy itself refuses, where it does.
    pub refuses: Option<Why>,
    /// TLS context, where TLS may be used.
    pub tls: Option<UpstreamTls>,
    /// What is sent to each endpoint of the pair, in the order of the intent.
    pub sends: Vec<Option<Sends>>,
    /// Whether the `istio.alpn` filter is there; `None` where the listener was not read.
    pub alpn_filter: Option<bool>,
    /// The rule that the cluster's metadata names: the one that applies, whether or not it says anything of TLS.
    pub named: Option<PolicyRef>,
    /// The VirtualService that the route's metadata names.
    pub routed_by: Option<String>,
    /// Whether endpoints were told by their pod's label, because the proxy's own list of them was not read.
    pub by_label: bool,
    /// When the cluster was last changed.
    pub changed: Option<jiff::Timestamp>,
    /// Where it stands.
    pub evidence: Vec<Evidence>,
    /// What was not understood.
    pub odd: Vec<Evidence>,
}

/// What a server's proxy was told to accept on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepts {
    /// The mode that the chains come to; `None` where they come to none of Istio's.
    pub mode: Option<AcceptMode>,
    /// How the port's bytes are read.
    pub class: PortClass,
    /// The chains that a connection to the port is held against.
    pub chains: Vec<FilterChain>,
    /// Trust domains, or other matchers, that the caller's certificate is held against.
    pub trusts: Vec<String>,
    /// `forward_client_cert_details` of the HTTP chains.
    pub forwards: Option<String>,
    /// When the listener was last changed.
    pub changed: Option<jiff::Timestamp>,
    /// Whether an earlier version of the listener still serves its old connections.
    pub draining: bool,
    /// Where it stands.
    pub evidence: Vec<Evidence>,
    /// What was not understood.
    pub odd: Vec<Evidence>,
}

/// What is wrong with a proxy or between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: TroubleKind,
    /// At which end it is.
    pub at: End,
    /// `namespace/pod`.
    pub pod: String,
    /// In words, with Envoy's own where it has any.
    pub what: String,
    /// Where it stands.
    pub evidence: Vec<Evidence>,
}

/// An end of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// The client's proxy.
    Client,
    /// A server's proxy.
    Server,
}

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TroubleKind {
    /// The proxy refused an update and keeps what it had.
    Rejected,
    /// Something waits for secrets that SDS has not delivered.
    Warming,
    /// A certificate is out of date, not yet valid, or names somebody else.
    Certificate,
    /// The ends trust different roots.
    Roots,
    /// An answer was no answer.
    Unreadable,
    /// Something that istiod does not write.
    Foreign,
}

// === impl Programmed ===

impl Programmed {
    /// What is said where no proxy was asked.
    #[must_use]
    pub fn unasked(why: &Unseen, intent: &PairIntent) -> Self {
        let outcome = Outcome { wire: Wire::Unknown, why: Why::NotReadable };
        let accepts = || Reading::Unseen(why.clone());
        let endpoint = || EndpointTold { accepts: accepts(), sends: None, outcome, tcp: None, tcp_sends: None };
        Self {
            client: Reading::Unseen(why.clone()),
            endpoints: intent.endpoints.iter().map(|_| endpoint()).collect(),
            outcome,
            tcp: None,
            troubles: Vec::new(),
            read_at: None,
        }
    }

    /// Whether at least one proxy was read.
    #[must_use]
    pub fn any_seen(&self) -> bool {
        matches!(self.client, Reading::Seen(_))
            || self.endpoints.iter().any(|endpoint| matches!(endpoint.accepts, Reading::Seen(_)))
    }
}

// === impl TroubleKind, End ===

impl TroubleKind {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Warming => "warming",
            Self::Certificate => "certificate",
            Self::Roots => "roots",
            Self::Unreadable => "unreadable",
            Self::Foreign => "foreign",
        }
    }
}

impl End {
    /// The report's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}
