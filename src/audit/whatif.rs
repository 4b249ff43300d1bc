//! A change to a mesh, and what the rules say before and after it.

use crate::intent::Mesh;
use crate::model::pair::{PairIntent, ServerRef};
use crate::model::policy::{DestinationRule, PeerAuthentication};
use crate::model::snapshot::Snapshot;
use crate::model::tls::{ClientTlsMode, ClientTlsSettings, MtlsMode};
use crate::model::wire::Wire;

/// A change to one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A DestinationRule's `trafficPolicy.tls` goes, so that automatic mutual TLS decides.
    RemoveTls {
        /// Namespace and name of the rule.
        rule: (String, String),
    },
    /// A DestinationRule's TLS, of one port or of all without an entry, becomes `ISTIO_MUTUAL`.
    IstioMutual {
        /// Namespace and name of the rule.
        rule: (String, String),
        /// Index in `portLevelSettings`; `None` for `trafficPolicy.tls`.
        entry: Option<usize>,
    },
    /// A PeerAuthentication's mode becomes another one.
    Mode {
        /// Namespace and name of the policy.
        policy: (String, String),
        /// The new mode.
        mode: MtlsMode,
    },
}

/// What a change does to the pairs that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consequence {
    /// Refused before, mutual TLS after.
    pub to_mutual_tls: usize,
    /// Refused before, plaintext after.
    pub to_plaintext: usize,
    /// Refused before and after.
    pub still_refused: usize,
    /// Worked before, refused after; or mutual TLS before, plaintext after.
    pub worse: usize,
}

/// A pair: the client pod's namespace and name, and what it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Namespace and name of the client pod.
    pub client: (String, String),
    /// What it calls.
    pub server: ServerRef,
}

/// Runs the rules with and without the change, over these pairs.
#[must_use]
pub fn compare(snapshot: &Snapshot, change: &Change, asked: &[Asked]) -> Consequence {
    let Some(changed) = applied(snapshot, change) else { return Consequence::default() };
    let (before, after) = (Mesh::new(snapshot), Mesh::new(&changed));
    let mut consequence = Consequence::default();
    for pair in asked {
        let (Some(was), Some(is)) = (answer(&before, pair), answer(&after, pair)) else { continue };
        let count = match (was.outcome.wire, is.outcome.wire) {
            (Wire::Refused, Wire::MutualTls) => &mut consequence.to_mutual_tls,
            (Wire::Refused, Wire::Plaintext) => &mut consequence.to_plaintext,
            (Wire::Refused, Wire::Refused) => &mut consequence.still_refused,
            (was, Wire::Refused) if was != Wire::Refused => &mut consequence.worse,
            (Wire::MutualTls, Wire::Plaintext) => &mut consequence.worse,
            _ => continue,
        };
        *count += 1;
    }
    consequence
}

fn answer(mesh: &Mesh<'_>, asked: &Asked) -> Option<PairIntent> {
    let (namespace, name) = &asked.client;
    let pod = mesh.snapshot().pods.iter().find(|pod| pod.namespace() == namespace && pod.meta.name == *name)?;
    Some(mesh.pair(pod, &asked.server))
}

/// The mesh with the change made; `None` where there is nothing to change.
fn applied(snapshot: &Snapshot, change: &Change) -> Option<Snapshot> {
    let mut changed = snapshot.clone();
    match change {
        Change::RemoveTls { rule } => {
            policy_of(&mut changed, rule)?.settings.tls.take()?;
        }
        Change::IstioMutual { rule, entry } => {
            let policy = policy_of(&mut changed, rule)?;
            let settings = match entry {
                None => &mut policy.settings,
                Some(index) => policy.ports.get_mut(*index).map(|(_, settings)| settings)?,
            };
            let mode = ClientTlsMode::IstioMutual;
            settings.tls = Some(ClientTlsSettings { mode, ..ClientTlsSettings::default() });
        }
        Change::Mode { policy, mode } => {
            let is = |found: &&mut PeerAuthentication| is(&found.meta, policy);
            changed.peer_authentications.iter_mut().find(is)?.mode = Some(*mode);
        }
    }
    Some(changed)
}

fn policy_of<'c>(
    snapshot: &'c mut Snapshot,
    rule: &(String, String),
) -> Option<&'c mut crate::model::policy::TrafficPolicy> {
    let is = |found: &&mut DestinationRule| is(&found.meta, rule);
    snapshot.destination_rules.iter_mut().find(is)?.traffic_policy.as_mut()
}

fn is(meta: &crate::model::meta::Meta, (namespace, name): &(String, String)) -> bool {
    meta.namespace == *namespace && meta.name == *name
}
