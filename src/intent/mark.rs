//! Whether istiod marks an endpoint `tlsMode: istio`, so that automatic mutual TLS is sent to it.
//!
//! Istio: `pilot/pkg/xds/endpoints/mtls_checker.go:checkMtlsEnabled,tlsModeForDestinationRule`; before 1.19
//! `pilot/pkg/xds/mtls_checker.go`. It reads a rule differently from the cluster (port entries without TLS fall back to the
//! top level), so the two can disagree.

use crate::intent::destination_rule::MergedRule;
use crate::intent::endpoint::{ServiceEndpoint, TLS_MODE_ISTIO};
use crate::intent::peer_authentication::PeerAuthentications;
use crate::intent::versions::{EndpointCheck, Rules};
use crate::model::meta::selects;
use crate::model::policy::TrafficPolicy;
use crate::model::port::ServicePort;
use crate::model::tls::{ClientTlsMode, MtlsMode};

/// What is the same for every endpoint of a cluster.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marker<'a, 's> {
    pub(crate) rules: Rules,
    pub(crate) policies: &'a PeerAuthentications<'s>,
    pub(crate) rule: Option<&'a MergedRule<'s>>,
    pub(crate) subset: Option<&'a str>,
    pub(crate) port: ServicePort,
}

// === impl Marker ===

impl Marker<'_, '_> {
    /// Whether the endpoint is marked.
    pub(crate) fn marks(&self, endpoint: &ServiceEndpoint<'_>) -> bool {
        if endpoint.tls_mode != TLS_MODE_ISTIO {
            return false;
        }
        let takes_it = || {
            let composed = self.policies.compose(endpoint.namespace, &endpoint.labels);
            composed.port(endpoint.port) != MtlsMode::Disable
        };
        match (self.rules.endpoint_check, self.rule_mode(endpoint)) {
            (EndpointCheck::LabelOnly, _) => true,
            (EndpointCheck::FirstSubsetThatFits | EndpointCheck::OwnSubset, Some(ClientTlsMode::IstioMutual)) => true,
            (EndpointCheck::FirstSubsetThatFits | EndpointCheck::OwnSubset, Some(ClientTlsMode::Disable)) => false,
            (
                EndpointCheck::FirstSubsetThatFits | EndpointCheck::OwnSubset,
                Some(ClientTlsMode::Simple | ClientTlsMode::Mutual),
            ) => !self.rules.own_tls_unmarks && takes_it(),
            (EndpointCheck::FirstSubsetThatFits | EndpointCheck::OwnSubset, None) => takes_it(),
        }
    }

    /// The mode that the check reads from the rule.
    fn rule_mode(&self, endpoint: &ServiceEndpoint<'_>) -> Option<ClientTlsMode> {
        let rule = self.rule?;
        let top = rule.policy.and_then(|(policy, _)| mode_for(policy, self.port));
        let of = |policy: &Option<TrafficPolicy>| policy.as_ref().and_then(|policy| mode_for(policy, self.port));
        match (self.rules.endpoint_check, self.subset) {
            (EndpointCheck::LabelOnly | EndpointCheck::FirstSubsetThatFits, _) => rule
                .subsets
                .iter()
                .find(|merged| selects(&merged.subset.labels, &endpoint.labels))
                .and_then(|merged| of(&merged.subset.traffic_policy))
                .or(top),
            (EndpointCheck::OwnSubset, None) => top,
            (EndpointCheck::OwnSubset, Some(name)) => {
                let own = rule.subset(name).and_then(|merged| of(&merged.subset.traffic_policy));
                if self.rules.subset_mark_falls_back { own.or(top) } else { own }
            }
        }
    }
}

/// A port entry's mode if that entry has TLS, else the top level's.
fn mode_for(policy: &TrafficPolicy, port: ServicePort) -> Option<ClientTlsMode> {
    policy
        .ports
        .iter()
        .filter(|(number, _)| *number == port)
        .find_map(|(_, settings)| settings.tls.as_ref())
        .or(policy.settings.tls.as_ref())
        .map(|tls| tls.mode)
}
