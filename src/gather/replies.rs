//! What pods answered: test clients that sent requests, proxies that told what they hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;

use crate::gather::chosen::Chosen;
use crate::gather::counters::Counters;
use crate::gather::dumps::{self, Dump};
use crate::gather::logs;
use crate::gather::negative::{self, Negative};
use crate::gather::probe::Answers;
use crate::gather::progress::Progress;
use crate::gather::proxies::sample::Sample;
use crate::gather::proxies::{self, Looked};
use crate::gather::repeat::{self, Repeated};
use crate::gather::scope::Scope;
use crate::gather::traffic::{self, Traffic};
use crate::gather::waiting::{self, Moved, Waited};
use crate::gather::{preflight, probe};
use crate::intent::Mesh;
use crate::model::evidence::FailedLook;
use crate::model::pair::PairIntent;
use crate::observed::causes::Heard;
use crate::programmed::Proxies;
use crate::source::cluster::Cluster;
use crate::verdict::arrival::ArrivalView;

/// Everything that was asked of pods.
pub(super) struct Replies {
    pub(super) answers: Answers,
    pub(super) looked: Looked,
    pub(super) traffic: Traffic,
    pub(super) negative: Negative,
    /// Whether what was waited for has arrived.
    pub(super) arrival: Option<ArrivalView>,
    /// What the proxies were told, by their own word and by dumps.
    pub(super) programmed: Proxies,
    /// What both proxies counted and logged of a call.
    pub(super) counted: HashMap<usize, Heard>,
    pub(super) repeated: Repeated,
    /// How many proxies answered; `None` where none was to be asked.
    pub(super) told: Option<usize>,
    /// Looks that failed while waiting, and dumps that could not be read.
    others: Vec<FailedLook>,
}

/// What is asked about.
pub(super) struct About<'a, 's> {
    pub(super) mesh: &'a Mesh<'s>,
    pub(super) chosen: &'a Chosen<'s>,
    /// Calls that requests are sent for.
    pub(super) asked: &'a BTreeMap<usize, Arc<PairIntent>>,
    /// Every pair's, where they are few enough.
    pub(super) intents: Option<&'a [PairIntent]>,
    pub(super) scope: &'a Scope,
    /// Dumps that were taken before.
    pub(super) dumps: &'a [Dump],
    /// When waiting began, once it has.
    pub(super) began: &'a OnceLock<Instant>,
}

// === impl Replies ===

impl Replies {
    /// Asks, one thing after the other where they would disturb each other.
    ///
    /// # Errors
    /// [`Moved`] where what was waited for cannot be told of the pods that were read.
    pub(super) async fn of(cluster: &Cluster, about: &About<'_, '_>, progress: &Progress) -> Result<Self, Moved> {
        let About { mesh, chosen, asked, intents, scope, dumps, began: waiting_since } = *about;
        progress.say("sending requests from the test clients");
        let mut plans = chosen.plans(asked.keys().copied());
        let waited = match scope.wait {
            Some(limit) => {
                waiting::run(
                    cluster,
                    (mesh, chosen),
                    (scope.proxies, *waiting_since.get_or_init(Instant::now), limit),
                    progress,
                )
                .await?
            }
            None => Waited::default(),
        };
        let snapshot = mesh.snapshot();
        let mut sample = match intents {
            _ if scope.wait.is_some() => Sample::default(),
            Some(intents) => Sample::of(chosen.ends(intents), snapshot, scope.proxies),
            None => Sample::of(chosen.ends_of(asked), snapshot, scope.proxies),
        };
        let none = sample.questions.is_empty() && waited.asked == 0;
        let preflight = preflight::run(cluster, &plans, &sample).await;
        let mut barred = Answers::default();
        preflight.bar_requests(&mut plans, &mut barred);
        let barred_proxies = preflight.bar_proxies(&mut sample);
        let counters = Counters::of(cluster, &sample, chosen, asked);
        let before = counters.before().await;
        let began = Instant::now();
        let (mut answers, mut looked) = tokio::join!(
            probe::run(cluster, &plans, scope.manner()),
            proxies::run(cluster, &sample, snapshot, scope.proxies, progress),
        );
        let after = counters.after(&before, &answers.by_call).await;
        let mut counted = counters.heard((&before, &after), &answers.by_call);
        answers.by_call.extend(barred.by_call);
        answers.failed.extend(barred.failed);
        looked.failed.extend(barred_proxies);
        let (mut programmed, mut others) = (waited.proxies, waited.failed);
        proxies::read_into(&mut programmed, &looked, &chosen.wanted());
        dumps::take(&mut programmed, snapshot, dumps, &chosen.wanted(), &mut others);
        let repeated = repeat::settle((cluster, scope.manner()), (chosen, asked), &programmed, &mut answers).await;
        // What was counted was counted with the first answer.
        counted.retain(|call, _| !repeated.contains_key(call));
        let open = logs::open((chosen, asked, &programmed), &answers.by_call, (&counted, &repeated));
        for (call, written) in logs::heard(cluster, chosen, asked, &open, began).await {
            counted.entry(call).or_default().add(written);
        }
        let traffic = match scope.proxies.traffic {
            Some(window) => traffic::watch(cluster, &sample, window, progress).await,
            None => Traffic::default(),
        };
        let negative = match (intents, scope.negative_test) {
            (Some(intents), true) => negative::run(cluster, chosen, intents, scope, progress).await,
            (Some(_) | None, _) => Negative::default(),
        };
        let told = (!none).then(|| looked.answers.len() + waited.asked);
        let arrival = waited.arrival;
        Ok(Self { answers, looked, traffic, negative, arrival, programmed, counted, repeated, told, others })
    }

    /// Whether somebody is owed an answer that did not come. Proxies are asked wherever the rights allow it; only who asked
    /// by a flag is owed theirs.
    pub(super) fn owes(&self, scope: &Scope) -> bool {
        !self.answers.failed.is_empty()
            || scope.proxies.requested && !self.looked.failed.is_empty()
            || !self.traffic.failed.is_empty()
            || !self.negative.failed.is_empty()
    }

    /// Every look that failed.
    pub(super) fn failed(&self) -> impl Iterator<Item = &FailedLook> {
        let probes = self.answers.failed.iter().chain(&self.looked.failed);
        probes.chain(&self.others).chain(&self.traffic.failed).chain(&self.negative.failed)
    }
}
