//! The services that istiod knows: Kubernetes Services and the hosts of ServiceEntries, in one shape.
//!
//! Istio: `pilot/pkg/serviceregistry/kube/conversion.go:ConvertService` and
//! `pilot/pkg/serviceregistry/serviceentry/conversion.go:convertServices`.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustc_hash::FxHashMap;

use crate::intent::endpoint::ServiceEndpoint;
use crate::intent::{host, order};
use crate::model::meta::Meta;
use crate::model::pair::ServerRef;
use crate::model::port::{Protocol, ServicePort, WorkloadPort};
use crate::model::service::{Resolution, Service, ServiceAddress, ServiceEntry, TargetPort};
use crate::model::snapshot::Snapshot;

mod merge;

/// One host that clients call.
#[derive(Debug)]
pub(crate) struct Svc<'s> {
    /// Fully qualified host name.
    pub(crate) host: String,
    /// The object it comes from.
    pub(crate) source: Source<'s>,
    /// Every ServiceEntry of its namespace that has this host, itself included: they share their endpoints.
    pub(crate) entries: Vec<&'s ServiceEntry>,
    /// How its endpoints are found.
    pub(crate) discovery: Discovery,
    /// Whether it lies outside the mesh, so that it never gets mutual TLS by itself.
    pub(crate) external: bool,
    /// Its TCP ports.
    pub(crate) ports: Vec<SvcPort>,
    /// What clients dial.
    pub(crate) addresses: Vec<Dialled>,
    /// Names that certificates of its servers may carry besides those of its endpoints.
    pub(crate) subject_alt_names: Vec<String>,
    /// Its endpoints by port, in the order of `ports`; filled by the first who asks.
    pub(crate) endpoints: OnceLock<Vec<Vec<ServiceEndpoint<'s>>>>,
    /// The identities that the clients of a control plane expect, and which control plane: that of the first who asks.
    pub(crate) identities: OnceLock<(usize, Vec<String>)>,
}

/// The object behind a service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'s> {
    /// A Kubernetes Service.
    Kubernetes(&'s Service),
    /// One host of a ServiceEntry.
    Entry(&'s ServiceEntry),
}

/// How the endpoints of a service are found: `model.Resolution`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Discovery {
    /// istiod lists them (ClusterIP, STATIC).
    Listed,
    /// The address that was dialled is the endpoint (headless, NONE).
    AsDialled,
    /// The proxy resolves names.
    Dns,
    /// Names that match a wildcard, resolved when called.
    DynamicDns,
    /// Another name for a service.
    Alias(String),
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SvcPort {
    pub(crate) name: String,
    pub(crate) port: ServicePort,
    pub(crate) protocol: Protocol,
    /// Where it leads in a pod; ServiceEntries without `targetPort` keep the number.
    pub(crate) target: TargetPort,
}

/// An address that clients dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialled {
    /// A virtual address.
    Address(IpAddr),
    /// Any address of a range.
    Range(ipnet::IpNet),
}

/// Every service, found by host, by age and by port.
#[derive(Debug, Default)]
pub(crate) struct Registry<'s> {
    /// In istiod's order.
    pub(crate) all: Vec<Arc<Svc<'s>>>,
    by_host: FxHashMap<String, Vec<Arc<Svc<'s>>>>,
    by_port: FxHashMap<ServicePort, Vec<Arc<Svc<'s>>>>,
    entries_by_port: FxHashMap<ServicePort, Vec<Arc<Svc<'s>>>>,
    wildcards_by_port: FxHashMap<ServicePort, Vec<Arc<Svc<'s>>>>,
    by_namespace: FxHashMap<&'s str, Vec<Arc<Svc<'s>>>>,
}

// === impl Svc ===

