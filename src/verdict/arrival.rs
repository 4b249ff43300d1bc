//! Whether what policy demands has arrived: pod by pod, by what their proxies hold.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::evidence::{Reading, Unseen};
use crate::model::pair::{AcceptMode, ClientRef, OriginMode, PairIntent};
use crate::model::workload::ProxyKind;
use crate::programmed::told::{End, Programmed, TroubleKind};
use crate::verdict::gaps;

/// What a pod's proxy holds; the later ones count more.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// What policy demands.
    Holds,
    /// That, too, but its previous listener still serves the connections that it has.
    Drains,
    /// It could not be asked.
    Unseen(Unseen),
    /// Something else.
    Lags(String),
    /// Something else, since it refused the update.
    Rejected(String),
}

/// Where every pod stands, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    pods: BTreeMap<(String, String), Standing>,
}

/// The same in the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrivalView {
    /// Whether every proxy holds what policy demands.
    pub arrived: bool,
    /// How long that took, or how long was waited, in whole seconds.
    pub seconds: u64,
    /// Pods with a proxy at either end of some pair.
    pub pods: usize,
    /// Those whose proxy holds what policy demands and nothing else.
    pub holding: usize,
    /// Those whose previous listener still serves the connections that it has.
    pub draining: usize,
    /// Those whose proxy refused the update.
    pub rejected: usize,
    /// Those whose proxy could not be asked.
    pub unseen: usize,
    /// Everybody who does not hold it, in byte order of namespace and name.
    pub lagging: Vec<LaggingView>,
}

/// A pod whose proxy does not hold what policy demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaggingView {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// `lags`, `rejected`, `draining` or `unseen`.
    pub state: &'static str,
    /// In words.
    pub what: String,
}

// === impl Arrival ===

impl Arrival {
    /// Takes in what both ends of a pair were told.
    pub fn add(&mut self, client: &ClientRef, intent: &PairIntent, told: &Programmed) {
        // A client whose calls the proxy does not see, or that has none, waits for nothing.
        if client.proxy == ProxyKind::Sidecar && intent.originates.mode != OriginMode::NoProxy {
            let standing = match &told.client {
                Reading::Seen(originates) => standing(gaps::client(intent, originates, told), told, End::Client, false),
                Reading::Unseen(why) => Standing::Unseen(why.clone()),
            };
            self.note(&client.namespace, &client.pod, standing);
        }
        for (endpoint, end) in intent.endpoints.iter().zip(&told.endpoints) {
            let Some(pod) = endpoint.pod.as_ref().filter(|_| !endpoint.is_self) else { continue };
            if endpoint.accepts.mode == AcceptMode::NoProxy || endpoint.proxy != ProxyKind::Sidecar {
                continue;
            }
            let standing = match &end.accepts {
                Reading::Seen(accepts) => {
                    let what = gaps::server(endpoint, end, accepts);
                    standing(what, told, End::Server, accepts.draining)
                }
                Reading::Unseen(why) => Standing::Unseen(why.clone()),
            };
            self.note(&endpoint.namespace, pod, standing);
        }
    }

    fn note(&mut self, namespace: &str, pod: &str, standing: Standing) {
        // A pod that is not ready is nobody's endpoint yet.
        if standing == Standing::Unseen(Unseen::PodNotReady) {
            return;
        }
        let known = self.pods.entry((namespace.to_owned(), pod.to_owned())).or_insert(Standing::Holds);
        if standing.rank() > known.rank() {
            *known = standing;
        }
    }

    /// Whether more time can help: somebody lags, drains, or did not answer though it may be asked.
    #[must_use]
    pub fn can_improve(&self) -> bool {
        self.pods.values().any(|standing| match standing {
            Standing::Holds
            | Standing::Unseen(Unseen::Forbidden(_) | Unseen::Budget | Unseen::NotRequested | Unseen::NoProxy) => false,
            Standing::Drains | Standing::Unseen(_) | Standing::Lags(_) | Standing::Rejected(_) => true,
        })
    }

    /// Whether a pod's proxy has to be asked again.
    #[must_use]
    pub fn waits_for(&self, namespace: &str, pod: &str) -> bool {
        self.pods.get(&(namespace.to_owned(), pod.to_owned())).is_some_and(|standing| *standing != Standing::Holds)
    }

    /// As the report has it.
    #[must_use]
    pub fn view(&self, seconds: u64) -> ArrivalView {
        let count = |state: &str| self.pods.values().filter(|standing| standing.state() == state).count();
        let lagging: Vec<LaggingView> = self
            .pods
            .iter()
            .filter(|(_, standing)| **standing != Standing::Holds)
            .map(|((namespace, pod), standing)| LaggingView {
                namespace: namespace.clone(),
                pod: pod.clone(),
                state: standing.state(),
                what: standing.what(),
            })
            .collect();
        ArrivalView {
            arrived: lagging.is_empty(),
            seconds,
            pods: self.pods.len(),
            holding: self.pods.len() - lagging.len(),
            draining: count("draining"),
            rejected: count("rejected"),
            unseen: count("unseen"),
            lagging,
        }
    }
}

fn standing(gap: Option<String>, told: &Programmed, end: End, draining: bool) -> Standing {
    let rejected = || told.troubles.iter().find(|trouble| trouble.kind == TroubleKind::Rejected && trouble.at == end);
    match (gap, draining) {
        (None, false) => Standing::Holds,
        (None, true) => Standing::Drains,
        (Some(what), _) => match rejected() {
            Some(trouble) => Standing::Rejected(format!("{what}; {}", trouble.what)),
            None => Standing::Lags(what),
        },
    }
}

// === impl Standing ===

impl Standing {
    fn rank(&self) -> u8 {
        match self {
            Self::Holds => 0,
            Self::Drains => 1,
            Self::Unseen(_) => 2,
            Self::Lags(_) => 3,
            Self::Rejected(_) => 4,
        }
    }

    fn state(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Drains => "draining",
            Self::Unseen(_) => "unseen",
            Self::Lags(_) => "lags",
            Self::Rejected(_) => "rejected",
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Holds => String::new(),
            Self::Drains => "its previous listener still serves the connections that it has".to_owned(),
            Self::Unseen(why) => why.detail().unwrap_or(why.code()).to_owned(),
            Self::Lags(what) | Self::Rejected(what) => what.clone(),
        }
    }
}

// === impl ArrivalView ===

impl ArrivalView {
    /// `13/14 pods hold what policy demands, 0 lag, 1 draining, 0 rejected`; with those that could not be asked, if any.
    #[must_use]
    pub fn counts(&self) -> String {
        let Self { pods, holding, draining, rejected, unseen, .. } = self;
        let lag = self.lagging.iter().filter(|pod| pod.state == "lags").count();
        let blind = if *unseen == 0 { String::new() } else { format!(", {unseen} not asked") };
        format!(
            "{holding}/{pods} pods hold what policy demands, {lag} lag, {draining} draining, {rejected} rejected{blind}"
        )
    }
}
