//! Answers by class: they say what the list of all pairs says, and stay short.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::mtls;

/// Services with two pods each, every third namespace without sidecars, policies that contradict each other here and there.
pub(crate) fn mesh(services: usize) -> String {
    let mut mesh = String::new();
    for namespace in 0..6 {
        writeln!(mesh, "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: team-{namespace}}}").unwrap();
    }
    for number in 0..services {
        let (name, namespace) = (format!("svc-{number}"), format!("team-{}", number % 6));
        let sidecar = if number % 3 == 0 { "" } else { ", {name: istio-proxy, image: istio/proxyv2:1.31.0}" };
        let label = if number % 3 == 0 { "" } else { ", security.istio.io/tlsMode: istio" };
        write!(
            mesh,
            "---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: tcp-m, port: 9090}}]}}
"
        )
        .unwrap();
        for pod in ["a", "b"] {
            write!(
                mesh,
                "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}-{pod}, namespace: {namespace}, labels: {{app: {name}{label}}}}}
spec: {{serviceAccountName: {name}, containers: [{{name: app, image: x}}{sidecar}]}}
"
            )
            .unwrap();
        }
        let mode = one_of(["STRICT", "PERMISSIVE", "DISABLE"], number / 2);
        if number % 2 == 0 {
            write!(
                mesh,
                "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{selector: {{matchLabels: {{app: {name}}}}}, mtls: {{mode: {mode}}}, portLevelMtls: {{9090: {{mode: DISABLE}}}}}}
"
            )
            .unwrap();
        }
        let mode = one_of(["DISABLE", "ISTIO_MUTUAL", "SIMPLE"], number);
        let (to, at) = (one_of(["*", ".", "team-1"], number), number % 5);
        if number % 4 != 0 {
            write!(
                mesh,
                "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: team-{at}}}
spec: {{host: {name}.{namespace}.svc.cluster.local, exportTo: [\"{to}\"], trafficPolicy: {{tls: {{mode: {mode}}}}}}}
"
            )
            .unwrap();
        }
    }
    mesh
}

fn one_of(words: [&'static str; 3], number: usize) -> &'static str {
    words.into_iter().cycle().nth(number % words.len()).unwrap()
}

fn json(args: &[&str], mesh: &str) -> Value {
    let run = mtls(&[&["check", "-f", "mesh.yaml", "--fail-on", "never", "-o", "json"], args].concat());
    serde_json::from_str(&run.file("mesh.yaml", mesh).end().status(0).stdout).unwrap()
}

#[test]
fn a_summary_counts_what_the_list_of_all_pairs_holds() {
    let mesh = mesh(18);
    let (all, summary) = (json(&[], &mesh), json(&["--summary"], &mesh));
    assert!(all["summary"]["conflicts"].as_u64().unwrap() > 0, "{}", all["summary"]);
    assert_eq!(summary["summary"], all["summary"]);
    assert_eq!(summary["mesh"], all["mesh"]);
    assert_eq!((&summary["kind"], summary.get("pairs")), (&all["kind"], None));

    let counts = |report: &Value| -> BTreeMap<String, (u64, String)> {
        let findings = report["findings"].as_array().unwrap().iter();
        let told = |f: &Value| (f["pairCount"].as_u64().unwrap(), f["severity"].as_str().unwrap().to_owned());
        findings.map(|finding| (finding["id"].as_str().unwrap().to_owned(), told(finding))).collect()
    };
    assert_eq!(counts(&summary), counts(&all));
    for finding in all["findings"].as_array().unwrap() {
        assert_eq!(finding["pairs"].as_array().unwrap().len() as u64, finding["pairCount"], "{}", finding["id"]);
    }
    for finding in summary["findings"].as_array().unwrap() {
        let named = finding["pairs"].as_array().unwrap().len() as u64;
        assert_eq!(named, finding["pairCount"].as_u64().unwrap().min(5), "{}", finding["id"]);
    }
}

#[test]
fn classes_add_up_to_the_pairs_and_name_pairs_that_exist() {
    let mesh = mesh(18);
    let (all, summary) = (json(&[], &mesh), json(&["--summary"], &mesh));
    let pairs: BTreeMap<&str, &Value> =
        all["pairs"].as_array().unwrap().iter().map(|pair| (pair["id"].as_str().unwrap(), pair)).collect();
    let classes = summary["classes"].as_array().unwrap();
    let total: u64 = classes.iter().map(|class| class["pairs"].as_u64().unwrap()).sum();
    assert_eq!(total, all["summary"]["pairs"]);
    for class in classes {
        for id in class["first"].as_array().unwrap() {
            let pair = pairs[id.as_str().unwrap()];
            assert_eq!(pair["verdict"], class["verdict"], "{id}");
            assert_eq!(pair["conflict"], class["conflict"], "{id}");
            assert_eq!(pair["originates"]["mode"], class["originates"]["mode"], "{id}");
            assert_eq!(pair["client"]["proxy"], class["clientProxy"], "{id}");
        }
    }
}

#[test]
fn more_pairs_than_can_be_listed_are_refused_with_a_way_out() {
    let mesh = mesh(160);
    for format in [&["-o", "json"][..], &["-o", "name"], &["-o", "jsonpath={.summary}"], &["--pairs", "all"]] {
        mtls(&[&["check", "-f", "mesh.yaml"], format].concat())
            .file("mesh.yaml", &mesh)
            .end()
            .status(2)
            .stderr(&["error: 102400 pairs are too many to list one by one (at most 100000)", "hint: --summary"])
            .no_stdout();
    }
    let narrow =
        ["check", "-f", "mesh.yaml", "-o", "json", "svc-3.team-3", "--from", "team-1/svc-1-a", "--fail-on", "never"];
    mtls(&narrow).file("mesh.yaml", &mesh).end().status(0);
    for format in [&[][..], &["--summary"], &["--summary", "-o", "json"]] {
        mtls(&[&["check", "-f", "mesh.yaml"], format].concat()).file("mesh.yaml", &mesh).end().status(1);
    }
}

#[test]
fn a_summary_is_a_page() {
    let ended = mtls(&["check", "-f", "mesh.yaml", "--summary"]).file("mesh.yaml", mesh(12)).end().status(1);
    insta::assert_snapshot!(ended.stdout);
}

#[test]
fn beyond_the_limit_a_row_stands_for_every_client_that_fares_alike() {
    let mesh = mesh(160);
    let table = |scope: &[&str]| {
        let run = mtls(&[&["check", "-f", "mesh.yaml", "--fail-on", "never"], scope].concat());
        run.file("mesh.yaml", &mesh).end().status(0).stdout
    };
    let rows = |table: &str| -> Vec<String> {
        let cells = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        table.lines().filter(|line| line.contains(" svc-6.team-0:80 ")).map(cells).collect()
    };
    // Few enough to be listed, so every row is made of pairs; then too many.
    let (few, many) = (table(&["svc-6.team-0"]), table(&[]));
    assert_eq!(rows(&few), rows(&many));
    assert!(rows(&few).len() > 1, "{few}");
    assert!(many.contains("102400 pairs: "), "{many}");
}
