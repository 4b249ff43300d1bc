//! Meshes on one screen, asked one question.

use kubectl_mtls::decode::Assume;
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::pair::PairIntent;
use kubectl_mtls::model::snapshot::Snapshot;

use crate::intent::support::plain;

/// sleep in foo (sidecar) and legacy (none), httpbin in foo (sidecar) and legacy (none); Service port 8000 (http) to 80,
/// 9000 (tcp) to 90.
pub(crate) const BASE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sleep, namespace: foo, labels: {app: sleep, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: sleep, containers: [{name: sleep, image: curl}, {name: istio-proxy, image: proxyv2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin, namespace: foo, labels: {app: httpbin, security.istio.io/tlsMode: istio}}
spec: {serviceAccountName: httpbin, containers: [{name: httpbin, image: httpbin}, {name: istio-proxy, image: proxyv2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep, namespace: legacy, labels: {app: sleep}}
spec: {serviceAccountName: sleep, containers: [{name: sleep, image: curl}]}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin, namespace: legacy, labels: {app: httpbin}}
spec: {serviceAccountName: httpbin, containers: [{name: httpbin, image: httpbin}]}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: foo}
spec: {selector: {app: httpbin}, ports: [{name: http, port: 8000, targetPort: 80}, {name: tcp, port: 9000, targetPort: 90}]}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: legacy}
spec: {selector: {app: httpbin}, ports: [{name: http, port: 8000, targetPort: 80}]}
---
";

/// The base and more.
pub(crate) fn with(more: &str) -> Snapshot {
    plain(&format!("{BASE}{more}"), &Assume::default())
}

/// A PeerAuthentication of the whole namespace.
pub(crate) fn peer(namespace: &str, name: &str, mode: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{mtls: {{mode: {mode}}}}}\n---\n"
    )
}

/// A DestinationRule in foo for httpbin.foo.
pub(crate) fn rule(name: &str, mode: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: foo}}\n\
         spec: {{host: httpbin.foo.svc.cluster.local, trafficPolicy: {{tls: {{mode: {mode}}}}}}}\n---\n"
    )
}

/// `namespace/pod` to `service.namespace:port`.
pub(crate) fn ask(snapshot: &Snapshot, client: &str, server: &str) -> PairIntent {
    let mesh = Mesh::new(snapshot);
    let pod = snapshot.pods.iter().find(|pod| pod.meta.key() == client);
    let pod = pod.unwrap_or_else(|| panic!("no pod {client}"));
    let found = mesh.servers().into_iter().find(|found| found.display_name() == server);
    mesh.pair(pod, &found.unwrap_or_else(|| panic!("no server {server}")))
}

/// Wire, why and decider in one line.
pub(crate) fn verdict(pair: &PairIntent) -> String {
    format!("{} {} {}", pair.outcome.wire.as_str(), pair.outcome.why.as_str(), pair.decided_by.short())
}
