//! The answer from a bundle: the same rules and the same join over what was read before.

use std::collections::HashMap;

use crate::audit::explain;
use crate::gather::bundle::Record;
use crate::gather::check::{Checked, concluded};
use crate::gather::chosen::Chosen;
use crate::gather::proxies;
use crate::gather::scope::Scope;
use crate::intent::Mesh;
use crate::model::evidence::{Reading, Unseen};
use crate::verdict::assemble;
use crate::verdict::report::traffic::Watched;

/// Answers from what was read before; `name` is said in the line that tells the source.
#[must_use]
pub fn bundle(record: &Record, scope: &Scope, name: &str) -> Checked {
    let (head, snapshot) = (&record.head, &record.snapshot);
    let mesh = Mesh::new(snapshot);
    let chosen = Chosen::of(&mesh, scope, &head.namespace);
    let intents = chosen.intents(&mesh);
    let probed: HashMap<_, _> = record
        .probes
        .iter()
        .map(|probed| ((probed.namespace.as_str(), probed.pod.as_str(), &probed.server), &probed.reading))
        .collect();
    let mut observed = chosen.unasked(scope.probes, &intents);
    for (call, (slot, intent)) in observed.iter_mut().zip(&intents).enumerate() {
        let recorded = chosen.pair(call).and_then(|(client, server, _)| {
            let pod = &client.pod.meta;
            probed.get(&(pod.namespace.as_str(), pod.name.as_str(), server)).copied()
        });
        match recorded {
            Some(reading) => *slot = concluded(reading.clone(), &chosen, call, intent),
            None if *slot == Reading::Unseen(Unseen::ThroughService) => {
                *slot = Reading::Unseen(Unseen::NotRequested);
            }
            None => {}
        }
    }
    let proxies = proxies::read(&record.proxies, &chosen.wanted());
    let namespaces = chosen.namespaces(scope, &head.namespace);
    let joined = chosen.joined(intents, &proxies, &observed);
    let mut report = assemble::report(&mesh, joined, head.failed.clone(), namespaces.as_ref());
    report.traffic = record.traffic.iter().map(Watched::view).collect();
    explain::add(&mut report, &mesh, scope.fixes);
    Checked {
        report,
        problems: Vec::new(),
        looked_at: format!("bundle {name}: {}", head.looked_at),
        namespace: scope.place(&head.namespace).map(str::to_owned),
        unmatched: chosen.unmatched,
        istio: head.istio,
        failed_looks: head.failed_looks,
        record: None,
    }
}
