//! Who decides an outcome, who has to change, and whether it is a conflict.

use crate::intent::cluster::{Cluster, Socket, TlsReason};
use crate::intent::endpoint::TLS_MODE_ISTIO;
use crate::intent::registry::{Source, Svc};
use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::pair::{AcceptMode, Endpoint, OriginMode, Originates};
use crate::model::wire::{Outcome, Sends, Why, Wire};
use crate::model::workload::Pod;

/// What is known about a pair when blame is put.
pub(crate) struct Case<'a, 's> {
    pub(crate) originates: &'a Originates,
    pub(crate) cluster: Option<&'a Cluster<'s>>,
    pub(crate) endpoints: &'a [Endpoint],
    pub(crate) outcome: Outcome,
    pub(crate) svc: &'a Svc<'s>,
    /// The pod of an endpoint.
    pub(crate) pods: &'a [Option<&'s Pod>],
}

// === impl Case ===

impl Case<'_, '_> {
    /// Both ends have a proxy, and the client is told to send what the server is told to refuse.
    pub(crate) fn is_conflict(&self) -> bool {
        self.counted().any(|(endpoint, _)| self.conflicts(endpoint))
    }

    /// What decides the outcome.
    pub(crate) fn decided_by(&self) -> PolicyRef {
        let to_call = !matches!(self.outcome.why, Why::NotAKubernetesService | Why::AnsweredByClientProxy);
        if self.outcome.wire == Wire::None && to_call {
            return self.service(if self.svc.is_kubernetes() { "spec.selector" } else { "spec.endpoints" });
        }
        let telling = self
            .counted()
            .find(|(endpoint, _)| self.conflicts(endpoint))
            .or_else(|| self.counted().find(|(endpoint, _)| endpoint.outcome.wire == Wire::Refused))
            .or_else(|| self.counted().next());
        telling.map_or_else(|| self.originates.decided_by.clone(), |(endpoint, pod)| self.at(endpoint, pod))
    }

    /// What has to change; empty where nothing has to.
    pub(crate) fn responsible(&self) -> Vec<PolicyRef> {
        let mut found: Vec<PolicyRef> = Vec::new();
        let mut add = |policy: PolicyRef| {
            if policy.is_object() && !found.iter().any(|held| held.same_object(&policy)) {
                found.push(policy);
            }
        };
        for (endpoint, pod) in self.counted().filter(|(endpoint, _)| endpoint.outcome.wire == Wire::Refused) {
            if self.conflicts(endpoint) {
                add(self.sender(endpoint, pod));
                add(endpoint.accepts.decided_by.clone());
            } else {
                add(self.at(endpoint, pod));
            }
        }
        found
    }

    fn counted(&self) -> impl Iterator<Item = (&Endpoint, Option<&Pod>)> {
        self.endpoints.iter().zip(self.pods.iter().copied()).filter(|(endpoint, _)| !endpoint.is_self)
    }

    fn conflicts(&self, endpoint: &Endpoint) -> bool {
        let proxies = self.originates.mode != OriginMode::NoProxy && endpoint.accepts.mode != AcceptMode::NoProxy;
        let mismatch = match endpoint.outcome.why {
            Why::NoFilterChain
            | Why::ClientCertificateRequired
            | Why::TlsOnPlaintextHttp
            | Why::ApplicationGetsCiphertext => true,
            Why::MutualTls
            | Why::PlaintextAccepted
            | Why::NoProxyAtServer
            | Why::PassedToApplication
            | Why::NotHttp
            | Why::ServerIdentityNotExpected
            | Why::NothingListens
            | Why::BlockedByOutboundPolicy
            | Why::NoRoute
            | Why::NoCluster
            | Why::NoListener
            | Why::ClientCertificateOrigin
            | Why::OutsideTheMesh
            | Why::NoEndpoints
            | Why::OnlyItself
            | Why::NotAKubernetesService
            | Why::EndpointsDiffer
            | Why::NotReadable
            | Why::AnsweredByClientProxy
            | Why::ForeignTrustDomain
            | Why::OtherNetwork
            | Why::EndedByOwnCertificate => false,
        };
        proxies && mismatch && endpoint.sends.is_some() && endpoint.outcome.wire == Wire::Refused
    }

