//! What a DestinationRule says for one cluster: port entries and subsets resolved.
//!
//! Istio: `pilot/pkg/networking/util/util.go:GetPortLevelTrafficPolicy,MergeSubsetTrafficPolicy`.

use crate::intent::destination_rule::{MergedRule, MergedSubset};
use crate::model::derivation::Layer;
use crate::model::policy::{DestinationRule, PolicySettings, TrafficPolicy};
use crate::model::port::ServicePort;
use crate::model::tls::ClientTlsSettings;

/// TLS settings, and where they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said<'s> {
    pub(crate) tls: &'s ClientTlsSettings,
    pub(crate) rule: &'s DestinationRule,
    pub(crate) layer: Layer,
    /// Path of the mode, like `spec.trafficPolicy.tls.mode`.
    pub(crate) field: String,
}

/// The fields of a policy that decide about mutual TLS, for one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Resolved<'s> {
    /// TLS settings; absent = automatic mutual TLS.
    pub(crate) tls: Option<Said<'s>>,
    /// `loadBalancer`, and whether it is PASSTHROUGH.
    pub(crate) passthrough: Option<bool>,
}

/// One place of a policy where settings stand.
struct Place<'s> {
    settings: &'s PolicySettings,
    rule: &'s DestinationRule,
    layer: Layer,
    path: String,
    is_port_entry: bool,
}

/// The policy of the ordinary cluster of a service port: its port entry replaces the top level wholesale.
pub(crate) fn of_port<'s>(rule: &MergedRule<'s>, port: ServicePort) -> Resolved<'s> {
    rule.policy.map_or_else(Resolved::default, |(policy, from)| {
        place(policy, from, port, "spec.trafficPolicy", Layer::TrafficPolicy).resolved()
    })
}

/// The policy of a subset's cluster: the port's, overridden by what the subset sets.
pub(crate) fn of_subset<'s>(rule: &MergedRule<'s>, subset: &MergedSubset<'s>, port: ServicePort) -> Resolved<'s> {
    let top = of_port(rule, port);
    let Some(policy) = &subset.subset.traffic_policy else {
        return top;
    };
    let path = format!("spec.subsets[{}].trafficPolicy", subset.index);
    let own = place(policy, subset.rule, port, &path, Layer::Subset);
    let wholesale = own.is_port_entry;
    let own = own.resolved();
    if wholesale {
        own
    } else {
        Resolved { tls: own.tls.or(top.tls), passthrough: own.passthrough.or(top.passthrough) }
    }
}

/// Whether the settings outside any port entry ask for `PASSTHROUGH`; the guess of the server's mode reads only these.
///
/// Istio: `cluster_builder.go:applyDestinationRule,buildSubsetCluster` hand the raw policy to
/// `BestEffortInferServiceMTLSMode`.
pub(crate) fn raw_passthrough(policy: Option<&TrafficPolicy>) -> bool {
    policy.and_then(|policy| policy.settings.load_balancer.as_ref()).is_some_and(|balancer| balancer.passthrough)
}

fn place<'s>(
    policy: &'s TrafficPolicy,
    rule: &'s DestinationRule,
    port: ServicePort,
    path: &str,
    layer: Layer,
) -> Place<'s> {
    let entry = policy.ports.iter().enumerate().find(|(_, (number, _))| *number == port);
    match entry {
        Some((index, (_, settings))) => Place {
            settings,
            rule,
            layer: Layer::Port,
            path: format!("{path}.portLevelSettings[{index}]"),
            is_port_entry: true,
        },
        None => Place { settings: &policy.settings, rule, layer, path: path.to_owned(), is_port_entry: false },
    }
}

// === impl Place ===

impl<'s> Place<'s> {
    fn resolved(self) -> Resolved<'s> {
        Resolved {
            passthrough: self.settings.load_balancer.as_ref().map(|balancer| balancer.passthrough),
            tls: self.settings.tls.as_ref().map(|tls| Said {
                tls,
                rule: self.rule,
                layer: self.layer,
                field: format!("{}.tls.mode", self.path),
            }),
        }
    }
}
