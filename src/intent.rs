//! What the rules demand: for a client and a service port, what is sent, what is accepted, what follows and who decided.
//!
//! Pure. Follows Istio's control plane; every rule cites the function it follows.

use std::sync::Arc;

use crate::intent::pair::Question;
use crate::model::filter_chain::FilterChain;
use crate::model::pair::{Accepts, Originates, PairIntent, ServerRef};
use crate::model::port::{Payload, PortClass, WorkloadPort};
use crate::model::workload::Pod;

mod accepts;
mod because;
mod blame;
mod call;
pub(crate) mod capture;
mod class;
pub(crate) mod client;
mod cluster;
mod context;
mod crowd;
mod declared;
pub(crate) mod destination_rule;
pub(crate) mod endpoint;
pub(crate) mod host;
mod inbound;
mod mark;
mod members;
mod mesh;
mod order;
mod originates;
mod outbound;
mod pair;
pub(crate) mod peer_authentication;
pub(crate) mod plane;
pub(crate) mod pods;
pub(crate) mod registry;
mod symptom;
mod traffic_policy;
mod unread;
mod upstream_tls;
pub mod versions;
mod via;
mod virtual_service;
mod visibility;

pub use client::Client;
pub use crowd::{Class, Crowd};
pub use endpoint::{Location, ServiceEndpoint};
pub use members::{Members, Numbers, Union};
pub use mesh::Mesh;
pub use pair::Detail;

// === impl Mesh, the questions ===

impl<'s> Mesh<'s> {
    /// Every workload that can call, in byte order; pods of one workload that behave differently are clients of their own.
    #[must_use]
    pub fn clients(&self) -> Vec<Client<'s>> {
        client::all(self.snapshot)
    }

    /// Every TCP port of every Service and ServiceEntry, in byte order of namespace, service, port.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerRef> {
        let mut servers: Vec<ServerRef> = self.registry.all.iter().flat_map(|svc| svc.servers()).collect();
        servers.sort_by(|a, b| {
            (&a.namespace, &a.service, a.port, a.entry).cmp(&(&b.namespace, &b.service, b.port, b.entry))
        });
        servers.dedup_by(|a, b| {
            (&a.namespace, &a.service, a.port, a.entry) == (&b.namespace, &b.service, b.port, b.entry)
        });
        servers
    }

    /// What policy demands between a client and a service port.
    #[must_use]
    pub fn pair(&self, client: &'s Pod, server: &ServerRef) -> PairIntent {
        Arc::unwrap_or_clone(self.pair_shared(client, server))
    }

    /// The same, computed once for all clients that get the same answer: for meshes with many of them.
    #[must_use]
    pub fn pair_shared(&self, client: &'s Pod, server: &ServerRef) -> Arc<PairIntent> {
        match self.question(client, server) {
            Some(question) => self.classes.answer(self, &question),
            None => Arc::new(pair::unknown_server(server)),
        }
    }

    /// What policy would demand if a route sent the client's calls to a subset.
    #[must_use]
    pub fn pair_to_subset(&self, client: &'s Pod, server: &ServerRef, subset: &str) -> PairIntent {
        let question = self.question(client, server);
        question.map_or_else(|| pair::unknown_server(server), |question| question.answer_for(Some(subset)))
    }

    /// The trust domains whose client certificates a sidecar accepts, the mesh's own first.
    ///
    /// Istio: `pilot/pkg/networking/plugin/authn/util.go:TrustDomainsForValidation`.
    #[must_use]
    pub fn trust_domains(&self, pod: &Pod) -> Vec<String> {
        let Some(plane) = self.plane(pod) else { return Vec::new() };
        let config = &plane.profile.config;
        let mut domains: Vec<String> = Vec::new();
        for domain in std::iter::once(&config.trust_domain).chain(&config.trust_domain_aliases) {
            if !domains.contains(domain) {
                domains.push(domain.clone());
            }
        }
        domains
    }

    /// What a workload port accepts.
    #[must_use]
    pub fn inbound(&self, pod: &'s Pod, port: WorkloadPort) -> Accepts {
        accepts::of(self, pod, port)
    }

    /// The filter chains of a sidecar's inbound listener, as istiod writes them.
    #[must_use]
    pub fn inbound_chains(&self, pod: &'s Pod) -> Vec<FilterChain> {
        self.chains(pod).to_vec()
    }

    /// What a client is told to send to a service port, or to a subset of it.
    ///
    /// A subset that the client's rule does not have is answered like the service port itself. What a VirtualService makes of the
    /// call is left out: this is what the service's own cluster is told.
    #[must_use]
    pub fn originate(&self, client: &'s Pod, server: &ServerRef, subset: Option<&str>) -> Originates {
        let Some(question) = self.question(client, server) else {
            return pair::unknown_server(server).originates;
        };
        let payload = if question.port.protocol.class() == PortClass::Tcp { Payload::Tcp } else { Payload::Http };
        match subset {
            None => {
                let call = question.caller(payload).call();
                let own = if call.via.is_some() { question.caller(payload).call_own() } else { call };
                question.originates(&own)
            }
            Some(subset) => question.originates_to(subset, &question.caller(payload).call_subset(subset)),
        }
    }

    /// The addresses behind a service port, ready or not.
    #[must_use]
    pub fn endpoints(&self, server: &ServerRef) -> Vec<ServiceEndpoint<'s>> {
        self.registry.of(server).map(|svc| self.endpoints_at(svc, server.port).to_vec()).unwrap_or_default()
    }

    /// Whether istiod marks an endpoint `tlsMode: istio` towards a client, so that automatic mutual TLS is sent to it.
    #[must_use]
    pub fn marked(
        &self,
        client: &'s Pod,
        server: &ServerRef,
        subset: Option<&str>,
        endpoint: &ServiceEndpoint<'s>,
    ) -> bool {
        self.question(client, server).is_some_and(|question| {
            let cluster = self.cluster(client, question.plane, question.svc, question.port, subset);
            cluster.is_some_and(|cluster| cluster.marks(question.plane, question.port, endpoint) == Some(true))
        })
    }

    fn question(&self, client: &'s Pod, server: &ServerRef) -> Option<Question<'_, 's>> {
        let svc = self.registry.of(server)?;
        let (plane, port) = (self.plane(client)?, svc.port(server.port)?);
        Some(Question { mesh: self, plane, client, svc, port, detail: Detail::Layers })
    }
}
