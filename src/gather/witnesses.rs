//! What requests and proxies showed, joined with policy: pair by pair, or answer by answer.

use std::collections::{BTreeSet, HashMap};

use crate::gather::chosen::Chosen;
use crate::gather::scope::{Probes, Spelled};
use crate::intent::Mesh;
use crate::model::evidence::{FailedLook, Reading};
use crate::programmed::Proxies;
use crate::verdict::assemble;
use crate::verdict::join::Seen;
use crate::verdict::report::Report;
use crate::verdict::tallied::{NAMED, Tallied};

/// Everything that was seen beside policy.
pub(super) struct Witnesses<'a> {
    /// Between whom requests were to be sent.
    pub(super) probes: Probes,
    /// What they showed, by call.
    pub(super) observed: HashMap<usize, Reading<Seen>>,
    /// What proxies were told.
    pub(super) proxies: &'a Proxies,
}

// === impl Witnesses ===

impl Witnesses<'_> {
    /// The report; with looks that failed, and the namespaces that were asked about.
    pub(super) fn report<'s>(
        mut self,
        mesh: &Mesh<'s>,
        chosen: &Chosen<'s>,
        spelled: Spelled,
        (failed, namespaces): (Vec<FailedLook>, Option<BTreeSet<String>>),
    ) -> Report {
        let namespaces = namespaces.as_ref();
        match spelled {
            Spelled::Each => {
                let intents = chosen.intents(mesh);
                let mut readings = chosen.unasked(self.probes, &intents);
                for (call, reading) in readings.iter_mut().enumerate() {
                    if let Some(seen) = self.observed.remove(&call) {
                        *reading = seen;
                    }
                }
                assemble::report(mesh, chosen.joined(intents, self.proxies, &readings), failed, namespaces)
            }
            Spelled::ByClass { rows } => {
                let clients = chosen.references();
                let mut tallied = Tallied::new(mesh, &clients, NAMED, rows);
                chosen.answers(mesh, &self, &mut |shared| tallied.add(shared));
                tallied.report(mesh.snapshot(), failed, namespaces)
            }
        }
    }
}
