//! Facts about what a server accepts.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::derivation::Effect;
use kubectl_mtls::model::filter_chain::{Connection, Presents, meet};
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::pair::AcceptMode;
use kubectl_mtls::model::port::{Payload, WorkloadPort};
use kubectl_mtls::model::wire::{Handling, Why};
use serde_json::{Value, json};

use super::facts::{key, pod_named};
use super::{Checked, Vector, same};
use crate::intent::world::{Pod, World};

/// The pod under test: a sidecar in the vector's namespace with its labels.
pub(super) fn server_world(input: &Value) -> World {
    let mut world = World::of(input);
    let workload = &input["workload"];
    let mut labels = workload["labels"].clone();
    labels["vector"] = json!("pod");
    // It would make the pod a gateway, which no PeerAuthentication governs; what matches is asked here.
    labels.as_object_mut().unwrap().remove("gateway.networking.k8s.io/gateway-name");
    world.pod(&Pod {
        namespace: workload["namespace"].as_str().unwrap(),
        name: "server",
        labels: &labels,
        tls_mode: Some("istio"),
        sidecar: true,
        address: "10.0.0.1",
    });
    world
}

pub(super) fn mode_word(mode: AcceptMode) -> &'static str {
    mode.as_str()
}

pub(super) fn server_mode(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let snapshot = server_world(input).read(version);
    let mesh = Mesh::new(&snapshot);
    let server = pod_named(&mesh, "server");
    let at = |port: u16| mesh.inbound(server, WorkloadPort(port));
    // A port nobody names, or the one the vector asks for.
    let port = input["port"].as_u64().map_or(64999, |port| u16::try_from(port).unwrap());
    let accepts = at(port);
    same("mode", &Some(mode_word(accepts.mode)), &expected["mode"].as_str())?;
    for list in ["perPort", "modeForPort"] {
        for (port, mode) in expected[list].as_object().into_iter().flatten() {
            let ours = mode_word(at(port.parse().unwrap()).mode);
            same(&format!("mode of port {port}"), &Some(ours), &mode.as_str())?;
        }
    }
    if let Some(from) = expected.get("modeFrom") {
        let ours = key(&accepts.decided_by).unwrap_or_else(|| "default".to_owned());
        same("mode from", &ours.as_str(), &from.as_str().unwrap_or_default())?;
    }
    for ignored in expected["ignored"].as_array().into_iter().flatten() {
        let name = ignored.as_str().or_else(|| ignored["policy"].as_str()).unwrap_or_default();
        let step = accepts.layers.iter().find(|step| key(&step.policy).as_deref() == Some(name));
        let said = step.is_some_and(|step| step.effect == Effect::Ignored && step.why.is_some());
        same(&format!("{name} is ignored, with a reason"), &said, &true)?;
    }
    if let Some(wanted) = expected["plaintextSucceeds"].as_bool() {
        let chains = mesh.inbound_chains(server);
        let (payload, alpn) = match input["appProtocol"].as_str() {
            Some("HTTP") => (Payload::Http, vec!["http/1.1"]),
            _ => (Payload::Tcp, Vec::new()),
        };
        let plain = Connection { presents: Presents::Plaintext, alpn, payload };
        let handling = meet(&chains, WorkloadPort(port), &plain);
        same("plaintext succeeds", &(handling == Handling::Pass), &wanted)?;
        let alpn = if payload == Payload::Http { vec!["istio-http/1.1"] } else { vec!["istio"] };
        let mutual = Connection { presents: Presents::MeshCertificate, alpn, payload };
        let handling = meet(&chains, WorkloadPort(port), &mutual);
        same("mutual TLS succeeds", &Some(handling == Handling::Terminate), &expected["mtlsSucceeds"].as_bool())?;
    }
    Ok(())
}

