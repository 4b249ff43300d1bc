//! `PeerAuthentication`, `DestinationRule`, `Sidecar`, and the metadata of all.

use kubectl_mtls::decode::{Assume, Loaded, snapshot};
use kubectl_mtls::model::mesh::OutboundPolicy;
use kubectl_mtls::model::policy::{DestinationRule, PeerAuthentication, Sidecar};
use kubectl_mtls::model::port::{Protocol, ServicePort, WorkloadPort};
use kubectl_mtls::model::tls::{ClientTlsMode, MtlsMode};
use serde_json::json;

use super::mesh;

fn peer_authentication(spec: &str) -> PeerAuthentication {
    let text =
        format!("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: a}}\nspec: {spec}\n");
    mesh(&text).peer_authentications.remove(0)
}

fn destination_rule(spec: &str) -> DestinationRule {
    let text =
        format!("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: a}}\nspec: {spec}\n");
    mesh(&text).destination_rules.remove(0)
}

fn sidecar(spec: &str) -> Sidecar {
    let text = format!("apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: a}}\nspec: {spec}\n");
    mesh(&text).sidecars.remove(0)
}

#[test]
fn the_mode_of_a_peer_authentication() {
    let mode = |spec: &str| peer_authentication(spec).mode;
    assert_eq!(mode("{mtls: {mode: STRICT}}"), Some(MtlsMode::Strict));
    assert_eq!(mode("{mtls: {mode: PERMISSIVE}}"), Some(MtlsMode::Permissive));
    assert_eq!(mode("{mtls: {mode: DISABLE}}"), Some(MtlsMode::Disable));
    for unset in ["{mtls: {mode: UNSET}}", "{mtls: {}}", "{mtls: null}", "{}", "null", ""] {
        assert_eq!(mode(unset), None, "{unset}");
    }
}

#[test]
fn port_levels_are_keyed_by_numbers_and_by_strings() {
    let policy = peer_authentication(
        "{selector: {matchLabels: {app: a}}, portLevelMtls: {80: {mode: DISABLE}, '8080': {mode: STRICT}, 9090: {}, 9091: {mode: UNSET}}}",
    );
    let ports: Vec<_> = policy.ports.into_iter().collect();
    let expected = [(80, Some(MtlsMode::Disable)), (8080, Some(MtlsMode::Strict)), (9090, None), (9091, None)];
    assert_eq!(ports, expected.map(|(port, mode)| (WorkloadPort(port), mode)));
    assert_eq!(policy.selector["app"], "a");
}

#[test]
fn an_empty_selector_selects_all() {
    for spec in ["{selector: {}}", "{selector: {matchLabels: {}}}", "{selector: null}", "{}"] {
        assert!(peer_authentication(spec).selector.is_empty(), "{spec}");
    }
}

#[test]
fn tls_of_a_rule_is_there_even_when_it_is_empty() {
    let tls = |spec: &str| destination_rule(spec).traffic_policy.and_then(|policy| policy.settings.tls);
    assert_eq!(tls("{host: a, trafficPolicy: {tls: {}}}").map(|tls| tls.mode), Some(ClientTlsMode::Disable));
    let sni = tls("{host: a, trafficPolicy: {tls: {sni: x}}}").unwrap();
    assert_eq!((sni.mode, sni.sni.as_deref(), sni.subject_alt_names), (ClientTlsMode::Disable, Some("x"), None));
    assert_eq!(tls("{host: a, trafficPolicy: {tls: null, connectionPool: {}}}"), None);
    assert_eq!(tls("{host: a}"), None);
    let mutual = tls("{host: a, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /ca, subjectAltNames: []}}}").unwrap();
    assert_eq!(
        (mutual.mode, mutual.client_certificate.as_deref(), mutual.private_key.as_deref()),
        (ClientTlsMode::Mutual, Some("/c"), Some("/k"))
    );
    assert_eq!((mutual.ca_certificates.as_deref(), mutual.subject_alt_names), (Some("/ca"), Some(Vec::new())));
    let simple = tls("{host: a, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}}").unwrap();
    assert_eq!((simple.mode, simple.insecure_skip_verify), (ClientTlsMode::Simple, true));
    let secret = tls("{host: a, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c}}}").unwrap();
    assert_eq!(secret.credential_name.as_deref(), Some("c"));
    assert_eq!(
        tls("{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}").map(|tls| tls.mode),
        Some(ClientTlsMode::IstioMutual)
    );
}

