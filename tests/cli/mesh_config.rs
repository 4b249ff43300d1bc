//! `--mesh-config` beside `-f`: as istioctl takes it, or the ConfigMap; what is no mesh configuration ends the matter.

use crate::cli::mtls;

/// sleep.foo with a sidecar calls httpbin.foo with one.
const MESH: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sleep, namespace: foo, labels: {app: sleep, security.istio.io/tlsMode: istio}}
spec: {containers: [{name: sleep, image: x}, {name: istio-proxy, image: istio/proxyv2:1.31.0}]}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin, namespace: foo, labels: {app: httpbin, security.istio.io/tlsMode: istio}}
spec: {containers: [{name: httpbin, image: x}, {name: istio-proxy, image: istio/proxyv2:1.31.0}]}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: foo}
spec: {selector: {app: httpbin}, ports: [{name: http, port: 8000, targetPort: 80}]}
";

const ASK: [&str; 7] =
    ["check", "-f", "mesh.yaml", "--from", "sleep.foo", "-o", "jsonpath={.mesh.autoMtls} {.pairs[0].verdict}"];

#[test]
fn it_is_a_mesh_config_or_the_config_map_of_one() {
    for (config, expected) in [
        ("{}", "true mutual-tls"),
        ("", "true mutual-tls"),
        ("enableAutoMtls: false\n", "false plaintext"),
        ("\u{feff}{\"enableAutoMtls\": false}", "false plaintext"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata:\n  mesh: |\n    enableAutoMtls: false\n",
            "false plaintext",
        ),
    ] {
        let run = mtls(&[&ASK[..], &["--mesh-config", "config.yaml"]].concat()).file("mesh.yaml", MESH);
        run.file("config.yaml", config).end().status(0).stdout(&[expected]);
    }
}

#[test]
fn what_is_none_is_refused_and_nothing_is_answered() {
    for (config, why) in [
        ("- a\n", "this is no MeshConfig: it has no fields"),
        ("a: {}\n---\nb: {}\n", "it holds 2 documents, not one"),
        ("kind: ConfigMap\ndata: {}\n", "this ConfigMap has no `data.mesh`"),
        ("apiVersion: v1\nkind: Pod\n", "this is a Pod, neither a MeshConfig nor the ConfigMap that holds one"),
        ("a: [\n", "error: cannot use `config.yaml` as mesh configuration: line "),
    ] {
        let run = mtls(&[&ASK[..], &["--mesh-config", "config.yaml"]].concat()).file("mesh.yaml", MESH);
        run.file("config.yaml", config).end().status(3).no_stdout().stderr(&[why]);
    }
    let run = mtls(&[&ASK[..], &["--mesh-config", "absent.yaml"]].concat()).file("mesh.yaml", MESH);
    run.end().status(3).no_stdout().stderr(&["error: cannot read `absent.yaml`"]);
    mtls(&["check", "--mesh-config", "config.yaml"]).end().status(2).no_stdout().stderr(&["--filename"]);
}
