//! What a cluster does to the objects in it: pods for workloads, sidecars, addresses, endpoints.
//!
//! Everything happens inside the transaction that wrote the object: nothing polls, nothing is eventual, and the same
//! manifests give the same names and addresses in every run.

use serde_json::{Value, json};

use crate::lab::store::kinds::{Kind, NAMESPACE};
use crate::lab::store::{Action, Change, Key, Reconcile, Store, Transaction, object};
use crate::model::mesh::IstioVersion;

pub mod addresses;
pub mod deployments;
pub mod endpoint_slices;
pub mod injection;
pub mod names;
pub mod namespaces;
pub mod owners;
pub mod pods;
pub mod services;
pub mod workloads;

/// Name of the lab's only node.
pub const NODE_NAME: &str = "lab";
/// Its address, which is also that of pods with `hostNetwork`.
pub const NODE_ADDRESS: &str = "172.18.0.2";

/// Namespaces an API server makes by itself. Kubernetes: `pkg/controlplane/controller/systemnamespaces`.
const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// The controllers of the lab's cluster.
#[derive(Debug, Clone, Copy)]
pub struct Controllers {
    /// The version of the sidecars that are injected.
    pub version: IstioVersion,
}

/// A cluster with nothing in it but what every cluster has.
#[must_use]
pub fn empty_cluster(version: IstioVersion) -> Store {
    let store = Store::new(Controllers { version });
    bootstrap(&store);
    store
}

/// Makes what every cluster has: a node and some namespaces.
pub fn bootstrap(store: &Store) {
    store.write(|transaction| {
        transaction.put_object(node());
        for namespace in SYSTEM_NAMESPACES {
            transaction.put_object(blank(&NAMESPACE, "", namespace));
        }
    });
}

// === impl Controllers ===

impl Reconcile for Controllers {
    fn admit(&self, transaction: &mut Transaction<'_>, object: &mut Value) {
        let Some(kind) = Key::of(object).and_then(|key| key.kind()) else { return };
        match kind.kind {
            "Namespace" => namespaces::complete(object),
            "Pod" => pods::complete(transaction, object, self.version),
            "Service" => services::complete(transaction, object),
            "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => workloads::complete(kind, object),
            _ => {}
        }
    }

    fn react(&self, transaction: &mut Transaction<'_>, change: &Change) {
        let Some(kind) = change.key.kind() else { return };
        match kind.kind {
            "Namespace" => namespaces::react(transaction, change),
            "Pod" => {
                workloads::pod_changed(transaction, change);
                endpoint_slices::pod_changed(transaction, change);
            }
            "Service" => endpoint_slices::service_changed(transaction, change),
            "Deployment" => deployments::changed(transaction, change),
            "ReplicaSet" => {
                workloads::changed(transaction, kind, change);
                deployments::replica_set_changed(transaction, change);
            }
            "StatefulSet" | "DaemonSet" | "Job" => workloads::changed(transaction, kind, change),
            _ => {}
        }
        if change.action == Action::Deleted {
            owners::collect(transaction, &change.object);
        }
    }
}

fn node() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": NODE_NAME, "labels": { "kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux" } },
        "spec": {},
        "status": {
            "addresses": [
                { "type": "InternalIP", "address": NODE_ADDRESS }, { "type": "Hostname", "address": NODE_NAME },
            ],
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }],
            "nodeInfo": { "kubeletVersion": "v1.34.0", "operatingSystem": "linux", "architecture": "amd64" },
        },
    })
}

/// A new object of a kind, with name and namespace.
fn blank(kind: &Kind, namespace: &str, name: &str) -> Value {
    let mut blank = json!({ "apiVersion": kind.stored_api_version(), "kind": kind.kind, "metadata": { "name": name } });
    if kind.namespaced {
        object::set(&mut blank, &["metadata", "namespace"], namespace);
    }
    blank
}
