//! What the proxies of both ends counted while the requests of this program were on their way: one question before them and
//! one after, of counters that Envoy keeps anyway. A proxy that cannot be asked, or shows none of them, tells nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::envoy::stats::Stats;
use crate::gather::chosen::Chosen;
use crate::gather::concluded::{Beside, concluded};
use crate::gather::proxies::encoded;
use crate::gather::proxies::sample::Sample;
use crate::model::evidence::{Reading, Transfer};
use crate::model::pair::{Endpoint, PairIntent};
use crate::model::workload::Pod;
use crate::observed::causes::{Cause, Heard, of_server_counter};
use crate::observed::counters::{Grown, explain, filter};
use crate::source::cluster::Cluster;
use crate::source::envoy_admin::{At, EnvoyAdmin, Patience};

/// Proxies that are asked at the same time.
const AT_ONCE: usize = 4;
/// Bound on an answer, and on all of a reading: nobody waits long for what only narrows.
const EACH: Duration = Duration::from_secs(3);
const ALL: Duration = Duration::from_secs(10);
/// Names in one question; more are left unasked, as a URL has its limits on the way.
const NAMES: usize = 40;

/// Namespace and name of a pod.
type Place = (String, String);

/// The calls whose proxies are watched.
pub(super) struct Counters<'a, 's> {
    cluster: &'a Cluster,
    chosen: &'a Chosen<'s>,
    calls: &'a BTreeMap<usize, Arc<PairIntent>>,
    paths: BTreeMap<Place, String>,
}

/// One reading of each proxy that shows something.
pub(super) type Readings = HashMap<Place, Stats>;

/// What is known of a call before counters are heard.
struct Answer {
    /// What its answer is compatible with.
    causes: BTreeSet<Cause>,
    /// Whether Envoy tried it anew.
    retried: bool,
}

// === impl Counters ===

impl<'a, 's> Counters<'a, 's> {
    /// Of proxies that are asked anyway: those of the pods themselves, as another pod's counters say nothing.
    pub(super) fn of(
        cluster: &'a Cluster,
        sample: &Sample<'_>,
        chosen: &'a Chosen<'s>,
        calls: &'a BTreeMap<usize, Arc<PairIntent>>,
    ) -> Self {
        let mut called: BTreeMap<Place, BTreeSet<(&str, u16)>> = BTreeMap::new();
        let mut serving: BTreeSet<Place> = BTreeSet::new();
        for (call, intent) in calls {
            let Some((client, server, _)) = chosen.pair(*call) else { continue };
            called.entry(place(client.pod)).or_default().insert((server.host.as_str(), server.port.0));
            serving.extend(others(intent).filter_map(place_of));
        }
        let asked = sample.questions.iter().filter_map(|question| {
            let place = place(question.pod);
            let hosts = called.get(&place).into_iter().flatten().copied().take(NAMES);
            let filter = filter(hosts, serving.contains(&place))?;
            Some((place, format!("/stats?filter={}", encoded(&filter))))
        });
        Self { cluster, chosen, calls, paths: asked.collect() }
    }

    /// The first reading.
    pub(super) async fn before(&self) -> Readings {
        self.read(|_| true).await
    }

    /// The second, of proxies that showed something and stand at an end of a call whose answer leaves more than one cause.
    pub(super) async fn after(&self, before: &Readings, by_call: &HashMap<usize, Reading<Transfer>>) -> Readings {
        let mut open: BTreeSet<Place> = BTreeSet::new();
        for (call, _) in self.alone(by_call).iter().filter(|(_, answer)| answer.causes.len() > 1) {
            open.extend(self.chosen.pair(*call).map(|(client, _, _)| place(client.pod)));
            open.extend(self.calls.get(call).into_iter().flat_map(|intent| others(intent)).filter_map(place_of));
        }
        self.read(|place| before.contains_key(place) && open.contains(place)).await
    }

    async fn read(&self, wanted: impl Fn(&Place) -> bool) -> Readings {
        let patience = Patience { each: EACH, ..Patience::default() };
        let admin = EnvoyAdmin::new(self.cluster, patience);
        let asked = self.paths.iter().filter(|(place, _)| wanted(place)).map(|(place, path)| one(&admin, place, path));
        let answered = futures_util::stream::iter(asked).buffer_unordered(AT_ONCE);
        let answered = answered.take_until(tokio::time::sleep(ALL));
        answered.filter_map(|reading| async { reading }).collect().await
    }

