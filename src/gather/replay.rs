//! The answer from a bundle: the same rules and the same join over what was read before.

use std::collections::HashMap;

use jiff::SignedDuration;

use crate::audit::explain;
use crate::gather::bundle::Record;
use crate::gather::check::Checked;
use crate::gather::chosen::Chosen;
use crate::gather::concluded::{Beside, concluded};
use crate::gather::proxies;
use crate::gather::scope::{Scope, TooMany};
use crate::gather::witnesses::Witnesses;
use crate::intent::Mesh;
use crate::model::evidence::{Reading, Unseen};
use crate::verdict::join::Seen;
use crate::verdict::report::traffic::Watched;

/// Answers from what was read before; `name` is said in the line that tells the source.
///
/// # Errors
/// [`TooMany`] where each pair is wanted and there are more than can be listed.
pub fn bundle(record: &Record, scope: &Scope, name: &str) -> Result<Checked, TooMany> {
    let (head, snapshot) = (&record.head, &record.snapshot);
    let mesh = Mesh::new(snapshot);
    let chosen = Chosen::of(&mesh, scope, &head.namespace);
    let detail = scope.detail.of(chosen.count())?;
    let probed: HashMap<_, _> = record
        .probes
        .iter()
        .map(|probed| ((probed.namespace.as_str(), probed.pod.as_str(), &probed.server), probed))
        .collect();
    let recorded = |call: usize| {
        let (client, server, _) = chosen.pair(call)?;
        let pod = &client.pod.meta;
        probed.get(&(pod.namespace.as_str(), pod.name.as_str(), server)).copied()
    };
    // What was never asked was not asked for now either.
    let mut observed: HashMap<usize, Reading<Seen>> = chosen
        .to_ask(&mesh, scope.probes)
        .into_keys()
        .map(|call| (call, Reading::Unseen(Unseen::NotRequested)))
        .collect();
    let calls = if probed.is_empty() { 0 } else { chosen.count() };
    for (call, probed) in (0..calls).filter_map(|call| Some((call, recorded(call)?))) {
        let Some((client, server, _)) = chosen.pair(call) else { continue };
        let intent = mesh.pair_shared(client.pod, server);
        let beside = Beside { heard: probed.heard.clone(), repeats: probed.repeats.clone() };
        observed.insert(call, concluded(probed.reading.clone(), &chosen, call, &intent, beside));
    }
    let proxies = proxies::read(&record.proxies, &chosen.wanted());
    let asked_about = chosen.namespaces(scope, &head.namespace);
    let witnesses = Witnesses { probes: scope.probes, observed, proxies: &proxies };
    let mut report = witnesses.report(&mesh, &chosen, detail, (head.failed.clone(), asked_about));
    report.traffic = record.traffic.iter().map(Watched::view).collect();
    explain::add(&mut report, &mesh, scope.fixes);
    Ok(Checked {
        report,
        problems: Vec::new(),
        looked_at: format!("bundle {name}: {}", head.looked_at),
        namespace: scope.place(&head.namespace).map(str::to_owned),
        unmatched: chosen.unmatched,
        istio: head.istio,
        unread: !snapshot.unseen.is_empty() && head.failed_looks,
        failed_looks: head.failed_looks,
        ahead: SignedDuration::ZERO,
        record: None,
    })
}
