//! Each difference between versions of Istio alone: a mesh in which it decides, asked at every version.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::pair::PairIntent;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::tls::ServerValidation;

use crate::intent::small::{ask, peer, rule, with};

/// What is said from which minor version on, from the oldest to the newest.
fn by_version(mut snapshot: Snapshot, say: impl Fn(&Snapshot) -> String) -> Vec<(u16, String)> {
    let mut said: Vec<(u16, String)> = Vec::new();
    for minor in IstioVersion::OLDEST.minor..=IstioVersion::NEWEST.minor {
        for profile in &mut snapshot.profiles {
            profile.version = IstioVersion::minor(minor);
        }
        let now = say(&snapshot);
        if said.last().is_none_or(|(_, before)| *before != now) {
            said.push((minor, now));
        }
    }
    said
}

fn says(snapshot: Snapshot, say: impl Fn(&Snapshot) -> String, expected: &[(u16, &str)]) {
    let expected: Vec<(u16, String)> = expected.iter().map(|(since, what)| (*since, (*what).to_owned())).collect();
    assert_eq!(by_version(snapshot, say), expected);
}

fn wire(pair: &PairIntent) -> String {
    pair.outcome.wire.as_str().to_owned()
}

fn call(snapshot: &Snapshot) -> String {
    wire(&ask(snapshot, "foo/sleep", "httpbin.foo:8000"))
}

/// A call that a route sends to the subset `v2`.
fn call_v2(snapshot: &Snapshot) -> String {
    let mesh = Mesh::new(snapshot);
    let client = snapshot.pods.iter().find(|pod| pod.meta.key() == "foo/sleep").unwrap();
    let server = mesh.servers().into_iter().find(|server| server.display_name() == "httpbin.foo:8000").unwrap();
    wire(&mesh.pair_to_subset(client, &server, "v2"))
}

fn chains(snapshot: &Snapshot) -> Vec<kubectl_mtls::model::filter_chain::FilterChain> {
    let pod = snapshot.pods.iter().find(|pod| pod.meta.key() == "foo/httpbin").unwrap();
    Mesh::new(snapshot).inbound_chains(pod)
}

/// A DestinationRule of foo for httpbin.foo.
fn spec(spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: some, namespace: foo}}\n\
         spec: {{host: httpbin.foo.svc.cluster.local, {spec}}}\n---\n"
    )
}

/// `pilot/pkg/networking/core/filterchain_options.go`.
#[test]
fn permissive_http_ports_take_peer_exchange_since_1_10() {
    let takes = |snapshot: &Snapshot| {
        let of_port = chains(snapshot).into_iter().find(|chain| chain.port.is_some_and(|port| port.0 == 80)).unwrap();
        of_port.alpn.contains(&"istio-peer-exchange".to_owned()).to_string()
    };
    says(with(""), takes, &[(9, "false"), (10, "true")]);
}

/// `pilot/pkg/model/push_context.go:BestEffortInferServiceMTLSMode`.
#[test]
fn passthrough_looks_at_the_endpoints_since_1_10() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: some, namespace: foo}\n\
                spec: {host: httpbin.legacy.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}\n---\n";
    let legacy = |snapshot: &Snapshot| wire(&ask(snapshot, "foo/sleep", "httpbin.legacy:8000"));
    says(with(rule), legacy, &[(9, "refused"), (10, "plaintext")]);
}

/// `pilot/pkg/xds/mtls_checker.go`: the label alone counted.
#[test]
fn workload_policies_unmark_endpoints_since_1_12() {
    let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: open, namespace: foo}\n\
                  spec: {selector: {matchLabels: {app: httpbin}}, mtls: {mode: DISABLE}}\n---\n";
    says(with(policy), call, &[(9, "refused"), (12, "plaintext")]);
}

/// `pilot/pkg/xds/mtls_checker.go`: from 1.12 to 1.18 the first subset whose labels fit the endpoint was asked.
#[test]
fn a_subset_is_marked_by_its_own_policy_since_1_19() {
    let subsets = spec(
        "subsets: [{name: v1, labels: {app: httpbin}, trafficPolicy: {tls: {mode: DISABLE}}}, \
         {name: v2, labels: {app: httpbin}}]",
    );
    says(with(&subsets), call_v2, &[(9, "mutual-tls"), (12, "plaintext"), (19, "mutual-tls")]);
}

/// `pilot/pkg/xds/endpoints/mtls_checker.go:tlsModeForDestinationRule`, PR 60792; before 1.19 the top level was asked as well.
#[test]
fn a_subset_without_tls_is_marked_by_the_top_level_since_1_31() {
    let rule = spec(
        "trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v2, labels: {app: httpbin}, trafficPolicy: \
         {portLevelSettings: [{port: {number: 8000}, connectionPool: {tcp: {maxConnections: 9}}}]}}]",
    );
    let expected = [(9, "mutual-tls"), (12, "plaintext"), (19, "mutual-tls"), (31, "plaintext")];
    says(with(&rule), call_v2, &expected);
}