    /// Who decides what happens at one endpoint.
    fn at(&self, endpoint: &Endpoint, pod: Option<&Pod>) -> PolicyRef {
        let server = || endpoint.accepts.decided_by.clone();
        let sender = || self.sender(endpoint, pod);
        let no_proxy = self.originates.mode == OriginMode::NoProxy;
        match (endpoint.outcome.wire, endpoint.outcome.why, endpoint.accepts.mode) {
            (Wire::MutualTls, _, AcceptMode::Strict) if self.originates.mode == OriginMode::Auto => server(),
            (Wire::MutualTls, _, _) => sender(),
            (Wire::Plaintext, _, AcceptMode::NoProxy) => server(),
            (Wire::Plaintext, _, AcceptMode::Strict | AcceptMode::Permissive | AcceptMode::Disable) => sender(),
            (Wire::Refused, Why::NothingListens, _) => self.service("spec.ports"),
            (Wire::Refused, Why::NoFilterChain, _) if no_proxy => server(),
            (Wire::Refused, _, _) => sender(),
            (Wire::Tls | Wire::Depends | Wire::Mixed | Wire::None | Wire::Unknown, _, _) => sender(),
        }
    }

    /// Who made the client send what it sends to an endpoint.
    fn sender(&self, endpoint: &Endpoint, pod: Option<&Pod>) -> PolicyRef {
        let automatic = self.cluster.is_some_and(|cluster| {
            matches!(cluster.reason, TlsReason::Auto { .. }) && matches!(cluster.socket, Socket::Marked(_))
        });
        match (automatic, endpoint.sends, pod) {
            (true, Some(Sends::Plaintext), Some(pod)) if pod.tls_mode_label() == Some(TLS_MODE_ISTIO) => {
                match endpoint.accepts.mode {
                    // The policy unmarked it; a rule can do so too, and then speaks for itself.
                    AcceptMode::Disable => endpoint.accepts.decided_by.clone(),
                    AcceptMode::Strict | AcceptMode::Permissive | AcceptMode::NoProxy => self.unmarking_rule(),
                }
            }
            (true, Some(Sends::Plaintext), Some(pod)) if endpoint.accepts.mode != AcceptMode::NoProxy => label(pod),
            (true, Some(Sends::MutualTls), Some(pod)) if endpoint.accepts.mode == AcceptMode::NoProxy => label(pod),
            (_, _, _) => self.originates.decided_by.clone(),
        }
    }

    fn unmarking_rule(&self) -> PolicyRef {
        let rule = self.cluster.and_then(|cluster| cluster.rule.as_ref());
        match rule.and_then(|rule| rule.policy) {
            Some((policy, from)) if policy.settings.tls.is_some() => PolicyRef::object(
                Layer::TrafficPolicy,
                PolicyKind::DestinationRule,
                &from.meta,
                "spec.trafficPolicy.tls.mode",
            ),
            Some(_) | None => self.originates.decided_by.clone(),
        }
    }

    fn service(&self, field: &str) -> PolicyRef {
        match self.svc.source {
            Source::Kubernetes(service) => {
                PolicyRef::object(Layer::Workload, PolicyKind::Service, &service.meta, field)
            }
            Source::Entry(entry) => PolicyRef::object(Layer::Workload, PolicyKind::ServiceEntry, &entry.meta, field),
        }
    }
}

fn label(pod: &Pod) -> PolicyRef {
    PolicyRef::object(Layer::Workload, PolicyKind::Pod, &pod.meta, "metadata.labels[security.istio.io/tlsMode]")
}
