//! PeerAuthentications that Istio never reads, that select nothing, that count ports of Services.

use crate::findings::world::{alone, found, mesh, pa, says, silent, told};

const STRICT: &str = "{mtls: {mode: STRICT}}";

#[test]
fn the_second_of_a_namespace_is_ignored() {
    let both = pa("foo", "a", "{mtls: {mode: PERMISSIVE}}") + &pa("foo", "b", STRICT);
    says(
        &both,
        &[
            "MTLS201 pa/b.foo is ignored: `a` is as old and comes first by name; only the oldest policy without selector of \
           a namespace counts; its STRICT is not in force",
        ],
    );
    silent(&(pa("foo", "a", STRICT) + &pa("legacy", "b", "{mtls: {mode: PERMISSIVE}}")));
}

#[test]
fn age_goes_before_the_name() {
    let dated = |name: &str, year: u16| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
             metadata: {{name: {name}, namespace: foo, creationTimestamp: '{year}-01-01T00:00:00Z'}}\n\
             spec: {{mtls: {{mode: PERMISSIVE}}}}\n---\n"
        )
    };
    says(
        &(dated("a", 2026) + &dated("b", 2025)),
        &["MTLS201 pa/a.foo is ignored: `b` is older; only the oldest policy without selector of a namespace counts"],
    );
}

#[test]
fn the_second_of_the_mesh_is_ignored() {
    says(
        &(pa("istio-system", "a", STRICT) + &pa("istio-system", "b", STRICT)),
        &[
            "MTLS201 pa/b.istio-system is ignored: `a` is as old and comes first by name; only the oldest policy without \
           selector of the mesh (the root namespace) counts",
        ],
    );
}

#[test]
fn a_selector_in_the_root_namespace_is_never_applied() {
    says(
        &pa("istio-system", "web", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}"),
        &[
            "MTLS201 pa/web.istio-system is ignored: a policy with a selector in the root namespace is never applied; its \
           STRICT is not in force",
        ],
    );
}

#[test]
fn of_two_that_select_the_same_pods_the_older_counts_whole() {
    let select = |labels: &str, rest: &str| format!("{{selector: {{matchLabels: {labels}}}, {rest}}}");
    let (web, strict) =
        (select("{app: web}", "mtls: {mode: PERMISSIVE}"), select("{tier: front}", "mtls: {mode: STRICT}"));
    says(
        &(pa("foo", "a", &web) + &pa("foo", "b", &strict)),
        &[
            "MTLS201 pa/b.foo is ignored: `a` selects its workloads too and is as old and comes first by name; only one \
           counts, and whole; its STRICT is not in force",
        ],
    );
    // The younger one has a pod of its own, and loses the other.
    let other = "apiVersion: v1\nkind: Pod\nmetadata: {name: other, namespace: foo, labels: {tier: front}}\n\
                 spec: {containers: [{name: other, image: other}]}\n---\n";
    says(
        &(pa("foo", "a", &web) + &pa("foo", "b", &strict) + other),
        &[
            "MTLS202 pa/b.foo does not count for web.foo: `a` selects it too and is as old and comes first by name; only one \
           counts, and whole",
        ],
    );
    // Where both say the same it does not matter which one counts.
    silent(&(pa("foo", "a", &strict.replace("tier: front", "app: web")) + &pa("foo", "b", &strict) + other));
}

#[test]
fn a_selector_that_fits_no_pod_does_nothing() {
    says(
        &pa("foo", "web", "{selector: {matchLabels: {app: wbe}}, mtls: {mode: STRICT}}"),
        &[
            "MTLS206 pa/web.foo does nothing: no pod of foo has app=wbe; did you mean app=web?; its STRICT is not in force",
        ],
    );
    says(
        &pa("foo", "web", "{selector: {matchLabels: {app: database}}, mtls: {mode: PERMISSIVE}}"),
        &["MTLS206 pa/web.foo does nothing: no pod of foo has app=database"],
    );
    silent(&pa("foo", "web", "{selector: {matchLabels: {app: web, tier: front}}, mtls: {mode: STRICT}}"));
}

#[test]
fn what_nobody_has_shown_is_not_missing() {
    let policy = pa("shop", "web", "{selector: {matchLabels: {app: web}}, mtls: {mode: STRICT}}");
    silent(&policy);
    assert_eq!(told(&alone(&policy)), Vec::<String>::new());
    // A machine of these labels is a workload, too.
    silent(
        &(pa("foo", "vm", "{selector: {matchLabels: {app: vm}}, mtls: {mode: STRICT}}")
            + "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: vm, namespace: foo}\n\
               spec: {address: 10.0.0.1, labels: {app: vm}}\n---\n"),
    );
}

#[test]
fn port_level_counts_container_ports() {
    let of = |port: u16| {
        format!("{{selector: {{matchLabels: {{app: web}}}}, portLevelMtls: {{{port}: {{mode: DISABLE}}}}}}")
    };
    says(
        &pa("foo", "web", &of(8000)),
        &[
            "MTLS203 pa/web.foo: portLevelMtls counts container ports; 8000 is a port of svc/web, which leads to container \
           port 8080",
        ],
    );
    says(
        &pa("foo", "web", &of(1234)),
        &["MTLS204 pa/web.foo: no Service leads to port 1234 and no container declares it"],
    );
    // A target port, a port that a container declares, the port of a headless Service.
    for port in [8080, 9090, 7000] {
        silent(&pa("foo", "web", &of(port)));
    }
}

#[test]
fn a_finding_names_the_object_with_its_place() {
    let found = found(&mesh(&pa("foo", "web", "{selector: {matchLabels: {app: none}}}")));
    let object = found.first().and_then(|finding| finding.objects.first()).unwrap();
    assert!(object.file.as_ref().is_some_and(|file| file.starts_with("mesh.yaml:")), "{object:?}");
    assert_eq!(object.field.as_deref(), Some("spec.selector.matchLabels"));
}
