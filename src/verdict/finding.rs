//! Findings: a closed list of stable codes, in ranges by area.
//!
//! 1xx what goes over the wire, 2xx policies that do not do what they say, 3xx witnesses that disagree, 4xx traps, 5xx the proxies' own trouble.

use crate::verdict::report::Severity;

/// What kind of finding it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// One end is told to send what the other is told to refuse.
    ClientAndServerContradict,
    /// Both ends could speak mutual TLS and a policy makes it plaintext.
    Downgrade,
    /// A DestinationRule makes clients send TLS to pods that have no sidecar to end it.
    TlsToNoSidecar,
    /// STRICT refuses clients without a sidecar: as written.
    StrictRefusesNoSidecar,
    /// Pods without a sidecar are reached in plaintext.
    PlaintextToNoSidecar,
    /// Refused for a reason that is no contradiction of modes.
    Refused,
    /// Istio never reads this policy.
    PolicyIgnored,
    /// `portLevelMtls` names a port of a Service where the container's belongs.
    ServicePortInPortLevel,
    /// `portLevelMtls` names a port that no Service leads to and no container declares.
    PortOfNoWorkload,
    /// A selector that fits no pod.
    SelectsNothing,
    /// A DestinationRule for a host that no service has.
    HostNamesNothing,
    /// The wire shows something else than policy demands.
    WireDisagreesWithPolicy,
    /// A client's proxy was not given what policy demands.
    ClientNotGiven,
    /// A server's proxy was not given what policy demands.
    ServerNotGiven,
    /// The proxies were told one thing and the wire shows another.
    ProxiesBypassed,
    /// A proxy rejected an update and keeps what it had.
    UpdateRejected,
    /// A proxy's certificate or root is out of date or cannot be read.
    CertificateInvalid,
    /// The certificate of one end does not lead to a root of the other.
    RootsDiffer,
    /// A proxy waits for secrets that were never delivered.
    SecretsMissing,
    /// A proxy has configuration that istiod does not write.
    NotWrittenByIstio,
}

/// What does not change about a code.
struct Facts {
    code: &'static str,
    name: &'static str,
    severity: Severity,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 20] = [
        Self::ClientAndServerContradict,
        Self::Downgrade,
        Self::TlsToNoSidecar,
        Self::StrictRefusesNoSidecar,
        Self::PlaintextToNoSidecar,
        Self::Refused,
        Self::PolicyIgnored,
        Self::ServicePortInPortLevel,
        Self::PortOfNoWorkload,
        Self::SelectsNothing,
        Self::HostNamesNothing,
        Self::WireDisagreesWithPolicy,
        Self::ClientNotGiven,
        Self::ServerNotGiven,
        Self::ProxiesBypassed,
        Self::UpdateRejected,
        Self::CertificateInvalid,
        Self::RootsDiffer,
        Self::SecretsMissing,
        Self::NotWrittenByIstio,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.facts().code
    }

    /// Its name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// How bad it is unless overridden.
    #[must_use]
    pub fn severity(self) -> Severity {
        self.facts().severity
    }

    /// The one table: code, name, severity.
    fn facts(self) -> Facts {
        let (code, name, severity) = match self {
            Self::ClientAndServerContradict => ("MTLS101", "client-and-server-contradict", Severity::Error),
            Self::Downgrade => ("MTLS102", "downgrade", Severity::Warning),
            Self::TlsToNoSidecar => ("MTLS103", "tls-to-no-sidecar", Severity::Error),
            Self::StrictRefusesNoSidecar => ("MTLS104", "strict-refuses-no-sidecar", Severity::Info),
            Self::PlaintextToNoSidecar => ("MTLS105", "plaintext-to-no-sidecar", Severity::Info),
            Self::Refused => ("MTLS106", "refused", Severity::Warning),
            Self::PolicyIgnored => ("MTLS201", "policy-ignored", Severity::Warning),
            Self::ServicePortInPortLevel => ("MTLS203", "service-port-in-port-level", Severity::Warning),
            Self::PortOfNoWorkload => ("MTLS204", "port-of-no-workload", Severity::Info),
            Self::SelectsNothing => ("MTLS206", "selects-nothing", Severity::Warning),
            Self::HostNamesNothing => ("MTLS207", "host-names-nothing", Severity::Warning),
            Self::WireDisagreesWithPolicy => ("MTLS301", "wire-disagrees-with-policy", Severity::Error),
            Self::ClientNotGiven => ("MTLS302", "client-not-given-policy", Severity::Error),
            Self::ServerNotGiven => ("MTLS303", "server-not-given-policy", Severity::Error),
            Self::ProxiesBypassed => ("MTLS304", "wire-bypasses-proxies", Severity::Error),
            Self::UpdateRejected => ("MTLS501", "update-rejected", Severity::Error),
            Self::CertificateInvalid => ("MTLS502", "certificate-invalid", Severity::Error),
            Self::RootsDiffer => ("MTLS503", "roots-differ", Severity::Error),
            Self::SecretsMissing => ("MTLS504", "secrets-missing", Severity::Warning),
            Self::NotWrittenByIstio => ("MTLS505", "not-written-by-istio", Severity::Info),
        };
        Facts { code, name, severity }
    }
}
