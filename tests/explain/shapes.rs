//! Explanations as people see them, one of each shape, from manifests on one screen.

use kubectl_mtls::audit::fixes::Wanted;
use kubectl_mtls::decode::manifests;
use kubectl_mtls::gather::check::{Known, offline};
use kubectl_mtls::gather::scope::Scope;
use kubectl_mtls::print::narrative::{Told, write};

/// The tutorial's namespaces: `foo` and `bar` with sidecars, `legacy` without; sleep and httpbin in each.
const WORLD: &str = include_str!("world.yaml");

fn explained(policies: &str, service: &str, from: &[&str], weaker: bool) -> String {
    let mut objects = Vec::new();
    for (file, text) in [("world.yaml", WORLD), ("policies.yaml", policies)] {
        let (read, problems) = manifests::parse(file, text, "default");
        assert!(problems.is_empty(), "{problems:?}");
        objects.extend(read);
    }
    let scope = Scope {
        services: vec![service.parse().unwrap()],
        from: from.iter().map(|name| name.parse().unwrap()).collect(),
        fixes: Wanted { all: true, weaker },
        ..Scope::default()
    };
    let checked = offline(objects.into_iter().collect(), &scope, &Known::default(), "default");
    let mut out = Vec::new();
    let now = Some("2026-11-21T12:00:00Z".parse().unwrap());
    write(&checked.unwrap().report, &Told { now, weaker, ..Told::default() }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A PeerAuthentication of one line.
fn peer(namespace: &str, name: &str, spec: &str) -> String {
    let kind = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication";
    format!("{kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n")
}

/// A DestinationRule of one line.
fn rule(namespace: &str, name: &str, spec: &str) -> String {
    let kind = "apiVersion: networking.istio.io/v1\nkind: DestinationRule";
    format!("{kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n")
}

const STRICT: &str = "{mtls: {mode: STRICT}}";

#[test]
fn mutual_tls_by_default() {
    insta::assert_snapshot!(explained("", "httpbin.bar", &["sleep.foo"], false));
}

#[test]
fn a_conflict_names_both_ends_and_the_smallest_change() {
    let policies = peer("bar", "httpbin", "{selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}}")
        + &rule("bar", "httpbin", "{host: httpbin.bar.svc.cluster.local, trafficPolicy: {tls: {mode: DISABLE}}}");
    insta::assert_snapshot!(explained(&policies, "httpbin.bar", &["sleep.foo"], false));
}

#[test]
fn clients_that_fare_alike_are_told_together() {
    let policies = peer("istio-system", "default", STRICT);
    insta::assert_snapshot!(explained(&policies, "httpbin.bar", &[], false));
}

#[test]
fn what_weakens_is_shown_only_when_asked_for_and_says_so() {
    let policies = peer("bar", "default", STRICT);
    insta::assert_snapshot!(explained(&policies, "httpbin.bar", &["sleep.legacy"], true));
}

#[test]
fn each_loser_says_why_it_lost() {
    let policies = peer("istio-system", "mesh", STRICT)
        + &peer("istio-system", "selecting", "{selector: {matchLabels: {app: httpbin}}, mtls: {mode: DISABLE}}")
        + &peer("bar", "a", "{mtls: {mode: PERMISSIVE}}")
        + &peer("bar", "b", STRICT)
        + &peer("bar", "unset", "{selector: {matchLabels: {app: httpbin}}, portLevelMtls: {80: {mode: STRICT}}}")
        + &rule("bar", "private", "{host: httpbin, exportTo: ['.'], trafficPolicy: {tls: {mode: DISABLE}}}")
        + &rule("legacy", "elsewhere", "{host: httpbin.bar.svc.cluster.local, trafficPolicy: {tls: {mode: SIMPLE}}}");
    insta::assert_snapshot!(explained(&policies, "httpbin.bar", &["sleep.foo"], false));
}

#[test]
fn tls_settings_that_a_port_entry_replaces() {
    let policies = peer("bar", "default", STRICT)
        + &rule(
            "bar",
            "httpbin",
            "{host: httpbin, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 8000}, tls: {mode: DISABLE}}]}}",
        );
    insta::assert_snapshot!(explained(&policies, "httpbin.bar", &["sleep.foo"], false));
}

#[test]
fn a_downgrade_is_mended_although_nothing_is_refused() {
    let policies = rule("bar", "httpbin", "{host: httpbin, trafficPolicy: {tls: {mode: DISABLE}}}");
    insta::assert_snapshot!(explained(&policies, "httpbin.bar", &["sleep.foo"], false));
}

#[test]
fn mutual_tls_towards_pods_without_a_sidecar() {
    let policies = rule("legacy", "httpbin", "{host: httpbin, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}");
    insta::assert_snapshot!(explained(&policies, "httpbin.legacy", &["sleep.foo"], false));
}

#[test]
fn an_object_that_a_tool_owns_says_so() {
    let policies = peer("bar", "default", STRICT)
        + "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
           metadata: {name: httpbin, namespace: bar, labels: {argocd.argoproj.io/instance: shop}}\n\
           spec: {host: httpbin, trafficPolicy: {tls: {mode: SIMPLE}}}\n";
    insta::assert_snapshot!(explained(&policies, "httpbin.bar", &["sleep.foo"], false));
}

#[test]
fn a_sidecar_that_hides_the_service() {
    let policies = "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: default, namespace: foo}\n\
                    spec: {outboundTrafficPolicy: {mode: REGISTRY_ONLY}, egress: [{hosts: ['./*']}]}\n";
    insta::assert_snapshot!(explained(policies, "httpbin.bar", &["sleep.foo"], false));
}

#[test]
fn a_host_outside_the_mesh() {
    let policies = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: api, namespace: foo}\n\
                    spec: {hosts: [api.example.com], location: MESH_EXTERNAL, resolution: DNS, ports: [{number: 443, name: tls, protocol: TLS}]}\n";
    insta::assert_snapshot!(explained(policies, "api.example.com", &["sleep.foo", "sleep.legacy"], false));
}

#[test]
fn a_service_that_nobody_serves_and_a_client_that_is_its_own_server() {
    let policies = "apiVersion: v1\nkind: Service\nmetadata: {name: empty, namespace: bar}\n\
                    spec: {selector: {app: nobody}, ports: [{name: http, port: 80}]}\n";
    insta::assert_snapshot!(explained(policies, "empty.bar", &["sleep.foo"], false));
    insta::assert_snapshot!("its_own_server", explained("", "httpbin.bar", &["httpbin.bar"], false));
}