    /// What the counters say of each call whose answer leaves more than one cause.
    pub(super) fn heard(
        &self,
        (before, after): (&Readings, &Readings),
        by_call: &HashMap<usize, Reading<Transfer>>,
    ) -> HashMap<usize, Heard> {
        let mut answers = self.alone(by_call);
        answers.retain(|_, answer| answer.causes.len() > 1);
        let answers = &answers;
        let both = |place: &Place| Some((before.get(place)?, after.get(place)?));
        let listeners: HashMap<&Place, Grown> =
            after.keys().filter_map(|place| both(place).map(|(a, b)| (place, Grown::of_listener(a, b)))).collect();
        let of = |(call, intent): (&usize, &Arc<PairIntent>)| {
            let (client, server, _) = self.chosen.pair(*call)?;
            let mut heard = Heard::default();
            if let Some((before, after)) = both(&place(client.pod)) {
                let grown = Grown::of_cluster(before, after, &server.host, server.port.0);
                heard.client = grown.grew().map(|(name, _)| name.to_owned()).collect();
                heard.client_quiet = grown.quiet().map(str::to_owned).collect();
            }
            let mut met = others(intent);
            if let (Some(only), None) = (met.next(), met.next())
                && let Some(place) = place_of(only)
                && let Some(grown) = listeners.get(&place)
            {
                let ours = grown.grew().filter(|(name, more)| self.is_of(*call, (&place, name, *more), answers));
                heard.server = ours.map(|(name, _)| name.to_owned()).collect();
                heard.server_quiet = grown.quiet().map(str::to_owned).collect();
            }
            (heard != Heard::default()).then_some((*call, heard))
        };
        self.calls.iter().filter(|(call, _)| answers.contains_key(call)).filter_map(of).collect()
    }

    /// What the answers are compatible with by themselves.
    fn alone(&self, by_call: &HashMap<usize, Reading<Transfer>>) -> HashMap<usize, Answer> {
        let of = |(call, intent): (&usize, &Arc<PairIntent>)| {
            let reading = by_call.get(call)?.clone();
            let Reading::Seen(seen) = concluded(reading, self.chosen, *call, intent, Beside::default()) else {
                return None;
            };
            let retried = seen.transfer.body.contains("retried and the latest reset reason");
            Some((*call, Answer { causes: seen.causes, retried }))
        };
        self.calls.iter().filter_map(of).collect()
    }

    /// Whether a counter that all callers of a pod share grew by this call.
    fn is_of(&self, call: usize, (place, name, more): (&Place, &str, u64), answers: &HashMap<usize, Answer>) -> bool {
        let Some(possible) = of_server_counter(name) else { return false };
        let mut candidates = Vec::new();
        for (number, intent) in self.calls {
            let Some(answer) = answers.get(number) else { continue };
            let is_met = others(intent).filter_map(place_of).any(|met| met == *place);
            if is_met && answer.causes.iter().any(|cause| possible.contains(cause)) {
                // Of several pods it may have met another one.
                if others(intent).count() != 1 {
                    return false;
                }
                candidates.push((*number, answer.retried));
            }
        }
        let retried: Vec<bool> = candidates.iter().map(|(_, retried)| *retried).collect();
        candidates.iter().any(|(number, _)| *number == call) && explain(more, &retried)
    }
}

async fn one(admin: &EnvoyAdmin<'_>, place: &Place, path: &str) -> Option<(Place, Stats)> {
    let at = At { namespace: &place.0, pod: &place.1 };
    let body = admin.ask(at, &[path.to_owned()]).await.ok()?.into_iter().next()?.ok()?;
    Some((place.clone(), Stats::parse(&body).ok()?))
}

/// The endpoints that a call may meet.
fn others(intent: &PairIntent) -> impl Iterator<Item = &Endpoint> {
    intent.endpoints.iter().filter(|endpoint| !endpoint.is_self)
}

fn place(pod: &Pod) -> Place {
    (pod.namespace().to_owned(), pod.meta.name.clone())
}

fn place_of(endpoint: &Endpoint) -> Option<Place> {
    Some((endpoint.namespace.clone(), endpoint.pod.clone()?))
}
