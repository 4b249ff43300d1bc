//! Sidecar injection: which pods get one, and what it looks like.

use serde_json::{Value, json};

use crate::lab::store::kinds::NAMESPACE;
use crate::lab::store::{Key, Transaction, object};
use crate::model::mesh::IstioVersion;

/// Namespaces the injector never touches. Istio: `pkg/kube/inject/inject.go:IgnoredNamespaces`.
const IGNORED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// The revision whose sidecar a pod gets that is being created; none where it gets no sidecar.
///
/// Which pods reach the injector: the four webhooks of Istio `manifests/charts/istio-control/istio-discovery/templates/
/// mutatingwebhook.yaml`. What it then does: `pkg/kube/inject/inject.go:injectRequired`. Any revision a label names is
/// taken to exist.
pub(super) fn revision(transaction: &Transaction<'_>, pod: &Value) -> Option<String> {
    let host_network = pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true));
    if IGNORED.contains(&object::namespace(pod)) || host_network || has_proxy(pod) {
        return None;
    }
    let namespace = transaction.get(&Key::new(&NAMESPACE, "", object::namespace(pod)));
    let of_namespace = |key: &str| namespace.as_deref().and_then(|namespace| object::label(namespace, key));
    let label = object::label(pod, "sidecar.istio.io/inject");
    let of_pod = object::label(pod, "istio.io/rev");
    let reached = match (of_namespace("istio-injection"), of_namespace("istio.io/rev"), of_pod) {
        (Some("enabled"), _, _) => (label != Some("false")).then_some("default"),
        (Some(_), _, _) => None,
        (None, Some(revision), _) => (label != Some("false")).then_some(revision),
        (None, None, Some(revision)) => (label != Some("false")).then_some(revision),
        (None, None, None) => (label == Some("true")).then_some("default"),
    };
    // The label is preferred over the annotation, and neither means yes.
    let asked = label.or_else(|| object::annotation(pod, "sidecar.istio.io/inject")).unwrap_or_default();
    let yes = matches!(asked.to_lowercase().as_str(), "" | "y" | "yes" | "true" | "on");
    reached.filter(|_| yes).map(str::to_owned)
}

/// Whether a pod has its proxy already: injected by hand, or read from a live cluster.
fn has_proxy(pod: &Value) -> bool {
    ["/spec/containers", "/spec/initContainers"]
        .into_iter()
        .any(|list| object::elements(pod, list).any(|container| object::text(container, "/name") == "istio-proxy"))
}

/// Adds the proxy, and the marks by which everyone else sees that it is there.
///
/// Istio: `manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`, reduced to what can be told from
/// outside the pod. A label that the user set stays.
pub(super) fn inject(pod: &mut Value, revision: &str, version: IstioVersion) {
    let first = object::elements(pod, "/spec/containers").next().map(|first| object::text(first, "/name").to_owned());
    let canonical = ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]
        .into_iter()
        .find_map(|key| object::label(pod, key))
        .unwrap_or(object::name(pod))
        .to_owned();
    let label = |key: &'static str| ["metadata", "labels", key];
    object::set_default(pod, &label("security.istio.io/tlsMode"), "istio");
    object::set_default(pod, &label("service.istio.io/canonical-name"), canonical);
    let canonical_revision = object::label(pod, "version").unwrap_or("latest").to_owned();
    object::set_default(pod, &label("service.istio.io/canonical-revision"), canonical_revision);
    let status = json!({
        "initContainers": ["istio-init", "istio-proxy"], "containers": null, "volumes": null,
        "imagePullSecrets": null, "revision": revision,
    });
    object::set(pod, &["metadata", "annotations", "sidecar.istio.io/status"], status.to_string());
    object::set(pod, &["metadata", "annotations", "istio.io/rev"], revision);
    if let Some(first) = first {
        let key = "kubectl.kubernetes.io/default-container";
        object::set_default(pod, &["metadata", "annotations", key], first);
    }
    object::change(pod, &["spec", "initContainers"], |containers| {
        let mut all = vec![init(version), proxy(version)];
        all.append(containers.as_array_mut().unwrap_or(&mut Vec::new()));
        *containers = all.into();
    });
}

fn image(version: IstioVersion) -> String {
    format!("docker.io/istio/proxyv2:{version}.0")
}

fn init(version: IstioVersion) -> Value {
    let args = "istio-iptables -p 15001 -z 15006 -u 1337 -m REDIRECT -i * -x  -b * -d 15090,15021,15020";
    let args: Vec<&str> = args.split(' ').collect();
    json!({ "name": "istio-init", "image": image(version), "args": args })
}

/// A native sidecar: the default since Istio 1.27 on Kubernetes 1.33.
fn proxy(version: IstioVersion) -> Value {
    json!({
        "name": "istio-proxy", "image": image(version), "restartPolicy": "Always",
        "args": ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"],
        "ports": [{ "containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP" }],
        "securityContext": { "runAsUser": 1337, "runAsGroup": 1337, "runAsNonRoot": true },
    })
}
