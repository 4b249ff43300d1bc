//! What holds for a whole control plane: its version, its mesh configuration, the switches that change answers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A minor version of Istio, e.g. `1.31`; patch levels never change a rule here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IstioVersion {
    /// Always 1 so far.
    pub major: u16,
    /// 9 to 31 are known.
    pub minor: u16,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an Istio version; write it like 1.9, 1.9.2 or 1.31.0")]
pub struct NotAVersion(pub String);

/// One control-plane revision: what it runs and how it was configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshProfile {
    /// `default`, or the value of `istio.io/rev`.
    pub revision: String,
    /// Version of istiod; the rules follow it.
    pub version: IstioVersion,
    /// Whether the version was seen (istiod's image, or asked for) rather than assumed.
    pub version_seen: bool,
    /// `MeshConfig` as far as the rules read it.
    pub config: MeshConfig,
    /// Whether Istio's own proxy with its `istio.alpn` filter runs; upstream Envoy lacks it, and HTTP on sniffed ports
    /// then arrives with the cluster's ALPN.
    pub alpn_filter: bool,
    /// `ENABLE_TLS_ON_SIDECAR_INGRESS`: a Sidecar's `ingress[].tls` is honoured on ports whose mode is DISABLE.
    pub tls_on_sidecar_ingress: bool,
}

/// The fields of `MeshConfig` that change an answer.
///
/// Defaults: Istio `pkg/config/mesh/mesh.go:DefaultMeshConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshConfig {
    /// `rootNamespace`.
    pub root_namespace: String,
    /// `trustDomain`.
    pub trust_domain: String,
    /// `trustDomainAliases`.
    pub trust_domain_aliases: Vec<String>,
    /// `enableAutoMtls`.
    pub auto_mtls: bool,
    /// `outboundTrafficPolicy.mode`.
    pub outbound_policy: OutboundPolicy,
    /// `defaultServiceExportTo`.
    pub default_service_export_to: Vec<String>,
    /// `defaultDestinationRuleExportTo`.
    pub default_destination_rule_export_to: Vec<String>,
    /// `defaultVirtualServiceExportTo`.
    pub default_virtual_service_export_to: Vec<String>,
    /// `defaultConfig.proxyMetadata`: files that every proxy shows instead of its workload certificate.
    pub client_certificates: Option<ProxyCertificates>,
    /// `discoverySelectors`, kept as written; empty = every namespace.
    pub discovery_selectors: Vec<serde_json::Value>,
    /// Cluster domain of the Kubernetes services.
    pub cluster_domain: String,
}

/// `ISTIO_META_TLS_CLIENT_*` of a proxy's metadata: paths in the proxy's container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyCertificates {
    /// `ISTIO_META_TLS_CLIENT_CERT_CHAIN`.
    pub certificate: String,
    /// `ISTIO_META_TLS_CLIENT_KEY`.
    pub key: String,
    /// `ISTIO_META_TLS_CLIENT_ROOT_CERT`.
    pub root: Option<String>,
}

/// `outboundTrafficPolicy.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundPolicy {
    /// Unknown destinations are passed through in plaintext.
    #[default]
    AllowAny,
    /// Unknown destinations are answered 502 or closed.
    RegistryOnly,
}

// === impl IstioVersion ===

impl IstioVersion {
    /// The oldest version whose rules are known.
    pub const OLDEST: Self = Self::minor(9);
    /// The newest version whose rules are known.
    pub const NEWEST: Self = Self::minor(31);

    /// `1.<minor>`.
    #[must_use]
    pub const fn minor(minor: u16) -> Self {
        Self { major: 1, minor }
    }

    /// Whether this is `1.<minor>` or later.
    #[must_use]
    pub fn at_least(self, minor: u16) -> bool {
        self >= Self::minor(minor)
    }
}

impl fmt::Display for IstioVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl std::str::FromStr for IstioVersion {
    type Err = NotAVersion;

    /// Reads `1.9`, `1.9.2`, `v1.31.0`, `1.24-dev` and vendor suffixes like `1.22.3-asm.1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let core = text.trim().trim_start_matches('v');
            let core = core.split(['-', '+', '_']).next()?;
            let mut parts = core.split('.');
            let major = parts.next()?.parse().ok()?;
            let minor = parts.next()?.parse().ok()?;
            let patch_is_number = parts.all(|part| part.parse::<u32>().is_ok());
            (patch_is_number && major == 1).then_some(Self { major, minor })
        };
        parse().ok_or_else(|| NotAVersion(text.to_owned()))
    }
}

impl TryFrom<String> for IstioVersion {
    type Error = NotAVersion;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IstioVersion> for String {
    fn from(version: IstioVersion) -> Self {
        version.to_string()
    }
}

impl Default for IstioVersion {
    fn default() -> Self {
        Self::NEWEST
    }
}

// === impl MeshProfile ===

impl Default for MeshProfile {
    fn default() -> Self {
        Self {
            revision: DEFAULT_REVISION.to_owned(),
            version: IstioVersion::NEWEST,
            version_seen: false,
            config: MeshConfig::default(),
            alpn_filter: true,
            tls_on_sidecar_ingress: false,
        }
    }
}

// === impl MeshConfig ===

/// The revision of a control plane that was given none.
pub const DEFAULT_REVISION: &str = "default";

/// The root namespace where nothing else is configured.
pub const ROOT_NAMESPACE: &str = "istio-system";

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            root_namespace: ROOT_NAMESPACE.to_owned(),
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: Vec::new(),
            auto_mtls: true,
            outbound_policy: OutboundPolicy::AllowAny,
            default_service_export_to: vec!["*".to_owned()],
            default_destination_rule_export_to: vec!["*".to_owned()],
            default_virtual_service_export_to: vec!["*".to_owned()],
            client_certificates: None,
            discovery_selectors: Vec::new(),
            cluster_domain: "cluster.local".to_owned(),
        }
    }
}
