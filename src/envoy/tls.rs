//! Transport sockets and their TLS contexts.

use serde::Deserialize;

use crate::envoy::lossy;

/// `transport_socket`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TransportSocket {
    /// `envoy.transport_sockets.tls`, `envoy.transport_sockets.raw_buffer`.
    pub name: String,
    /// Its configuration.
    #[serde(alias = "typedConfig", deserialize_with = "lossy::or_default")]
    pub typed_config: TlsContext,
}

/// `UpstreamTlsContext` or `DownstreamTlsContext`; the fields of both.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TlsContext {
    /// The message's type.
    #[serde(rename = "@type")]
    pub kind: String,
    /// Server name sent (upstream).
    pub sni: String,
    /// Whether the peer must show a certificate (downstream).
    #[serde(alias = "requireClientCertificate", deserialize_with = "lossy::or_default")]
    pub require_client_certificate: bool,
    /// What a socket that adds something of its own is wrapped around.
    #[serde(alias = "transportSocket", deserialize_with = "lossy::if_understood")]
    pub transport_socket: Option<Box<TransportSocket>>,
    /// What both directions have.
    #[serde(alias = "commonTlsContext", deserialize_with = "lossy::or_default")]
    pub common_tls_context: CommonTls,
}

/// `common_tls_context`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CommonTls {
    /// ALPN offered or accepted.
    #[serde(alias = "alpnProtocols", deserialize_with = "lossy::or_default")]
    pub alpn_protocols: Vec<String>,
    /// Own certificates by SDS.
    #[serde(alias = "tlsCertificateSdsSecretConfigs", deserialize_with = "lossy::or_default")]
    pub tls_certificate_sds_secret_configs: Vec<SdsName>,
    /// Own certificates inline or from files; only that there are any is read.
    #[serde(alias = "tlsCertificates", deserialize_with = "lossy::or_default")]
    pub tls_certificates: Vec<serde::de::IgnoredAny>,
    /// SDS and defaults together.
    #[serde(alias = "combinedValidationContext")]
    pub combined_validation_context: Option<CombinedValidation>,
    /// Inline only.
    #[serde(alias = "validationContext")]
    pub validation_context: Option<Validation>,
    /// SDS only.
    #[serde(alias = "validationContextSdsSecretConfig")]
    pub validation_context_sds_secret_config: Option<SdsName>,
}

/// The name of a secret.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SdsName {
    /// `default`, `ROOTCA`, `file-root:...`, `file-cert:...~...`, `kubernetes://...`.
    pub name: String,
}

/// `combined_validation_context`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CombinedValidation {
    /// Matchers.
    #[serde(alias = "defaultValidationContext", deserialize_with = "lossy::or_default")]
    pub default_validation_context: Validation,
    /// Roots.
    #[serde(alias = "validationContextSdsSecretConfig")]
    pub validation_context_sds_secret_config: Option<SdsName>,
}

/// `validation_context`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Validation {
    /// Names the peer's certificate must carry one of.
    #[serde(alias = "matchSubjectAltNames", deserialize_with = "lossy::or_default")]
    pub match_subject_alt_names: Vec<NameMatcher>,
    /// The same, with the kind of name (Envoy 1.23 and later).
    #[serde(alias = "matchTypedSubjectAltNames", deserialize_with = "lossy::or_default")]
    pub match_typed_subject_alt_names: Vec<TypedNameMatcher>,
    /// Whether roots are given here; what they are is not read.
    #[serde(alias = "trustedCa")]
    pub trusted_ca: Option<serde::de::IgnoredAny>,
}

/// A matcher of one kind of name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TypedNameMatcher {
    /// The matcher.
    #[serde(deserialize_with = "lossy::or_default")]
    pub matcher: NameMatcher,
}

/// A `StringMatcher`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NameMatcher {
    /// The whole name.
    pub exact: Option<String>,
    /// Its beginning.
    pub prefix: Option<String>,
    /// Its end.
    pub suffix: Option<String>,
    /// A part of it.
    pub contains: Option<String>,
    /// RE2.
    #[serde(alias = "safeRegex")]
    pub safe_regex: Option<Regex>,
}

