//! What is looked at: which servers, which clients, between whom requests are sent.

use crate::audit::fixes::Wanted;
use crate::gather::mesh::Places;
use crate::gather::probe::Manner;
use crate::model::name::{ClientName, LabelSelector, ServiceName};

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Named service ports; empty = all that the rest of the scope allows.
    pub services: Vec<ServiceName>,
    /// Namespace of the servers; `None` = all.
    pub namespace: Option<String>,
    /// Without a named namespace, the servers of the context's own only.
    pub own_namespace_only: bool,
    /// Labels of the servers' Services.
    pub labels: Option<LabelSelector>,
    /// Only Services that exist to be called by tests (the standalone default).
    pub echo_servers_only: bool,
    /// Clients; empty = every workload.
    pub from: Vec<ClientName>,
    /// Between whom requests are sent.
    pub probes: Probes,
    /// Which fixes are looked for.
    pub fixes: Wanted,
    /// Which proxies are asked.
    pub proxies: ProxyLooks,
    /// How long to wait until the proxies hold what policy demands; `None` = not at all.
    pub wait: Option<std::time::Duration>,
    /// The image of a container that is added to clients' pods which have no curl.
    pub debug_image: Option<String>,
    /// Whether what STRICT must refuse is sent.
    pub negative_test: bool,
    /// How much of the answer is spelled out.
    pub detail: Detail,
}

impl Scope {
    /// How requests are sent.
    pub(super) fn manner(&self) -> Manner<'_> {
        Manner { debug_image: self.debug_image.as_deref(), ..Manner::default() }
    }

    /// The namespace that servers without a name are looked for in; `None` = all.
    pub(super) fn place<'n>(&'n self, own: &'n str) -> Option<&'n str> {
        self.namespace.as_deref().or(self.own_namespace_only.then_some(own))
    }

    /// The namespaces that are looked at, as far as the question tells: those of servers and clients that it names.
    pub(super) fn places(&self, own: &str, istio: Option<&str>) -> Places {
        let services = self.services.iter().filter(|service| !is_foreign(service));
        let services = services.map(|service| service.parts().1.unwrap_or(own));
        let clients = self.from.iter().filter_map(|client| match client {
            ClientName::Named { namespace, .. } => namespace.as_deref(),
            ClientName::Labelled(_) => None,
        });
        let place = self.place(own);
        Places {
            istio: istio.unwrap_or(ISTIO).to_owned(),
            is_given: istio.is_some(),
            root: None,
            named: services.chain(clients).chain(place).map(str::to_owned).collect(),
            everywhere: self.services.is_empty() && place.is_none(),
        }
    }
}

/// Where the control plane runs unless somebody chose otherwise.
const ISTIO: &str = "istio-system";

/// Whether it is a host outside of the cluster: `api.example.com` names no namespace.
fn is_foreign(service: &ServiceName) -> bool {
    let host = service.text.split(':').next().unwrap_or_default();
    host.split('.').nth(2).is_some_and(|third| third != "svc")
}

/// How much of the answer is spelled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Every pair; refused where there are more than [`MOST_LISTED`].
    #[default]
    Each,
    /// Every pair up to [`MOST_LISTED`], beyond that one for each service port and class of clients.
    Rows,
    /// No pair: counts, findings, and what happens how often.
    Summary,
}

/// What becomes of so many pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelled {
    /// Each is listed.
    Each,
    /// They are counted by class.
    ByClass {
        /// Whether one pair of each class is kept, for a table.
        rows: bool,
    },
}

// === impl Detail ===

impl Detail {
    /// How so many pairs are spelled out.
    pub(super) fn of(self, pairs: usize) -> Result<Spelled, TooMany> {
        match self {
            Self::Summary => Ok(Spelled::ByClass { rows: false }),
            Self::Each | Self::Rows if pairs <= MOST_LISTED => Ok(Spelled::Each),
            Self::Rows => Ok(Spelled::ByClass { rows: true }),
            Self::Each => Err(TooMany { pairs }),
        }
    }
}

/// More pairs than this are not listed one by one.
pub const MOST_LISTED: usize = 100_000;

/// More pairs than can be listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{pairs} pairs are too many to list one by one (at most {MOST_LISTED})")]
pub struct TooMany {
    /// How many there are.
    pub pairs: usize,
}

/// Between whom requests are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Probes {
    /// Nobody.
    None,
    /// From pods that exist to send them to pods that exist to receive them.
    #[default]
    TestPairs,
    /// From the chosen clients to every HTTP port in scope, at most so many.
    Chosen(usize),
}

/// Which proxies are asked what they were told, and for how much; the default asks none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProxyLooks {
    /// Every pod's instead of one for each workload, template and revision.
    pub all_pods: bool,
    /// The most that are asked; 0 asks none.
    pub most: usize,
    /// Whole dumps instead of the parts that matter.
    pub whole: bool,
    /// Somebody asked for it by a flag, so that a failure counts.
    pub requested: bool,
    /// How long the servers' traffic is watched; `None` = not at all.
    pub traffic: Option<std::time::Duration>,
}

/// A name that matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmatched {
    /// As typed.
    pub text: String,
    /// `service port` or `client`.
    pub what: &'static str,
    /// What is wrong with it, where that can be told.
    pub because: Option<String>,
    /// Names that come near, the nearest first.
    pub nearest: Vec<String>,
}
