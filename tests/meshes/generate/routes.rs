//! `VirtualService`s: routes that a plain request takes, and others that it does not.

use serde_json::{Value, json};

use crate::meshes::generate::places::{Server, World, labels};
use crate::meshes::generate::random::Random;

pub(super) fn add(world: &mut World, random: &Random) {
    if !random.percent(40) {
        return;
    }
    for _ in 0..random.pick(&[1, 1, 2]) {
        service(world, random);
    }
}

fn service(world: &mut World, random: &Random) {
    let server = random.pick(&world.services);
    let pods: Vec<String> = world.pods.iter().map(|pod| pod.namespace.clone()).collect();
    let own = server.namespace.clone();
    let namespace = random.pick(&[own.clone(), own.clone(), own, random.pick(&pods), world.root.clone()]);
    let mut spec = json!({"hosts": hosts(world, random, &server, &namespace)});
    if random.percent(20) {
        spec["gateways"] = random.pick(&[json!(["mesh"]), json!(["gw"]), json!(["mesh", "gw"])]);
    }
    if random.percent(25)
        && let Some(export) = world.export(random)
    {
        spec["exportTo"] = export;
    }
    let (http, tcp) = random.pick(&[(true, false), (true, false), (false, true), (true, true)]);
    if http {
        let mut routes = Vec::new();
        for _ in 0..random.pick(&[1, 1, 2, 3]) {
            routes.push(http_route(world, random, &server, &namespace));
        }
        spec["http"] = json!(ordered(routes));
    }
    if tcp {
        let mut routes = Vec::new();
        for _ in 0..random.pick(&[1, 1, 2]) {
            routes.push(tcp_route(world, random, &server, &namespace));
        }
        spec["tcp"] = json!(ordered(routes));
    }
    world.configure(random, ("networking", "VirtualService"), (&namespace, &["routes", "a", "z-old"]), &spec);
}

/// A route without a match only at the end: before others the webhook warns of what can never match.
fn ordered(mut routes: Vec<Value>) -> Vec<Value> {
    let matches = |route: &Value| route.get("match").is_some();
    routes.sort_by_key(|route| !matches(route));
    let first_open = routes.iter().position(|route| !matches(route));
    if let Some(first_open) = first_open {
        routes.truncate(first_open + 1);
    }
    routes
}

fn hosts(world: &World, random: &Random, server: &Server, namespace: &str) -> Vec<String> {
    let full = server.host.clone();
    if server.kubernetes && server.namespace == namespace && random.percent(25) {
        return vec![server.name.clone()];
    }
    if server.kubernetes && random.percent(10) {
        return vec![format!("*.{}.svc.cluster.local", server.namespace)];
    }
    if random.percent(12) {
        let other = random.pick(&world.services).host;
        if other != full {
            return vec![full, other];
        }
    }
    if random.percent(5) {
        return vec!["shop.example.com".to_owned()];
    }
    vec![full]
}

fn http_route(world: &World, random: &Random, server: &Server, namespace: &str) -> Value {
    let mut route = json!({});
    if random.percent(55) {
        let count = random.pick(&[1, 1, 1, 2]);
        let matches: Vec<Value> = (0..count).map(|_| http_match(world, random, server)).collect();
        route["match"] = json!(matches);
    }
    match random.below(100) {
        0..4 => route["redirect"] = json!({"authority": "other.example.com"}),
        4..7 => route["directResponse"] = json!({"status": 418}),
        _ => route["route"] = json!(destinations(world, random, server, namespace)),
    }
    if route.get("route").is_some() && random.percent(6) {
        route["fault"] = json!({"abort": {"httpStatus": 500, "percentage": {"value": random.pick(&[100, 50])}}});
    }
    if route.get("route").is_some() && random.percent(6) {
        route["rewrite"] = json!({"uri": "/new"});
    }
    route
}

fn http_match(world: &World, random: &Random, server: &Server) -> Value {
    let pod = random.pick(&world.pods);
    let port = server.ports.first().map_or(80, |(_, port)| *port);
    random.pick(&[
        json!({"uri": {"prefix": "/"}}),
        json!({"uri": {"prefix": "/api"}}),
        json!({"uri": {"exact": "/"}}),
        json!({"uri": {"exact": "/health"}}),
        json!({"uri": {"regex": "/.*"}}),
        json!({"headers": {"x-user": {"exact": "jason"}}}),
        json!({"headers": {"x-user": {"prefix": "j"}}, "uri": {"prefix": "/"}}),
        json!({"withoutHeaders": {"x-user": {"exact": "jason"}}}),
        json!({"method": {"exact": "GET"}}),
        json!({"method": {"exact": "POST"}}),
        json!({"queryParams": {"v": {"exact": "2"}}}),
        json!({"authority": {"exact": server.host}}),
        json!({"authority": {"prefix": "other"}}),
        json!({"scheme": {"exact": "http"}}),
        json!({"port": port}),
        json!({"port": 9999}),
        json!({"sourceLabels": labels([random.pick(&pod.own_labels())])}),
        json!({"sourceLabels": labels([("app", "sleep")])}),
        json!({"sourceNamespace": pod.namespace}),
        json!({"gateways": ["gw"]}),
        json!({"gateways": ["mesh"], "uri": {"prefix": "/"}}),
    ])
}

fn tcp_route(world: &World, random: &Random, server: &Server, namespace: &str) -> Value {
    let mut route = json!({});
    let pod = random.pick(&world.pods);
    let port = server.ports.first().map_or(80, |(_, port)| *port);
    if random.percent(55) {
        let of = random.pick(&[
            json!({"port": port}),
            json!({"port": 9999}),
            json!({"sourceLabels": labels([random.pick(&pod.own_labels())])}),
            json!({"sourceNamespace": pod.namespace}),
            json!({"destinationSubnets": ["10.96.0.0/16"]}),
            json!({"destinationSubnets": ["10.99.0.0/16"]}),
            json!({"gateways": ["gw"]}),
        ]);
        route["match"] = json!([of]);
    }
    route["route"] = json!(destinations(world, random, server, namespace));
    route
}

fn destinations(world: &World, random: &Random, server: &Server, namespace: &str) -> Vec<Value> {
    let first = destination(world, random, server, namespace);
    if random.percent(70) {
        return vec![json!({"destination": first})];
    }
    let (one, other) = random.pick(&[(80, 20), (50, 50), (100, 0), (0, 100)]);
    let second = destination(world, random, server, namespace);
    vec![json!({"destination": first, "weight": one}), json!({"destination": second, "weight": other})]
}

fn destination(world: &World, random: &Random, server: &Server, namespace: &str) -> Value {
    let to = if random.percent(60) { server.clone() } else { random.pick(&world.services) };
    let short = to.kubernetes && to.namespace == namespace && random.percent(35);
    let mut destination = json!({"host": if short { to.name.clone() } else { to.host.clone() }});
    if random.percent(30) {
        destination["subset"] = json!(random.pick(&["v1", "v2"]));
    }
    if random.percent(40) {
        let numbers: Vec<u16> = to.ports.iter().map(|(_, port)| *port).chain([8080]).collect();
        destination["port"] = json!({"number": random.pick(&numbers)});
    }
    if random.percent(3) {
        destination["host"] = json!("gone.example.com");
    }
    destination
}
