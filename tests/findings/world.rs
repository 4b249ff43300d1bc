//! A mesh on one screen, and what is found in it.

use kubectl_mtls::decode::{Assume, manifests, snapshot};
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::verdict::policies;
use kubectl_mtls::verdict::report::Finding;

/// sleep and httpbin in foo (sidecars) and legacy (none); Service httpbin, port 8000 (http) to 80, in each; web in foo, with
/// Service ports 8000 (http) to 8080 and a headless Service beside it.
pub(crate) const BASE: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: foo, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: legacy}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep, namespace: foo, labels: {app: sleep}}
spec: {containers: [{name: sleep, image: curl}]}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin, namespace: foo, labels: {app: httpbin}}
spec: {containers: [{name: httpbin, image: httpbin}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: foo, labels: {app: web, tier: front}}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}, {containerPort: 9090}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep, namespace: legacy, labels: {app: sleep}}
spec: {containers: [{name: sleep, image: curl}]}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin, namespace: legacy, labels: {app: httpbin}}
spec: {containers: [{name: httpbin, image: httpbin}]}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: foo}
spec: {selector: {app: httpbin}, ports: [{name: http, port: 8000, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: legacy}
spec: {selector: {app: httpbin}, ports: [{name: http, port: 8000, targetPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: foo}
spec: {selector: {app: web}, ports: [{name: http, port: 8000, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: pods, namespace: foo}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: tcp, port: 7000}]}
---
";

/// Whether the mesh holds more than the policies themselves.
pub(crate) fn mesh(more: &str) -> Snapshot {
    alone(&format!("{BASE}{more}"))
}

/// Manifests and nothing else.
pub(crate) fn alone(text: &str) -> Snapshot {
    let (objects, _) = manifests::parse("mesh.yaml", text, "default");
    snapshot(&objects, &Assume::default()).0
}

/// `CODE title` of every finding about a policy.
pub(crate) fn told(snapshot: &Snapshot) -> Vec<String> {
    let line = |finding: &Finding| format!("{} {}", finding.code, finding.title);
    found(snapshot).iter().map(line).collect()
}

/// Every finding about a policy.
pub(crate) fn found(snapshot: &Snapshot) -> Vec<Finding> {
    policies::findings(&Mesh::new(snapshot), &[], None)
}

/// A PeerAuthentication; `spec` in flow style.
pub(crate) fn pa(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"
    )
}

/// A DestinationRule; `spec` in flow style.
pub(crate) fn dr(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n"
    )
}

/// Nothing at all is found.
#[track_caller]
pub(crate) fn silent(more: &str) {
    assert_eq!(told(&mesh(more)), Vec::<String>::new(), "{more}");
}

/// Exactly these findings.
#[track_caller]
pub(crate) fn says(more: &str, expected: &[&str]) {
    assert_eq!(told(&mesh(more)), expected, "{more}");
}
