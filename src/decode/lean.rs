//! Objects that come by the ten thousand, without what nobody reads.

use serde_json::{Map, Value};

use crate::decode::kind::{Kind, kind};

/// Drops from Pods and EndpointSlices, which are many and large, what [`snapshot`](crate::decode::snapshot()) does not read.
/// Other objects stay whole.
pub fn lean(object: &mut Value) {
    match kind(object) {
        Kind::Pod => {
            keep(object, "metadata", &METADATA);
            keep(object, "spec", &POD_SPEC);
            keep(object, "status", &POD_STATUS);
            for containers in ["containers", "initContainers"] {
                let list =
                    object.get_mut("spec").and_then(|spec| spec.get_mut(containers)).and_then(Value::as_array_mut);
                for container in list.into_iter().flatten().filter_map(Value::as_object_mut) {
                    let of_mesh =
                        container.get("name").and_then(Value::as_str).is_some_and(|name| OF_MESH.contains(&name));
                    retain(container, if of_mesh { MESH_CONTAINER.as_slice() } else { CONTAINER.as_slice() });
                }
            }
        }
        Kind::EndpointSlice => keep(object, "metadata", &METADATA),
        Kind::Namespace
        | Kind::Workload(_)
        | Kind::Service
        | Kind::ConfigMap
        | Kind::PeerAuthentication
        | Kind::DestinationRule
        | Kind::Sidecar
        | Kind::ServiceEntry
        | Kind::WorkloadEntry
        | Kind::VirtualService
        | Kind::Silent
        | Kind::Foreign => {}
    }
}

const METADATA: [&str; 8] =
    ["annotations", "creationTimestamp", "deletionTimestamp", "labels", "name", "namespace", "ownerReferences", "uid"];
const POD_SPEC: [&str; 8] = [
    "containers",
    "hostNetwork",
    "initContainers",
    "nodeName",
    "nodeSelector",
    "os",
    "serviceAccount",
    "serviceAccountName",
];
const POD_STATUS: [&str; 4] = ["conditions", "phase", "podIP", "podIPs"];
const CONTAINER: [&str; 5] = ["image", "name", "ports", "restartPolicy", "securityContext"];
/// Containers whose arguments and environment tell how the mesh is configured.
const OF_MESH: [&str; 2] = ["discovery", "istio-proxy"];
const MESH_CONTAINER: [&str; 7] = ["args", "env", "image", "name", "ports", "restartPolicy", "securityContext"];

fn keep(object: &mut Value, field: &str, kept: &[&str]) {
    if let Some(fields) = object.get_mut(field).and_then(Value::as_object_mut) {
        retain(fields, kept);
    }
}

fn retain(fields: &mut Map<String, Value>, kept: &[&str]) {
    fields.retain(|name, _| kept.contains(&name.as_str()));
}
