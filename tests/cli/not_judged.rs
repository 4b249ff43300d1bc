//! Pods that nothing is told about are named, and no row claims to know.

use super::mtls;

const AMBIENT: &str = "
apiVersion: v1
kind: Pod
metadata: {name: sleep-1, namespace: amb, annotations: {ambient.istio.io/redirection: enabled}}
spec: {containers: [{name: sleep}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: httpbin-1, namespace: amb, labels: {app: httpbin}, annotations: {ambient.istio.io/redirection: enabled}}
spec: {containers: [{name: httpbin, ports: [{containerPort: 80}]}]}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin, namespace: amb}
spec: {clusterIP: 10.96.0.2, selector: {app: httpbin}, ports: [{name: http, port: 8000, targetPort: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sleep-1, namespace: foo}
spec: {containers: [{name: sleep}, {name: istio-proxy}]}
status: {podIP: 10.0.0.3}
";

fn windows(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: foo}}\n\
         spec: {{nodeSelector: {{kubernetes.io/os: windows}}, containers: [{{name: app}}]}}\n"
    )
}

#[test]
fn ambient_pods_are_named_and_their_columns_claim_nothing() {
    let ended = mtls(&["check", "-A", "-f", "mesh.yaml"]).file("mesh.yaml", AMBIENT).end().status(0);
    let ended = ended.stderr(&["not judged: 2 pods in ambient mode: amb/httpbin-1, amb/sleep-1\n"]);
    let rows: Vec<Vec<&str>> = ended.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let row = |client: &str| rows.iter().find(|row| row.first() == Some(&client)).unwrap()[2..].to_vec();
    assert_eq!(row("sleep-1.amb"), ["unknown", "?(ambient)", "?(ambient)", "-", "-", "-"]);
    assert_eq!(row("sleep-1.foo"), ["unknown", "plaintext(auto)", "?(ambient)", "-", "-", "-"]);
}

#[test]
fn pods_on_windows_are_no_clients_and_named() {
    let mesh = AMBIENT.to_owned() + &windows("win-1");
    let ended = mtls(&["check", "-A", "-f", "mesh.yaml"]).file("mesh.yaml", mesh).end().status(0);
    assert!(!ended.stdout.contains("win-1"), "{}", ended.stdout);
    let _ = ended.stderr(&["not judged: 1 pod on Windows, where Istio has no proxy: foo/win-1\n"]);
}

#[test]
fn of_many_the_first_are_named_and_the_document_has_all() {
    let mesh = AMBIENT.to_owned() + &(1..=8).map(|number| windows(&format!("win-{number}"))).collect::<String>();
    let ended = mtls(&["check", "-A", "-f", "mesh.yaml", "-o", "jsonpath={.mesh.notJudged[1].pods[7]}"]);
    let ended = ended.file("mesh.yaml", mesh).end().status(0).stdout(&["foo/win-8"]);
    let _ = ended.stderr(&["8 pods on Windows, where Istio has no proxy: foo/win-1, foo/win-2, foo/win-3, foo/win-4, foo/win-5 + 3 more...\n"]);
}
