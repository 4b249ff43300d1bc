//! Facts about the TLS that a client's cluster carries.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::pair::OriginMode;
use kubectl_mtls::model::tls::{ClientCertificate, ServerValidation};
use serde_json::{Value, json};

use super::facts::{client_world, originate};
use super::{Checked, Vector, same};

/// One socket for every endpoint, or one for those that are marked; its ALPN, and where its certificates come from.
pub(super) fn sockets(vector: &Vector, version: IstioVersion) -> Checked {
    let (input, expected) = (&vector.input, &vector.expected);
    let snapshot = {
        let mut world = client_world(&asked(input));
        world.config("enableAutoMtls", json!(input["origin"] == "auto"));
        world.read(version)
    };
    let mesh = Mesh::new(&snapshot);
    let ours = originate(&mesh, &asked(input));
    let tls = ours.tls.as_ref();
    let marked = ours.mode == OriginMode::Auto && !ours.original_dst;
    same("one socket", &Some(tls.is_some() && !marked), &expected["transportSocket"].as_bool())?;
    same("sockets by mark", &Some(tls.is_some() && marked), &expected["transportSocketMatches"].as_bool())?;
    let Some(tls) = tls else { return Ok(()) };
    if let Some(wanted) = expected.get("alpn") {
        let wanted: Vec<&str> = wanted.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        same("alpn", &tls.alpn.iter().map(String::as_str).collect(), &wanted)?;
    }
    if expected["sni"].is_string() {
        same("sni", &tls.sni.as_deref(), &expected["sni"].as_str())?;
    }
    if let (Some(wanted), ClientCertificate::Files { certificate, key }) =
        (expected["certSdsName"].as_str(), &tls.certificate)
    {
        same("certificate", &format!("file-cert:{certificate}~{key}").as_str(), &wanted)?;
    }
    if let Some(wanted) = expected["rootSdsName"].as_str() {
        let ServerValidation::File(path) = &tls.validation else { return Err(format!("verified by {tls:?}")) };
        same("authority", &format!("file-root:{path}").as_str(), &wanted)?;
    }
    Ok(())
}

/// A service whose rule has this TLS; without one where istiod decides by itself.
fn asked(input: &Value) -> Value {
    let mut whole = json!({"service": {"hostname": "web.app.svc.cluster.local", "namespace": "app", "ports": [
        {"name": if input["http2Cluster"] == true { "http2" } else { "http" }, "port": 80}]}});
    if input["origin"] == "user" {
        whole["destinationRules"] = json!([{"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": "rule", "namespace": "app"},
            "spec": {"host": "web.app.svc.cluster.local", "trafficPolicy": {"tls": input["tls"]}}}]);
    }
    whole
}
