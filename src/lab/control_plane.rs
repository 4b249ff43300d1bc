//! The lab's istiod: objects in, what every proxy is told out. The rules live in `intent`; this only translates.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::intent::Mesh;
use crate::lab::desired::{
    Access, Application, Cluster, ClusterEndpoint, ClusterRule, ClusterService, Desired, DesiredPod, DesiredService,
    ForwardMode, Limits, OutboundPort, PodId, ProxyConfig, RETRIES, TransportSocket,
};
use crate::model::derivation::{Effect, PolicyKind};
use crate::model::identity::SpiffeId;
use crate::model::mesh::MeshProfile;
use crate::model::pair::{Endpoint, OriginMode, PairIntent, Route, ServerRef};
use crate::model::port::WorkloadPort;
use crate::model::service::{Service, ServiceAddress};
use crate::model::snapshot::Snapshot;
use crate::model::workload::{Pod, ProxyKind};

/// What the data plane should be doing, by these objects.
///
/// `application` says what an image does on a port.
#[must_use]
pub fn desired(snapshot: &Snapshot, application: &dyn Fn(&Pod) -> BTreeMap<WorkloadPort, Application>) -> Desired {
    let mesh = Mesh::new(snapshot);
    let servers = mesh.servers();
    let default = MeshProfile::default();
    let running = snapshot.pods.iter().filter(|pod| !pod.finished);
    let pods = running.filter_map(|pod| {
        let address = *pod.addresses.first()?;
        let profile = snapshot.profile(pod.revision.as_deref()).unwrap_or(&default);
        let identity = SpiffeId {
            trust_domain: profile.config.trust_domain.clone(),
            namespace: pod.meta.namespace.clone(),
            service_account: pod.service_account.clone(),
        };
        let sidecar = (pod.proxy == ProxyKind::Sidecar).then(|| proxy(&mesh, &servers, pod, profile));
        let id = PodId { namespace: pod.meta.namespace.clone(), name: pod.meta.name.clone() };
        let capture = pod.capture.clone();
        let workload = pod.workload.name.clone();
        Some((id, DesiredPod { address, workload, identity, application: application(pod), sidecar, capture }))
    });
    Desired { pods: pods.collect(), services: services(&mesh, &servers, snapshot) }
}

fn proxy<'s>(mesh: &Mesh<'s>, servers: &[ServerRef], pod: &'s Pod, profile: &MeshProfile) -> ProxyConfig {
    let outbound = servers.iter().filter_map(|server| outbound_port(mesh, pod, server)).collect();
    let mut trust_domains = vec![profile.config.trust_domain.clone()];
    trust_domains.extend(profile.config.trust_domain_aliases.iter().cloned());
    ProxyConfig {
        outbound,
        outbound_policy: profile.config.outbound_policy,
        inbound: mesh.inbound_chains(pod),
        trust_domains,
        forward: ForwardMode::default(),
        inbound_retries: RETRIES,
        failure_in_body: false,
        access: Access::default(),
        version: profile.version,
    }
}

/// A service port as this client's proxy knows it; `None` where it does not.
fn outbound_port<'s>(mesh: &Mesh<'s>, pod: &'s Pod, server: &ServerRef) -> Option<OutboundPort> {
    let intent = mesh.pair(pod, server);
    let Route::Cluster(name) = &intent.originates.route else { return None };
    let addresses = addresses(mesh.snapshot(), server, &intent.endpoints);
    Some(OutboundPort {
        names: names(server, pod.namespace()),
        port: server.port,
        class: server.protocol.class(),
        retries: RETRIES,
        limits: Limits::default(),
        addresses,
        cluster: Cluster {
            name: name.clone(),
            service: ClusterService {
                namespace: server.namespace.clone(),
                name: server.service.clone(),
                host: server.host.clone(),
            },
            rule: rule(&intent),
            original_dst: intent.originates.original_dst,
            socket: socket(&intent),
            endpoints: intent.endpoints.iter().filter_map(cluster_endpoint).collect(),
        },
    })
}

