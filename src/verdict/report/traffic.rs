//! What real traffic did, as the report has it and as a bundle keeps it.

use serde::{Deserialize, Serialize};

use crate::model::evidence::{Reading, Unseen};
use crate::observed::traffic::Traffic;
use crate::verdict::report::UnseenView;

/// A server's proxy and what its counters did between two readings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Watched {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// How far the readings were apart, in seconds.
    pub seconds: u64,
    /// What grew, or why that is not known.
    pub reading: Reading<Traffic>,
}

/// The same in the report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficView {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod whose proxy counted; other pods of its workload have counters of their own.
    pub pod: String,
    /// How far the readings were apart, in seconds.
    pub seconds: u64,
    /// What grew, or why that is not known.
    #[serde(flatten)]
    pub grew: GrewView,
}

/// What grew, or why that is not known.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum GrewView {
    /// What grew.
    Seen(Traffic),
    /// Why that is not known.
    Unseen(UnseenView),
}

// === impl Watched ===

impl Watched {
    /// Of a pod.
    #[must_use]
    pub fn new(namespace: &str, pod: &str, seconds: u64, reading: Reading<Traffic>) -> Self {
        Self { namespace: namespace.to_owned(), pod: pod.to_owned(), seconds, reading }
    }

    /// As the report has it.
    #[must_use]
    pub fn view(&self) -> TrafficView {
        let unseen = |why: &Unseen| UnseenView { unseen: why.code(), detail: why.detail().map(str::to_owned) };
        TrafficView {
            namespace: self.namespace.clone(),
            pod: self.pod.clone(),
            seconds: self.seconds,
            grew: match &self.reading {
                Reading::Seen(traffic) => GrewView::Seen(traffic.clone()),
                Reading::Unseen(why) => GrewView::Unseen(unseen(why)),
            },
        }
    }
}
