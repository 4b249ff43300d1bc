//! What may not change an answer: the order of objects, policies that select nothing, the names of namespaces.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use kubectl_mtls::decode::{Assume, Loaded, manifests, snapshot};
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// The meshes of the recordings, as text.
static MESHES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let lines = [include_str!("../vectors/istiod-meshes.jsonl"), include_str!("../vectors/istiod-entries.jsonl")];
    let read = |line: &str| serde_json::from_str::<Value>(line).unwrap()["mesh"].as_str().unwrap().to_owned();
    lines.into_iter().flat_map(str::lines).map(read).collect()
});

fn objects(text: &str) -> Vec<Loaded> {
    let (objects, problems) = manifests::parse("mesh.yaml", text, "default");
    assert!(problems.is_empty(), "{problems:?}");
    // Where a manifest stands is told in answers, and moves with it.
    objects.into_iter().map(|loaded| Loaded { object: loaded.object, origin: None }).collect()
}

/// Every answer of a mesh, in order.
fn answers(objects: &[Loaded], version: IstioVersion) -> Vec<String> {
    let (read, _) = snapshot(objects, &Assume { istio_version: Some(version), ..Assume::default() });
    let mesh = Mesh::new(&read);
    let servers = mesh.servers();
    let each = mesh.clients().into_iter().flat_map(|client| {
        let name = client.reference.display_name();
        let mesh = &mesh;
        servers.iter().map(move |server| {
            let pair = mesh.pair(client.pod, server);
            format!("{name} {} {}", server.display_name(), serde_json::to_string(&pair).unwrap())
        })
    });
    each.collect()
}

/// A manifest without a date is as old as any other without one; Istio then goes by name.
fn namespaces(text: &str) -> BTreeSet<String> {
    let of = |loaded: &Loaded| loaded.object["metadata"]["namespace"].as_str().map(str::to_owned);
    objects(text).iter().filter_map(of).filter(|name| name != "istio-system").collect()
}

/// Policies of every kind that speak of nobody and of no host.
const NOTHING: [&str; 4] = [
    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a-nobody, namespace: NS}\n\
     spec: {selector: {matchLabels: {nobody: carries-this}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}}\n",
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: a-nobody, namespace: NS}\n\
     spec: {host: nobody.example.com, trafficPolicy: {tls: {mode: DISABLE}}}\n",
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a-nobody, namespace: NS}\n\
     spec: {hosts: [nobody.example.com], http: [{route: [{destination: {host: nobody.example.com}}]}]}\n",
    "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: a-nobody, namespace: NS}\n\
     spec: {workloadSelector: {labels: {nobody: carries-this}}, egress: [{hosts: ['./*']}]}\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_objects_never_matters(which: Index, keys in prop::collection::vec(any::<u64>(), 64), minor in 9u16..=31) {
        let (mesh, version) = (objects(which.get::<String>(&MESHES)), IstioVersion::minor(minor));
        let mut turned: Vec<(u64, Loaded)> =
            mesh.iter().cloned().enumerate().map(|(index, loaded)| (keys[index % 64], loaded)).collect();
        turned.sort_by_key(|(key, _)| *key);
        let turned: Vec<Loaded> = turned.into_iter().map(|(_, loaded)| loaded).collect();
        prop_assert_eq!(answers(&mesh, version), answers(&turned, version));
    }

    #[test]
    fn a_policy_that_selects_nothing_changes_nothing(which: Index, kind: Index, place: Index, minor in 9u16..=31) {
        let (text, version) = (which.get::<String>(&MESHES).as_str(), IstioVersion::minor(minor));
        let places: Vec<String> = namespaces(text).into_iter().collect();
        let more = kind.get::<&str>(&NOTHING).replace("NS", place.get::<String>(&places));
        let (mut mesh, one) = (objects(text), objects(text));
        mesh.extend(objects(&more));
        prop_assert_eq!(answers(&one, version), answers(&mesh, version));
    }

    #[test]
    fn new_names_for_namespaces_change_nothing_but_the_names(which: Index, minor in 9u16..=31) {
        let (text, version) = (which.get::<String>(&MESHES).as_str(), IstioVersion::minor(minor));
        // A suffix keeps the names in their order, which Istio falls back to among objects of one age.
        let renamed = |text: &str| {
            namespaces(which.get::<String>(&MESHES)).iter().fold(text.to_owned(), |text, name| {
                regex::Regex::new(&format!(r"\b{name}\b")).unwrap().replace_all(&text, format!("{name}x")).into_owned()
            })
        };
        let wanted: Vec<String> = answers(&objects(text), version).iter().map(|answer| renamed(answer)).collect();
        prop_assert_eq!(wanted, answers(&objects(&renamed(text)), version));
    }
}
