//! A change to one policy, made in the model of the mesh.

use crate::model::meta::Meta;
use crate::model::policy::{DestinationRule, PeerAuthentication, PolicySettings, TrafficPolicy};
use crate::model::port::WorkloadPort;
use crate::model::snapshot::Snapshot;
use crate::model::tls::{ClientTlsMode, ClientTlsSettings, MtlsMode};

/// Namespace and name of an object.
pub type Key = (String, String);

/// A change to one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// TLS settings of a DestinationRule go; whatever then decides follows from the rest.
    RemoveTls {
        /// The rule.
        rule: Key,
        /// Where in it.
        place: Place,
    },
    /// TLS settings of a DestinationRule become this mode and nothing else.
    SetTls {
        /// The rule.
        rule: Key,
        /// Where in it.
        place: Place,
        /// The mode.
        mode: ClientTlsMode,
    },
    /// A PeerAuthentication's mode, or that of one of its ports, becomes another one.
    SetMode {
        /// The policy.
        policy: Key,
        /// The port; `None` for `spec.mtls`.
        port: Option<WorkloadPort>,
        /// The new mode.
        mode: MtlsMode,
    },
    /// A DestinationRule that was not there.
    NewRule(Box<DestinationRule>),
    /// A PeerAuthentication that was not there.
    NewPolicy(Box<PeerAuthentication>),
}

/// Where TLS settings stand in a DestinationRule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the subset; `None` for the rule's own `trafficPolicy`.
    pub subset: Option<usize>,
    /// Index in `portLevelSettings`; `None` for what holds for every port.
    pub entry: Option<usize>,
}

// === impl Place ===

impl Place {
    /// Reads `spec.subsets[1].trafficPolicy.portLevelSettings[0].tls.mode` and its like.
    #[must_use]
    pub fn of_field(field: &str) -> Option<Self> {
        let index = |word: &str| -> Option<usize> {
            let (_, rest) = field.split_once(word)?;
            rest.split_once(']')?.0.parse().ok()
        };
        let speaks = field.contains("trafficPolicy");
        speaks.then(|| Self { subset: index("subsets["), entry: index("portLevelSettings[") })
    }

    /// The traffic policy around it.
    #[must_use]
    pub fn policy(self, rule: &DestinationRule) -> Option<&TrafficPolicy> {
        match self.subset {
            None => rule.traffic_policy.as_ref(),
            Some(index) => rule.subsets.get(index)?.traffic_policy.as_ref(),
        }
    }

    fn policy_mut(self, rule: &mut DestinationRule) -> Option<&mut Option<TrafficPolicy>> {
        match self.subset {
            None => Some(&mut rule.traffic_policy),
            Some(index) => Some(&mut rule.subsets.get_mut(index)?.traffic_policy),
        }
    }

    /// The settings at this place.
    #[must_use]
    pub fn settings(self, rule: &DestinationRule) -> Option<&PolicySettings> {
        let policy = self.policy(rule)?;
        match self.entry {
            None => Some(&policy.settings),
            Some(index) => policy.ports.get(index).map(|(_, settings)| settings),
        }
    }
}

/// Whether settings say nothing but TLS.
pub(super) fn only_tls(settings: &PolicySettings) -> bool {
    settings.load_balancer.is_none() && !settings.connection_pool && !settings.outlier_detection && !settings.other
}

/// Whether `tls` of settings for every port is all that a policy says.
pub(super) fn only_tls_at_all(policy: &TrafficPolicy) -> bool {
    policy.ports.is_empty() && only_tls(&policy.settings)
}

// === impl Change ===

impl Change {
    /// Makes the change; `None` where there is nothing to change.
    pub(super) fn make(&self, mesh: &mut Snapshot) -> Option<()> {
        match self {
            Self::RemoveTls { rule, place } => remove_tls(rule_mut(mesh, rule)?, *place),
            Self::SetTls { rule, place, mode } => set_tls(rule_mut(mesh, rule)?, *place, *mode),
            Self::SetMode { policy, port, mode } => {
                let found = mesh.peer_authentications.iter_mut().find(|found| is(&found.meta, policy))?;
                match port {
                    None => found.mode = Some(*mode),
                    Some(port) => {
                        found.ports.insert(*port, Some(*mode));
                    }
                }
                Some(())
            }
            Self::NewRule(rule) => {
                let taken = mesh.destination_rules.iter().any(|known| is(&known.meta, &key(&rule.meta)));
                (!taken).then(|| mesh.destination_rules.push(rule.as_ref().clone()))
            }
            Self::NewPolicy(policy) => {
                let taken = mesh.peer_authentications.iter().any(|known| is(&known.meta, &key(&policy.meta)));
                (!taken).then(|| mesh.peer_authentications.push(policy.as_ref().clone()))
            }
        }
    }
}

fn key(meta: &Meta) -> Key {
    (meta.namespace.clone(), meta.name.clone())
}

/// Whether metadata is that of an object.
pub(super) fn is(meta: &Meta, (namespace, name): &Key) -> bool {
    meta.namespace == *namespace && meta.name == *name
}

fn rule_mut<'m>(mesh: &'m mut Snapshot, key: &Key) -> Option<&'m mut DestinationRule> {
    mesh.destination_rules.iter_mut().find(|found| is(&found.meta, key))
}

/// Istio refuses policies and port entries without any field, so the last field takes them along
/// (`pkg/config/validation/validation.go:validateTrafficPolicy,validatePortTrafficPolicies`).
fn remove_tls(rule: &mut DestinationRule, place: Place) -> Option<()> {
    let slot = place.policy_mut(rule)?;
    let policy = slot.as_mut()?;
    match place.entry {
        None => {
            policy.settings.tls.take()?;
        }
        Some(index) => {
            let (_, settings) = policy.ports.get_mut(index)?;
            settings.tls.take()?;
            if only_tls(settings) {
                policy.ports.remove(index);
            }
        }
    }
    if only_tls_at_all(policy) && policy.settings.tls.is_none() {
        *slot = None;
    }
    Some(())
}

fn set_tls(rule: &mut DestinationRule, place: Place, mode: ClientTlsMode) -> Option<()> {
    let policy = place.policy_mut(rule)?.get_or_insert_default();
    let settings = match place.entry {
        None => &mut policy.settings,
        Some(index) => policy.ports.get_mut(index).map(|(_, settings)| settings)?,
    };
    settings.tls = Some(ClientTlsSettings { mode, ..ClientTlsSettings::default() });
    Some(())
}
