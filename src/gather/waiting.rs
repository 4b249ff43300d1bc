//! `--wait`: the proxies are asked until all of them hold what policy demands, or the time is over.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::gather::chosen::Chosen;
use crate::gather::progress::Progress;
use crate::gather::proxies;
use crate::gather::proxies::sample::Sample;
use crate::gather::scope::ProxyLooks;
use crate::intent::Mesh;
use crate::model::evidence::FailedLook;
use crate::model::pair::{ClientRef, PairIntent};
use crate::programmed::Proxies;
use crate::source::cluster::Cluster;
use crate::verdict::arrival::{Arrival, ArrivalView};

/// What came of waiting.
#[derive(Debug, Default)]
pub(super) struct Waited {
    /// What the proxies were told when they were last asked.
    pub proxies: Proxies,
    /// Who holds it.
    pub arrival: Option<ArrivalView>,
    /// Looks that failed the last time.
    pub failed: Vec<FailedLook>,
    /// How many proxies were asked.
    pub asked: usize,
}

/// Pods that were asked are gone, and time is left: who else is there has to be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    /// Until the limit is reached.
    pub(super) left: Duration,
}

/// The first pause between two rounds; each is twice the one before, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(2);

/// Asks every proxy of the chosen pairs, and those that lag again and again, until the limit after the beginning is reached.
pub(super) async fn run<'s>(
    cluster: &Cluster,
    (mesh, chosen): (&Mesh<'s>, &Chosen<'s>),
    (looks, began, limit): (ProxyLooks, Instant, Duration),
    progress: &Progress,
) -> Result<Waited, Moved> {
    let looks = ProxyLooks { all_pods: true, ..looks };
    let intents = chosen.intents(mesh);
    let mut waited = Waited::default();
    let (mut pause, mut said) = (SHORTEST, String::new());
    let mut arrival: Option<Arrival> = None;
    loop {
        let mut sample = Sample::of(chosen.ends_of_all(&intents), mesh.snapshot(), looks);
        if let Some(before) = &arrival {
            sample.questions.retain(|question| before.waits_for(question.pod.namespace(), &question.pod.meta.name));
        }
        let looked = proxies::run(cluster, &sample, mesh.snapshot(), looks, progress).await;
        let left = limit.saturating_sub(began.elapsed());
        if looked.gone && !left.is_zero() {
            return Err(Moved { left });
        }
        proxies::read_into(&mut waited.proxies, &looked, &chosen.wanted());
        waited.asked = waited.asked.max(looked.answers.len());
        waited.failed = looked.failed;
        let now = standing(chosen, &intents, &waited.proxies);
        let view = now.view(began.elapsed().as_secs());
        let over = view.arrived || !now.can_improve() || left.is_zero();
        let counts = view.counts();
        if !view.arrived && (!over || said.is_empty()) && counts != said {
            progress.tell(&format!("waiting: {counts}; {}", laggards(&view)));
            said = counts;
        }
        waited.arrival = Some(view);
        if over {
            return Ok(waited);
        }
        arrival = Some(now);
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Where everybody stands, each pod of a client by its own proxy.
fn standing(chosen: &Chosen<'_>, intents: &[PairIntent], proxies: &Proxies) -> Arrival {
    let mut arrival = Arrival::default();
    for (client, server, intent) in chosen.calls(intents) {
        let names: BTreeSet<&str> = client.pods.iter().map(|pod| pod.meta.name.as_str()).collect();
        let standing_for = names.into_iter().chain([client.reference.pod.as_str()]);
        for pod in standing_for.collect::<BTreeSet<_>>() {
            let reference = ClientRef { pod: pod.to_owned(), ..client.reference.clone() };
            arrival.add(&reference, intent, &proxies.told(&reference, server, intent));
        }
    }
    arrival
}

/// The first few who are waited for.
fn laggards(view: &ArrivalView) -> String {
    const FEW: usize = 3;
    let name = |pod: &crate::verdict::arrival::LaggingView| format!("{}/{} {}", pod.namespace, pod.pod, pod.state);
    let mut names: Vec<String> = view.lagging.iter().take(FEW).map(name).collect();
    if view.lagging.len() > FEW {
        names.push(format!("{} more", view.lagging.len() - FEW));
    }
    names.join(", ")
}
