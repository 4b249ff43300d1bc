//! DestinationRules: every kind of host, scope, TLS mode, port entry and subset, colliding on purpose.

use serde_json::{Map, Value, json};

use crate::meshes::generate::places::{Server, World, labels};
use crate::meshes::generate::random::Random;

const NAMES: [&str; 4] = ["default", "a", "b", "z-old"];

pub(super) fn add(world: &mut World, random: &Random) {
    for _ in 0..random.pick(&[0, 0, 1, 1, 2, 2, 3, 4]) {
        rule(world, random);
    }
}

fn rule(world: &mut World, random: &Random) {
    let server = random.pick(&world.services);
    let (mut namespace, host) = target(world, random, &server);
    let mut spec = json!({"host": host});
    let mut export = world.export(random);
    if random.percent(18) {
        let pod = random.pick(&world.pods);
        spec["workloadSelector"] = json!({"matchLabels": labels([random.pick(&pod.own_labels())])});
        if random.percent(60) {
            namespace.clone_from(&pod.namespace);
        }
        export = random.percent(25).then(|| json!(["."]));
    }
    if let Some(export) = export {
        spec["exportTo"] = export;
    }
    if random.percent(85) {
        put(&mut spec, policy(random, &server));
    }
    if random.percent(30) {
        let count = random.pick(&[1, 1, 2]);
        let mut subsets = Vec::new();
        for name in random.sample(&["v1", "v2"], count) {
            let mut subset = json!({"name": name, "labels": {"version": name}});
            if random.percent(70) {
                put(&mut subset, policy(random, &server));
            }
            subsets.push(subset);
        }
        spec["subsets"] = json!(subsets);
    }
    let names: &[&str] = &NAMES;
    world.configure(random, ("networking", "DestinationRule"), (&namespace, names), &spec);
}

fn put(spec: &mut Value, policy: Map<String, Value>) {
    if !policy.is_empty() {
        spec["trafficPolicy"] = Value::Object(policy);
    }
}

/// Where the rule is, and what it is about.
fn target(world: &World, random: &Random, server: &Server) -> (String, String) {
    let before: Vec<(String, String)> = world.of_kind("DestinationRule").into_iter().map(place).collect();
    if !before.is_empty() && random.percent(35) {
        return random.pick(&before);
    }
    if server.kubernetes && random.percent(10) {
        return (server.namespace.clone(), server.name.clone());
    }
    let pods: Vec<String> = world.pods.iter().map(|pod| pod.namespace.clone()).collect();
    let own = server.namespace.clone();
    let namespaces = [
        own.clone(),
        own.clone(),
        random.pick(&pods),
        random.pick(&pods),
        world.root.clone(),
        random.pick(&world.apps),
    ];
    let full = server.host.clone();
    let short = if server.kubernetes { server.name.clone() } else { full.clone() };
    let hosts = [
        full.clone(),
        full.clone(),
        full,
        short.clone(),
        format!("*.{own}.svc.cluster.local"),
        "*.svc.cluster.local".to_owned(),
        "*.local".to_owned(),
        "*".to_owned(),
        format!("{short}.{own}"),
    ];
    (random.pick(&namespaces), random.pick(&hosts))
}

fn place(rule: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&rule["metadata"]["namespace"]), text(&rule["spec"]["host"]))
}

fn policy(random: &Random, server: &Server) -> Map<String, Value> {
    let mut policy = settings(random);
    if random.percent(10) {
        let kind = random.pick(&["PASSTHROUGH", "PASSTHROUGH", "ROUND_ROBIN"]);
        policy.insert("loadBalancer".to_owned(), json!({"simple": kind}));
    }
    if random.percent(30) {
        let mut ports: Vec<u16> = server.ports.iter().map(|(_, port)| *port).chain([8080]).collect();
        ports.sort_unstable();
        ports.dedup();
        let count = random.pick(&[1, 1, 2]);
        let mut entries = Vec::new();
        for port in random.sample(&ports, count) {
            let mut entry = Map::from_iter([("port".to_owned(), json!({"number": port}))]);
            if random.percent(65) {
                entry.insert("tls".to_owned(), tls(random));
            } else if random.percent(15) {
                entry.insert("loadBalancer".to_owned(), json!({"simple": "PASSTHROUGH"}));
            } else {
                entry.insert("connectionPool".to_owned(), json!({"tcp": {"maxConnections": 5}}));
            }
            entries.push(Value::Object(entry));
        }
        policy.insert("portLevelSettings".to_owned(), json!(entries));
    }
    policy
}

fn settings(random: &Random) -> Map<String, Value> {
    let mut settings = Map::new();
    if random.percent(65) {
        settings.insert("tls".to_owned(), tls(random));
    }
    if random.percent(20) {
        settings.insert("connectionPool".to_owned(), json!({"tcp": {"maxConnections": 10}}));
    }
    settings
}

fn tls(random: &Random) -> Value {
    if random.percent(3) {
        return json!({});
    }
    let mode = random.pick(&["DISABLE", "DISABLE", "ISTIO_MUTUAL", "ISTIO_MUTUAL", "ISTIO_MUTUAL", "SIMPLE", "MUTUAL"]);
    let mut tls = json!({"mode": mode});
    match mode {
        "ISTIO_MUTUAL" => {
            if random.percent(10) {
                tls["sni"] = json!("custom.sni");
            }
            if random.percent(10) {
                let namespace = random.pick(&["alpha", "beta", "gamma", "other"]);
                tls["subjectAltNames"] = json!([format!("spiffe://cluster.local/ns/{namespace}/sa/default")]);
            }
        }
        "MUTUAL" => {
            tls["clientCertificate"] = json!("/etc/certs/cert.pem");
            tls["privateKey"] = json!("/etc/certs/key.pem");
            tls["caCertificates"] = json!("/etc/certs/ca.pem");
        }
        "SIMPLE" if random.percent(15) => tls["credentialName"] = json!("creds"),
        "SIMPLE" if random.percent(20) => tls["insecureSkipVerify"] = json!(true),
        _ => {}
    }
    tls
}
