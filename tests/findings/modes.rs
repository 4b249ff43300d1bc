//! Policies without a mode, exceptions to STRICT, STRICT that protects nothing, and what spoils it without being a policy.

use crate::findings::world::{mesh, pa, says, silent, told};

const STRICT: &str = "{mtls: {mode: STRICT}}";

/// Every finding but these codes.
fn but(more: &str, left_out: &[&str]) -> Vec<String> {
    let all = told(&mesh(more));
    all.into_iter().filter(|line| !left_out.iter().any(|code| line.starts_with(code))).collect()
}

fn web(rest: &str) -> String {
    pa("foo", "web", &format!("{{selector: {{matchLabels: {{app: web}}}}, {rest}}}"))
}

fn pod(name: &str, annotations: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: foo, labels: {{app: web, tier: front}}, \
         annotations: {{{annotations}}}}}\nspec: {{{spec}containers: [{{name: web, image: web}}]}}\n---\n"
    )
}

const NOT_INJECTED: &str = "sidecar.istio.io/inject: 'false'";

#[test]
fn a_policy_without_a_mode_takes_that_of_the_layer_above() {
    says(&web("mtls: {}"), &["MTLS213 pa/web.foo sets no mode: it takes PERMISSIVE from the default"]);
    says(
        &(web("mtls: {mode: UNSET}") + &pa("foo", "default", STRICT)),
        &["MTLS213 pa/web.foo sets no mode: it takes STRICT from pa/default.foo"],
    );
    says(
        &(pa("foo", "a", "{mtls: {mode: UNSET}}") + &pa("foo", "b", STRICT)),
        &[
            "MTLS201 pa/b.foo is ignored: `a` is as old and comes first by name; only the oldest policy without selector of a \
             namespace counts; its STRICT is not in force",
            "MTLS213 pa/a.foo sets no mode: it takes PERMISSIVE from the default, and keeps `b`, which is younger, from \
             counting",
        ],
    );
}

#[test]
fn a_mode_that_slipped_is_told_once() {
    says(
        &pa("foo", "web", "{selector: {matchLabels: {app: web}, mtls: {mode: STRICT}}}"),
        &["MTLS205 pa/web.foo: `spec.selector.mtls` (did you mean `spec.mtls`?) is no field and is dropped"],
    );
}

#[test]
fn an_exception_to_strict_is_told() {
    let strict = pa("foo", "default", STRICT);
    says(
        &(strict.clone() + &web("mtls: {mode: PERMISSIVE}")),
        &["MTLS214 pa/web.foo lets plaintext in at web.foo: PERMISSIVE inside the STRICT of pa/default.foo"],
    );
    says(
        &(strict.clone() + &web("portLevelMtls: {8080: {mode: DISABLE}}")),
        &["MTLS214 pa/web.foo lets plaintext in at web.foo: port 8080 is DISABLE, the other ports STRICT"],
    );
    silent(&(strict.clone() + &web("portLevelMtls: {8080: {mode: STRICT}}")));
    silent(&web("mtls: {mode: PERMISSIVE}"));
    let mesh = pa("istio-system", "default", STRICT);
    says(
        &(mesh + &pa("foo", "default", "{mtls: {mode: PERMISSIVE}}")),
        &[
            "MTLS214 pa/default.foo lets plaintext in at httpbin.foo, sleep.foo, web.foo: PERMISSIVE inside the STRICT of \
           pa/default.istio-system",
        ],
    );
}

#[test]
fn strict_does_not_protect_what_no_sidecar_guards() {
    says(
        &(pa("foo", "default", STRICT) + &pod("naked", NOT_INJECTED, "")),
        &[
            "MTLS215 pa/default.foo: its STRICT does not protect naked.foo (no sidecar)",
            "MTLS402 svc/pods.foo is headless, so clients send the same to all its pods: plaintext, since naked.foo has no \
             sidecar",
        ],
    );
    assert_eq!(
        but(&(pa("legacy", "default", STRICT) + &pa("foo", "default", STRICT)), &[]),
        ["MTLS215 pa/default.legacy: its STRICT protects nothing: httpbin.legacy (no sidecar)"]
    );
    let excluded = pod("open", "traffic.sidecar.istio.io/excludeInboundPorts: '8080'", "");
    says(
        &(pa("istio-system", "default", STRICT) + &excluded),
        &["MTLS215 pa/default.istio-system: its STRICT does not protect open.foo (port 8080 is not captured)"],
    );
    assert_eq!(
        but(&(pa("foo", "default", STRICT) + &pod("host", "", "hostNetwork: true, ")), &["MTLS402"]),
        ["MTLS215 pa/default.foo: its STRICT does not protect host.foo (hostNetwork, so no sidecar)"]
    );
    // A port that no Service leads to may be left out, and PERMISSIVE promises nothing.
    silent(&(pa("foo", "default", STRICT) + &pod("open", "traffic.sidecar.istio.io/excludeInboundPorts: '9090'", "")));
    assert_eq!(but(&(web("mtls: {mode: PERMISSIVE}") + &excluded), &[]), Vec::<String>::new());
}

#[test]
fn one_pod_without_sidecar_decides_for_a_headless_service() {
    says(
        &pod("naked", NOT_INJECTED, ""),
        &[
            "MTLS402 svc/pods.foo is headless, so clients send the same to all its pods: plaintext, since naked.foo has no \
           sidecar",
        ],
    );
    silent(&pod("second", "", ""));
}

#[test]
fn a_running_pod_without_the_sidecar_of_its_namespace() {
    let running = |annotations: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: db-5d4f8c7b9-x2x4z, namespace: foo, uid: a, labels: {{app: db, \
             pod-template-hash: 5d4f8c7b9}}, annotations: {{{annotations}}}, ownerReferences: [{{apiVersion: apps/v1, kind: \
             ReplicaSet, name: db-5d4f8c7b9, uid: b, controller: true}}]}}\nspec: {{containers: [{{name: db, image: db}}]}}\n\
             status: {{phase: Running, podIP: 10.0.0.9, podIPs: [{{ip: 10.0.0.9}}]}}\n---\n"
        )
    };
    says(
        &running(""),
        &[
            "MTLS403 db.foo: 1 pod without the sidecar that namespace foo asks for, made before its label or while injection \
           failed: kubectl -n foo rollout restart deployment/db",
        ],
    );
    silent(&running(NOT_INJECTED));
}

#[test]
fn an_application_that_runs_as_the_proxy() {
    let of = |user: u32| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: app, namespace: foo, labels: {{app: app}}}}\n\
             spec: {{containers: [{{name: app, image: app, securityContext: {{runAsUser: {user}}}}}]}}\n---\n"
        )
    };
    says(
        &of(1337),
        &[
            "MTLS404 app.foo runs as user 1337, the sidecar's own: what it sends is never captured and leaves in plaintext",
        ],
    );
    silent(&of(1000));
}