#[test]
fn levels_of_a_rule() {
    let rule = destination_rule(
        "
  host: web.foo.svc.cluster.local
  exportTo: [.]
  workloadSelector: {matchLabels: {app: client}}
  trafficPolicy:
    loadBalancer: {simple: PASSTHROUGH}
    outlierDetection: {}
    portLevelSettings:
    - port: {number: 80}
      tls: {mode: DISABLE}
    - port: {number: 81}
      connectionPool: {}
  subsets:
  - name: v1
    labels: {version: v1}
  - name: v2
    trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}",
    );
    assert_eq!(
        (rule.host.as_str(), rule.export_to.as_slice()),
        ("web.foo.svc.cluster.local", [".".to_owned()].as_slice())
    );
    assert_eq!(rule.workload_selector.unwrap()["app"], "client");
    let policy = rule.traffic_policy.unwrap();
    assert!(policy.settings.load_balancer.as_ref().unwrap().passthrough && policy.settings.outlier_detection);
    assert!(!policy.settings.connection_pool && policy.settings.tls.is_none());
    let (first, own) = policy.for_port(ServicePort(80));
    assert!(
        own && first.tls.as_ref().is_some_and(|tls| tls.mode == ClientTlsMode::Disable)
            && first.load_balancer.is_none()
    );
    assert!(policy.for_port(ServicePort(81)).0.connection_pool);
    assert_eq!((rule.subsets[0].name.as_str(), rule.subsets[0].labels["version"].as_str()), ("v1", "v1"));
    assert_eq!(rule.subsets[0].traffic_policy, None);
    assert!(rule.subsets[1].traffic_policy.as_ref().unwrap().settings.tls.is_some());
}

#[test]
fn what_a_sidecar_sees_and_listens_on() {
    let all = sidecar(
        "
  workloadSelector: {labels: {app: a}}
  outboundTrafficPolicy: {mode: ALLOW_ANY}
  egress:
  - port: {number: 9080, protocol: HTTP, name: x}
    bind: 127.0.0.1
    captureMode: NONE
    hosts: ['./*']
  - hosts: ['*/web.foo.svc.cluster.local', 'istio-system/*']
  ingress:
  - port: {number: 8080, protocol: TCP, name: b}
    defaultEndpoint: 127.0.0.1:80",
    );
    assert_eq!((all.selector["app"].as_str(), all.outbound_policy), ("a", Some(OutboundPolicy::AllowAny)));
    let egress = all.egress.unwrap();
    assert_eq!((egress[0].port, egress[0].protocol, egress[0].capture_none), (Some(9080), Some(Protocol::Http), true));
    assert_eq!((egress[1].hosts.len(), egress[1].port), (2, None));
    let ingress = &all.ingress[0];
    assert_eq!((ingress.port, ingress.protocol, ingress.capture_none), (WorkloadPort(8080), Protocol::Tcp, false));
    assert_eq!(ingress.default_endpoint.as_deref(), Some("127.0.0.1:80"));
}

#[test]
fn an_empty_outbound_policy_is_the_zero_of_its_enum() {
    assert_eq!(sidecar("{outboundTrafficPolicy: {}}").outbound_policy, Some(OutboundPolicy::RegistryOnly));
    let none = sidecar("{egress: [], ingress: [{port: {number: 80, protocol: HTTP, name: a}}]}");
    // No list and an empty list are the same: everything.
    assert_eq!((none.outbound_policy, none.egress), (None, None));
}

#[test]
fn age_and_last_change() {
    let object = json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {
            "name": "a", "namespace": "foo", "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {"argocd.argoproj.io/tracking-id": "x", "kubectl.kubernetes.io/restartedAt": "y"},
            "managedFields": [
                {"manager": "kubectl", "time": "2026-01-01T00:00:00Z", "operation": "Update"},
                {"manager": "argocd-controller", "time": "2026-03-01T10:00:00Z", "operation": "Apply"},
                {"manager": "pilot-discovery", "time": "2026-05-01T00:00:00Z", "subresource": "status"},
                {"manager": "helm", "time": "2026-02-01T00:00:00Z"},
                {"manager": "no-time"}
            ]
        }
    });
    let (snapshot, _) = snapshot(&[Loaded { object, origin: None }], &Assume::default());
    let meta = &snapshot.peer_authentications[0].meta;
    assert_eq!(meta.created.unwrap().to_string(), "2026-01-01T00:00:00Z");
    let change = meta.changed.as_ref().unwrap();
    assert_eq!((change.by.as_str(), change.at.to_string().as_str()), ("argocd-controller", "2026-03-01T10:00:00Z"));
    assert_eq!(meta.annotations.keys().collect::<Vec<_>>(), ["argocd.argoproj.io/tracking-id"]);
}

#[test]
fn a_stored_object_with_a_word_that_nobody_knows_is_left_out() {
    let object = json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "a", "uid": "1"}, "spec": {"mtls": {"mode": "LAX"}}});
    let (snapshot, problems) = snapshot(&[Loaded { object, origin: None }], &Assume::default());
    assert_eq!((snapshot.peer_authentications.len(), problems.len()), (0, 1));
    assert_eq!(problems[0].field.as_deref(), Some("spec.mtls.mode"));
}
