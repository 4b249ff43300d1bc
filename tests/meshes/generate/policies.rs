//! PeerAuthentications of every scope, also those that Istio ignores.

use serde_json::{Map, Value, json};

use crate::meshes::generate::places::{Pod, World, labels};
use crate::meshes::generate::random::Random;

const NAMES: [&str; 4] = ["default", "a", "b", "z-old"];
const SCOPES: [&str; 7] = ["mesh", "namespace", "namespace", "workload", "workload", "workload", "root-selector"];

pub(super) fn add(world: &mut World, random: &Random) {
    for _ in 0..random.pick(&[0, 1, 1, 2, 2, 3, 4]) {
        policy(world, random);
    }
}

fn policy(world: &mut World, random: &Random) {
    let scope = random.pick(&SCOPES);
    let servers: Vec<Pod> = world.pods.iter().filter(|pod| pod.app != "sleep").cloned().collect();
    let pod = random.pick(&if random.percent(60) { servers } else { world.pods.clone() });
    let elsewhere = random.percent(10);
    let namespace = match scope {
        "mesh" | "root-selector" => world.root.clone(),
        _ if elsewhere => random.pick(&world.apps),
        _ => pod.namespace.clone(),
    };
    let mut spec = Map::new();
    let selects = matches!(scope, "workload" | "root-selector");
    if selects {
        spec.insert("selector".to_owned(), json!({"matchLabels": selector(random, &pod)}));
    }
    if let Some(mode) = mode(random) {
        spec.insert("mtls".to_owned(), mode);
    }
    if selects && random.percent(50) {
        spec.insert("portLevelMtls".to_owned(), port_levels(world, random, &pod));
    }
    let names: &[&str] = &NAMES;
    world.configure(random, ("security", "PeerAuthentication"), (&namespace, names), &Value::Object(spec));
}

fn selector(random: &Random, pod: &Pod) -> Value {
    if random.percent(7) {
        return json!({"app": "nobody"});
    }
    let count = random.pick(&[1, 1, 2]);
    labels(random.sample(&pod.own_labels(), count))
}

fn mode(random: &Random) -> Option<Value> {
    let mode = random.pick(&["STRICT", "STRICT", "PERMISSIVE", "DISABLE", "DISABLE", "UNSET", ""]);
    (!mode.is_empty()).then(|| json!({"mode": mode}))
}

fn port_levels(world: &World, random: &Random, pod: &Pod) -> Value {
    let of_services = world.services.iter().flat_map(|service| service.ports.iter().map(|(_, port)| *port));
    let mut candidates: Vec<u16> = pod.ports.iter().map(|(_, port)| *port).chain(of_services).chain([7777]).collect();
    candidates.sort_unstable();
    candidates.dedup();
    let count = random.pick(&[1, 1, 2]);
    let mut levels = Map::new();
    for port in random.sample(&candidates, count) {
        let port = if random.percent(70) && !pod.ports.is_empty() { random.pick(&pod.ports).1 } else { port };
        levels.insert(port.to_string(), mode(random).unwrap_or_else(|| json!({})));
    }
    Value::Object(levels)
}
