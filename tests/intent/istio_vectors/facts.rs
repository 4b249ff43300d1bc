//! Meshes out of the inputs of facts about clients, and what they are asked.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::derivation::{Effect, PolicyKind, PolicyRef};
use kubectl_mtls::model::pair::{Originates, ServerRef};
use kubectl_mtls::model::workload::Pod as ModelPod;
use serde_json::{Value, json};

use crate::intent::world::{Pod, World};

/// A client, a service and its endpoints.
pub(super) fn client_world(input: &Value) -> World {
    let mut world = World::of(input);
    let client = input.get("client").cloned().unwrap_or_else(|| {
        json!({"namespace": input["clientNamespace"].as_str().unwrap_or("client"), "labels": input["clientLabels"], "sidecar": true})
    });
    let labels = if client["labels"].is_object() { client["labels"].clone() } else { json!({}) };
    world.pod(&Pod {
        namespace: client["namespace"].as_str().unwrap(),
        name: "client",
        labels: &labels,
        tls_mode: Some("istio"),
        sidecar: client["sidecar"].as_bool() != Some(false),
        address: "10.9.0.1",
    });
    destination(&mut world, input);
    world
}

/// The service as a Kubernetes Service where it can be one, else as a ServiceEntry.
pub(super) fn destination(world: &mut World, input: &Value) {
    let service = &input["service"];
    let host = service["hostname"].as_str().unwrap();
    let namespace = service["namespace"].as_str().unwrap_or("default");
    let endpoints = endpoints(input);
    for (index, endpoint) in endpoints.iter().enumerate() {
        let mut labels = endpoint["labels"].clone();
        labels["vector"] = json!("pod");
        world.pod(&Pod {
            namespace: endpoint["namespace"].as_str().unwrap_or(namespace),
            name: &format!("endpoint-{index}"),
            labels: &labels,
            tls_mode: endpoint["tlsMode"].as_str().filter(|mode| *mode != "disabled"),
            sidecar: endpoint["sidecar"].as_bool().unwrap_or(endpoint["tlsMode"] == "istio"),
            address: &format!("10.0.0.{}", index + 1),
        });
    }
    let ports = ports(input, &endpoints);
    let headless = service["resolution"].as_str() == Some("Passthrough");
    match host.strip_suffix(".svc.cluster.local").and_then(|short| short.split_once('.')) {
        Some((name, _)) if service["meshExternal"].as_bool() != Some(true) => {
            let address = if headless { "None" } else { "10.96.0.1" };
            world.add(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                "spec": {"clusterIP": address, "clusterIPs": [address], "selector": {"vector": "pod"}, "ports": ports},
            }));
        }
        _ => {
            let named: Vec<Value> = ports
                .as_array()
                .unwrap()
                .iter()
                .map(|port| json!({"number": port["port"], "name": port["name"], "protocol": "HTTP"}))
                .collect();
            let addresses: Vec<Value> =
                (0..endpoints.len()).map(|index| json!({"address": format!("10.0.0.{}", index + 1)})).collect();
            let external = service["meshExternal"].as_bool() == Some(true);
            world.add(json!({
                "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
                "metadata": {"name": "entry", "namespace": namespace},
                "spec": {"hosts": [host], "location": if external { "MESH_EXTERNAL" } else { "MESH_INTERNAL" },
                         "resolution": "STATIC", "addresses": ["10.97.0.1"], "ports": named, "endpoints": addresses},
            }));
        }
    }
}

pub(super) fn endpoints(input: &Value) -> Vec<Value> {
    if let Some(list) = input["endpoints"].as_array() {
        return list.clone();
    }
    if input["endpoint"].is_object() {
        return vec![input["endpoint"].clone()];
    }
    let server = &input["server"];
    if server.is_object() {
        let sidecar = server["sidecar"].as_bool() == Some(true);
        return vec![json!({"namespace": server["namespace"], "labels": server["labels"], "sidecar": sidecar,
                           "tlsMode": if sidecar { "istio" } else { "disabled" }, "port": 8080})];
    }
    vec![json!({"labels": {}, "tlsMode": "istio", "port": 8080})]
}

pub(super) fn ports(input: &Value, endpoints: &[Value]) -> Value {
    let service = &input["service"];
    let target = endpoints.first().map_or(json!(8080), |endpoint| endpoint["port"].clone());
    if let Some(port) = service["port"].as_u64() {
        return json!([{"name": "http", "port": port, "targetPort": target}]);
    }
    let Some(list) = service["ports"].as_array() else {
        return json!([{"name": "http", "port": 80, "targetPort": target}]);
    };
    let each = list.iter().map(|port| match port.as_u64() {
        Some(number) => json!({"name": format!("http-{number}"), "port": number, "targetPort": target}),
        None => json!({"name": port["name"], "port": port["port"],
                       "targetPort": port.get("targetPort").cloned().unwrap_or_else(|| target.clone())}),
    });
    json!(each.collect::<Vec<_>>())
}

pub(super) fn the_server(mesh: &Mesh<'_>, input: &Value) -> ServerRef {
    let wanted = input["servicePort"].as_u64().or_else(|| input["service"]["port"].as_u64());
    let servers = mesh.servers();
    let found = servers.iter().find(|server| wanted.is_none_or(|port| u64::from(server.port.0) == port));
    found.unwrap_or_else(|| panic!("no server in {servers:?}")).clone()
}

pub(super) fn originate(mesh: &Mesh<'_>, input: &Value) -> Originates {
    mesh.originate(pod_named(mesh, "client"), &the_server(mesh, input), input["subset"].as_str())
}

/// The rule that applies, by the layers of the answer.
pub(super) fn applied(originates: &Originates) -> Option<String> {
    let spoke = |effect| matches!(effect, Effect::Effective | Effect::Inherited | Effect::Overridden);
    let steps = || originates.layers.iter().filter(|step| step.policy.kind == PolicyKind::DestinationRule);
    steps().find(|step| spoke(step.effect)).and_then(|step| key(&step.policy))
}

pub(super) fn pod_named<'s>(mesh: &Mesh<'s>, name: &str) -> &'s ModelPod {
    mesh.snapshot().pods.iter().find(|pod| pod.meta.name == name).unwrap()
}

pub(super) fn key(policy: &PolicyRef) -> Option<String> {
    Some(format!("{}/{}", policy.namespace.as_ref()?, policy.name.as_ref()?))
}
