//! The addresses behind a service port, and what istiod knows of each.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use crate::intent::pods::{Pods, named_port, resolve_target};
use crate::intent::registry::{Discovery, Source, Svc, SvcPort};
use crate::model::meta::{Labels, selects};
use crate::model::port::WorkloadPort;
use crate::model::service::{
    EntryEndpoint, Resolution, Service, ServiceAddress, ServiceEntry, SliceEndpoint, TargetPort, WorkloadEntry,
};
use crate::model::workload::Pod;

/// One address behind a service port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEndpoint<'s> {
    /// Where it is.
    pub location: Location,
    /// The pod that has the address, where it is one.
    pub pod: Option<&'s Pod>,
    /// Namespace of the pod or entry.
    pub namespace: &'s str,
    /// Its workload, for the report.
    pub workload: String,
    /// The port on it.
    pub port: WorkloadPort,
    /// The labels that policies and subsets select it by.
    pub labels: Cow<'s, Labels>,
    /// What istiod stores as its `tlsMode`, verbatim; only `istio` makes clients send mutual TLS.
    pub tls_mode: &'s str,
    /// Namespace and name of its service account, where istiod knows one.
    pub service_account: Option<(&'s str, &'s str)>,
    /// The network that its entry names.
    pub network: Option<&'s str>,
    /// Whether traffic is sent to it.
    pub ready: bool,
}

/// Where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// At an address.
    Address(IpAddr),
    /// Behind a name that the proxy resolves.
    Name(String),
    /// In a pod that has no address yet.
    Pod,
}

/// The label that injection puts on pods with a sidecar.
const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";
/// Its value on endpoints that take mutual TLS.
pub(crate) const TLS_MODE_ISTIO: &str = "istio";
/// What istiod stores for endpoints without that label.
pub(crate) const TLS_MODE_DISABLED: &str = "disabled";

// === impl ServiceEndpoint ===

impl ServiceEndpoint<'_> {
    /// The address, where it has one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.location {
            Location::Address(address) => Some(address),
            Location::Name(_) | Location::Pod => None,
        }
    }
}

/// The endpoints of every port of a service, in the order of its ports.
pub(crate) fn of<'s>(svc: &Svc<'s>, pods: &Pods<'s>) -> Vec<Vec<ServiceEndpoint<'s>>> {
    svc.ports
        .iter()
        .map(|port| match svc.source {
            Source::Kubernetes(service) => of_service(service, port, pods),
            Source::Entry(_) => of_entries(svc, &port.name, pods),
        })
        .collect()
}

/// What the ServiceEntries of a host put behind a port, oldest first. One with `DNS_ROUND_ROBIN` adds to a port that has none only.
///
/// Istio: `serviceentry/conversion.go:mergeServicesInstancesByNamespaceHost`.
fn of_entries<'s>(svc: &Svc<'s>, name: &str, pods: &Pods<'s>) -> Vec<ServiceEndpoint<'s>> {
    let mut found: Vec<ServiceEndpoint<'s>> = Vec::new();
    for entry in &svc.entries {
        let room = if entry.resolution == Resolution::DnsRoundRobin {
            1_usize.saturating_sub(found.len())
        } else {
            usize::MAX
        };
        found.extend(of_entry(svc, entry, name, pods).into_iter().take(room));
    }
    found
}

fn of_service<'s>(service: &'s Service, port: &SvcPort, pods: &Pods<'s>) -> Vec<ServiceEndpoint<'s>> {
    let slices = pods.slices(&service.meta.namespace, &service.meta.name);
    if !slices.is_empty() {
        let listed = slices.iter().flat_map(|slice| {
            slice.ports.iter().filter(|(name, _)| *name == port.name).flat_map(|(_, number)| {
                slice.endpoints.iter().filter_map(|endpoint| sliced(service, endpoint, *number, pods))
            })
        });
        return one_per_pod(listed);
    }
    let Some(selector) = service.selector.as_ref().filter(|selector| !selector.is_empty()) else {
        return Vec::new();
    };
    // Istio: `kube/controller/controller.go:collectWorkloadInstanceEndpoints`: machines join ClusterIP Services only.
    let joins = matches!(service.address, ServiceAddress::ClusterIp(_));
    let machines = pods.machines(&service.meta.namespace).iter().filter(|_| joins).filter_map(|entry| {
        let number = machine_port(&entry.endpoint, &port.target, &port.name)?;
        entry.endpoint.address.parse::<IpAddr>().ok()?;
        let found = registered(entry, number, pods);
        selects(selector, &found.labels).then_some(found)
    });
    pods.selected(&service.meta.namespace, selector)
        .into_iter()
        .filter_map(|pod| {
            let number = resolve_target(pod, &port.target)?;
            Some(in_pod(pod, number, pod.ready || service.publish_not_ready))
        })
        .chain(machines)
        .collect()
}

