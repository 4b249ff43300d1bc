//! Requests whose answer contradicts what the proxies were told are sent again, until the answer is stable; no others are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::gather::chosen::Chosen;
use crate::gather::concluded::{Beside, concluded, ends};
use crate::gather::probe::{self, Answers, Manner};
use crate::model::evidence::{Reading, Transfer};
use crate::model::pair::PairIntent;
use crate::observed::repeats::{MOST, Repeats};
use crate::programmed::Proxies;
use crate::source::cluster::Cluster;
use crate::verdict::join;

/// No request is sent again when all of them have taken this long.
const ALL: Duration = Duration::from_secs(20);

/// What was answered when calls were repeated, by call.
pub(super) type Repeated = HashMap<usize, Repeats>;

/// Repeats what contradicts; the last answer of each takes the place of its first.
pub(super) async fn settle(
    (cluster, manner): (&Cluster, Manner<'_>),
    (chosen, calls): (&Chosen<'_>, &BTreeMap<usize, Arc<PairIntent>>),
    proxies: &Proxies,
    answers: &mut Answers,
) -> Repeated {
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut repeated = Repeated::new();
    for (call, intent) in calls {
        if let Some(Reading::Seen(transfer)) = answers.by_call.get(call)
            && contradicts(chosen, *call, intent, proxies, transfer)
        {
            open.insert(*call);
            repeated.insert(*call, Repeats::of(transfer));
        }
    }
    let end = Instant::now() + ALL;
    for _ in 0..MOST {
        if open.is_empty() || Instant::now() > end {
            break;
        }
        let again = probe::run(cluster, &chosen.plans(open.iter().copied()), manner).await;
        answers.execs += again.execs;
        for (call, reading) in again.by_call {
            let Reading::Seen(transfer) = reading else {
                // What cannot be asked again is not settled, and its answer stays.
                open.remove(&call);
                continue;
            };
            let last = answers.by_call.insert(call, Reading::Seen(transfer.clone()));
            let known = chosen.pair(call).zip(calls.get(&call)).map(|(pair, intent)| ends(pair, intent));
            let (Some(repeats), Some(Reading::Seen(last)), Some(ends)) = (repeated.get_mut(&call), last, known) else {
                continue;
            };
            repeats.add(&last, &transfer, ends);
            if repeats.settled {
                open.remove(&call);
            }
        }
    }
    repeated
}

/// Whether an answer contradicts what the proxies were told.
fn contradicts(chosen: &Chosen<'_>, call: usize, intent: &PairIntent, proxies: &Proxies, transfer: &Transfer) -> bool {
    let reading = concluded(Reading::Seen(transfer.clone()), chosen, call, intent, Beside::default());
    let (Some((client, server, _)), Reading::Seen(seen)) = (chosen.pair(call), reading) else { return false };
    join::contradicts(&seen.conclusion, &proxies.told(&client.reference, server, intent))
}
