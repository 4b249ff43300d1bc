//! The cluster a client's proxy gets for a service port: its type and its TLS.
//!
//! Istio: `pilot/pkg/networking/core/cluster_builder.go:applyDestinationRule,buildSubsetCluster` and
//! `cluster_tls.go:buildUpstreamTLSSettings`.

use std::sync::Arc;

use crate::intent::destination_rule::MergedRule;
use crate::intent::endpoint::{ServiceEndpoint, TLS_MODE_DISABLED};
use crate::intent::mark::Marker;
use crate::intent::plane::ControlPlane;
use crate::intent::registry::{Discovery, Svc, SvcPort};
use crate::intent::traffic_policy::{self, Said};
use crate::intent::upstream_tls;
use crate::model::meta::selects;
use crate::model::pair::OriginMode;
use crate::model::policy::PeerAuthentication;
use crate::model::port::ServicePort;
use crate::model::tls::{ClientCertificate, ClientTlsMode, MtlsMode, UpstreamTls};
use crate::model::wire::Sends;
use crate::model::workload::ProxyKind;

/// A cluster, as far as mutual TLS goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster<'s> {
    /// `outbound|8000|subset|host`.
    pub(crate) name: String,
    /// How Envoy finds its endpoints.
    pub(crate) kind: ClusterKind,
    /// How connections are made.
    pub(crate) socket: Socket,
    /// Why that.
    pub(crate) reason: TlsReason<'s>,
    /// The rule that applies, whether or not it says anything about TLS.
    pub(crate) rule: Option<Arc<MergedRule<'s>>>,
    /// The subset.
    pub(crate) subset: Option<String>,
}

/// `type` of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClusterKind {
    /// `EDS`.
    Eds,
    /// `STRICT_DNS` or `LOGICAL_DNS`.
    Dns,
    /// `ORIGINAL_DST`.
    OriginalDst,
}

/// `transport_socket` or `transport_socket_matches` of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Socket {
    /// Plaintext to all.
    Plaintext,
    /// TLS to all.
    Tls(UpstreamTls),
    /// TLS to marked endpoints, plaintext to the others.
    Marked(UpstreamTls),
}

/// Why a cluster has the TLS it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TlsReason<'s> {
    /// A rule says so; `dropped` where istiod leaves the TLS out nevertheless.
    Rule { said: Said<'s>, dropped: Option<&'static str> },
    /// Automatic mutual TLS; the policy the server's mode was guessed from, if any.
    Auto { guessed_from: Option<&'s PeerAuthentication> },
    /// No rule, and no automatic mutual TLS, for this reason.
    Off(AutoOff<'s>),
}

/// Why automatic mutual TLS is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AutoOff<'s> {
    /// `enableAutoMtls: false`.
    MeshConfig,
    /// The service lies outside the mesh.
    External,
    /// The policy of the service's namespace, or of the mesh, is DISABLE.
    AssumedDisable(&'s PeerAuthentication),
    /// All-or-nothing, and an endpoint without sidecar (or none at all) is behind it.
    EndpointWithoutSidecar,
}

/// What a client asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a, 's> {
    pub(crate) svc: &'a Svc<'s>,
    pub(crate) port: &'a SvcPort,
    pub(crate) subset: Option<&'a str>,
    pub(crate) rule: Option<&'a Arc<MergedRule<'s>>>,
    pub(crate) proxy: ProxyKind,
    /// Endpoints of the port.
    pub(crate) endpoints: &'a [ServiceEndpoint<'s>],
    /// Endpoints of every port: their identities are all expected.
    pub(crate) all: &'a [Vec<ServiceEndpoint<'s>>],
}

/// The mode that a client assumes for a service, as istiod guesses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint<'s> {
    /// Outside the mesh: unknown.
    Unknown,
    /// DISABLE because of an endpoint.
    EndpointWithoutSidecar,
    /// A mode, and the policy it comes from; no policy means PERMISSIVE.
    Mode(MtlsMode, Option<&'s PeerAuthentication>),
}

/// The cluster's Envoy name.
pub(crate) fn name(svc: &Svc<'_>, port: &SvcPort, subset: Option<&str>) -> String {
    name_of(&svc.host, port.port, subset)
}