/// A pod with addresses of two families is listed once for each; connections meet the same proxy.
fn one_per_pod<'s>(listed: impl Iterator<Item = ServiceEndpoint<'s>>) -> Vec<ServiceEndpoint<'s>> {
    let mut seen = HashSet::new();
    listed
        .filter(|endpoint| {
            let pod = endpoint.pod.map(|pod| (&pod.meta.namespace, &pod.meta.name));
            pod.is_none_or(|pod| seen.insert((pod, endpoint.port)))
        })
        .collect()
}

/// An endpoint that an EndpointSlice lists.
fn sliced<'s>(
    service: &'s Service,
    endpoint: &'s SliceEndpoint,
    port: WorkloadPort,
    pods: &Pods<'s>,
) -> Option<ServiceEndpoint<'s>> {
    let address = *endpoint.addresses.first()?;
    // Istio: `endpointslice.go:getPod`: an endpoint whose pod is gone is dropped; without a reference the address tells, of pods in the
    // Service's namespace only.
    let pod = match &endpoint.pod {
        Some((namespace, name)) => Some(pods.named(namespace, name)?),
        None => pods.at(address).filter(|pod| pod.meta.namespace == service.meta.namespace),
    };
    Some(match pod {
        Some(pod) => ServiceEndpoint {
            location: Location::Address(address),
            ..in_pod(pod, port, endpoint.ready || service.publish_not_ready)
        },
        None => ServiceEndpoint {
            location: Location::Address(address),
            pod: pods.at(address),
            namespace: &service.meta.namespace,
            workload: address.to_string(),
            port,
            labels: Cow::Owned(Labels::new()),
            tls_mode: TLS_MODE_DISABLED,
            service_account: None,
            network: None,
            ready: endpoint.ready,
        },
    })
}

/// What one ServiceEntry puts behind a port, which it knows by name.
pub(crate) fn of_entry<'s>(
    svc: &Svc<'s>,
    entry: &'s ServiceEntry,
    name: &str,
    pods: &Pods<'s>,
) -> Vec<ServiceEndpoint<'s>> {
    let namespace: &'s str = &entry.meta.namespace;
    let Some(own) = entry.ports.iter().find(|own| own.name == name) else {
        return Vec::new();
    };
    let target = own.target.unwrap_or(WorkloadPort(own.port.0));
    if let Some(selector) = &entry.workload_selector {
        return selected_by_entry(svc, namespace, selector, (name, target), pods);
    }
    if entry.endpoints.is_empty() && svc.discovery == Discovery::Dns {
        return vec![ServiceEndpoint {
            location: Location::Name(svc.host.clone()),
            pod: None,
            namespace,
            workload: svc.host.clone(),
            port: target,
            labels: Cow::Owned(Labels::new()),
            tls_mode: TLS_MODE_DISABLED,
            service_account: None,
            network: None,
            ready: true,
        }];
    }
    entry
        .endpoints
        .iter()
        .filter(|endpoint| listable(endpoint, &svc.discovery))
        .map(|endpoint| {
            let number = endpoint.ports.get(name).copied().unwrap_or(target);
            machine(endpoint, namespace, number, pods)
        })
        .collect()
}