/// `ENABLE_TLS_ON_SIDECAR_INGRESS`, which is off by default.
#[test]
fn a_sidecar_can_end_tls_of_its_own_since_1_13() {
    let sidecar = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: own, namespace: foo}\n\
                   spec: {workloadSelector: {labels: {app: httpbin}}, ingress: [{port: {number: 80, protocol: HTTPS, name: https}, \
                   defaultEndpoint: '127.0.0.1:8080', tls: {mode: SIMPLE, serverCertificate: /c.pem, privateKey: /k.pem}}]}\n---\n";
    let ends = |snapshot: &Snapshot| chains(snapshot).iter().any(|chain| chain.own_tls.is_some()).to_string();
    let mut snapshot = with(&(peer("foo", "default", "DISABLE") + sidecar));
    says(snapshot.clone(), ends, &[(9, "false")]);
    for profile in &mut snapshot.profiles {
        profile.tls_on_sidecar_ingress = true;
    }
    says(snapshot, ends, &[(9, "false"), (13, "true")]);
}

/// `pilot/pkg/model/sidecar.go:DestinationRule`.
#[test]
fn a_workload_selector_counts_since_1_14() {
    let rule = spec("workloadSelector: {matchLabels: {app: web}}, trafficPolicy: {tls: {mode: DISABLE}}");
    says(with(&rule), call, &[(9, "plaintext"), (14, "mutual-tls")]);
}

/// PR 44918.
#[test]
fn own_tls_keeps_its_alpn_since_1_19() {
    let overridden = |snapshot: &Snapshot| {
        let pair = ask(snapshot, "foo/sleep", "httpbin.foo:8000");
        pair.originates.tls.unwrap().alpn_override.to_string()
    };
    says(with(&rule("some", "SIMPLE")), overridden, &[(9, "true"), (19, "false")]);
}

/// PR 46678. The port's entry has no TLS, so that the cluster is one of automatic mutual TLS.
#[test]
fn own_tls_unmarks_endpoints_since_1_20() {
    let rule = spec(
        "trafficPolicy: {tls: {mode: SIMPLE}, portLevelSettings: [{port: {number: 8000}, \
         connectionPool: {tcp: {maxConnections: 9}}}]}",
    );
    says(with(&rule), call, &[(9, "mutual-tls"), (20, "plaintext")]);
}

/// `VERIFY_CERTIFICATE_AT_CLIENT`.
#[test]
fn own_tls_is_verified_with_the_systems_roots_since_1_21() {
    let verified = |snapshot: &Snapshot| {
        let pair = ask(snapshot, "foo/sleep", "httpbin.foo:8000");
        (pair.originates.tls.unwrap().validation == ServerValidation::System).to_string()
    };
    says(with(&rule("some", "SIMPLE")), verified, &[(9, "false"), (21, "true")]);
}

/// `ENABLE_EXTERNAL_NAME_ALIAS`: before, a DNS cluster whose endpoint is not marked.
#[test]
fn another_name_for_a_service_is_the_service_since_1_21() {
    let name = "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: foo}\n\
                spec: {type: ExternalName, externalName: httpbin.foo.svc.cluster.local, ports: [{name: http, port: 8000}]}\n---\n";
    let sent = |snapshot: &Snapshot| ask(snapshot, "foo/sleep", "other.foo:8000").originates.kind.as_str().to_owned();
    says(with(name), sent, &[(9, "plaintext"), (21, "mutual-tls")]);
}

/// `ENABLE_ENHANCED_DESTINATIONRULE_MERGE`: what is exported to everybody is merged into what is not, and the first policy counts whole;
/// since 1.24 they stay apart and the client's namespace has both.
#[test]
fn rules_merge_by_their_export_sets_since_1_24() {
    let two = rule("a", "ISTIO_MUTUAL")
        + "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: b, namespace: foo}\n\
           spec: {host: httpbin.foo.svc.cluster.local, exportTo: ['*'], trafficPolicy: {tls: {mode: DISABLE}}}\n---\n";
    says(with(&two), call, &[(9, "mutual-tls"), (24, "plaintext")]);
}

/// `pilot/pkg/networking/core/cluster_tls.go:buildUpstreamClusterTLSContext`: other credentials are for gateways, and a sidecar's
/// cluster loses its TLS in silence.
#[test]
fn config_maps_are_credentials_of_sidecars_since_1_26() {
    let rule = spec("trafficPolicy: {tls: {mode: SIMPLE, credentialName: 'configmap://foo/roots'}}");
    let sent = |snapshot: &Snapshot| ask(snapshot, "foo/sleep", "httpbin.foo:8000").originates.kind.as_str().to_owned();
    says(with(&rule), sent, &[(9, "plaintext"), (26, "tls")]);
}

/// `pilot/pkg/model/push_context.go:sortConfigBySelectorAndCreationTime`: a rule that comes first takes in what those after it have.
#[test]
fn rules_that_select_clients_come_first_since_1_23() {
    let of = |name: &str, spec: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: foo}}\n\
             spec: {{host: httpbin.foo.svc.cluster.local, exportTo: ['.'], {spec}}}\n---\n"
        )
    };
    let two =
        of("a", "trafficPolicy: {tls: {mode: DISABLE}}") + &of("b", "workloadSelector: {matchLabels: {app: sleep}}");
    // Before 1.14 the selector is nothing, then the rule with it stands alone, and says nothing.
    says(with(&two), call, &[(9, "plaintext"), (14, "mutual-tls"), (23, "plaintext")]);
}