/// The same for a host that may not exist.
pub(crate) fn name_of(host: &str, port: ServicePort, subset: Option<&str>) -> String {
    format!("outbound|{port}|{}|{host}", subset.unwrap_or_default())
}

/// Builds the cluster; `None` where istiod builds none: an unknown subset, a DNS name without endpoints, or a subset of one
/// whose labels none of them carries (`cluster_builder.go:buildCluster`).
pub(crate) fn build<'s>(plane: &ControlPlane<'s>, wanted: Wanted<'_, 's>) -> Option<Cluster<'s>> {
    let Wanted { svc, port, subset: wanted_subset, rule, proxy, endpoints, .. } = wanted;
    let top = rule.map(|rule| traffic_policy::of_port(rule, port.port)).unwrap_or_default();
    let kind = match (&svc.discovery, top.passthrough == Some(true)) {
        (Discovery::AsDialled, _) if proxy == ProxyKind::Sidecar => ClusterKind::OriginalDst,
        (_, true) => ClusterKind::OriginalDst,
        (Discovery::Dns | Discovery::Alias(_), false) => ClusterKind::Dns,
        (Discovery::Listed | Discovery::AsDialled | Discovery::DynamicDns, false) => ClusterKind::Eds,
    };
    if svc.discovery == Discovery::Dns && endpoints.is_empty() {
        return None;
    }
    let (kind, resolved, raw) = match (wanted_subset, rule) {
        (None, _) => {
            (kind, top, traffic_policy::raw_passthrough(rule.and_then(|rule| rule.policy.map(|(policy, _)| policy))))
        }
        (Some(_), None) => return None,
        (Some(name), Some(rule)) => {
            let subset = rule.subset(name)?;
            let raw = traffic_policy::raw_passthrough(subset.subset.traffic_policy.as_ref());
            let here = |endpoint: &ServiceEndpoint<'_>| selects(&subset.subset.labels, &endpoint.labels);
            if kind == ClusterKind::Dns && !raw && svc.discovery == Discovery::Dns && !endpoints.iter().any(here) {
                return None;
            }
            let resolved = traffic_policy::of_subset(rule, subset, port.port);
            let passthrough = raw || resolved.passthrough == Some(true);
            (if passthrough { ClusterKind::OriginalDst } else { kind }, resolved, raw)
        }
    };
    let hint = guess(plane, svc, endpoints, raw);
    let (socket, reason) = socket(plane, wanted, kind, resolved.tls, hint);
    Some(Cluster {
        name: name(svc, port, wanted_subset),
        kind,
        socket,
        reason,
        rule: rule.cloned(),
        subset: wanted_subset.map(str::to_owned),
    })
}

/// Istio: `push_context.go:BestEffortInferServiceMTLSMode`. It never looks at workload policies or single ports.
pub(crate) fn guess<'s>(
    plane: &ControlPlane<'s>,
    svc: &Svc<'s>,
    endpoints: &[ServiceEndpoint<'s>],
    passthrough: bool,
) -> Hint<'s> {
    if svc.external {
        return Hint::Unknown;
    }
    let inspects = svc.is_headless() || (passthrough && plane.rules.passthrough_inspects_endpoints);
    if inspects && (endpoints.is_empty() || endpoints.iter().any(|endpoint| endpoint.tls_mode == TLS_MODE_DISABLED)) {
        return Hint::EndpointWithoutSidecar;
    }
    match plane.peer_authentications.assumed(svc.namespace()) {
        Some((mode, policy)) => Hint::Mode(mode, Some(policy)),
        None => Hint::Mode(MtlsMode::Permissive, None),
    }
}

