//! A real cluster: the objects, the dumps of both ends and what curl showed must say the same.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kubectl_mtls::decode::{Assume, manifests, snapshot};
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::evidence::{Reading, Unseen};
use kubectl_mtls::model::pair::ClientRef;
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::wire::Wire;
use kubectl_mtls::programmed::Proxies;
use kubectl_mtls::programmed::proxy::Wanted;
use kubectl_mtls::programmed::told::Programmed;
use kubectl_mtls::verdict::join;
use kubectl_mtls::verdict::report::Pair;

/// Policies for which both the objects and the dumps of `sleep.foo` and `httpbin.bar` were recorded.
const RECORDED: [&str; 5] =
    ["a-none", "b-mesh-strict", "e-dr-disable", "g-port80-disable", "h2-mesh-strict-dr-port-simple"];

pub(super) fn read(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dumps/cluster").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn mesh_of(policies: &str) -> Snapshot {
    mesh_from(&read(&format!("{policies}.objects.json")))
}

pub(super) fn mesh_from(text: &str) -> Snapshot {
    let (objects, problems) = manifests::parse("objects.json", text, "default");
    assert!(problems.is_empty(), "{problems:?}");
    let assume = Assume { istio_version: Some("1.31".parse().unwrap()), ..Assume::default() };
    let (mut snapshot, _) = snapshot(&objects, &assume);
    snapshot.profiles.iter_mut().for_each(|profile| profile.alpn_filter = false);
    snapshot
}

/// The dump of a workload's pod, given to the pod of the snapshot.
pub(super) fn proxies(policies: &str, snapshot: &Snapshot, wanted: &Wanted) -> Proxies {
    let mut proxies = Proxies::default();
    for (workload, namespace) in [("sleep", "foo"), ("httpbin", "bar")] {
        let pod = snapshot.pods.iter().find(|pod| pod.display_name() == format!("{workload}.{namespace}")).unwrap();
        let body = read(&format!("{policies}.{workload}.{namespace}.config_dump.json")).into_bytes();
        let answers = ProxyAnswers {
            namespace: namespace.to_owned(),
            pod: pod.meta.name.clone(),
            answers: vec![Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body }],
            ..ProxyAnswers::default()
        };
        proxies.read(&answers, wanted);
    }
    proxies
}

struct Asked {
    programmed: Programmed,
    pair: Pair,
}

fn ask(policies: &str, client: &str, server: &str) -> Asked {
    asked(policies, client, server, &Wanted::all())
}

fn asked(policies: &str, client: &str, server: &str, wanted: &Wanted) -> Asked {
    let snapshot = mesh_of(policies);
    let mesh = Mesh::new(&snapshot);
    let proxies = proxies(policies, &snapshot, wanted);
    let from: ClientRef =
        mesh.clients().into_iter().find(|one| one.pod.display_name() == format!("sleep.{client}")).unwrap().reference;
    let pod = snapshot.pods.iter().find(|pod| pod.meta.name == from.pod).unwrap();
    let to = mesh
        .servers()
        .into_iter()
        .find(|one| one.service == "httpbin" && one.namespace == server && one.port.0 == 8000);
    let to = to.unwrap();
    let intent = mesh.pair(pod, &to);
    let programmed = proxies.told(&from, &to, &intent);
    let unseen = Reading::Unseen(Unseen::NotRequested);
    let pair = join::pair(&from, &to, intent, &programmed, &unseen);
    Asked { programmed, pair }
}

fn observed(policies: &str, pair: &str) -> (String, u64) {
    let tables: BTreeMap<String, BTreeMap<String, (String, u64)>> = serde_json::from_str(&read("tables.json")).unwrap();
    tables[policies][pair].clone()
}