/// istiod names the DestinationRule that applies, whatever it says on TLS; of those that are merged the first.
fn rule(intent: &PairIntent) -> Option<ClusterRule> {
    let steps = intent.originates.layers.iter();
    let rule = steps
        .map(|step| (&step.policy, step.effect))
        .find(|(policy, effect)| policy.kind == PolicyKind::DestinationRule && *effect != Effect::Ignored)?;
    let keeps_alpn = matches!(intent.originates.mode, OriginMode::Simple | OriginMode::Mutual);
    Some(ClusterRule { namespace: rule.0.namespace.clone()?, name: rule.0.name.clone()?, keeps_alpn })
}

fn socket(intent: &PairIntent) -> TransportSocket {
    match (&intent.originates.tls, intent.originates.mode, intent.originates.original_dst) {
        (None, _, _) => TransportSocket::RawBuffer,
        // Automatic mutual TLS asks each endpoint's mark, unless there is no EDS to carry it.
        (Some(tls), OriginMode::Auto, false) => TransportSocket::Matches(tls.clone()),
        (Some(tls), _, _) => TransportSocket::Tls(tls.clone()),
    }
}

fn cluster_endpoint(endpoint: &Endpoint) -> Option<ClusterEndpoint> {
    let address = SocketAddr::new(endpoint.address?, endpoint.port.0);
    Some(ClusterEndpoint { address, marked: endpoint.marked.unwrap_or(false) })
}

/// What clients dial: the Service's own addresses, else its endpoints' (headless).
fn addresses(snapshot: &Snapshot, server: &ServerRef, endpoints: &[Endpoint]) -> Vec<IpAddr> {
    let service = snapshot.services.iter().find(|service| is(service, server));
    match service.map(|service| &service.address) {
        Some(ServiceAddress::ClusterIp(addresses)) => addresses.clone(),
        Some(ServiceAddress::Headless | ServiceAddress::ExternalName(_)) | None => {
            endpoints.iter().filter_map(|endpoint| endpoint.address).collect()
        }
    }
}

fn is(service: &Service, server: &ServerRef) -> bool {
    !server.entry && service.meta.namespace == server.namespace && service.meta.name == server.service
}

/// Names that the route of a port answers to, as istiod writes its virtual hosts.
///
/// Istio: `pilot/pkg/networking/core/httproute.go:generateVirtualHostDomains`: short names only within the namespace.
fn names(server: &ServerRef, client_namespace: &str) -> Vec<String> {
    let mut names = vec![server.host.clone()];
    if !server.entry {
        let short = format!("{}.{}", server.service, server.namespace);
        names.extend([format!("{short}.svc"), short]);
        if server.namespace == client_namespace {
            names.push(server.service.clone());
        }
    }
    names
}

/// DNS and kube-proxy: every Service with its ready endpoints.
fn services(mesh: &Mesh<'_>, servers: &[ServerRef], snapshot: &Snapshot) -> Vec<DesiredService> {
    let of_service = |service: &Service| {
        let addresses = match &service.address {
            ServiceAddress::ClusterIp(addresses) => addresses.clone(),
            ServiceAddress::Headless | ServiceAddress::ExternalName(_) => Vec::new(),
        };
        let ports = servers.iter().filter(|server| is(service, server)).map(|server| {
            let ready = mesh.endpoints(server).into_iter().filter(|endpoint| endpoint.ready);
            let sockets = ready.filter_map(|endpoint| Some(SocketAddr::new(endpoint.address()?, endpoint.port.0)));
            (server.port, sockets.collect())
        });
        DesiredService {
            namespace: service.meta.namespace.clone(),
            name: service.meta.name.clone(),
            addresses,
            ports: ports.collect(),
        }
    };
    snapshot.services.iter().map(of_service).collect()
}