fn socket<'s>(
    plane: &ControlPlane<'s>,
    wanted: Wanted<'_, 's>,
    kind: ClusterKind,
    said: Option<Said<'s>>,
    hint: Hint<'s>,
) -> (Socket, TlsReason<'s>) {
    let Some(said) = said else {
        return match (plane.profile.config.auto_mtls, hint) {
            (_, Hint::Unknown) => (Socket::Plaintext, TlsReason::Off(AutoOff::External)),
            (false, _) => (Socket::Plaintext, TlsReason::Off(AutoOff::MeshConfig)),
            (true, Hint::EndpointWithoutSidecar) => {
                (Socket::Plaintext, TlsReason::Off(AutoOff::EndpointWithoutSidecar))
            }
            (true, Hint::Mode(MtlsMode::Disable, Some(policy))) => {
                (Socket::Plaintext, TlsReason::Off(AutoOff::AssumedDisable(policy)))
            }
            (true, Hint::Mode(_, guessed_from)) => {
                let tls = upstream_tls::by_files(plane, wanted, None)
                    .unwrap_or_else(|| upstream_tls::istio_mutual(plane, wanted, None));
                let socket = match kind {
                    ClusterKind::OriginalDst => Socket::Tls(tls),
                    ClusterKind::Eds | ClusterKind::Dns => Socket::Marked(tls),
                };
                (socket, TlsReason::Auto { guessed_from })
            }
        };
    };
    if matches!(said.tls.mode, ClientTlsMode::Mutual | ClientTlsMode::IstioMutual)
        && !wanted.svc.external
        && let Some(tls) = upstream_tls::by_files(plane, wanted, Some(said.tls))
    {
        let dropped = Some("the proxy shows the certificate that its metadata names, whatever the rule says");
        return (Socket::Tls(tls), TlsReason::Rule { said, dropped });
    }
    let (socket, dropped) = match said.tls.mode {
        ClientTlsMode::Disable => (Socket::Plaintext, None),
        ClientTlsMode::IstioMutual => (Socket::Tls(upstream_tls::istio_mutual(plane, wanted, Some(said.tls))), None),
        ClientTlsMode::Simple | ClientTlsMode::Mutual => match upstream_tls::own(plane, wanted, said.tls) {
            Ok(tls) => (Socket::Tls(tls), None),
            Err(why) => (Socket::Plaintext, Some(why)),
        },
    };
    (socket, TlsReason::Rule { said, dropped })
}

// === impl Cluster ===

impl<'s> Cluster<'s> {
    /// The TLS context, where it has one.
    pub(crate) fn tls(&self) -> Option<&UpstreamTls> {
        match &self.socket {
            Socket::Plaintext => None,
            Socket::Tls(tls) | Socket::Marked(tls) => Some(tls),
        }
    }

    /// The mode of the report.
    pub(crate) fn mode(&self) -> OriginMode {
        match &self.reason {
            TlsReason::Auto { .. } | TlsReason::Off(_) => OriginMode::Auto,
            TlsReason::Rule { said, .. } => match said.tls.mode {
                ClientTlsMode::Disable => OriginMode::Disable,
                ClientTlsMode::Simple => OriginMode::Simple,
                ClientTlsMode::Mutual => OriginMode::Mutual,
                ClientTlsMode::IstioMutual => OriginMode::IstioMutual,
            },
        }
    }

    /// Whether istiod marks an endpoint for this cluster; `None` where marks play no part.
    pub(crate) fn marks(
        &self,
        plane: &ControlPlane<'s>,
        port: &SvcPort,
        endpoint: &ServiceEndpoint<'s>,
    ) -> Option<bool> {
        match self.kind {
            ClusterKind::OriginalDst => None,
            ClusterKind::Eds | ClusterKind::Dns => {
                let marker = Marker {
                    rules: plane.rules,
                    policies: &plane.peer_authentications,
                    rule: self.rule.as_deref(),
                    subset: self.subset.as_deref(),
                    port: port.port,
                };
                Some(marker.marks(endpoint))
            }
        }
    }

    /// What is sent to an endpoint with this mark.
    pub(crate) fn sends(&self, marked: Option<bool>) -> Sends {
        match (&self.socket, marked) {
            (Socket::Plaintext, _) | (Socket::Marked(_), Some(false) | None) => Sends::Plaintext,
            (Socket::Tls(tls), _) | (Socket::Marked(tls), Some(true)) => kind_of(tls),
        }
    }
}

/// What a TLS context amounts to.
fn kind_of(tls: &UpstreamTls) -> Sends {
    match tls.certificate {
        ClientCertificate::None => Sends::Tls,
        ClientCertificate::Workload => Sends::MutualTls,
        ClientCertificate::Files { .. } | ClientCertificate::Secret(_) => Sends::TlsClientCert,
    }
}