#[test]
fn policy_proxies_and_curl_agree_in_every_recorded_scenario() {
    let mut wrong = Vec::new();
    let mut judged = 0;
    for policies in RECORDED {
        // One end without a proxy, or both ends recorded.
        for (client, server) in [("foo", "bar"), ("foo", "legacy"), ("legacy", "bar")] {
            let Asked { programmed, pair } = ask(policies, client, server);
            let (http, _) = observed(policies, &format!("{client}->{server}"));
            let refused = programmed.outcome.wire == Wire::Refused;
            judged += 1;
            if refused != (http != "200") || programmed.outcome.wire == Wire::Unknown {
                wrong.push(format!("{policies} {client}->{server}: curl {http}, proxies {:?}", programmed.outcome));
            }
            if pair.intent.wire != programmed.outcome.wire || !pair.gaps.is_empty() {
                wrong.push(format!(
                    "{policies} {client}->{server}: policy {:?}, proxies {:?}, gaps {:?}",
                    pair.intent.wire, programmed.outcome, pair.gaps
                ));
            }
            if pair.confirmed_by != ["intent", "programmed"] {
                wrong.push(format!("{policies} {client}->{server}: confirmed by {:?}", pair.confirmed_by));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(judged, 15);
}

#[test]
fn what_is_kept_for_one_service_says_the_same_as_everything() {
    for policies in RECORDED {
        for (client, server) in [("foo", "bar"), ("foo", "foo"), ("foo", "legacy"), ("legacy", "bar")] {
            let one = Wanted::services([(format!("httpbin.{server}.svc.cluster.local"), 8000)]);
            let (all, one) = (ask(policies, client, server), asked(policies, client, server, &one));
            assert_eq!(all.programmed, one.programmed, "{policies} {client}->{server}");
        }
    }
}

#[test]
fn the_rule_is_named_by_the_cluster_and_the_chain_by_the_listener() {
    let Asked { pair, .. } = ask("e-dr-disable", "foo", "bar");
    let report = serde_json::to_value(&pair).unwrap();
    let originates = &report["programmed"]["originates"];
    assert_eq!(originates["mode"], "DISABLE");
    assert_eq!(originates["decidedBy"]["name"], "httpbin");
    assert_eq!(originates["decidedBy"]["namespace"], "bar");
    assert_eq!(originates["route"]["cluster"], "outbound|8000||httpbin.bar.svc.cluster.local");
    let server = &report["endpoints"][0]["programmed"];
    assert_eq!(server["accepts"]["mode"], "STRICT");
    assert_eq!(server["accepts"]["trusts"][0], "spiffe://cluster.local/");
    assert_eq!(report["programmed"]["why"], "no-filter-chain");
    // The pointer leads to the chain in the dump itself.
    let pointer = server["accepts"]["evidence"][0]["pointer"].as_str().unwrap();
    let dump: serde_json::Value = serde_json::from_str(&read("e-dr-disable.httpbin.bar.config_dump.json")).unwrap();
    assert_eq!(dump.pointer(pointer).unwrap()["filter_chain_match"]["destination_port"], 80);
}

#[test]
fn a_drift_at_either_end_is_a_gap_with_that_address() {
    // The client still has the dump of a mesh without the rule.
    let snapshot = mesh_of("e-dr-disable");
    let mesh = Mesh::new(&snapshot);
    let stale = mesh_of("a-none");
    for (at, workload, namespace) in [("client", "sleep", "foo"), ("server", "httpbin", "bar")] {
        let mut proxies = proxies("e-dr-disable", &snapshot, &Wanted::all());
        let pod = |mesh: &Snapshot| {
            mesh.pods
                .iter()
                .find(|pod| pod.display_name() == format!("{workload}.{namespace}"))
                .unwrap()
                .meta
                .name
                .clone()
        };
        let body = read(&format!("a-none.{workload}.{namespace}.config_dump.json")).into_bytes();
        assert!(!pod(&stale).is_empty());
        proxies.read(
            &ProxyAnswers {
                namespace: namespace.to_owned(),
                pod: pod(&snapshot),
                answers: vec![Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body }],
                ..ProxyAnswers::default()
            },
            &Wanted::all(),
        );
        let client = mesh.clients().into_iter().find(|one| one.pod.display_name() == "sleep.foo").unwrap();
        let server = mesh.servers().into_iter().find(|one| one.namespace == "bar" && one.port.0 == 8000).unwrap();
        let intent = mesh.pair(client.pod, &server);
        let programmed = proxies.told(&client.reference, &server, &intent);
        let pair = join::pair(&client.reference, &server, intent, &programmed, &Reading::Unseen(Unseen::NotRequested));
        let places: Vec<&str> = pair.gaps.iter().map(|gap| gap.at).collect();
        assert_eq!(places, [at], "{:?}", pair.gaps);
    }
}
