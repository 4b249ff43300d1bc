//! Services: headless and not, with ports of every protocol, named targets, several over the same pods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::meshes::generate::places::{Pod, Server, World, labels, time};
use crate::meshes::generate::random::Random;

const NAMES: [&str; 10] = ["http", "http-a", "tcp", "tcp-a", "grpc", "web", "data", "https", "http2", "mysql"];

pub(super) fn add(world: &mut World, random: &Random) {
    let count = random.pick(&[1, 1, 2, 2, 3]);
    for number in 1..=count {
        let servers: Vec<Pod> = world.pods.iter().filter(|pod| pod.app != "sleep").cloned().collect();
        let pod = random.pick(&servers);
        let nobody = random.percent(5);
        let headless = random.percent(if nobody { 50 } else { 17 });
        let mut ports = ports(random, &pod, headless);
        if ports.len() == 1 && random.percent(12) {
            ports[0].as_object_mut().map(|port| port.remove("name"));
        }
        let name = world.name(random, "Service", &pod.namespace, &[&pod.app, "svc-a", "svc-b"]);
        let mut meta = json!({"name": name, "namespace": pod.namespace, "creationTimestamp": time(random)});
        if random.percent(6) {
            let export = random.pick(&[".".to_owned(), "*".to_owned(), random.pick(&world.apps)]);
            meta["annotations"] = json!({"networking.istio.io/exportTo": export});
        }
        let address = if headless { "None".to_owned() } else { format!("10.96.0.{number}") };
        let spec = json!({"clusterIP": address, "selector": selector(random, &pod, nobody), "ports": ports});
        world.workloads.push(json!({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}));
        let ports = ports.iter().map(|port| {
            let number = port["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
            (port["name"].as_str().unwrap_or_default().to_owned(), number)
        });
        let host = format!("{name}.{}.svc.cluster.local", pod.namespace);
        let ports = ports.collect();
        world.services.push(Server { namespace: pod.namespace, name, host, ports, kubernetes: true });
    }
}

fn selector(random: &Random, pod: &Pod, nobody: bool) -> Value {
    let by_tier = pod.labels.get("tier").filter(|_| random.percent(15));
    match by_tier {
        _ if nobody => json!({"app": "nobody"}),
        Some(tier) => labels([("tier", tier)]),
        None => labels([("app", &pod.app)]),
    }
}

fn ports(random: &Random, pod: &Pod, headless: bool) -> Vec<Value> {
    let mut ports: BTreeMap<u16, Value> = BTreeMap::new();
    let mut made = Vec::new();
    for _ in 0..random.pick(&[1, 1, 2]) {
        let declared = !pod.ports.is_empty() && !random.percent(8);
        let (target_name, target) = if declared { random.pick(&pod.ports) } else { ("x".to_owned(), 8081) };
        let same = headless && !random.percent(12);
        let number = if same { target } else { random.pick(&[80, 8080, 9000, 443, target]) };
        let name = random.pick(&NAMES);
        let form = random.pick(&["number", "number", "name", "absent"]);
        let said = if random.percent(12) {
            Some(random.pick(&["http", "tcp", "grpc", "kubernetes.io/h2c", "https"]))
        } else {
            None
        };
        if ports.contains_key(&number) || ports.values().any(|port| port["name"] == name) {
            continue;
        }
        let mut port = json!({"name": name, "port": number});
        match form {
            _ if headless => port["targetPort"] = json!(target),
            "number" => port["targetPort"] = json!(target),
            "name" => port["targetPort"] = json!(target_name),
            _ => {}
        }
        if let Some(said) = said {
            port["appProtocol"] = json!(said);
        }
        ports.insert(number, port.clone());
        made.push(port);
    }
    made
}
