//! The tables of five published tutorials: what their authors saw, and what modern Istio does (format: head of the file).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use kubectl_mtls::decode::{Assume, ProblemSeverity};
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::wire::Wire;
use kubectl_mtls::model::workload::Pod;
use serde::Deserialize;

use crate::intent::support::plain;

#[derive(Deserialize)]
struct Tables {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    kind: String,
    #[serde(default)]
    istio: String,
    #[serde(default)]
    namespaces: serde_json::Value,
    #[serde(default)]
    policies: Option<String>,
    #[serde(default)]
    default_namespace: Option<String>,
    #[serde(default)]
    rows: Vec<Row>,
    modern: Modern,
}

#[derive(Deserialize, Clone)]
struct Row {
    client: String,
    server: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    exit: Option<u8>,
    #[serde(default)]
    xfcc: Option<String>,
}

#[derive(Deserialize)]
struct Modern {
    is: String,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    rows: Vec<Row>,
}

/// Requests between sleep and httpbin that no gateway, token or authorization policy takes part in.
const REQUESTS: [&str; 9] = [
    "000-default-permissive",
    "000-workload-strict",
    "002-xfcc-full-to-part",
    "003-single",
    "003-xfcc-foo-to-foo",
    "003-xfcc-foo-to-legacy",
    "003-foo-overwrite-disable",
    "004-xfcc-foo-to-foo",
    "004-xfcc-foo-to-legacy",
];

/// What the note of `004-bar-workload-strict` concludes about manifests that the tutorial lost.
const LOST_POLICIES: &str = "
apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata: {name: httpbin, namespace: bar}
spec: {selector: {matchLabels: {app: httpbin}}, mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1beta1
kind: DestinationRule
metadata: {name: httpbin, namespace: bar}
spec: {host: httpbin.bar.svc.cluster.local, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
";

#[test]
fn every_row_of_the_tutorials_follows_from_the_rules_of_its_version() {
    let tables: Tables = serde_saphyr::from_str(include_str!("../vectors/seed-tables.yaml")).unwrap();
    let told = |entry: &&Entry| entry.kind == "matrix" || REQUESTS.contains(&entry.id.as_str());
    let (mut rows, mut differences) = (0, Vec::new());
    for entry in tables.entries.iter().filter(told) {
        for version in versions(entry) {
            let snapshot = world(entry, version);
            let mesh = Mesh::new(&snapshot);
            for row in &entry.rows {
                rows += 1;
                let expected = in_version(entry, row, version);
                if let Some(difference) = check(&mesh, &expected) {
                    let Row { client, server, .. } = row;
                    differences.push(format!("{} at {version}: {client} -> {server}: {difference}", entry.id));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{} of {rows} rows differ:\n{}", differences.len(), differences.join("\n"));
    assert!(rows >= 450, "only {rows} rows were checked");
}

/// The version the author used, and the newest.
fn versions(entry: &Entry) -> Vec<IstioVersion> {
    let own = match entry.istio.as_str() {
        "1.9.2" => IstioVersion::OLDEST,
        "about 1.12" => IstioVersion::minor(12),
        _ => IstioVersion::minor(20),
    };
    vec![own, IstioVersion::NEWEST]
}

/// A row as it is in a version: where the author's differs from modern Istio, the modern one from its version on.
fn in_version(entry: &Entry, row: &Row, version: IstioVersion) -> Row {
    let since: IstioVersion = entry.modern.since.as_deref().unwrap_or("1.9").parse().unwrap();
    let modern = entry.modern.rows.iter().find(|modern| modern.client == row.client && modern.server == row.server);
    match modern {
        Some(modern) if entry.modern.is == "differs" && version >= since => modern.clone(),
        Some(_) | None => row.clone(),
    }
}

fn check(mesh: &Mesh<'_>, row: &Row) -> Option<String> {
    let client = mesh.snapshot().pods.iter().find(|pod| named(pod) == row.client).unwrap();
    let server =
        mesh.servers().into_iter().find(|server| format!("{}.{}", server.service, server.namespace) == row.server);
    let pair = mesh.pair(client, &server.unwrap());
    let Some(symptom) = pair.symptom.clone() else {
        return Some(format!("no symptom for {:?}", pair.outcome));
    };
    let code = row.code.as_ref().is_none_or(|code| symptom.http.contains(code));
    let exit = row.exit.is_none_or(|exit| symptom.exit.contains(&exit));
    let wire = match row.xfcc.as_deref() {
        None | Some("not-asked") => true,
        Some("absent") => pair.outcome.wire != Wire::MutualTls,
        Some(_) => pair.outcome.wire == Wire::MutualTls,
    };
    (!code || !exit || !wire).then(|| {
        let Row { code, exit, xfcc, .. } = row;
        format!("ours {:?} {symptom:?}, table {code:?} {exit:?} {xfcc:?}", pair.outcome)
    })
}

fn named(pod: &Pod) -> String {
    pod.display_name()
}

/// The tutorials' world: sleep and httpbin in each namespace, Service port 8000 (http) to container port 80.
fn world(entry: &Entry, version: IstioVersion) -> Snapshot {
    let mut text = String::new();
    for (namespace, workloads) in placed(entry) {
        for (name, sidecar) in workloads {
            let account = name.strip_suffix("-nosidecar").unwrap_or(&name).to_owned();
            let (label, proxy) = if sidecar {
                (", security.istio.io/tlsMode: istio", ", {name: istio-proxy, image: proxyv2}")
            } else {
                ("", "")
            };
            writeln!(
                text,
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}{label}}}}}\n\
                 spec: {{serviceAccountName: {account}, containers: [{{name: app, image: {account}}}{proxy}]}}\n---"
            )
            .unwrap();
        }
        writeln!(
            text,
            "apiVersion: v1\nkind: Service\nmetadata: {{name: httpbin, namespace: {namespace}}}\n\
             spec: {{selector: {{app: httpbin}}, ports: [{{name: http, port: 8000, targetPort: 80}}]}}\n---"
        )
        .unwrap();
    }
    let assume = Assume { istio_version: Some(version), ..Assume::default() };
    let mut snapshot = plain(&text, &assume);
    let policies = match entry.id.as_str() {
        "004-bar-workload-strict" => LOST_POLICIES,
        _ => entry.policies.as_deref().unwrap_or_default(),
    };
    if policies.contains("kind:") {
        let namespace = entry.default_namespace.as_deref().unwrap_or("default");
        let (objects, problems) = kubectl_mtls::decode::manifests::parse("policies.yaml", policies, namespace);
        let refused = problems.iter().any(|problem| problem.severity == ProblemSeverity::Error);
        assert!(!refused, "{}: {problems:?}", entry.id);
        let (own, _) = kubectl_mtls::decode::snapshot(&objects, &assume);
        snapshot.peer_authentications = own.peer_authentications;
        snapshot.destination_rules = own.destination_rules;
    }
    snapshot
}

/// Which workloads an entry's namespaces hold, and whether each has a sidecar.
fn placed(entry: &Entry) -> BTreeMap<String, BTreeMap<String, bool>> {
    let word = |value: &serde_json::Value| value.as_str() == Some("sidecar");
    let namespaces = entry.namespaces.as_object().unwrap();
    namespaces
        .iter()
        .map(|(namespace, value)| {
            let workloads = match value.as_object() {
                Some(each) => each.iter().map(|(name, value)| (name.clone(), word(value))).collect(),
                None => ["sleep", "httpbin"].iter().map(|name| ((*name).to_owned(), word(value))).collect(),
            };
            (namespace.clone(), workloads)
        })
        .collect()
}
