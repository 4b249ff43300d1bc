//! Facts about what a client originates.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::pair::{OriginKind, OriginMode};
use kubectl_mtls::model::tls::ClientCertificate;
use kubectl_mtls::model::wire::Sends;
use serde_json::{Value, json};

use super::facts::{applied, client_world, destination, originate, pod_named, the_server};
use super::{Checked, Vector, same};
use crate::intent::world::{Pod, World};

pub(super) fn hint(vector: &Vector, version: IstioVersion) -> Checked {
    let snapshot = client_world(&vector.input).read(version);
    let mesh = Mesh::new(&snapshot);
    let ours = originate(&mesh, &vector.input);
    let automatic = matches!(vector.expected["mode"].as_str(), Some("PERMISSIVE" | "STRICT"));
    same("automatic mutual TLS", &ours.tls.is_some(), &automatic)
}

pub(super) fn mark(vector: &Vector, version: IstioVersion) -> Checked {
    // Before 1.12 the check plays no part for clients of the same network.
    let version = version.max(IstioVersion::minor(20));
    let snapshot = client_world(&vector.input).read(version);
    let mesh = Mesh::new(&snapshot);
    let server = the_server(&mesh, &vector.input);
    let endpoints = mesh.endpoints(&server);
    let ours = mesh.marked(pod_named(&mesh, "client"), &server, vector.input["subset"].as_str(), &endpoints[0]);
    same("marked", &Some(ours), &vector.expected["endpointMtls"].as_bool())
}

pub(super) fn tls_mode(vector: &Vector, version: IstioVersion) -> Checked {
    let input = &vector.input;
    let mut world = World::default();
    world.service("app", "web", &json!({"app": "web"}), &json!([{"name": "http", "port": 80, "targetPort": 8080}]));
    match input["kind"].as_str().unwrap() {
        "Pod" => {
            let mut labels = input["labels"].clone();
            labels["app"] = json!("web");
            let pod = Pod {
                namespace: "app",
                name: "web",
                labels: &labels,
                tls_mode: None,
                sidecar: false,
                address: "10.0.0.1",
            };
            world.pod(&pod);
        }
        "WorkloadEntry" => {
            let mut spec = input["spec"].clone();
            spec["labels"]["app"] = json!("web");
            world.add(json!({"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry",
                             "metadata": {"name": "vm", "namespace": "app"}, "spec": spec}));
        }
        _ => {
            world.add(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": "web-1", "namespace": "app", "labels": {"kubernetes.io/service-name": "web"}},
                "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                "endpoints": [{"addresses": ["10.0.0.1"]}]}));
        }
    }
    let snapshot = world.read(version);
    let mesh = Mesh::new(&snapshot);
    let endpoints = mesh.endpoints(&mesh.servers()[0]);
    same("tlsMode", &endpoints.first().map(|endpoint| endpoint.tls_mode), &vector.expected["tlsMode"].as_str())
}

pub(super) fn transport(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let snapshot = client_world(input).read(version);
    let mesh = Mesh::new(&snapshot);
    let ours = originate(&mesh, input);
    let origin = match (ours.mode, ours.tls.is_some()) {
        (OriginMode::Auto, true) => "auto",
        (OriginMode::Auto | OriginMode::NoProxy, _) => "none",
        (OriginMode::Disable | OriginMode::Simple | OriginMode::Mutual | OriginMode::IstioMutual, _) => {
            "destinationRule"
        }
    };
    same("origin", &Some(origin), &expected["origin"].as_str())?;
    if let Some(name) = expected.get("destinationRule") {
        same("rule", &applied(&ours), &name.as_str().map(str::to_owned))?;
    }
    let words: Vec<&str> = expected["perEndpoint"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let kinds: Vec<OriginKind> = words
        .iter()
        .map(|word| match *word {
            "plaintext" => OriginKind::Plaintext,
            "mtls" => OriginKind::MutualTls,
            _ => {
                if ours.mode == OriginMode::Mutual {
                    OriginKind::TlsClientCert
                } else {
                    OriginKind::Tls
                }
            }
        })
        .collect();
    let joint = if kinds.windows(2).all(|pair| pair[0] == pair[1]) { kinds[0] } else { OriginKind::Mixed };
    same("kind over all endpoints", &ours.kind, &joint)?;
    if input["subset"].is_null() {
        let pair = mesh.pair(pod_named(&mesh, "client"), &the_server(&mesh, input));
        let sent: Vec<&str> = pair
            .endpoints
            .iter()
            .map(|endpoint| match endpoint.sends.map(Sends::as_str) {
                Some("mutual-tls") => "mtls",
                Some("tls" | "tls-client-cert") => "tls",
                Some(other) => other,
                None => "nothing",
            })
            .collect();
        same("sent to each endpoint", &sent, &words)?;
    }
    Ok(())
}

/// Hints, identities and names are given in these vectors; the mesh here has its own, so only what the rule sets is compared.
pub(super) fn settings(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let mut world = World::of(input);
    let hint = input["serviceModeHint"].as_str().unwrap();
    if matches!(hint, "STRICT" | "PERMISSIVE" | "DISABLE") {
        world.add(json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
            "metadata": {"name": "default", "namespace": "app"}, "spec": {"mtls": {"mode": hint}}}));
    }
    if !input["destinationRuleTls"].is_null() {
        world.add(json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": "rule", "namespace": "app"},
            "spec": {"host": "web.app.svc.cluster.local", "trafficPolicy": {"tls": input["destinationRuleTls"]}}}));
    }
    let files = &input["proxyMetadataCerts"];
    if !files.is_null() {
        let metadata = json!({"ISTIO_META_TLS_CLIENT_CERT_CHAIN": files["chain"],
            "ISTIO_META_TLS_CLIENT_KEY": files["key"], "ISTIO_META_TLS_CLIENT_ROOT_CERT": files["root"]});
        world.config("defaultConfig", json!({"proxyMetadata": metadata}));
    }
    let none = json!({});
    world.pod(&Pod {
        namespace: "client",
        name: "client",
        labels: &none,
        tls_mode: Some("istio"),
        sidecar: true,
        address: "10.9.0.1",
    });
    let service = json!({"service": {"hostname": "web.app.svc.cluster.local", "namespace": "app", "meshExternal": input["meshExternal"]}});
    destination(&mut world, &service);
    let snapshot = world.read(version);
    let mesh = Mesh::new(&snapshot);
    let ours = originate(&mesh, &service);
    let wanted = expected["tls"]["mode"].as_str();
    // An unknown mode without a policy is PERMISSIVE once a whole service is asked for.
    let unknown = hint == "UNKNOWN" && wanted.is_none() && input["enableAutoMtls"].as_bool() == Some(true);
    let mode = match (ours.mode, &ours.tls) {
        // What the cluster is told, whatever the rule says.
        (OriginMode::Auto | OriginMode::IstioMutual | OriginMode::Mutual, Some(tls))
            if matches!(tls.certificate, ClientCertificate::Files { .. }) =>
        {
            let ClientCertificate::Files { certificate, key } = &tls.certificate else { return Ok(()) };
            same("certificate", &Some(certificate.as_str()), &expected["tls"]["clientCertificate"].as_str())?;
            same("key", &Some(key.as_str()), &expected["tls"]["privateKey"].as_str())?;
            Some("MUTUAL")
        }
        (OriginMode::Auto, Some(_)) => Some("ISTIO_MUTUAL"),
        (OriginMode::Auto | OriginMode::NoProxy, _) => None,
        (mode, _) => Some(mode.as_str()),
    };
    if !unknown {
        same("mode", &mode, &wanted)?;
    }
    for (field, own) in [("sni", ours.tls.as_ref().and_then(|tls| tls.sni.clone()))] {
        if input["destinationRuleTls"][field].is_string() {
            same(field, &own.as_deref(), &expected["tls"][field].as_str())?;
        }
    }
    Ok(())
}