impl<'s> Svc<'s> {
    /// Metadata of the object it comes from.
    pub(crate) fn meta(&self) -> &'s Meta {
        match self.source {
            Source::Kubernetes(service) => &service.meta,
            Source::Entry(entry) => &entry.meta,
        }
    }

    /// The namespace of that object.
    pub(crate) fn namespace(&self) -> &'s str {
        &self.meta().namespace
    }

    /// Whether Kubernetes knows it.
    pub(crate) fn is_kubernetes(&self) -> bool {
        matches!(self.source, Source::Kubernetes(_))
    }

    /// Name that the report uses: the Service's, or the host.
    pub(crate) fn display(&self) -> &str {
        match self.source {
            Source::Kubernetes(service) => &service.meta.name,
            Source::Entry(_) => &self.host,
        }
    }

    /// Its port of this number.
    pub(crate) fn port(&self, port: ServicePort) -> Option<&SvcPort> {
        self.ports.iter().find(|candidate| candidate.port == port)
    }

    /// Whether its endpoints are what the client dialled.
    pub(crate) fn is_headless(&self) -> bool {
        self.discovery == Discovery::AsDialled
    }

    /// What it is exported to, as written: `networking.istio.io/exportTo` or `exportTo`.
    pub(crate) fn export_to(&self) -> Vec<&'s str> {
        match self.source {
            Source::Kubernetes(service) => service
                .meta
                .annotation("networking.istio.io/exportTo")
                .filter(|list| !list.is_empty())
                .map(|list| list.split(',').map(str::trim).collect())
                .unwrap_or_default(),
            Source::Entry(entry) => entry.export_to.iter().map(String::as_str).collect(),
        }
    }

    /// Its rows of the report.
    pub(crate) fn servers(&self) -> impl Iterator<Item = ServerRef> {
        self.ports.iter().map(|port| ServerRef {
            namespace: self.namespace().to_owned(),
            service: self.display().to_owned(),
            entry: !self.is_kubernetes(),
            host: self.host.clone(),
            port: port.port,
            port_name: port.name.clone(),
            protocol: port.protocol,
        })
    }
}

// === impl Registry ===

impl<'s> Registry<'s> {
    /// Converts every Service and ServiceEntry of a snapshot.
    pub(crate) fn new(snapshot: &'s Snapshot, cluster_domain: &str) -> Self {
        let services = snapshot.services.iter().map(|service| kubernetes(service, cluster_domain));
        let entries =
            snapshot.service_entries.iter().flat_map(|entry| entry.hosts.iter().map(|host| named(entry, host)));
        let mut all: Vec<Svc<'s>> = services.chain(entries).collect();
        // Istio: `push_context.go:SortServicesByCreationTime`; the name of an entry's service is its host.
        all.sort_by(|a, b| {
            order::by_age_only(a.meta(), b.meta())
                .then_with(|| a.display().cmp(b.display()))
                .then_with(|| a.namespace().cmp(b.namespace()))
        });
        let mut registry = Self::default();
        for svc in merge::merged(all) {
            let svc = Arc::new(svc);
            registry.by_host.entry(svc.host.clone()).or_default().push(Arc::clone(&svc));
            registry.by_namespace.entry(svc.namespace()).or_default().push(Arc::clone(&svc));
            for port in &svc.ports {
                registry.by_port.entry(port.port).or_default().push(Arc::clone(&svc));
                if !svc.entries.is_empty() {
                    registry.entries_by_port.entry(port.port).or_default().push(Arc::clone(&svc));
                }
                if host::is_wildcard(&svc.host) {
                    registry.wildcards_by_port.entry(port.port).or_default().push(Arc::clone(&svc));
                }
            }
            registry.all.push(svc);
        }
        registry
    }

    /// Services of this host, in istiod's order; several where namespaces share it.
    pub(crate) fn host(&self, host: &str) -> &[Arc<Svc<'s>>] {
        self.by_host.get(host).map_or(&[], Vec::as_slice)
    }

    /// Whether every host belongs to one service only.
    pub(crate) fn hosts_are_distinct(&self) -> bool {
        self.by_host.values().all(|services| services.len() == 1)
    }

