//! ServiceEntries, and machines outside Kubernetes (WorkloadEntries) that they or Services select.

use serde_json::{Value, json};

use crate::meshes::generate::places::{Pod, Server, TLS_MODE, World, labels};
use crate::meshes::generate::random::Random;

const NETWORKING: &str = "networking";
const PLAIN: [&str; 7] = [
    "internal-static",
    "internal-static",
    "internal-select",
    "external-dns",
    "external-static",
    "internal-dns",
    "internal-none",
];

pub(super) fn add(world: &mut World, random: &Random) {
    if random.percent(14) {
        let kind = random.pick(&PLAIN);
        entry(world, random, kind);
    }
}

/// Machines, and more often than not a ServiceEntry that selects them.
pub(super) fn machines(world: &mut World, random: &Random) {
    if !random.percent(22) {
        return;
    }
    let pod = random.pick(&world.pods);
    for number in 1..=random.pick(&[1, 1, 2]) {
        machine(world, random, &pod, number);
    }
    if random.percent(70) {
        select(world, random, &pod);
    }
}

fn machine(world: &mut World, random: &Random, like: &Pod, number: usize) {
    let own = like.own_labels().into_iter().filter(|(key, _)| key != "tier" || number == 1);
    let mut marks: Vec<(String, String)> = own.collect();
    if random.percent(45) {
        marks.push((TLS_MODE.to_owned(), random.pick(&["istio", "istio", "disabled"]).to_owned()));
    }
    // Two entries may stand for one address. One for a pod's address is left out: istiod takes the pod's proxy for the
    // machine's then, with the Services that select the machine.
    let address = if random.percent(10) { "10.1.0.1".to_owned() } else { format!("10.1.0.{number}") };
    let mut spec = json!({"address": address, "labels": labels(marks)});
    if random.percent(40) {
        spec["ports"] = named_ports(random, like);
    }
    if random.percent(50) {
        spec["serviceAccount"] = json!(random.pick(&["vm", "default"]));
    }
    let namespace = if random.percent(85) { like.namespace.clone() } else { random.pick(&world.apps) };
    world.configure(random, (NETWORKING, "WorkloadEntry"), (&namespace, &["vm-1", "vm-2"]), &spec);
}

fn named_ports(random: &Random, like: &Pod) -> Value {
    let name = random.pick(&["http", "tcp", "data"]);
    json!({name: like.first_port()})
}

/// A ServiceEntry whose selector finds machines and pods alike.
fn select(world: &mut World, random: &Random, like: &Pod) {
    let mut port = port(random);
    if random.percent(60) {
        port["targetPort"] = json!(like.first_port());
    }
    let resolution = random.pick(&["STATIC", "STATIC", "STATIC", "DNS", "NONE"]);
    let mut spec = json!({
        // No other entry has the host: which of two comes first is a race in istiod where they are of one age.
        "hosts": ["db.mesh.internal"],
        "location": random.pick(&["MESH_INTERNAL", "MESH_INTERNAL", "MESH_EXTERNAL"]),
        "ports": [port],
        "resolution": resolution,
        "workloadSelector": {"labels": labels([("app", &like.app)])},
    });
    if random.percent(85) {
        spec["addresses"] = json!(["10.97.0.2"]);
    }
    if resolution == "NONE" {
        spec.as_object_mut().map(|spec| spec.remove("workloadSelector"));
    }
    add_entry(world, random, &like.namespace, spec);
}

fn port(random: &Random) -> Value {
    json!({
        "number": random.pick(&[80, 8080, 443]),
        "name": random.pick(&["http", "tcp", "data"]),
        "protocol": random.pick(&["HTTP", "TCP", "HTTP", "GRPC"]),
    })
}

fn entry(world: &mut World, random: &Random, kind: &str) {
    let mut places = world.apps.clone();
    places.push(world.root.clone());
    let mut namespace = random.pick(&places);
    let mut port = port(random);
    let pod = random.pick(&world.pods);
    let location = if kind.starts_with("internal") { "MESH_INTERNAL" } else { "MESH_EXTERNAL" };
    let mut spec = json!({"hosts": [random.pick(&["ext.example.com", "vm.mesh.internal"])], "location": location});
    match kind.rsplit('-').next() {
        Some("static") => {
            spec["resolution"] = json!("STATIC");
            spec["addresses"] = json!(["10.97.0.1"]);
            spec["endpoints"] = json!(endpoints(world, random, &port));
        }
        Some("select") => {
            namespace.clone_from(&pod.namespace);
            spec["resolution"] = json!("STATIC");
            spec["addresses"] = json!(["10.97.0.1"]);
            spec["workloadSelector"] = json!({"labels": labels([("app", &pod.app)])});
            port["targetPort"] = json!(pod.first_port());
        }
        Some("dns") => spec["resolution"] = json!("DNS"),
        _ => {
            spec["resolution"] = json!("NONE");
            spec["addresses"] = json!(["10.97.0.1"]);
        }
    }
    spec["ports"] = json!([port]);
    add_entry(world, random, &namespace, spec);
}

fn endpoints(world: &World, random: &Random, port: &Value) -> Vec<Value> {
    let count = random.pick(&[1, 2]);
    let pods = random.sample(&world.pods, count);
    let mut endpoints = Vec::new();
    for pod in pods {
        let name = port["name"].as_str().unwrap_or_default();
        let mut endpoint = json!({"address": pod.address, "ports": {name: pod.first_port()}});
        if random.percent(50) {
            let own = pod.labels.iter().filter(|(key, _)| *key != "version");
            endpoint["labels"] = labels(own);
        }
        if random.percent(40) {
            endpoint["serviceAccount"] = json!("vm");
        }
        endpoints.push(endpoint);
    }
    endpoints
}

fn add_entry(world: &mut World, random: &Random, namespace: &str, mut spec: Value) {
    if random.percent(15)
        && let Some(export) = world.export(random)
    {
        spec["exportTo"] = export;
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (host, port) = (text(&spec["hosts"][0]), &spec["ports"][0]);
    let number = port["number"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let ports = vec![(text(&port["name"]), number)];
    let namespace = namespace.to_owned();
    world.configure(random, (NETWORKING, "ServiceEntry"), (&namespace, &["se-a", "se-b"]), &spec);
    world.services.push(Server { namespace, name: host.clone(), host, ports, kubernetes: false });
}