/// Pods and WorkloadEntries of the entry's namespace that its `workloadSelector` selects.
///
/// Istio: `serviceentry/conversion.go:convertWorkloadInstanceToServiceInstance`: on pods the container port *named like
/// the entry's port* comes first, then `targetPort`, then the number.
fn selected_by_entry<'s>(
    svc: &Svc<'s>,
    namespace: &'s str,
    selector: &Labels,
    (name, target): (&str, WorkloadPort),
    pods: &Pods<'s>,
) -> Vec<ServiceEndpoint<'s>> {
    let machines =
        pods.machines(namespace).iter().filter(|entry| listable(&entry.endpoint, &svc.discovery)).filter_map(|entry| {
            let number = entry.endpoint.ports.get(name).copied().unwrap_or(target);
            let found = registered(entry, number, pods);
            selects(selector, &found.labels).then_some(found)
        });
    pods.selected(namespace, selector)
        .into_iter()
        .map(|pod| in_pod(pod, named_port(pod, name).unwrap_or(target), pod.ready))
        .chain(machines)
        .collect()
}

/// Names are left out of what istiod lists; only DNS clusters take them.
fn listable(endpoint: &EntryEndpoint, discovery: &Discovery) -> bool {
    *discovery == Discovery::Dns || endpoint.address.parse::<IpAddr>().is_ok()
}

fn in_pod(pod: &Pod, port: WorkloadPort, ready: bool) -> ServiceEndpoint<'_> {
    ServiceEndpoint {
        location: pod.addresses.first().map_or(Location::Pod, |address| Location::Address(*address)),
        pod: Some(pod),
        namespace: &pod.meta.namespace,
        workload: pod.workload.name.clone(),
        port,
        labels: Cow::Borrowed(&pod.meta.labels),
        tls_mode: pod.tls_mode_label().unwrap_or(TLS_MODE_DISABLED),
        service_account: Some((&pod.meta.namespace, &pod.service_account)),
        network: None,
        ready,
    }
}

/// An inline endpoint of a ServiceEntry, or the body of a WorkloadEntry.
///
/// Istio: `serviceentry/conversion.go:getTLSModeFromWorkloadEntry`: the label, else `istio` where a service account is given.
fn machine<'s>(
    endpoint: &'s EntryEndpoint,
    namespace: &'s str,
    port: WorkloadPort,
    pods: &Pods<'s>,
) -> ServiceEndpoint<'s> {
    let account = endpoint.service_account.as_deref().filter(|account| !account.is_empty());
    let label = endpoint.labels.get(TLS_MODE_LABEL).map(String::as_str);
    let address = endpoint.address.parse::<IpAddr>().ok();
    ServiceEndpoint {
        location: address.map_or_else(|| Location::Name(endpoint.address.clone()), Location::Address),
        pod: address.and_then(|address| pods.at(address)),
        namespace,
        workload: endpoint.address.clone(),
        port,
        labels: Cow::Borrowed(&endpoint.labels),
        tls_mode: label.unwrap_or(if account.is_some() { TLS_MODE_ISTIO } else { TLS_MODE_DISABLED }),
        service_account: account.map(|account| (namespace, account)),
        network: endpoint.network.as_deref(),
        ready: true,
    }
}

/// A WorkloadEntry: labels of its metadata go before those of its body.
///
/// Istio: `serviceentry/conversion.go:ConvertWorkloadEntry`.
fn registered<'s>(entry: &'s WorkloadEntry, port: WorkloadPort, pods: &Pods<'s>) -> ServiceEndpoint<'s> {
    let body = machine(&entry.endpoint, &entry.meta.namespace, port, pods);
    let mut labels = entry.endpoint.labels.clone();
    labels.extend(entry.meta.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    ServiceEndpoint {
        workload: entry.meta.name.clone(),
        tls_mode: entry.meta.label(TLS_MODE_LABEL).unwrap_or(body.tls_mode),
        labels: Cow::Owned(labels),
        ..body
    }
}

/// Istio: `kube/controller/controller.go:serviceInstanceFromWorkloadInstance`.
fn machine_port(endpoint: &EntryEndpoint, target: &TargetPort, port_name: &str) -> Option<WorkloadPort> {
    match target {
        TargetPort::Number(port) => Some(endpoint.ports.get(port_name).copied().unwrap_or(*port)),
        TargetPort::Name(name) => endpoint.ports.get(name).copied(),
    }
}
