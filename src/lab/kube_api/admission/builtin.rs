//! Kubernetes' own kinds: what is required, and what cannot change.
//!
//! Only what a person runs into while trying policies. Texts: Kubernetes `pkg/apis/core/validation/validation.go` and
//! `pkg/apis/apps/validation/validation.go`.

use serde_json::Value;

use crate::lab::kube_api::status::FieldCause;
use crate::lab::store::kinds::Kind;
use crate::lab::store::object;

const POD_UPDATE: &str = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
                          `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                          existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                          previously negative)";

/// What is wrong with an object of Kubernetes' own.
pub(super) fn check(kind: &Kind, checked: &Value, before: Option<&Value>) -> Vec<FieldCause> {
    let mut causes = Vec::new();
    match kind.kind {
        "Pod" => pod(checked, before, &mut causes),
        "Service" => service(checked, &mut causes),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => workload(checked, before, &mut causes),
        "Job" => containers(checked, "spec.template.spec", &mut causes),
        _ => {}
    }
    causes
}

fn cause(reason: &'static str, field: &str, message: impl Into<String>) -> FieldCause {
    FieldCause { reason, field: field.to_owned(), message: message.into() }
}

fn containers(checked: &Value, at: &str, causes: &mut Vec<FieldCause>) {
    let pointer = format!("/{}/containers", at.replace('.', "/"));
    if object::elements(checked, &pointer).next().is_none() {
        causes.push(cause("FieldValueRequired", &format!("{at}.containers"), "Required value"));
    }
}

fn pod(checked: &Value, before: Option<&Value>, causes: &mut Vec<FieldCause>) {
    containers(checked, "spec", causes);
    if before.is_some_and(|before| fixed(before) != fixed(checked)) {
        causes.push(cause("FieldValueForbidden", "spec", POD_UPDATE));
    }
}

/// The part of a pod's spec that stays as it is.
fn fixed(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or_default();
    for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
        object::remove(&mut spec, &[field]);
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            object::remove(container, &["image"]);
        }
    }
    spec
}

fn service(checked: &Value, causes: &mut Vec<FieldCause>) {
    let portless =
        object::text(checked, "/spec/type") == "ExternalName" || object::text(checked, "/spec/clusterIP") == "None";
    if !portless && object::elements(checked, "/spec/ports").next().is_none() {
        causes.push(cause("FieldValueRequired", "spec.ports", "Required value"));
    }
}

fn workload(checked: &Value, before: Option<&Value>, causes: &mut Vec<FieldCause>) {
    containers(checked, "spec.template.spec", causes);
    let Some(selector) = checked.pointer("/spec/selector") else {
        return causes.push(cause("FieldValueRequired", "spec.selector", "Required value"));
    };
    if let Some(was) = before.and_then(|before| before.pointer("/spec/selector"))
        && was != selector
    {
        let message = format!("Invalid value: {selector}: field is immutable");
        causes.push(cause("FieldValueInvalid", "spec.selector", message));
    }
    let labels = checked.pointer("/spec/template/metadata/labels");
    if let Some(wanted) = selector.get("matchLabels")
        && !object::selected_by(Some(wanted), labels)
    {
        let labels = labels.cloned().unwrap_or_default();
        let message = format!("Invalid value: {labels}: `selector` does not match template `labels`");
        causes.push(cause("FieldValueInvalid", "spec.template.metadata.labels", message));
    }
}