/// `safe_regex`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Regex {
    /// The expression.
    pub regex: String,
}

/// How a name is matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameMatch {
    /// The whole name.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// Something else, in Envoy's words; whether a name matches is not decided here.
    Other(String),
}

// === impl TransportSocket ===

impl TransportSocket {
    /// The socket that decides about TLS: those that write a PROXY header, count or record wrap another one.
    ///
    /// Istio: `cluster_traffic_policy.go:applyUpstreamProxyProtocol`.
    #[must_use]
    pub fn inner(&self) -> &Self {
        let wraps = ["upstream_proxy_protocol", "tcp_stats", "tap"].iter().any(|name| self.name.ends_with(name));
        self.typed_config.transport_socket.as_deref().filter(|_| wraps).unwrap_or(self)
    }

    /// Whether bytes go through an HBONE tunnel as they are: mutual TLS to the other end's ztunnel, waypoint or sidecar.
    ///
    /// Istio: `cluster_tls.go:hboneTransportSocket`.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        let inner = self.typed_config.transport_socket.as_deref();
        self.name.ends_with("internal_upstream") && inner.is_none_or(Self::is_raw)
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.typed_config.kind.ends_with("TlsContext")
            || matches!(self.name.as_str(), "envoy.transport_sockets.tls" | "tls")
    }

    /// Whether bytes go through as they are.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.name.ends_with("raw_buffer") || self.typed_config.kind.ends_with(".RawBuffer")
    }
}

// === impl CommonTls ===

impl CommonTls {
    /// The SDS name of the own certificate.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.tls_certificate_sds_secret_configs.first().map(|sds| sds.name.as_str())
    }

    /// The SDS name of the roots that the peer is verified against.
    #[must_use]
    pub fn roots(&self) -> Option<&str> {
        let combined = self.combined_validation_context.as_ref();
        let combined = combined.and_then(|combined| combined.validation_context_sds_secret_config.as_ref());
        combined.or(self.validation_context_sds_secret_config.as_ref()).map(|sds| sds.name.as_str())
    }

    /// Whether the peer is verified against roots that stand in the context itself.
    #[must_use]
    pub fn inline_roots(&self) -> bool {
        self.contexts().any(|context| context.trusted_ca.is_some())
    }

    /// What the peer's certificate must be named.
    #[must_use]
    pub fn names(&self) -> Vec<NameMatch> {
        let typed = |context: &Validation| {
            let plain = context.match_subject_alt_names.clone();
            let typed = context.match_typed_subject_alt_names.iter().map(|typed| typed.matcher.clone());
            plain.into_iter().chain(typed).map(NameMatcher::into_match).collect::<Vec<_>>()
        };
        self.contexts().flat_map(typed).collect()
    }

    fn contexts(&self) -> impl Iterator<Item = &Validation> {
        let combined = self.combined_validation_context.as_ref().map(|combined| &combined.default_validation_context);
        combined.into_iter().chain(self.validation_context.as_ref())
    }
}

// === impl NameMatcher ===

impl NameMatcher {
    fn into_match(self) -> NameMatch {
        match self {
            Self { exact: Some(exact), .. } => NameMatch::Exact(exact),
            Self { prefix: Some(prefix), .. } => NameMatch::Prefix(prefix),
            Self { suffix: Some(suffix), .. } => NameMatch::Other(format!("suffix {suffix}")),
            Self { contains: Some(part), .. } => NameMatch::Other(format!("contains {part}")),
            Self { safe_regex: Some(regex), .. } => NameMatch::Other(format!("regex {}", regex.regex)),
            Self { exact: None, prefix: None, suffix: None, contains: None, safe_regex: None } => {
                NameMatch::Other("a matcher of an unknown kind".to_owned())
            }
        }
    }
}
