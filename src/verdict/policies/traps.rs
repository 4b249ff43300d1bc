//! What is no policy and spoils one: pods without the sidecar that they should have, an application that runs as the proxy.
//!
//! Istio: `pilot/pkg/model/push_context.go:BestEffortInferServiceMTLSMode` (a headless Service has one answer for all pods),
//! `pkg/kube/inject/inject.go:injectRequired`, `tools/istio-iptables/pkg/capture/run.go` (user 1337 is left alone).

use std::collections::BTreeMap;

use crate::intent::capture::is_proxy_user;
use crate::intent::endpoint::{TLS_MODE_DISABLED, TLS_MODE_ISTIO};
use crate::intent::registry::Source;
use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::meta::Meta;
use crate::model::tls::MtlsMode;
use crate::model::workload::{Pod, ProxyKind, WorkloadRef};
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::{View, names};

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    all_or_nothing(view, found);
    without_sidecar(view, found);
    as_proxy(view, found);
}

/// Headless Services over pods with and without a sidecar: plaintext to all of them.
fn all_or_nothing<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    for svc in view.mesh.registry.all.iter().filter(|svc| svc.is_headless() && !svc.external) {
        let Source::Kubernetes(service) = svc.source else { continue };
        let disabled = view.plane.peer_authentications.assumed(svc.namespace()).map(|(mode, _)| mode);
        if !view.plane.profile.config.auto_mtls || disabled == Some(MtlsMode::Disable) {
            continue;
        }
        let endpoints: Vec<_> = view.mesh.endpoints_of(svc).iter().flatten().collect();
        let mut bare: Vec<&Pod> =
            endpoints.iter().filter(|end| end.tls_mode == TLS_MODE_DISABLED).filter_map(|end| end.pod).collect();
        bare.dedup_by(|a, b| std::ptr::eq(*a, *b));
        if bare.is_empty() || !endpoints.iter().any(|endpoint| endpoint.tls_mode == TLS_MODE_ISTIO) {
            continue;
        }
        let object = PolicyRef::object(Layer::Workload, PolicyKind::Service, &service.meta, "spec.clusterIP");
        let title = format!(
            "{} is headless, so clients send the same to all its pods: plaintext, since {} has no sidecar",
            object.short(),
            names(&bare)
        );
        let about = About::Services([(svc.namespace(), svc.display().to_owned())].into());
        found.push(Told { fault: Fault::EndpointWithoutSidecar, object, others: Vec::new(), title, about });
    }
}

/// Running pods whose namespace asks for sidecars and that do not refuse one.
fn without_sidecar<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let asks = |meta: &&Meta| meta.label("istio-injection") == Some("enabled") || meta.revision().is_some();
    let snapshot = view.mesh.snapshot();
    for namespace in snapshot.namespaces.iter().filter(asks) {
        let pods = view.selected(&namespace.name, &BTreeMap::new());
        let mut bare: BTreeMap<&WorkloadRef, Vec<&'s Pod>> = BTreeMap::new();
        for pod in pods.into_iter().filter(|pod| pod.proxy == ProxyKind::None && !pod.host_network && !refuses(pod)) {
            bare.entry(&pod.workload).or_default().push(pod);
        }
        for (workload, pods) in bare {
            let Some(first) = pods.first() else { continue };
            let object = PolicyRef::object(Layer::Workload, PolicyKind::Pod, &first.meta, "spec.containers");
            let restart = match workload.kind.as_str() {
                "Deployment" | "StatefulSet" | "DaemonSet" => {
                    let (kind, place) = (workload.kind.to_lowercase(), &namespace.name);
                    format!("kubectl -n {place} rollout restart {kind}/{}", workload.name)
                }
                _ => format!("make {} anew", if pods.len() == 1 { "it" } else { "them" }),
            };
            let title = format!(
                "{}: {} without the sidecar that namespace {} asks for, made before its label or while injection failed: \
                 {restart}",
                first.display_name(),
                if pods.len() == 1 { "1 pod".to_owned() } else { format!("{} pods", pods.len()) },
                namespace.name
            );
            let about = About::Pods(pods);
            found.push(Told { fault: Fault::SidecarMissing, object, others: Vec::new(), title, about });
        }
    }
}

fn refuses(pod: &Pod) -> bool {
    const INJECT: &str = "sidecar.istio.io/inject";
    pod.meta.label(INJECT).or_else(|| pod.meta.annotation(INJECT)) == Some("false")
}

/// Applications that run as user 1337: what they send never meets their sidecar.
fn as_proxy<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let pods = view.mesh.snapshot().pods.iter().filter(|pod| !pod.finished && pod.proxy == ProxyKind::Sidecar);
    let mut by_workload: BTreeMap<(&str, &WorkloadRef), Vec<&'s Pod>> = BTreeMap::new();
    for pod in pods.filter(|pod| is_proxy_user(pod)) {
        by_workload.entry((&pod.meta.namespace, &pod.workload)).or_default().push(pod);
    }
    for pods in by_workload.into_values() {
        let Some(first) = pods.first() else { continue };
        let field = "spec.containers[].securityContext.runAsUser";
        let object = PolicyRef::object(Layer::Workload, PolicyKind::Pod, &first.meta, field);
        let title = format!(
            "{} runs as user 1337, the sidecar's own: what it sends is never captured and leaves in plaintext",
            first.display_name()
        );
        let about = About::Clients(pods);
        found.push(Told { fault: Fault::RunsAsProxyUser, object, others: Vec::new(), title, about });
    }
}
