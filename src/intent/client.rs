//! The workloads that call, and which of their pods are clients of their own.

use std::collections::{BTreeMap, BTreeSet};

use crate::intent::capture::is_proxy_user;
use crate::model::pair::ClientRef;
use crate::model::snapshot::Snapshot;
use crate::model::virtual_service::VirtualService;
use crate::model::workload::{Capture, OperatingSystem, Pod, ProxyKind, WorkloadRef};

/// A workload that can call, or those of its pods that behave alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client<'s> {
    /// Its names in the report.
    pub reference: ClientRef,
    /// The pod that stands for it: a ready one, where there is one.
    pub pod: &'s Pod,
    /// Every pod it stands for.
    pub pods: Vec<&'s Pod>,
}

/// Everything of a pod that the rules read when it calls.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trait<'s> {
    proxy: ProxyKind,
    service_account: &'s str,
    revision: Option<&'s str>,
    capture: &'s Capture,
    host_network: bool,
    proxy_user: bool,
    labels: Vec<Option<&'s str>>,
}

/// The clients of a snapshot in byte order of namespace, workload, pod; those on Windows are left out.
pub(crate) fn all(snapshot: &Snapshot) -> Vec<Client<'_>> {
    let keys = selecting_keys(snapshot);
    let mut workloads: BTreeMap<(&str, &str, &WorkloadRef), Vec<&Pod>> = BTreeMap::new();
    for pod in snapshot.pods.iter().filter(|pod| !pod.finished && pod.os != OperatingSystem::Windows) {
        workloads.entry((&pod.meta.namespace, &pod.workload.name, &pod.workload)).or_default().push(pod);
    }
    let mut clients: Vec<Client<'_>> = workloads.into_values().flat_map(|pods| of_workload(pods, &keys)).collect();
    clients.sort_by(|a, b| a.reference.cmp(&b.reference));
    clients
}

fn of_workload<'s>(mut pods: Vec<&'s Pod>, keys: &BTreeSet<&str>) -> Vec<Client<'s>> {
    pods.sort_by(|a, b| b.ready.cmp(&a.ready).then_with(|| a.meta.name.cmp(&b.meta.name)));
    let mut classes: Vec<(Trait<'s>, Vec<&'s Pod>)> = Vec::new();
    for pod in pods {
        let own = Trait::of(pod, keys);
        match classes.iter_mut().find(|(class, _)| *class == own) {
            Some((_, members)) => members.push(pod),
            None => classes.push((own, vec![pod])),
        }
    }
    let told_apart = classes.len() > 1;
    classes
        .into_iter()
        .filter_map(|(_, members)| {
            let pod = *members.first()?;
            let reference = ClientRef {
                namespace: pod.meta.namespace.clone(),
                workload: pod.workload.name.clone(),
                pod: pod.meta.name.clone(),
                told_apart,
                proxy: pod.proxy,
                service_account: pod.service_account.clone(),
            };
            Some(Client { reference, pod, pods: members })
        })
        .collect()
}

/// The labels that some object selects clients by; any other label, like a pod-template-hash, tells nobody apart.
pub(crate) fn selecting_keys(snapshot: &Snapshot) -> BTreeSet<&str> {
    let rules = snapshot.destination_rules.iter().filter_map(|rule| rule.workload_selector.as_ref());
    let sidecars = snapshot.sidecars.iter().map(|sidecar| &sidecar.selector);
    let networks = std::iter::once("topology.istio.io/network");
    let routings = snapshot.virtual_services.iter().flat_map(VirtualService::sources).map(|source| &source.labels);
    rules
        .chain(sidecars)
        .chain(routings)
        .flat_map(|selector| selector.keys().map(String::as_str))
        .chain(networks)
        .collect()
}

// === impl Trait ===

impl<'s> Trait<'s> {
    fn of(pod: &'s Pod, keys: &BTreeSet<&str>) -> Self {
        Self {
            proxy: pod.proxy,
            service_account: &pod.service_account,
            revision: pod.revision.as_deref(),
            capture: &pod.capture,
            host_network: pod.host_network,
            proxy_user: is_proxy_user(pod),
            labels: keys.iter().map(|key| pod.meta.label(key)).collect(),
        }
    }
}
