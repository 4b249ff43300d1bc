//! Sidecars for nobody.

use crate::findings::world::{says, silent};

fn sidecar(namespace: &str, app: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: some, namespace: {namespace}}}\n\
         spec: {{workloadSelector: {{labels: {{app: {app}}}}}, egress: [{{hosts: ['*/*']}}]}}\n---\n"
    )
}

#[test]
fn a_selector_that_fits_no_pod_is_for_no_proxy() {
    says(
        &sidecar("foo", "slep"),
        &["MTLS206 sidecar/some.foo is for no proxy: no pod of foo has app=slep; did you mean app=sleep?"],
    );
    silent(&sidecar("foo", "sleep"));
}

/// Istio: `pilot/pkg/model/push_context.go:getSidecarScope` looks through the Sidecars of the proxy's namespace; of the root namespace
/// only the one without selector is for others.
#[test]
fn in_the_root_namespace_a_selector_is_for_that_namespace_alone() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: egress, namespace: istio-system, labels: {app: egress}}\n\
               spec: {containers: [{name: egress, image: egress}]}\n---\n";
    says(
        &(pod.to_owned() + &sidecar("istio-system", "httpbin")),
        &[
            "MTLS206 sidecar/some.istio-system is for no proxy: no pod of istio-system has app=httpbin; with a selector it is for \
           the root namespace alone, not for the mesh",
        ],
    );
    silent(&(pod.to_owned() + &sidecar("istio-system", "egress")));
}
