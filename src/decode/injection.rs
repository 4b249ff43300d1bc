//! What the sidecar injector would make of a pod that was never applied.

use crate::decode::pod::{PROXY, template};
use crate::model::meta::Labels;
use crate::model::workload::{Container, Pod, ProxyKind};

/// Namespaces whose pods are never injected.
///
/// Istio: `pkg/kube/inject/webhook.go`, `pkg/kube/inject/inject.go:IgnoredNamespaces`.
const IGNORED_NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Label that makes clients send mutual TLS; set by the injection template unless the user did.
const TLS_MODE: &str = "security.istio.io/tlsMode";

/// Whether the injector adds a proxy, and of which revision.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Injection {
    /// The webhook of this revision is called and agrees.
    By(String),
    /// Nothing is added.
    No,
}

/// Adds the proxy that admission would add: the injector's, or else the node's ztunnel.
pub(super) fn admit(pod: &mut Pod, namespace_labels: Option<&Labels>) {
    if pod.proxy != ProxyKind::None || pod.containers.iter().any(|container| container.name == PROXY) {
        return;
    }
    let none = Labels::new();
    let namespace = namespace_labels.unwrap_or(&none);
    match decide(pod, namespace) {
        Injection::By(revision) => inject(pod, revision),
        Injection::No if is_ambient(pod, namespace) => pod.proxy = ProxyKind::Ztunnel,
        Injection::No => {}
    }
}

fn inject(pod: &mut Pod, revision: String) {
    let kind = template(&pod.meta).unwrap_or(ProxyKind::Sidecar);
    pod.proxy = kind;
    pod.revision = Some(revision);
    // The gateway and gRPC templates leave the label out.
    if kind == ProxyKind::Sidecar {
        pod.meta.labels.entry(TLS_MODE.to_owned()).or_insert_with(|| "istio".to_owned());
    }
    pod.containers.push(Container { name: PROXY.to_owned(), ..Container::default() });
}

/// First whether a webhook is called, by its selectors; then what the injector itself checks.
///
/// Istio: `manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml`,
/// `pkg/kube/inject/inject.go:injectRequired`.
fn decide(pod: &Pod, namespace: &Labels) -> Injection {
    let asked = pod.meta.label("sidecar.istio.io/inject");
    // Any other word falls back to the namespace's will.
    let refuses = asked.or_else(|| pod.meta.annotation("sidecar.istio.io/inject")) == Some("false");
    if pod.host_network || refuses || IGNORED_NAMESPACES.contains(&pod.namespace()) {
        return Injection::No;
    }
    let injection = namespace.get("istio-injection").map(String::as_str);
    let namespace_revision = namespace.get("istio.io/rev").filter(|revision| !revision.is_empty());
    match (injection, namespace_revision, pod.meta.revision()) {
        (Some("enabled"), _, _) => Injection::By("default".to_owned()),
        (Some(_), _, _) => Injection::No,
        (None, Some(revision), _) => Injection::By(revision.clone()),
        (None, None, Some(revision)) => Injection::By(revision.to_owned()),
        (None, None, None) if asked == Some("true") => Injection::By("default".to_owned()),
        (None, None, None) => Injection::No,
    }
}

/// Istio: `tools/istio-cni` and `pilot/pkg/serviceregistry/kube/controller/ambient`: the pod's label wins over its namespace's.
fn is_ambient(pod: &Pod, namespace: &Labels) -> bool {
    const MODE: &str = "istio.io/dataplane-mode";
    let mode = pod.meta.label(MODE).or_else(|| namespace.get(MODE).map(String::as_str));
    mode == Some("ambient") && !pod.host_network
}
