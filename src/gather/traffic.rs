//! What real traffic does while somebody waits: the counters of the servers' proxies, read twice, that far apart.
//!
//! It begins after the requests of this program are over, so that they are not counted.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use crate::gather::progress::Progress;
use crate::gather::proxies::sample::Sample;
use crate::gather::proxies::{self, encoded};
use crate::model::evidence::{FailedLook, Reading, Unseen};
use crate::model::workload::Pod;
use crate::observed::traffic::{Counters, ENVOY, ISTIO};
use crate::source::cluster::Cluster;
use crate::source::envoy_admin::{At, EnvoyAdmin, Patience, Unanswered};
use crate::verdict::report::traffic::Watched;

/// What was watched, and what could not be.
#[derive(Debug, Default)]
pub struct Traffic {
    /// One for each server's proxy.
    pub watched: Vec<Watched>,
    /// Looks that failed.
    pub failed: Vec<FailedLook>,
}

/// Proxies that are asked at the same time.
const AT_ONCE: usize = 4;
/// How often the progress is said.
const TICK: Duration = Duration::from_secs(1);

/// The first reading of a proxy.
struct First<'s> {
    pod: &'s Pod,
    at: Instant,
    counters: Counters,
}

/// Reads the counters of the servers' proxies of a sample, waits, and reads them again.
pub async fn watch(cluster: &Cluster, sample: &Sample<'_>, window: Duration, progress: &Progress) -> Traffic {
    let admin = EnvoyAdmin::new(cluster, Patience::default());
    let mut traffic = Traffic::default();
    let servers = sample.questions.iter().filter(|question| question.serves).map(|question| question.pod);
    progress.say("reading the servers' counters");
    let mut firsts = Vec::new();
    let mut readings = futures_util::stream::iter(servers.map(|pod| first(&admin, pod))).buffer_unordered(AT_ONCE);
    while let Some((pod, reading)) = readings.next().await {
        match reading {
            Ok(first) => firsts.push(first),
            Err(why) => traffic.blind(pod, &why),
        }
    }
    if firsts.is_empty() {
        return traffic;
    }
    wait(Instant::now() + window, window, progress).await;
    let mut readings =
        futures_util::stream::iter(firsts.iter().map(|first| second(&admin, first))).buffer_unordered(AT_ONCE);
    while let Some((first, seconds, reading)) = readings.next().await {
        match reading {
            Ok(later) => traffic.compare(first, seconds, &later),
            Err(why) => traffic.blind(first.pod, &why),
        }
    }
    traffic.watched.sort_by(|a, b| (&a.namespace, &a.pod).cmp(&(&b.namespace, &b.pod)));
    traffic.failed.sort_by(|a, b| a.tried.cmp(&b.tried));
    traffic
}

/// Waits for a moment, and says how far away it is.
async fn wait(end: Instant, window: Duration, progress: &Progress) {
    let began = Instant::now();
    loop {
        let (passed, now) = (began.elapsed().as_secs(), Instant::now());
        if now >= end {
            return;
        }
        progress.say(format!("watching the servers' traffic: {passed} of {} s", window.as_secs()));
        tokio::time::sleep_until(end.min(now + TICK)).await;
    }
}

async fn first<'s>(admin: &EnvoyAdmin<'_>, pod: &'s Pod) -> (&'s Pod, Result<First<'s>, Unanswered>) {
    let counters = read(admin, pod).await;
    (pod, counters.map(|counters| First { pod, at: Instant::now(), counters }))
}

async fn second<'f, 's>(
    admin: &EnvoyAdmin<'_>,
    first: &'f First<'s>,
) -> (&'f First<'s>, u64, Result<Counters, Unanswered>) {
    let counters = read(admin, first.pod).await;
    // Whole seconds, to the nearest: what lies between them is the way to the proxy.
    let seconds = (first.at.elapsed() + Duration::from_millis(500)).as_secs();
    (first, seconds, counters)
}

/// What a server's proxy is asked for: Envoy's counters and Istio's.
#[must_use]
pub fn paths() -> [String; 2] {
    [format!("/stats?filter={}", encoded(ENVOY)), format!("/stats/prometheus?filter={}", encoded(ISTIO))]
}

async fn read(admin: &EnvoyAdmin<'_>, pod: &Pod) -> Result<Counters, Unanswered> {
    let at = At { namespace: pod.namespace(), pod: &pod.meta.name };
    let mut bodies = admin.ask(at, &paths()).await?.into_iter();
    let mut next = || bodies.next().unwrap_or_else(|| Err(Unanswered::Failed("no answer came".to_owned())));
    let (envoy, istio) = (next()?, next()?);
    Counters::read(&envoy, &istio).map_err(|refusal| Unanswered::Failed(refusal.to_string()))
}

// === impl Traffic ===

impl Traffic {
    fn compare(&mut self, first: &First<'_>, seconds: u64, later: &Counters) {
        let reading = match later.since(&first.counters) {
            _ if later.is_empty() => Reading::Unseen(Unseen::NoCounters),
            Ok(traffic) => Reading::Seen(traffic),
            Err(restarted) => Reading::Unseen(Unseen::Failed(restarted.to_string())),
        };
        self.watched.push(Watched::new(first.pod.namespace(), &first.pod.meta.name, seconds, reading));
    }

    fn blind(&mut self, pod: &Pod, why: &Unanswered) {
        let name = format!("{}/{}", pod.namespace(), pod.meta.name);
        self.failed.push(FailedLook {
            tried: format!("read the counters of the proxy of {name}"),
            why: why.to_string(),
            next: None,
        });
        self.watched.push(Watched::new(pod.namespace(), &pod.meta.name, 0, Reading::Unseen(proxies::unseen(why))));
    }
}