    /// Services of a namespace, in istiod's order.
    pub(crate) fn in_namespace(&self, namespace: &str) -> &[Arc<Svc<'s>>] {
        self.by_namespace.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// Services that have this port, in istiod's order.
    pub(crate) fn with_port(&self, port: ServicePort) -> &[Arc<Svc<'s>>] {
        self.by_port.get(&port).map_or(&[], Vec::as_slice)
    }

    /// Those of them that ServiceEntries speak of.
    pub(crate) fn entries_with_port(&self, port: ServicePort) -> &[Arc<Svc<'s>>] {
        self.entries_by_port.get(&port).map_or(&[], Vec::as_slice)
    }

    /// Those of them whose host is a wildcard.
    pub(crate) fn wildcards_with_port(&self, port: ServicePort) -> &[Arc<Svc<'s>>] {
        self.wildcards_by_port.get(&port).map_or(&[], Vec::as_slice)
    }

    /// The service behind a row.
    pub(crate) fn of(&self, server: &ServerRef) -> Option<&Arc<Svc<'s>>> {
        self.host(&server.host).iter().find(|svc| {
            svc.namespace() == server.namespace
                && svc.is_kubernetes() != server.entry
                && svc.port(server.port).is_some()
        })
    }
}

fn kubernetes<'s>(service: &'s Service, cluster_domain: &str) -> Svc<'s> {
    let (discovery, addresses) = match &service.address {
        ServiceAddress::ClusterIp(addresses) => {
            (Discovery::Listed, addresses.iter().copied().map(Dialled::Address).collect())
        }
        ServiceAddress::Headless => (Discovery::AsDialled, Vec::new()),
        ServiceAddress::ExternalName(target) => (Discovery::Alias(target.clone()), Vec::new()),
    };
    Svc {
        host: format!("{}.{}.svc.{cluster_domain}", service.meta.name, service.meta.namespace),
        source: Source::Kubernetes(service),
        entries: Vec::new(),
        external: matches!(discovery, Discovery::Alias(_)),
        discovery,
        ports: service
            .ports
            .iter()
            .filter(|port| port.protocol != Protocol::Udp)
            .map(|port| SvcPort {
                name: port.name.clone(),
                port: port.port,
                protocol: port.protocol,
                target: port.target.clone(),
            })
            .collect(),
        addresses,
        subject_alt_names: Vec::new(),
        endpoints: OnceLock::new(),
        identities: OnceLock::new(),
    }
}

fn named<'s>(entry: &'s ServiceEntry, host: &str) -> Svc<'s> {
    let range = |text: &String| -> Option<Dialled> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Dialled::Address(address));
        }
        let range: ipnet::IpNet = text.parse().ok()?;
        let whole = range.prefix_len() == range.max_prefix_len();
        Some(if whole { Dialled::Address(range.addr()) } else { Dialled::Range(range) })
    };
    Svc {
        host: host.to_owned(),
        source: Source::Entry(entry),
        entries: vec![entry],
        discovery: match entry.resolution {
            Resolution::None => Discovery::AsDialled,
            Resolution::Static => Discovery::Listed,
            Resolution::Dns | Resolution::DnsRoundRobin => Discovery::Dns,
            Resolution::DynamicDns => Discovery::DynamicDns,
        },
        external: !entry.mesh_internal,
        ports: entry
            .ports
            .iter()
            .filter(|port| port.protocol != Protocol::Udp)
            .map(|port| SvcPort {
                name: port.name.clone(),
                port: port.port,
                protocol: port.protocol,
                target: TargetPort::Number(port.target.unwrap_or(WorkloadPort(port.port.0))),
            })
            .collect(),
        addresses: entry.addresses.iter().filter_map(range).collect(),
        subject_alt_names: entry.subject_alt_names.clone(),
        endpoints: OnceLock::new(),
        identities: OnceLock::new(),
    }
}
