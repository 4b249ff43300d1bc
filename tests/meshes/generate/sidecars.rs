//! Sidecar resources: what a proxy knows of, its outbound policy, its own listeners.

use serde_json::{Value, json};

use crate::meshes::generate::places::{Pod, World, labels};
use crate::meshes::generate::random::Random;

pub(super) fn add(world: &mut World, random: &Random, ingress: bool) {
    if random.percent(22) {
        let pod = random.pick(&world.pods);
        let namespace = random.pick(&[pod.namespace.clone(), pod.namespace.clone(), world.root.clone()]);
        let mut spec = json!({});
        if namespace != world.root && random.percent(50) {
            spec["workloadSelector"] = json!({"labels": labels([("app", &pod.app)])});
        }
        spec["egress"] = json!(egress(world, random));
        if random.percent(15) {
            spec["outboundTrafficPolicy"] = json!({"mode": random.pick(&["REGISTRY_ONLY", "ALLOW_ANY"])});
        }
        world.configure(random, ("networking", "Sidecar"), (&namespace, &["default", "a"]), &spec);
    }
    if ingress && random.percent(18) {
        with_listeners(world, random);
    }
}

fn egress(world: &World, random: &Random) -> Vec<Value> {
    let hosts = hosts(world, random);
    let mut listeners = vec![json!({"hosts": hosts})];
    if random.percent(15) {
        let server = random.pick(&world.services);
        let (_, number) = server.ports.first().cloned().unwrap_or_default();
        // One without protocol is sniffed, whatever the services speak.
        let protocol = random.pick(&["HTTP", "TCP", "HTTP", "TCP", "GRPC", "TLS", "HTTPS", ""]);
        let mut port = json!({"number": number, "name": protocol.to_ascii_lowercase()});
        if !protocol.is_empty() {
            port["protocol"] = json!(protocol);
        }
        listeners.insert(0, json!({"port": port, "hosts": hosts_of(world, random)}));
    }
    listeners
}

fn hosts_of(world: &World, random: &Random) -> Vec<String> {
    let server = random.pick(&world.services);
    vec![random.pick(&[format!("{}/{}", server.namespace, server.host), "*/*".to_owned(), "./*".to_owned()])]
}

fn hosts(world: &World, random: &Random) -> Vec<String> {
    let server = random.pick(&world.services);
    let root = format!("{}/*", world.root);
    let own = format!("{}/{}", server.namespace, server.host);
    random.pick(&[
        vec!["./*".to_owned()],
        vec![format!("{}/*", server.namespace)],
        vec!["./*".to_owned(), root.clone()],
        vec![format!("*/{}", server.host)],
        vec!["*/*".to_owned()],
        vec![own.clone(), root],
        vec!["*/*".to_owned(), format!("~/{}", server.host)],
    ])
}

/// A Sidecar that says itself what listens before the application.
fn with_listeners(world: &mut World, random: &Random) {
    let pod = random.pick(&world.pods);
    let mut numbers: Vec<u16> = pod.ports.iter().map(|(_, port)| *port).collect();
    numbers.extend(world.services.iter().flat_map(|server| server.ports.iter().map(|(_, port)| *port)));
    numbers.push(7443);
    numbers.sort_unstable();
    numbers.dedup();
    let count = random.pick(&[1, 1, 2]);
    let mut listeners = Vec::new();
    for number in random.sample(&numbers, count) {
        listeners.push(listener(random, &pod, number));
    }
    let mut spec = json!({"ingress": listeners});
    if random.percent(80) {
        spec = json!({"workloadSelector": {"labels": labels([("app", &pod.app)])}, "ingress": spec["ingress"]});
    }
    if random.percent(60) {
        spec["egress"] = json!([{"hosts": hosts(world, random)}]);
    }
    let namespace = pod.namespace.clone();
    world.configure(random, ("networking", "Sidecar"), (&namespace, &["ingress", "own"]), &spec);
}

fn listener(random: &Random, pod: &Pod, number: u16) -> Value {
    let protocol = random.pick(&["HTTP", "TCP", "GRPC", "HTTP2", "HTTPS", "TLS"]);
    let port = json!({"number": number, "protocol": protocol, "name": protocol.to_ascii_lowercase()});
    let mut listener = json!({"port": port});
    let target = if random.percent(60) { pod.first_port() } else { number };
    let endpoint = random.pick(&[
        format!("127.0.0.1:{target}"),
        format!("127.0.0.1:{target}"),
        format!("0.0.0.0:{target}"),
        "unix:///run/app.sock".to_owned(),
        String::new(),
    ]);
    if !endpoint.is_empty() {
        listener["defaultEndpoint"] = json!(endpoint);
    }
    if random.percent(12) {
        listener["bind"] = json!(random.pick(&["0.0.0.0", "127.0.0.1"]));
    }
    if random.percent(12) {
        listener["captureMode"] = json!(random.pick(&["DEFAULT", "IPTABLES"]));
    }
    listener
}
