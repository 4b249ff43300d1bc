//! Findings: a closed list of stable codes, in ranges by area.
//!
//! 1xx what goes over the wire, 2xx policies that do not do what they say, 3xx witnesses that disagree, 4xx traps,
//! 5xx the proxies' own trouble.

use crate::verdict::report::Severity;

mod fault;
mod spelled;

pub use fault::Fault;
pub use spelled::{NotAnOverride, Override, SEVERITIES, UnknownCode};

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
    /// A DestinationRule makes clients send TLS of their own to pods whose sidecar would have spoken Istio's.
    OwnTlsToSidecar,
    /// The wire shows something else than policy demands.
    WireDisagreesWithPolicy,
    /// A client's proxy was not given what policy demands.
    ClientNotGiven,
    /// A server's proxy was not given what policy demands.
    ServerNotGiven,
    /// The proxies were told one thing and the wire shows another.
    ProxiesBypassed,
    /// A STRICT port answered what it must refuse.
    StrictNotEnforced,
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
    /// Something is wrong with a policy by itself.
    Policy(Fault),
}

/// What does not change about a code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    code: &'static str,
    name: &'static str,
    severity: Severity,
}

impl Facts {
    const fn new(code: &'static str, name: &'static str, severity: Severity) -> Self {
        Self { code, name, severity }
    }
}

// === impl Code ===

impl Code {
    /// Those about what goes over the wire, and about witnesses.
    const OF_PAIRS: [Self; 17] = [
        Self::ClientAndServerContradict,
        Self::Downgrade,
        Self::TlsToNoSidecar,
        Self::StrictRefusesNoSidecar,
        Self::PlaintextToNoSidecar,
        Self::Refused,
        Self::OwnTlsToSidecar,
        Self::WireDisagreesWithPolicy,
        Self::ClientNotGiven,
        Self::ServerNotGiven,
        Self::ProxiesBypassed,
        Self::StrictNotEnforced,
        Self::UpdateRejected,
        Self::CertificateInvalid,
        Self::RootsDiffer,
        Self::SecretsMissing,
        Self::NotWrittenByIstio,
    ];

    /// Every code, in the order of their numbers.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Self::OF_PAIRS.into_iter().chain(Fault::ALL.map(Self::Policy)).collect();
        all.sort_by_key(|code| code.code());
        all
    }

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
        match self {
            Self::ClientAndServerContradict => Facts::new("MTLS101", "client-and-server-contradict", Severity::Error),
            Self::Downgrade => Facts::new("MTLS102", "downgrade", Severity::Warning),
            Self::TlsToNoSidecar => Facts::new("MTLS103", "tls-to-no-sidecar", Severity::Error),
            Self::StrictRefusesNoSidecar => Facts::new("MTLS104", "strict-refuses-no-sidecar", Severity::Info),
            Self::PlaintextToNoSidecar => Facts::new("MTLS105", "plaintext-to-no-sidecar", Severity::Info),
            Self::Refused => Facts::new("MTLS106", "refused", Severity::Warning),
            Self::OwnTlsToSidecar => Facts::new("MTLS107", "own-tls-to-sidecar", Severity::Warning),
            Self::WireDisagreesWithPolicy => Facts::new("MTLS301", "wire-disagrees-with-policy", Severity::Error),
            Self::ClientNotGiven => Facts::new("MTLS302", "client-not-given-policy", Severity::Error),
            Self::ServerNotGiven => Facts::new("MTLS303", "server-not-given-policy", Severity::Error),
            Self::ProxiesBypassed => Facts::new("MTLS304", "wire-bypasses-proxies", Severity::Error),
            Self::StrictNotEnforced => Facts::new("MTLS305", "strict-not-enforced", Severity::Error),
            Self::UpdateRejected => Facts::new("MTLS501", "update-rejected", Severity::Error),
            Self::CertificateInvalid => Facts::new("MTLS502", "certificate-invalid", Severity::Error),
            Self::RootsDiffer => Facts::new("MTLS503", "roots-differ", Severity::Error),
            Self::SecretsMissing => Facts::new("MTLS504", "secrets-missing", Severity::Warning),
            Self::NotWrittenByIstio => Facts::new("MTLS505", "not-written-by-istio", Severity::Info),
            Self::Policy(fault) => fault.facts(),
        }
    }
}
