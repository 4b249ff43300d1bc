//! Servers and clients.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::meshes::generate::places::{Pod, TLS_MODE, World};
use crate::meshes::generate::random::Random;

const PORTS: [(&str, u16); 5] = [("http", 8080), ("tcp", 9090), ("grpc", 7070), ("admin", 80), ("db", 3306)];

pub(super) fn add(world: &mut World, random: &Random) {
    let servers = random.pick(&[1, 2, 2, 3, 3, 4]);
    let kinds = random.pick(&[1, 2, 2]);
    let apps = random.sample(&["web", "api", "db"], kinds);
    let mut shapes = BTreeMap::new();
    for app in &apps {
        let count = random.pick(&[1, 2, 2, 3]);
        shapes.insert(*app, random.sample(&PORTS, count));
    }
    let clients = random.pick(&[1, 2, 2]);
    for number in 1..=servers + clients {
        let app = if number <= servers { random.pick(&apps) } else { "sleep" };
        let ports = shapes.get(app).map_or(&[][..], Vec::as_slice);
        pod(world, random, (number, app), ports);
    }
}

fn pod(world: &mut World, random: &Random, (number, app): (usize, &str), shape: &[(&str, u16)]) {
    let namespace = if random.percent(8) { world.root.clone() } else { random.pick(&world.apps) };
    let sidecar = random.percent(75);
    let labels = pod_labels(random, app, sidecar);
    let mut ports = Vec::new();
    for (name, port) in shape {
        if !random.percent(6) {
            ports.push(((*name).to_owned(), port + u16::from(random.percent(8))));
        }
    }
    let address = format!("10.0.0.{number}");
    let name = format!("{app}-{number}");
    let account = random.pick(&["default", app]);
    let mut spec = json!({"serviceAccountName": account, "containers": [container(app, &ports)]});
    if sidecar {
        let proxy = json!({"name": "istio-proxy", "image": "proxyv2"});
        if random.percent(15) {
            spec["initContainers"] = json!([{"name": "istio-proxy", "image": "proxyv2", "restartPolicy": "Always"}]);
        } else if let Some(containers) = spec["containers"].as_array_mut() {
            containers.push(proxy);
        }
    }
    let meta = json!({"name": name, "namespace": namespace, "labels": labels});
    let status = json!({"podIP": address});
    world.workloads.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}));
    world.pods.push(Pod { namespace, app: app.to_owned(), labels, ports, address });
}

fn pod_labels(random: &Random, app: &str, sidecar: bool) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([("app".to_owned(), app.to_owned())]);
    let mut set = |key: &str, value: &str| labels.insert(key.to_owned(), value.to_owned());
    if random.percent(50) {
        set("version", random.pick(&["v1", "v2"]));
    }
    if random.percent(25) {
        set("tier", random.pick(&["front", "back"]));
    }
    // Now and then the label says something else than the container.
    let usual = if sidecar { "istio" } else { "" };
    let mark = if random.percent(10) { random.pick(&["", "istio", "disabled", "foo"]) } else { usual };
    if !mark.is_empty() {
        set(TLS_MODE, mark);
    }
    labels
}

fn container(app: &str, ports: &[(String, u16)]) -> Value {
    let mut container = json!({"name": "app", "image": app});
    if !ports.is_empty() {
        let ports: Vec<Value> = ports.iter().map(|(name, port)| json!({"name": name, "containerPort": port})).collect();
        container["ports"] = json!(ports);
    }
    container
}
