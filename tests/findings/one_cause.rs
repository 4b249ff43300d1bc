//! A cause is told once, by the code that names it best; the same where pairs are only counted.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::findings::world::{BASE, dr, pa};

/// `CODE title` of every finding, listed and summed up.
fn told(more: &str) -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mesh.yaml"), format!("{BASE}{more}")).unwrap();
    let of = |args: &[&str]| -> BTreeSet<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
        let output = command.args(["check", "-f", "mesh.yaml", "-o", "json"]).args(args).current_dir(directory.path());
        let report: Value = serde_json::from_slice(&output.output().unwrap().stdout).unwrap();
        let findings = report.get("findings").and_then(Value::as_array).unwrap().iter();
        let field = |finding: &Value, name: &str| finding.get(name).and_then(Value::as_str).unwrap().to_owned();
        findings.map(|finding| format!("{} {}", field(finding, "code"), field(finding, "title"))).collect()
    };
    let listed = of(&[]);
    assert_eq!(listed, of(&["--summary"]), "{more}");
    listed
}

/// The codes without those about the pods without sidecars that the mesh always has.
fn codes(more: &str) -> Vec<String> {
    let code = |line: &String| line.split(' ').next().unwrap().to_owned();
    told(more).iter().map(code).filter(|code| code != "MTLS105").collect()
}

fn rule(policy: &str) -> String {
    dr("foo", "rule", &format!("{{host: httpbin, trafficPolicy: {{{policy}}}}}"))
}

#[test]
fn a_rule_without_mode_is_no_downgrade_beside_it() {
    assert_eq!(codes(&rule("tls: {mode: DISABLE}")), ["MTLS102"]);
    assert_eq!(codes(&rule("tls: {}")), ["MTLS211"]);
    // What decides is another field of the rule: two causes.
    let beside = "tls: {}, portLevelSettings: [{port: {number: 8000}, tls: {mode: DISABLE}}]";
    assert_eq!(codes(&rule(beside)), ["MTLS102", "MTLS211"]);
}

#[test]
fn an_application_that_runs_as_the_proxy_is_no_downgrade_beside_it() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: batch, namespace: foo, labels: {app: batch}}\n\
               spec: {containers: [{name: batch, image: batch, securityContext: {runAsUser: 1337}}]}\n---\n";
    assert_eq!(codes(pod), ["MTLS404"]);
    // The rule is the cause for the others.
    assert_eq!(codes(&(rule("tls: {mode: DISABLE}") + pod)), ["MTLS102", "MTLS404"]);
}

/// A headless Service is dialled at its pods' addresses, where its port has to be the application's own.
#[test]
fn a_port_that_nobody_listens_on_is_refused_by_no_policy() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: direct, namespace: foo}\n\
                   spec: {clusterIP: None, selector: {app: httpbin}, ports: [{name: http, port: 8008, targetPort: 80}]}\n---\n";
    assert_eq!(codes(service), ["MTLS106"]);
    assert_eq!(codes(&(pa("foo", "default", "{mtls: {mode: STRICT}}") + service)), ["MTLS104", "MTLS106"]);
}

#[test]
fn tls_of_a_clients_own_is_told_wherever_a_sidecar_stands_behind() {
    let of = |mode: &str, more: &str| -> Vec<String> {
        let rule = dr("foo", "rule", &format!("{{host: pods, trafficPolicy: {{tls: {{{mode}}}}}}}"));
        told(&(rule + more)).into_iter().filter(|line| line.starts_with("MTLS107")).collect()
    };
    let (simple, mutual) = ("mode: SIMPLE", "mode: MUTUAL, clientCertificate: /c, privateKey: /k");
    let says = |what: &str| {
        vec![format!(
            "MTLS107 dr/rule.foo makes clients send TLS that is not the mesh's to pods with a sidecar: 2 pairs, {what}"
        )]
    };
    let passed = "passed on to an application that has to speak TLS itself";
    assert_eq!(of(simple, ""), says(passed));
    assert_eq!(of(mutual, &pa("foo", "default", "{mtls: {mode: DISABLE}}")), says(passed));
    let strict = pa("foo", "default", "{mtls: {mode: STRICT}}");
    assert_eq!(of(mutual, &strict), says("taken with a certificate of the mesh alone"));
    // Refused outright is the contradiction of two policies.
    assert_eq!(of(simple, &strict), Vec::<String>::new());
    // No sidecar to pass it by.
    let legacy = dr("foo", "rule", "{host: httpbin.legacy.svc.cluster.local, trafficPolicy: {tls: {mode: SIMPLE}}}");
    assert!(told(&legacy).iter().all(|line| !line.starts_with("MTLS107")));
}
