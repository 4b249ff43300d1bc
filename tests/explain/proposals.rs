//! What `explain` proposes does what it says: each command is read as a shell would read it, made on the manifests by the
//! server's own patch, and the rules are asked again.

use std::collections::BTreeMap;

use bytes::Bytes;
use kubectl_mtls::audit::fixes::Wanted;
use kubectl_mtls::decode::{Assume, Loaded, manifests, snapshot};
use kubectl_mtls::gather::check::{Known, offline, place};
use kubectl_mtls::gather::scope::Scope;
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::lab::kube_api::patch::json_patch;
use kubectl_mtls::model::snapshot::Snapshot;
use kubectl_mtls::model::wire::Wire;
use kubectl_mtls::verdict::report::{Fix, Report};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    id: String,
    mesh: String,
}

/// Pairs by client and server, each with its wire, refused in part or not.
type Fares = BTreeMap<String, &'static str>;

fn read(text: &str) -> Vec<Loaded> {
    let (objects, _) = manifests::parse("mesh.yaml", text, "default");
    objects
}

fn explained(objects: &[Loaded]) -> Report {
    let scope = Scope { fixes: Wanted { all: true, weaker: true }, ..Scope::default() };
    offline(objects.iter().cloned().collect(), &scope, &Known::default(), "default").unwrap().report
}

fn fares(objects: &[Loaded]) -> Fares {
    let (snapshot, problems) = snapshot(objects, &Assume::default());
    assert!(!problems.iter().any(|problem| problem.to_string().contains("error")), "{problems:?}");
    fares_of(&snapshot)
}

fn fares_of(snapshot: &Snapshot) -> Fares {
    let mesh = Mesh::new(snapshot);
    let mut fares = Fares::new();
    for client in mesh.clients() {
        for server in mesh.servers() {
            let pair = mesh.pair(client.pod, &server);
            let mut ends = pair.endpoints.iter().filter(|end| !end.is_self);
            let partly = pair.outcome.wire == Wire::Mixed && ends.any(|end| end.outcome.wire == Wire::Refused);
            let word = if partly { "partly-refused" } else { pair.outcome.wire.as_str() };
            fares.insert(format!("{} {} {}", client.pod.meta.key(), server.namespace, server.display_name()), word);
        }
    }
    fares
}

/// The manifests after the command, as text that is read anew.
fn typed(objects: &[Loaded], fix: &Fix) -> Vec<Loaded> {
    let mut changed: Vec<serde_json::Value> = objects.iter().map(|loaded| loaded.object.clone()).collect();
    if let Some(manifest) = fix.command.strip_prefix("kubectl apply -f - <<'EOF'\n") {
        changed.extend(read(manifest.strip_suffix("\nEOF").unwrap()).into_iter().map(|loaded| loaded.object));
    } else {
        let (command, patch) = fix.command.split_once(" -p '").unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        let ["kubectl", "-n", namespace, "patch", resource, name, "--type=json"] = words.as_slice() else {
            unreachable!("{}", fix.command)
        };
        let steps = json_patch::parse(&Bytes::from(patch.strip_suffix('\'').unwrap().to_owned())).unwrap();
        let is_it = |object: &serde_json::Value| {
            let loaded = place(object);
            (loaded.0.to_lowercase().as_str(), loaded.1.as_str(), loaded.2.as_str()) == (*resource, *namespace, *name)
        };
        let object = changed.iter_mut().rfind(|object| is_it(object)).unwrap();
        json_patch::apply(&steps, object).unwrap();
        let manifest = fix.manifest.as_ref().unwrap();
        assert_eq!(manifest["spec"], object["spec"], "the manifest is another than the command makes");
    }
    let text = changed.iter().map(|object| serde_json::to_string(object).unwrap()).collect::<Vec<_>>().join("\n---\n");
    let (objects, problems) = manifests::parse("mesh.yaml", &text, "default");
    assert_eq!(objects.len(), changed.len(), "an API server would refuse it: {problems:?}\n{}", fix.command);
    objects
}

/// What was promised, and what came of it.
fn promised(fix: &Fix) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut moves = BTreeMap::new();
    for moved in &fix.simulated.moved {
        *moves.entry((moved.from, moved.to)).or_default() += moved.pairs;
    }
    moves
}

fn came(before: &Fares, after: &Fares) -> BTreeMap<(&'static str, &'static str), usize> {
    let mut moves = BTreeMap::new();
    for (pair, was) in before {
        let is = after[pair];
        if is != *was {
            *moves.entry((*was, is)).or_default() += 1;
        }
    }
    moves
}

#[test]
fn every_command_that_is_proposed_for_a_recorded_mesh_does_what_it_says() {
    let files = [include_str!("../vectors/istiod-meshes.jsonl"), include_str!("../vectors/istiod-entries.jsonl")];
    let (mut tried, mut weaker, mut new) = (0, 0, 0);
    // Every second one is enough to meet each kind of change often.
    for line in files.into_iter().flat_map(str::lines).step_by(2) {
        let case: Recorded = serde_json::from_str(line).unwrap();
        let objects = read(&case.mesh);
        let report = explained(&objects);
        let before = fares(&objects);
        for fix in report.findings.iter().flat_map(|finding| &finding.fixes) {
            let after = fares(&typed(&objects, fix));
            assert_eq!(came(&before, &after), promised(fix), "{}: {} {}", case.id, fix.title, fix.command);
            assert_eq!(fix.simulated.worse, fix.simulated.weakened, "{}: {}", case.id, fix.command);
            assert!(fix.weaker || fix.simulated.weakened == 0, "{}: {}", case.id, fix.command);
            tried += 1;
            weaker += usize::from(fix.weaker);
            new += usize::from(fix.patch.is_empty());
        }
    }
    assert!(
        tried > 150 && weaker > 25 && new > 5,
        "only {tried} changes were tried, {weaker} weaker, {new} new objects"
    );
}
