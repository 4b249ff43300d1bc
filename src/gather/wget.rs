//! Requests by wget, from containers that have it and no curl: it takes one at a time, so that each is an exec of its own.

use std::time::Duration;

use crate::gather::probe::{ClientPlan, Readings, url};
use crate::model::evidence::{Reading, Transfer, Unseen};
use crate::observed::probe::Patience;
use crate::observed::wget::{Ended, WHICH, Wget};
use crate::source::cluster::Cluster;
use crate::source::exec::{Command, End, Ran};
use crate::source::failure::Failure;

/// Why no request was sent by it: words that end a sentence about the container.
pub(super) type No = &'static str;

/// How much longer than its requests a run may take.
const ROOM: Duration = Duration::from_secs(5);

/// The container's wget, if it has one whose answers can be read.
pub(super) async fn of(cluster: &Cluster, plan: &ClientPlan<'_>) -> Result<Wget, No> {
    match run(cluster, plan, &WHICH, ROOM).await {
        Ok(Ran { stdout, stderr, end: End::Exited(_) }) => {
            Wget::of(&stdout, &stderr).ok_or("no curl, and a wget that is neither GNU's nor BusyBox's")
        }
        Ok(Ran { end: End::NoSuchProgram(_), .. }) => Err("neither curl nor wget"),
        Ok(Ran { end: End::Broken(_) | End::TimedOut(_), .. }) | Err(_) => Err("no curl, and its wget did not answer"),
    }
}

/// Sends the requests of a plan, one after the other.
pub(super) async fn send(cluster: &Cluster, plan: &ClientPlan<'_>, wget: Wget, patience: Patience) -> Readings {
    let bound = patience.total + ROOM;
    let mut readings = Vec::with_capacity(plan.calls.len());
    for call in &plan.calls {
        let argv = wget.argv(&url(call), patience);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let reading = match answer(wget, run(cluster, plan, &argv, bound).await) {
            Ok(transfer) => Reading::Seen(transfer),
            Err(why) => Reading::Unseen(why),
        };
        readings.push((call.number, reading));
    }
    readings
}

fn answer(wget: Wget, ran: Result<Ran, Failure>) -> Result<Transfer, Unseen> {
    let ran = ran.map_err(|failure| Unseen::Failed(failure.reason.to_string()))?;
    match ran.end {
        End::Exited(code) => wget.answer(&ran.stdout, &ran.stderr, Ended::Exited(code)),
        End::TimedOut(bound) => wget.answer(&ran.stdout, &ran.stderr, Ended::Late(bound)),
        End::Broken(text) | End::NoSuchProgram(text) => Err(Unseen::Failed(text)),
    }
}

async fn run(cluster: &Cluster, plan: &ClientPlan<'_>, argv: &[&str], timeout: Duration) -> Result<Ran, Failure> {
    let (namespace, pod, container) = (plan.pod.namespace(), plan.pod.meta.name.as_str(), plan.container);
    cluster.exec(&Command { namespace, pod, container, argv, stdin: "", timeout }).await
}
