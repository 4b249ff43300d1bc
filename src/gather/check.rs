//! The ordinary check: read the mesh, ask the rules, send the requests, join.

use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

use crate::audit::{edit, explain};
use crate::decode::{self, Assume, Loaded, Objects, Problem};
use crate::gather::bundle::{Head, Record};
use crate::gather::chosen::Chosen;
use crate::gather::concluded::{Beside, concluded};
use crate::gather::dumps::{self, Dump};
use crate::gather::mesh::{self, Look};
use crate::gather::progress::Progress;
use crate::gather::replies::{About, Replies};
use crate::gather::scope::{MOST_LISTED, Probes, Scope, TooMany, Unmatched};
use crate::gather::waiting::Moved;
use crate::gather::witnesses::Witnesses;
use crate::intent::{Mesh, client};
use crate::model::evidence::{FailedLook, Reading};
use crate::model::json_patch::Step;
use crate::model::meta::Origin;
use crate::programmed::Proxies;
use crate::source::cluster::Cluster;
use crate::source::failure::Failure;
use crate::verdict;
use crate::verdict::join::Seen;
use crate::verdict::report::Report;
use crate::verdict::report::traffic::Watched;

/// What is known of the mesh beyond what it says itself.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Version whose rules are asked for.
    pub assume: Assume,
    /// Namespace of the control plane.
    pub istio_namespace: Option<String>,
    /// Where objects were applied from, so that the answer can name file and line.
    pub origins: HashMap<Place, Origin>,
    /// Dumps of proxies that were taken before.
    pub dumps: Vec<Dump>,
    /// Whether what is read is to be kept.
    pub keep: bool,
}

/// Kind, namespace and name of an object.
pub type Place = (String, String, String);

/// The place of an object as the API has it.
#[must_use]
pub fn place(object: &serde_json::Value) -> Place {
    let text = |pointer: &str| object.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
}

/// An answer, and what has to be said beside it.
#[derive(Debug)]
pub struct Checked {
    /// The answer.
    pub report: Report,
    /// What was wrong with objects that were read.
    pub problems: Vec<Problem>,
    /// One line: what was looked at.
    pub looked_at: String,
    /// The namespace that servers were looked for in; `None` = all.
    pub namespace: Option<String>,
    /// Names that match nothing, each with what comes near.
    pub unmatched: Vec<Unmatched>,
    /// Whether the server knows Istio's kinds.
    pub istio: bool,
    /// Whether part of what was asked about could not be read.
    pub unread: bool,
    /// Requests that were asked for and gave nothing.
    pub failed_looks: bool,
    /// How far the cluster's clock is ahead of this machine's.
    pub ahead: SignedDuration,
    /// What was read, where it was to be kept.
    pub record: Option<Box<Record>>,
}

