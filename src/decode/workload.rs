//! Pods, and the Deployments and other objects that make them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::decode::Loaded;
use crate::decode::injection::admit;
use crate::decode::kind::Kind;
use crate::decode::metadata::{annotations, meta};
use crate::decode::objects::PodRead;
use crate::decode::pod::of_spec;
use crate::decode::value::{at, items, labels, text};
use crate::model::meta::{Labels, Meta, Origin};
use crate::model::workload::{Pod, WorkloadRef};

/// Every pod there is, and one for each workload object of which there is none.
///
/// A pod that an API server has seen is what it is; the others get the proxy that admission would add.
pub(super) fn admitted(there: Vec<PodRead>, objects: &[(Kind, &Loaded)], namespaces: &[Meta]) -> Vec<Pod> {
    let namespaces: HashMap<&str, &Labels> = namespaces.iter().map(|meta| (meta.name.as_str(), &meta.labels)).collect();
    let admitted = |mut pod: Pod| {
        let labels = namespaces.get(pod.meta.namespace.as_str()).copied();
        admit(&mut pod, labels);
        pod
    };
    let there = there.into_iter().map(|read| if read.applied { read.pod } else { admitted(read.pod) });
    let mut pods: Vec<Pod> = there.collect();
    let made = of_templates(objects, &pods);
    pods.extend(made.into_iter().map(admitted));
    pods
}

/// The pods of the workload objects that have none among those that are there.
fn of_templates(objects: &[(Kind, &Loaded)], there: &[Pod]) -> Vec<Pod> {
    let owners: HashSet<(&str, &WorkloadRef)> = there.iter().map(|pod| (pod.namespace(), &pod.workload)).collect();
    let mut names: HashSet<(String, String)> = HashSet::new();
    let mut made = Vec::new();
    for (kind, loaded) in objects {
        let Kind::Workload(kind) = kind else { continue };
        let Some(mut pod) = of_template(kind, &loaded.object, loaded.origin.as_ref()) else { continue };
        if owners.contains(&(pod.namespace(), &pod.workload)) {
            continue;
        }
        // Workloads of different kinds may share a name; pods may not.
        if !names.insert((pod.meta.namespace.clone(), pod.meta.name.clone())) {
            pod.meta.name = format!("{}-{}", pod.meta.name, kind.to_ascii_lowercase());
        }
        made.push(pod);
    }
    made
}

/// The one pod that stands for all those a workload object makes; `None` where it makes none, or where its own owner does.
fn of_template(kind: &str, object: &Value, origin: Option<&Origin>) -> Option<Pod> {
    let has_owner = !items(object, &["metadata", "ownerReferences"]).is_empty();
    let scaled_to_zero = at(object, &["spec", "replicas"]).and_then(Value::as_u64) == Some(0);
    if (kind == "ReplicaSet" && has_owner) || scaled_to_zero || is_over(object) {
        return None;
    }
    let template = at(object, &["spec", "template"])?;
    let workload = meta(object, origin);
    let workload_ref = WorkloadRef { kind: kind.to_owned(), name: workload.name.clone() };
    let meta =
        Meta { labels: labels(template, &["metadata", "labels"]), annotations: annotations(template), ..workload };
    Some(of_spec(template.get("spec").unwrap_or(&Value::Null), meta, workload_ref))
}

/// A Job that completed or failed makes no more pods.
fn is_over(object: &Value) -> bool {
    items(object, &["status", "conditions"]).iter().any(|condition| {
        matches!(text(condition, &["type"]), Some("Complete" | "Failed"))
            && text(condition, &["status"]) == Some("True")
    })
}
