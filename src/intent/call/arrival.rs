//! A connection as the server's listener sees it, and what an endpoint makes of it.

use crate::intent::call::Caller;
use crate::intent::capture;
use crate::intent::cluster::Cluster;
use crate::intent::endpoint::ServiceEndpoint;
use crate::intent::registry::SvcPort;
use crate::model::filter_chain::{Connection, meet};
use crate::model::identity::SpiffeId;
use crate::model::port::WorkloadPort;
use crate::model::wire::{Outcome, Sends, Why, Wire};
use crate::model::workload::{Pod, ProxyKind};

// === impl Caller ===

impl<'s> Caller<'_, 's> {
    /// How the connection looks to the server's listener.
    pub(super) fn connection<'c>(&self, cluster: &'c Cluster<'s>, port: &SvcPort, sends: Sends) -> Connection<'c> {
        Connection::opened(sends, self.payload, port.protocol, cluster.tls(), self.plane.profile.alpn_filter)
    }

    /// What the endpoint makes of the connection: filter chain, then certificate, then codec, then identity, then port.
    pub(super) fn arrive(
        &self,
        endpoint: &ServiceEndpoint<'s>,
        port: WorkloadPort,
        sends: Sends,
        connection: &Connection<'_>,
        names: &[String],
    ) -> Outcome {
        if self.is_elsewhere(endpoint) {
            return Outcome { wire: Wire::Depends, why: Why::OtherNetwork };
        }
        let Some(pod) = endpoint.pod else {
            return match sends {
                Sends::MutualTls => Outcome { wire: Wire::Depends, why: Why::OutsideTheMesh },
                Sends::Plaintext | Sends::Tls | Sends::TlsClientCert => Outcome::of(sends, None),
            };
        };
        let handling = match pod.proxy {
            ProxyKind::Sidecar if capture::inbound(pod, port).is_ok() => {
                Some(meet(&self.mesh.chains(pod), port, connection))
            }
            ProxyKind::Sidecar | ProxyKind::None | ProxyKind::Gateway | ProxyKind::Proxyless => None,
            ProxyKind::Waypoint | ProxyKind::Ztunnel | ProxyKind::Unknown => {
                return Outcome { wire: Wire::Unknown, why: Why::NotReadable };
            }
        };
        let met = Outcome::of(sends, handling);
        let identified = met.wire != Wire::MutualTls || names.is_empty() || {
            let own = self.identity(pod).to_string();
            names.contains(&own)
        };
        match (met.wire, identified) {
            (Wire::Refused, _) => met,
            (Wire::MutualTls, _) if !self.is_trusted_by(pod) => {
                Outcome { wire: Wire::Refused, why: Why::ForeignTrustDomain }
            }
            (_, false) => Outcome { wire: Wire::Refused, why: Why::ServerIdentityNotExpected },
            (_, true) if port != endpoint.port => Outcome { wire: Wire::Refused, why: Why::NothingListens },
            (_, true) => met,
        }
    }

    /// Whether the server's proxy accepts identities of the client's trust domain.
    ///
    /// Istio: `pilot/pkg/networking/plugin/authn/util.go:TrustDomainsForValidation`: its own, its aliases, and no other.
    fn is_trusted_by(&self, pod: &Pod) -> bool {
        self.mesh.trust_domains(pod).contains(&self.plane.profile.config.trust_domain)
    }

    /// Whether the endpoint is in another network than the client, as far as both name one.
    ///
    /// Istio: `pilot/pkg/xds/endpoints/ep_filters.go:EndpointsByNetworkFilter`, `pilot/pkg/model/context.go:InNetwork`.
    fn is_elsewhere(&self, endpoint: &ServiceEndpoint<'s>) -> bool {
        const NETWORK: &str = "topology.istio.io/network";
        let default = || self.plane.network.as_deref();
        let own = self.client.meta.label(NETWORK).or_else(default);
        let named = endpoint.network.or_else(|| endpoint.labels.get(NETWORK).map(String::as_str));
        let there = named.or_else(|| endpoint.pod.and_then(|_| default()));
        self.client.proxy.is_envoy() && matches!((own, there), (Some(own), Some(there)) if own != there)
    }

    fn identity(&self, pod: &Pod) -> SpiffeId {
        let plane = self.mesh.plane(pod).unwrap_or(self.plane);
        SpiffeId {
            trust_domain: plane.profile.config.trust_domain.clone(),
            namespace: pod.meta.namespace.clone(),
            service_account: pod.service_account.clone(),
        }
    }
}
