//! The pods and machines of a mesh, found by name, address, label and Service.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::intent::mesh::address;
use crate::model::meta::{Labels, Meta, selects};
use crate::model::port::WorkloadPort;
use crate::model::service::{EndpointSlice, TargetPort, WorkloadEntry};
use crate::model::snapshot::Snapshot;
use crate::model::workload::Pod;

/// Indexes over what serves in a snapshot; finished pods are left out.
#[derive(Debug, Default)]
pub(crate) struct Pods<'s> {
    by_name: FxHashMap<(&'s str, &'s str), &'s Pod>,
    by_address: FxHashMap<IpAddr, &'s Pod>,
    by_namespace: FxHashMap<&'s str, Vec<&'s Pod>>,
    by_label: FxHashMap<(&'s str, &'s str, &'s str), Vec<&'s Pod>>,
    slices: FxHashMap<&'s str, FxHashMap<&'s str, Vec<&'s EndpointSlice>>>,
    machines: FxHashMap<&'s str, Vec<&'s WorkloadEntry>>,
    /// The first pod like it, by where a pod is in memory; pods that are the first of their kind are left out.
    twins: FxHashMap<usize, &'s Pod>,
}

/// Whether two pods are one to whoever selects pods, reads their ports or looks for their control plane.
fn is_like(one: &Pod, other: &Pod) -> bool {
    one.meta.namespace == other.meta.namespace
        && one.meta.labels == other.meta.labels
        && one.containers == other.containers
        && one.revision == other.revision
}

// === impl Pods ===

impl<'s> Pods<'s> {
    /// Indexes the pods that run or will run.
    pub(crate) fn new(snapshot: &'s Snapshot) -> Self {
        let mut pods = Self::default();
        pods.by_name.reserve(snapshot.pods.len());
        pods.by_address.reserve(snapshot.pods.len());
        pods.twins.reserve(snapshot.pods.len());
        // Endpoints are told in the order of names, whatever the order of the input.
        let mut before: Option<&'s Pod> = None;
        for pod in by_name(&snapshot.pods, |pod| &pod.meta).into_iter().filter(|pod| !pod.finished) {
            match before.filter(|before| is_like(before, pod)) {
                Some(first) => _ = pods.twins.insert(address(pod), first),
                None => before = Some(pod),
            }
            pods.by_name.insert((&pod.meta.namespace, &pod.meta.name), pod);
            pods.by_namespace.entry(&pod.meta.namespace).or_default().push(pod);
            for (key, value) in &pod.meta.labels {
                pods.by_label.entry((&pod.meta.namespace, key, value)).or_default().push(pod);
            }
            // Pods on the host's network share the node's address, which therefore names none of them.
            if !pod.host_network {
                for address in &pod.addresses {
                    pods.by_address.insert(*address, pod);
                }
            }
        }
        for slice in by_name(&snapshot.endpoint_slices, |slice| &slice.meta) {
            pods.slices.entry(&slice.meta.namespace).or_default().entry(&slice.service).or_default().push(slice);
        }
        for machine in by_name(&snapshot.workload_entries, |machine| &machine.meta) {
            pods.machines.entry(&machine.meta.namespace).or_default().push(machine);
        }
        pods
    }

    /// A pod that has all that Services, Sidecars and PeerAuthentications tell pods by: pods of one workload have one.
    pub(crate) fn twin(&self, pod: &'s Pod) -> &'s Pod {
        self.twins.get(&address(pod)).copied().unwrap_or(pod)
    }

    /// The EndpointSlices of a Service.
    pub(crate) fn slices(&self, namespace: &str, service: &str) -> &[&'s EndpointSlice] {
        self.slices.get(namespace).and_then(|of| of.get(service)).map_or(&[], Vec::as_slice)
    }

    /// The WorkloadEntries of a namespace.
    pub(crate) fn machines(&self, namespace: &str) -> &[&'s WorkloadEntry] {
        self.machines.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The pod of that name.
    pub(crate) fn named(&self, namespace: &str, name: &str) -> Option<&'s Pod> {
        self.by_name.get(&(namespace, name)).copied()
    }

    /// The pod that has this address.
    pub(crate) fn at(&self, address: IpAddr) -> Option<&'s Pod> {
        self.by_address.get(&address).copied()
    }

    /// The pods of a namespace that carry all these labels; an empty selector selects every one.
    pub(crate) fn selected(&self, namespace: &str, selector: &Labels) -> Vec<&'s Pod> {
        let candidates = selector
            .iter()
            .map(|(key, value)| {
                self.by_label.get(&(namespace, key.as_str(), value.as_str())).map_or(&[][..], Vec::as_slice)
            })
            .min_by_key(|pods| pods.len())
            .unwrap_or_else(|| self.by_namespace.get(namespace).map_or(&[][..], Vec::as_slice));
        candidates.iter().copied().filter(|pod| selects(selector, &pod.meta.labels)).collect()
    }
}

fn by_name<T>(objects: &[T], meta: impl Fn(&T) -> &Meta) -> Vec<&T> {
    let mut sorted: Vec<&T> = objects.iter().collect();
    sorted.sort_by(|a, b| (&meta(a).namespace, &meta(a).name).cmp(&(&meta(b).namespace, &meta(b).name)));
    sorted
}

/// Where a target port leads in a pod; `None` = the pod has no port of that name.
///
/// Kubernetes: `pkg/api/v1/pod/util.go:FindPort`.
pub(crate) fn resolve_target(pod: &Pod, target: &TargetPort) -> Option<WorkloadPort> {
    match target {
        TargetPort::Number(port) => Some(*port),
        TargetPort::Name(name) => named_port(pod, name),
    }
}

/// The container port of that name; the first wins.
pub(crate) fn named_port(pod: &Pod, name: &str) -> Option<WorkloadPort> {
    pod.containers
        .iter()
        .flat_map(|container| &container.ports)
        .find(|port| port.tcp && port.name.as_deref() == Some(name))
        .map(|port| port.port)
}
