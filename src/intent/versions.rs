//! Every difference between versions of Istio that changes an answer, with its source: one table.

use crate::model::mesh::IstioVersion;

/// How istiod decides whether an endpoint is marked `tlsMode: istio` towards clients with automatic mutual TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointCheck {
    /// Only the endpoint's own label counts (1.9 to 1.11; 1.10 and 1.11 compute more, for other networks only).
    LabelOnly,
    /// PeerAuthentication and DestinationRule count; a subset is guessed from the endpoint's labels (1.12 to 1.18).
    FirstSubsetThatFits,
    /// They count, with the subset of the cluster itself (since 1.19).
    OwnSubset,
}

/// The rules of one version of Istio where versions differ.
///
/// Sources are the tagged trees of istio/istio; paths are relative to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a table of switches, one a difference")]
pub struct Rules {
    /// PERMISSIVE HTTP ports accept mutual TLS with ALPN `istio-peer-exchange` too: since 1.10,
    /// `pilot/pkg/networking/core/filterchain_options.go`.
    pub permissive_http_takes_peer_exchange: bool,
    /// `loadBalancer.simple: PASSTHROUGH` makes the guess of the server's mode look at the endpoints: since 1.10,
    /// `pilot/pkg/model/push_context.go:BestEffortInferServiceMTLSMode`.
    pub passthrough_inspects_endpoints: bool,
    /// Who marks endpoints: 1.12 and 1.19, `pilot/pkg/xds/mtls_checker.go`.
    pub endpoint_check: EndpointCheck,
    /// `ingress[].tls` of a Sidecar can be switched on: since 1.13, `ENABLE_TLS_ON_SIDECAR_INGRESS`.
    pub sidecar_ingress_tls: bool,
    /// `workloadSelector` of a DestinationRule is honoured: since 1.14, `pilot/pkg/model/sidecar.go:DestinationRule`.
    pub rule_selects_clients: bool,
    /// Clusters with SIMPLE or MUTUAL keep their own ALPN for HTTP (`istio.alpn_override`): since 1.19, PR 44918.
    pub own_tls_keeps_alpn: bool,
    /// SIMPLE and MUTUAL of a rule unmark endpoints: since 1.20, PR 46678.
    pub own_tls_unmarks: bool,
    /// SIMPLE and MUTUAL without `caCertificates` verify with the system's bundle: since 1.21,
    /// `VERIFY_CERTIFICATE_AT_CLIENT`.
    pub verifies_with_system_roots: bool,
    /// A Service of type `ExternalName` is an alias of its target: since 1.21, `ENABLE_EXTERNAL_NAME_ALIAS`.
    pub external_name_is_alias: bool,
    /// Discovery selectors hide Istio objects too, not only Services: since 1.22, `ENABLE_ENHANCED_RESOURCE_SCOPING`.
    pub selectors_hide_policies: bool,
    /// Rules with a `workloadSelector` are sorted first: since 1.23,
    /// `pilot/pkg/model/push_context.go:sortConfigBySelectorAndCreationTime`.
    pub selecting_rules_first: bool,
    /// Rules for one host merge only where their export sets allow it: since 1.24,
    /// `ENABLE_ENHANCED_DESTINATIONRULE_MERGE`.
    pub merges_by_export_set: bool,
    /// `credentialName: configmap://...` works on sidecars: since 1.26,
    /// `pilot/pkg/networking/core/cluster_tls.go:buildUpstreamClusterTLSContext`.
    pub config_map_credentials: bool,
    /// A subset without TLS of its own is marked by the rule's top level: since 1.31, PR 60792.
    pub subset_mark_falls_back: bool,
}

// === impl Rules ===

impl Rules {
    /// The rules of a version; versions beyond the known ones follow the nearest known.
    #[must_use]
    pub fn of(version: IstioVersion) -> Self {
        let since = |minor| version.at_least(minor);
        Self {
            permissive_http_takes_peer_exchange: since(10),
            passthrough_inspects_endpoints: since(10),
            endpoint_check: match (since(12), since(19)) {
                (false, _) => EndpointCheck::LabelOnly,
                (true, false) => EndpointCheck::FirstSubsetThatFits,
                (true, true) => EndpointCheck::OwnSubset,
            },
            sidecar_ingress_tls: since(13),
            rule_selects_clients: since(14),
            own_tls_keeps_alpn: since(19),
            own_tls_unmarks: since(20),
            verifies_with_system_roots: since(21),
            external_name_is_alias: since(21),
            selectors_hide_policies: since(22),
            selecting_rules_first: since(23),
            merges_by_export_set: since(24),
            config_map_credentials: since(26),
            subset_mark_falls_back: since(31),
        }
    }
}
