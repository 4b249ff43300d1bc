//! From which of Istio's modes an outbound cluster may have been made.
//!
//! A cluster shows what is sent, not who decided it. Its metadata names the DestinationRule that applies, with TLS settings
//! or without (`util.go:AddConfigInfoMetadata`), and of rules that are merged only the first.

use crate::envoy::cluster::Cluster;
use crate::model::mesh::IstioVersion;
use crate::model::pair::OriginMode;
use crate::model::wire::Sends;
use crate::programmed::proxy::Proxy;

/// The likeliest mode, and the others that make the same cluster.
///
/// Istio: `cluster_tls.go:buildUpstreamTLSSettings`, `applyUpstreamTLSSettings`.
pub(super) fn of(
    proxy: &Proxy,
    cluster: &Cluster,
    tls: Option<Sends>,
    is_ruled: bool,
) -> (OriginMode, Vec<OriginMode>) {
    if cluster.transport_socket_matches.iter().any(|one| one.matches.contains_key("tlsMode")) {
        return (OriginMode::Auto, Vec::new());
    }
    // Nothing carries marks there: automatic mutual TLS goes to every endpoint, as the rule's would.
    let is_unmarked = cluster.kind == "ORIGINAL_DST";
    match (tls, is_ruled) {
        (Some(Sends::MutualTls), true) if is_unmarked => (OriginMode::IstioMutual, vec![OriginMode::Auto]),
        (Some(Sends::MutualTls), false) if is_unmarked => (OriginMode::Auto, Vec::new()),
        (Some(Sends::MutualTls), _) => (OriginMode::IstioMutual, Vec::new()),
        (Some(Sends::Tls), _) => (OriginMode::Simple, Vec::new()),
        (Some(Sends::TlsClientCert), _) => (OriginMode::Mutual, Vec::new()),
        // A rule whose context could not be built: the mark of SIMPLE and MUTUAL is there, the socket is not.
        (None | Some(Sends::Plaintext), true) if keeps_alpn(cluster) => (OriginMode::Simple, vec![OriginMode::Mutual]),
        (None | Some(Sends::Plaintext), true) if notes_nothing(proxy) => {
            (OriginMode::Disable, vec![OriginMode::Auto, OriginMode::Simple, OriginMode::Mutual])
        }
        // A rule without TLS where automatic mutual TLS is off, for the mesh, the Service or a host outside.
        (None | Some(Sends::Plaintext), true) => (OriginMode::Disable, vec![OriginMode::Auto]),
        (None | Some(Sends::Plaintext), false) => (OriginMode::Auto, Vec::new()),
    }
}

/// Whether the control plane is of before 1.19, by the version of the proxy that it injected.
fn notes_nothing(proxy: &Proxy) -> bool {
    let version = proxy.bootstrap.as_ref().and_then(|own| own.node.metadata.istio_version.as_deref()?.parse().ok());
    version.is_some_and(|version: IstioVersion| !version.at_least(19))
}

/// Whether requests keep their own ALPN: istiod notes it for SIMPLE and MUTUAL, since 1.19.
///
/// Istio: `util.go:AddALPNOverrideToMetadata`.
pub(super) fn keeps_alpn(cluster: &Cluster) -> bool {
    cluster.metadata.filter_metadata.istio.alpn_override.as_deref() == Some("false")
}
