//! Findings: a closed list of stable codes, in ranges by area.
//!
//! 1xx what goes over the wire, 2xx policies that do not do what they say, 3xx witnesses that disagree.

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
    /// The wire shows something else than policy demands.
    WireDisagreesWithPolicy,
}

impl Code {
    /// Every code, in order.
    pub const ALL: [Self; 8] = [
        Self::ClientAndServerContradict,
        Self::Downgrade,
        Self::TlsToNoSidecar,
        Self::StrictRefusesNoSidecar,
        Self::PlaintextToNoSidecar,
        Self::Refused,
        Self::PolicyIgnored,
        Self::WireDisagreesWithPolicy,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ClientAndServerContradict => "MTLS101",
            Self::Downgrade => "MTLS102",
            Self::TlsToNoSidecar => "MTLS103",
            Self::StrictRefusesNoSidecar => "MTLS104",
            Self::PlaintextToNoSidecar => "MTLS105",
            Self::Refused => "MTLS106",
            Self::PolicyIgnored => "MTLS201",
            Self::WireDisagreesWithPolicy => "MTLS301",
        }
    }

    /// Its name in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientAndServerContradict => "client-and-server-contradict",
            Self::Downgrade => "downgrade",
            Self::TlsToNoSidecar => "tls-to-no-sidecar",
            Self::StrictRefusesNoSidecar => "strict-refuses-no-sidecar",
            Self::PlaintextToNoSidecar => "plaintext-to-no-sidecar",
            Self::Refused => "refused",
            Self::PolicyIgnored => "policy-ignored",
            Self::WireDisagreesWithPolicy => "wire-disagrees-with-policy",
        }
    }

    /// How bad it is unless overridden.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::ClientAndServerContradict | Self::TlsToNoSidecar | Self::WireDisagreesWithPolicy => Severity::Error,
            Self::Downgrade | Self::Refused | Self::PolicyIgnored => Severity::Warning,
            Self::StrictRefusesNoSidecar | Self::PlaintextToNoSidecar => Severity::Info,
        }
    }
}