pub(super) fn cluster_tls(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let mut whole = input.clone();
    let mut rule = input["destinationRule"].clone();
    rule["apiVersion"] = json!("networking.istio.io/v1");
    rule["kind"] = json!("DestinationRule");
    rule["metadata"] = json!({"name": "rule", "namespace": "default"});
    rule["spec"]["host"] = json!("web.default.svc.cluster.local");
    whole["destinationRules"] = json!([rule]);
    whole["service"]["hostname"] = json!("web.default.svc.cluster.local");
    let snapshot = client_world(&whole).read(version);
    let mesh = Mesh::new(&snapshot);
    let ours = originate(&mesh, &whole);
    let origin = if ours.mode == OriginMode::Auto { "auto" } else { "destinationRule" };
    same("origin", &Some(origin), &expected["origin"].as_str())?;
    let wanted = expected["tlsMode"].as_str().unwrap();
    let mode = if wanted.starts_with("auto") { "AUTO" } else { wanted };
    same("mode", &ours.mode.as_str(), &mode)
}

pub(super) fn traffic_policy(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let port = input["servicePort"].as_u64().unwrap_or(80);
    let rule = json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "rule", "namespace": "app"},
        "spec": {"host": "web.app.svc.cluster.local", "trafficPolicy": input["destinationRuleTrafficPolicy"],
                 "subsets": [{"name": "v1", "labels": {}, "trafficPolicy": input["subsetTrafficPolicy"]}]}});
    let whole = json!({"destinationRules": [rule], "subset": "v1", "servicePort": port,
        "service": {"hostname": "web.app.svc.cluster.local", "namespace": "app", "port": port}});
    let snapshot = client_world(&whole).read(version);
    let mesh = Mesh::new(&snapshot);
    let ours = originate(&mesh, &whole);
    let wanted = expected["trafficPolicy"]["tls"]["mode"].as_str().unwrap_or("AUTO");
    same("mode", &ours.mode.as_str(), &wanted)
}

pub(super) fn rule(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let snapshot = client_world(input).read(version);
    let mesh = Mesh::new(&snapshot);
    let ours = originate(&mesh, input);
    if let Some(name) = expected.get("destinationRule") {
        same("rule", &applied(&ours), &name.as_str().map(str::to_owned))?;
    }
    let mode = expected["topLevelTlsMode"].as_str().or_else(|| expected["tlsMode"].as_str());
    if let Some(mode) = mode {
        same("mode", &ours.mode.as_str(), &mode)?;
    }
    for subset in expected["subsetsOfFirstMatch"].as_array().into_iter().flatten() {
        let name = subset.as_str().unwrap();
        let of = mesh.originate(pod_named(&mesh, "client"), &the_server(&mesh, input), Some(name));
        let known = format!("{:?}", of.route).contains(&format!("|{name}|"));
        same(&format!("subset {name}"), &known, &true)?;
    }
    Ok(())
}