/// Why a cluster was not checked.
#[derive(Debug, thiserror::Error)]
pub enum NoCheck {
    /// It cannot be asked.
    #[error(transparent)]
    Look(#[from] Failure),
    /// More pairs than can be listed.
    #[error(transparent)]
    TooMany(#[from] TooMany),
}

/// Looks at a cluster and answers.
///
/// # Errors
/// [`NoCheck`] when the cluster cannot be asked anything at all, or each pair is wanted of more than can be listed.
pub async fn cluster(cluster: &Cluster, scope: &Scope, known: &Known, progress: &Progress) -> Result<Checked, NoCheck> {
    let began = OnceLock::new();
    // A server that goes on listing a pod of which its kubelet knows nothing is not asked without end.
    let mut pause = Duration::from_millis(250);
    loop {
        match once(cluster, scope, known, (progress, &began)).await? {
            Ok(checked) => return Ok(checked),
            Err(Moved { left }) => {
                progress.tell("waiting: pods that were asked are gone; who is there is read anew");
                tokio::time::sleep(pause.min(left)).await;
                pause = pause.saturating_mul(2);
            }
        }
    }
}

async fn once(
    cluster: &Cluster,
    scope: &Scope,
    known: &Known,
    (progress, began): (&Progress, &OnceLock<Instant>),
) -> Result<Result<Checked, Moved>, NoCheck> {
    progress.say("reading the mesh");
    let places = scope.places(&cluster.namespace, known.istio_namespace.as_deref());
    let Look { mut objects, unseen, istio, lacking } = mesh::look(cluster, &places).await?;
    for loaded in &mut objects {
        loaded.origin = known.origins.get(&place(&loaded.object)).cloned();
    }
    let (mut snapshot, problems) = decode::snapshot(&objects, &known.assume);
    drop(objects);
    snapshot.unseen = unseen;
    let mut failed: Vec<FailedLook> = Look::failed(&snapshot.unseen);

    progress.say("asking the rules");
    let mesh = Mesh::new(&snapshot);
    let chosen = Chosen::of(&mesh, scope, &cluster.namespace);
    let detail = scope.detail.of(chosen.count())?;
    let asked = chosen.to_ask(&mesh, scope.probes);
    // Beyond what can be listed, only the proxies of pairs that requests are sent for are asked.
    let intents = (chosen.count() <= MOST_LISTED).then(|| chosen.intents(&mesh));

    let about = About {
        mesh: &mesh,
        chosen: &chosen,
        asked: &asked,
        intents: intents.as_deref(),
        scope,
        dumps: &known.dumps,
        began,
    };
    let replies = match Replies::of(cluster, &about, progress).await {
        Ok(replies) => replies,
        Err(moved) => return Ok(Err(moved)),
    };
    let failed_looks = lacking || replies.owes(scope);
    failed.extend(replies.failed().cloned());
    let Replies {
        answers,
        looked,
        traffic,
        negative,
        arrival,
        programmed: proxies,
        counted,
        repeated,
        told: told_by,
        ..
    } = replies;
    let probes = if known.keep { chosen.probed(&answers.by_call, (&counted, &repeated)) } else { Vec::new() };
    let added = answers.added;
    let seen = answers.by_call.into_iter().filter_map(|(call, reading)| {
        let intent = asked.get(&call)?;
        let heard = counted.get(&call).cloned().unwrap_or_default();
        let beside = Beside { heard, repeats: repeated.get(&call).cloned() };
        Some((call, concluded(reading, &chosen, call, intent, beside)))
    });
    let observed: HashMap<usize, Reading<Seen>> = seen.collect();
    let counts = chosen.counts(&snapshot);
    let told = told_by.map(told).unwrap_or_default();
    let looked_at = format!("context {}: {counts}, requests by {}{told}", cluster.context, execs(answers.execs));
    let record = known.keep.then(|| {
        let head = Head { istio, failed_looks, failed: failed.clone(), ..Head::new(&looked_at, &cluster.namespace) };
        Box::new(Record { head, snapshot: snapshot.clone(), probes, proxies: looked, traffic: traffic.watched.clone() })
    });
    let asked_about = chosen.namespaces(scope, &cluster.namespace);
    let witnesses = Witnesses { probes: scope.probes, observed, proxies: &proxies };
    let mut report = witnesses.report(&mesh, &chosen, detail, (failed, asked_about));
    report.traffic = traffic.watched.iter().map(Watched::view).collect();
    report.arrival = arrival;
    report.debug_containers = added;
    verdict::negative::add(&mut report, negative.tests);
    explain::add(&mut report, &mesh, scope.fixes);
    let namespace = scope.place(&cluster.namespace).map(str::to_owned);
    let (unmatched, unread) = (chosen.unmatched, lacking);
    let ahead = cluster.ahead();
    Ok(Ok(Checked { report, problems, looked_at, namespace, unmatched, istio, unread, failed_looks, ahead, record }))
}

/// Answers from manifests alone: every pair by policy, nothing is sent.
///
/// # Errors
/// [`TooMany`] where each pair is wanted and there are more than can be listed.
pub fn offline(
    mut objects: Objects,
    scope: &Scope,
    known: &Known,
    default_namespace: &str,
) -> Result<Checked, TooMany> {
    let (snapshot, problems) = objects.snapshot(&known.assume);
    // One answer and the process ends: to take a large mesh apart again, string by string, is time that nobody needs.
    let snapshot = ManuallyDrop::new(snapshot);
    let (mesh, clients) = thread::scope(|scope| {
        let clients = scope.spawn(|| client::all(&snapshot));
        (Mesh::new(&snapshot), clients.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let mesh = ManuallyDrop::new(mesh);
    let chosen = Chosen::among(&mesh, clients, scope, default_namespace);
    let detail = scope.detail.of(chosen.count())?;
    let looked_at = format!("manifests: {}", chosen.counts(&snapshot));
    let asked_about = chosen.namespaces(scope, default_namespace);
    let (mut proxies, mut failed) = (Proxies::default(), Vec::new());
    dumps::take(&mut proxies, &snapshot, &known.dumps, &chosen.wanted(), &mut failed);
    let failed_looks = !failed.is_empty();
    let witnesses = Witnesses { probes: Probes::None, observed: HashMap::new(), proxies: &proxies };
    let mut report = witnesses.report(&mesh, &chosen, detail, (failed, asked_about));
    explain::add(&mut report, &mesh, scope.fixes);
    written(&mut report, objects.whole());
    let namespace = scope.place(default_namespace).map(str::to_owned);
    Ok(Checked {
        report,
        problems,
        looked_at,
        namespace,
        unmatched: chosen.unmatched,
        istio: true,
        unread: false,
        failed_looks,
        ahead: SignedDuration::ZERO,
        record: None,
    })
}

/// Without a cluster there is nothing to patch: the fixes get the manifests as they should be.
fn written(report: &mut Report, objects: &[Loaded]) {
    for fix in report.findings.iter_mut().flat_map(|finding| &mut finding.fixes) {
        let Some(changed) = fix.object.as_ref().filter(|_| fix.manifest.is_none()) else { continue };
        let steps: Vec<Step> = fix.patch.iter().filter_map(|step| serde_json::from_value(step.clone()).ok()).collect();
        let is_it = |loaded: &&Loaded| {
            let (kind, namespace, name) = place(&loaded.object);
            kind == changed.kind.as_str()
                && changed.namespace.as_ref() == Some(&namespace)
                && changed.name.as_ref() == Some(&name)
        };
        // Of two objects of one name the last counts.
        let object = objects.iter().rfind(is_it);
        fix.manifest = object.and_then(|loaded| edit::patched(&loaded.object, &steps));
    }
}

fn execs(count: usize) -> String {
    if count == 1 { "1 exec".to_owned() } else { format!("{count} execs") }
}

fn told(count: usize) -> String {
    format!(", {count} {} asked", if count == 1 { "proxy" } else { "proxies" })
}
