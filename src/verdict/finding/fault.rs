//! What can be wrong with a policy by itself, whatever goes over the wire: ranges 2xx and 4xx.

use crate::verdict::finding::Facts;
use crate::verdict::report::Severity;

/// What is wrong with a policy, or with what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Istio never reads this policy.
    PolicyIgnored,
    /// An older policy takes some of the workloads that this one selects.
    PolicyPartlyIgnored,
    /// `portLevelMtls` names a port of a Service where the container's belongs.
    ServicePortInPortLevel,
    /// `portLevelMtls` names a port that no Service leads to and no container declares.
    PortOfNoWorkload,
    /// A field that Istio does not have at this place: the API drops it.
    FieldLost,
    /// A selector that fits no pod.
    SelectsNothing,
    /// A DestinationRule for a host that no service has.
    HostNamesNothing,
    /// A DestinationRule that no client gets.
    RuleReachesNobody,
    /// A DestinationRule without TLS in whose place a wider one with TLS would count.
    RuleHidesTls,
    /// An entry of `portLevelSettings` without TLS replaces settings that have it.
    PortEntryDropsTls,
    /// `tls` without a mode, which is DISABLE.
    TlsWithoutMode,
    /// A DestinationRule whose `trafficPolicy` another one for the same host keeps from counting.
    SecondRuleForHost,
    /// A PeerAuthentication that sets no mode at all.
    PolicyWithoutMode,
    /// A policy that lets plaintext in where STRICT holds around it.
    StrictIsOpened,
    /// STRICT over workloads or ports that no sidecar guards.
    StrictProtectsNothing,
    /// A subset with TLS of its own that no endpoint belongs to.
    SubsetOfNobody,
    /// An entry of a rule's `portLevelSettings` for a port that no Service has.
    PortEntryOfNoPort,
    /// A policy that the next version of Istio reads otherwise.
    NextVersionDiffers,
    /// A headless Service to which clients send plaintext since one of its pods has no sidecar.
    EndpointWithoutSidecar,
    /// A pod without the sidecar that its namespace asks for.
    SidecarMissing,
    /// An application that runs as the sidecar's own user, whose traffic is never captured.
    RunsAsProxyUser,
}

impl Fault {
    /// Every one, in order.
    pub const ALL: [Self; 21] = [
        Self::PolicyIgnored,
        Self::PolicyPartlyIgnored,
        Self::ServicePortInPortLevel,
        Self::PortOfNoWorkload,
        Self::FieldLost,
        Self::SelectsNothing,
        Self::HostNamesNothing,
        Self::RuleReachesNobody,
        Self::RuleHidesTls,
        Self::PortEntryDropsTls,
        Self::TlsWithoutMode,
        Self::SecondRuleForHost,
        Self::PolicyWithoutMode,
        Self::StrictIsOpened,
        Self::StrictProtectsNothing,
        Self::SubsetOfNobody,
        Self::PortEntryOfNoPort,
        Self::NextVersionDiffers,
        Self::EndpointWithoutSidecar,
        Self::SidecarMissing,
        Self::RunsAsProxyUser,
    ];

    /// The one table: code, name, severity.
    pub(super) fn facts(self) -> Facts {
        match self {
            Self::PolicyIgnored => Facts::new("MTLS201", "policy-ignored", Severity::Warning),
            Self::PolicyPartlyIgnored => Facts::new("MTLS202", "policy-partly-ignored", Severity::Warning),
            Self::ServicePortInPortLevel => Facts::new("MTLS203", "service-port-in-port-level", Severity::Warning),
            Self::PortOfNoWorkload => Facts::new("MTLS204", "port-of-no-workload", Severity::Info),
            Self::FieldLost => Facts::new("MTLS205", "field-lost", Severity::Warning),
            Self::SelectsNothing => Facts::new("MTLS206", "selects-nothing", Severity::Warning),
            Self::HostNamesNothing => Facts::new("MTLS207", "host-names-nothing", Severity::Warning),
            Self::RuleReachesNobody => Facts::new("MTLS208", "rule-reaches-nobody", Severity::Warning),
            Self::RuleHidesTls => Facts::new("MTLS209", "rule-hides-tls", Severity::Warning),
            Self::PortEntryDropsTls => Facts::new("MTLS210", "port-entry-drops-tls", Severity::Warning),
            Self::TlsWithoutMode => Facts::new("MTLS211", "tls-without-mode", Severity::Warning),
            Self::SecondRuleForHost => Facts::new("MTLS212", "second-rule-for-host", Severity::Warning),
            Self::PolicyWithoutMode => Facts::new("MTLS213", "policy-without-mode", Severity::Warning),
            Self::StrictIsOpened => Facts::new("MTLS214", "strict-is-opened", Severity::Info),
            Self::StrictProtectsNothing => Facts::new("MTLS215", "strict-protects-nothing", Severity::Warning),
            Self::SubsetOfNobody => Facts::new("MTLS216", "subset-of-nobody", Severity::Warning),
            Self::PortEntryOfNoPort => Facts::new("MTLS217", "port-entry-of-no-port", Severity::Warning),
            Self::NextVersionDiffers => Facts::new("MTLS401", "next-version-differs", Severity::Warning),
            Self::EndpointWithoutSidecar => Facts::new("MTLS402", "endpoint-without-sidecar", Severity::Warning),
            Self::SidecarMissing => Facts::new("MTLS403", "sidecar-missing", Severity::Warning),
            Self::RunsAsProxyUser => Facts::new("MTLS404", "runs-as-proxy-user", Severity::Warning),
        }
    }
}
