//! Facts about what follows.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::wire::Wire;
use serde_json::{Value, json};

use super::facts::{client_world, pod_named, the_server};
use super::{Checked, Vector, same};

pub(super) fn reachable(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let snapshot = client_world(input).read(version);
    let mesh = Mesh::new(&snapshot);
    let server = the_server(&mesh, input);
    let client = pod_named(&mesh, "client");
    let pair = match input["subset"].as_str() {
        Some(subset) => mesh.pair_to_subset(client, &server, subset),
        None => mesh.pair(client, &server),
    };
    let success = matches!(pair.outcome.wire, Wire::MutualTls | Wire::Plaintext);
    same("success", &Some(success), &expected["success"].as_bool())?;
    if success && let Some(mutual) = expected["mtls"].as_bool() {
        same("mutual TLS", &(pair.outcome.wire == Wire::MutualTls), &mutual)?;
    }
    Ok(())
}

pub(super) fn outcome(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let client = input["client"].as_str().unwrap();
    let server = input["server"].as_str().unwrap();
    let mut policies = Vec::new();
    let mut add = |name: &str, spec: Value| {
        policies.push(json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": name, "namespace": "app"}, "spec": spec}));
    };
    let workload = json!({"matchLabels": {"app": "web"}});
    match server {
        "none" => {}
        "DISABLE (workload or port policy)" => add("w", json!({"selector": workload, "mtls": {"mode": "DISABLE"}})),
        "workload STRICT under namespace DISABLE" => {
            add("default", json!({"mtls": {"mode": "DISABLE"}}));
            add("w", json!({"selector": workload, "mtls": {"mode": "STRICT"}}));
        }
        other => add("default", json!({"mtls": {"mode": other.split(' ').next()}})),
    }
    let mode = client.strip_prefix("sidecar ").filter(|mode| *mode != "auto");
    let rules: Vec<Value> = mode
        .map(|mode| {
            json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
                "metadata": {"name": "rule", "namespace": "app"},
                "spec": {"host": "web.app.svc.cluster.local", "trafficPolicy": {"tls": {"mode": mode}}}})
        })
        .into_iter()
        .collect();
    let sidecar = server != "none";
    let name = if input["serverPortProtocol"] == "TCP" { "tcp" } else { "http" };
    let whole = json!({"peerAuthentications": policies, "destinationRules": rules,
        "client": {"namespace": "client", "sidecar": client.starts_with("sidecar")},
        "service": {"hostname": "web.app.svc.cluster.local", "namespace": "app", "ports": [{"name": name, "port": 80, "targetPort": 8080}]},
        "endpoints": [{"labels": {"app": "web"}, "sidecar": sidecar, "tlsMode": if sidecar { "istio" } else { "disabled" }, "port": 8080}]});
    let snapshot = client_world(&whole).read(version);
    let mesh = Mesh::new(&snapshot);
    let pair = mesh.pair(pod_named(&mesh, "client"), &the_server(&mesh, &whole));
    if pair.outcome.wire == Wire::Tls {
        return Ok(()); // Up to the application, which the recording takes to speak plaintext.
    }
    let Some(symptom) = pair.symptom else { return Err(format!("no symptom for {:?}", pair.outcome)) };
    let code = expected["httpCode"].as_u64().map(|code| format!("{code:03}"));
    same("code", &symptom.http, &code.into_iter().collect())?;
    if let Some(exits) = expected["curlExit"].as_array() {
        let known = symptom.exit.iter().all(|exit| exits.contains(&json!(exit)));
        same("exit is one of Istio's", &known, &true)?;
    }
    Ok(())
}