pub(super) fn selection(vector: &Vector, version: IstioVersion) -> Checked {
    let snapshot = server_world(&vector.input).read(version);
    let mesh = Mesh::new(&snapshot);
    let accepts = mesh.inbound(pod_named(&mesh, "server"), WorkloadPort(64999));
    // Istio keeps what matches, whether or not it governs; what was dropped on the way in is gone.
    let mut ours: Vec<String> = accepts
        .layers
        .iter()
        .filter(|step| !step.why.as_deref().is_some_and(|why| why.contains("without selector of a namespace counts")))
        .filter_map(|step| key(&step.policy))
        .collect();
    ours.sort();
    ours.dedup();
    let mut wanted: Vec<String> = vector.expected["appliedInOrder"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    wanted.sort();
    same("policies", &ours, &wanted)
}

pub(super) fn inbound(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let mut world = server_world(input);
    let namespace = input["workload"]["namespace"].as_str().unwrap();
    for (number, protocol) in input["servicePorts"].as_object().into_iter().flatten() {
        let target: u16 = number.parse().unwrap();
        let mut spec = json!({"name": "port", "port": target, "targetPort": target});
        match protocol.as_str().unwrap() {
            "UNSPECIFIED" | "AUTO" | "UnsupportedProtocol" => {}
            known => spec["appProtocol"] = json!(known.to_lowercase()),
        }
        world.service(namespace, &format!("svc-{target}"), &json!({"vector": "pod"}), &json!([spec]));
    }
    if let Some(ports) = ingress(input) {
        world.add(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "Sidecar",
            "metadata": {"name": "sidecar", "namespace": namespace},
            "spec": {"ingress": ports, "egress": [{"hosts": ["*/*"]}]},
        }));
    }
    if input["enableTlsOnSidecarIngress"] == true {
        world.add(istiod("ENABLE_TLS_ON_SIDECAR_INGRESS", "true"));
    }
    let snapshot = world.read(version);
    let mesh = Mesh::new(&snapshot);
    let chains = mesh.inbound_chains(pod_named(&mesh, "server"));
    let call = &input["call"];
    let port = WorkloadPort(u16::try_from(call["port"].as_u64().unwrap()).unwrap());
    let handling = meet(&chains, port, &connection(call));
    let ours = match handling {
        Handling::Pass
        | Handling::Terminate
        | Handling::TerminateIfMeshCertificate
        | Handling::TerminateOwn
        | Handling::TerminateOwnIfTrusted => None,
        Handling::Refuse(Why::NoFilterChain) => Some("no_filter_chain"),
        // Istio's simulation wants the very certificate that is told, on either side.
        Handling::Refuse(Why::ClientCertificateRequired | Why::ServerIdentityNotExpected) => Some("mtls_error"),
        Handling::Refuse(_) => Some("protocol_error"),
    };
    same("error", &ours, &expected["error"].as_str())
}

/// The control plane's Deployment, with a switch in its environment.
fn istiod(switch: &str, value: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "istiod", "namespace": "istio-system"},
           "spec": {"template": {"metadata": {"labels": {"app": "istiod"}}, "spec": {"containers": [
               {"name": "discovery", "env": [{"name": switch, "value": value}]}]}}}})
}

pub(super) fn ingress(input: &Value) -> Option<Value> {
    if let Some(listeners) = input["sidecarIngress"].as_array() {
        return Some(json!(listeners));
    }
    if let Some(one) = input["sidecarIngress"].as_object() {
        let tls = json!({"mode": one["tlsMode"], "serverCertificate": "/etc/cert", "privateKey": "/etc/key",
                         "caCertificates": "/etc/ca"});
        return Some(json!([{"port": {"number": one["port"], "protocol": one["protocol"], "name": "port"},
                            "defaultEndpoint": "127.0.0.1:8080", "tls": tls}]));
    }
    let ports = input.get("sidecarIngressPorts")?.as_object()?;
    let listeners: Vec<Value> = ports
        .iter()
        .map(|(number, protocol)| {
            json!({"port": {"number": number.parse::<u16>().unwrap(), "protocol": protocol, "name": "port"},
                   "defaultEndpoint": "127.0.0.1:8080"})
        })
        .collect();
    Some(json!(listeners))
}

pub(super) fn connection(call: &Value) -> Connection<'_> {
    let http = call["protocol"].as_str() != Some("tcp");
    let h2 = call["protocol"].as_str() == Some("http2");
    let presents = match call["tls"].as_str().unwrap() {
        "plaintext" => Presents::Plaintext,
        "mtls" => Presents::MeshCertificate,
        _ => Presents::NoCertificate,
    };
    let own: Option<Vec<&str>> =
        call["alpn"].as_str().map(|alpn| if alpn.is_empty() { Vec::new() } else { vec![alpn] });
    let usual = match (presents, http, h2) {
        (Presents::Plaintext | Presents::NoCertificate, true, false) => vec!["http/1.1"],
        (Presents::Plaintext, true, true) => vec!["h2c"],
        (Presents::NoCertificate, true, true) => vec!["h2"],
        (Presents::MeshCertificate | Presents::ForeignCertificate, true, false) => vec!["istio-http/1.1"],
        (Presents::MeshCertificate | Presents::ForeignCertificate, true, true) => vec!["istio-h2"],
        (Presents::MeshCertificate | Presents::ForeignCertificate, false, _) => vec!["istio"],
        (Presents::Plaintext | Presents::NoCertificate, false, _) => Vec::new(),
    };
    Connection { presents, alpn: own.unwrap_or(usual), payload: if http { Payload::Http } else { Payload::Tcp } }
}

pub(super) fn trust_domains(vector: &Vector, version: IstioVersion) -> Checked {
    let mut world = World::default();
    for (field, value) in vector.input["meshConfig"].as_object().unwrap() {
        world.config(field, value.clone());
    }
    let none = json!({});
    world.pod(&Pod {
        namespace: "app",
        name: "server",
        labels: &none,
        tls_mode: Some("istio"),
        sidecar: true,
        address: "10.0.0.1",
    });
    let snapshot = world.read(version);
    let mesh = Mesh::new(&snapshot);
    let ours: Vec<String> =
        mesh.trust_domains(pod_named(&mesh, "server")).iter().map(|domain| format!("spiffe://{domain}/")).collect();
    let wanted: Vec<String> = vector.expected["sanPrefixes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    same("prefixes", &ours, &wanted)
}
