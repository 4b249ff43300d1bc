//! What the lab writes for Envoy, held against what istiod wrote for the same sidecars.

use std::collections::BTreeMap;

use kubectl_mtls::lab::desired::{ClusterRule, Desired, PodId, ProxyConfig, TransportSocket};
use kubectl_mtls::lab::envoy_config::{Certificates, Logging, Resources, Sidecar, config_dump, resources};
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::model::tls::{ClientCertificate, MtlsMode, ServerValidation, UpstreamTls};
use serde_json::{Value, json};

use crate::lab_dataplane::world::{
    SERVER, accepting, client, endpoint, istio_mutual, mesh, originating, server, server_identity, simple,
};

/// What istiod wrote, by case: `auto.http`, `permissive-port-strict.http`.
fn recorded() -> BTreeMap<String, Value> {
    let lines = include_str!("../vectors/istiod-shapes.jsonl").lines();
    let parsed = lines.map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    parsed.map(|shape| (shape["case"].as_str().expect("a name").to_owned(), shape)).collect()
}

fn root() -> ServerValidation {
    ServerValidation::File("/etc/certs/root.crt".to_owned())
}

/// The sidecar that a case is about, and whether its own port is meant.
fn stage(case: &str) -> (PodId, Desired) {
    let (kind, protocol) = case.split_once('.').expect("kind.protocol");
    let class = if protocol == "http" { PortClass::Http } else { PortClass::Tcp };
    if let Some(server_sidecar) = serving(kind, class) {
        return (server(), mesh(None, Some(server_sidecar)));
    }
    let san = vec![server_identity().to_string()];
    let files = ClientCertificate::Files {
        certificate: "/etc/certs/client.crt".to_owned(),
        key: "/etc/certs/client.key".to_owned(),
    };
    let socket = match kind {
        "auto" | "auto-nolabel" => TransportSocket::Matches(istio_mutual()),
        "dr-disable" => TransportSocket::RawBuffer,
        "dr-istio-mutual" => TransportSocket::Tls(istio_mutual()),
        "dr-simple-insecure" => TransportSocket::Tls(simple(ServerValidation::Skip)),
        "dr-simple-system" => TransportSocket::Tls(simple(ServerValidation::System)),
        "dr-simple-ca" => TransportSocket::Tls(simple(root())),
        "dr-mutual" => {
            TransportSocket::Tls(UpstreamTls { certificate: files, subject_alt_names: san, ..simple(root()) })
        }
        other => panic!("{other}"),
    };
    let mut config = originating(class, socket, vec![endpoint(SERVER, kind == "auto")]);
    for port in &mut config.outbound {
        let rule = ClusterRule { namespace: "foo".to_owned(), name: "httpbin".to_owned(), keeps_alpn: false };
        port.cluster.rule = kind.starts_with("dr-").then_some(rule);
    }
    (client(), mesh(Some(config), None))
}

fn serving(kind: &str, class: PortClass) -> Option<ProxyConfig> {
    let mode = |text: &str| match text {
        "permissive" => Some(MtlsMode::Permissive),
        "strict" => Some(MtlsMode::Strict),
        "disable" => Some(MtlsMode::Disable),
        _ => None,
    };
    let (workload, port) = kind.split_once("-port-").unwrap_or((kind, kind));
    Some(accepting(class, mode(workload)?, mode(port)?))
}

fn written(pod: &PodId, desired: &Desired) -> Resources {
    let certificates = Certificates::default();
    let config = desired.pods[pod].sidecar.as_ref().expect("a sidecar");
    resources(&Sidecar { id: pod, config, desired, certificates: &certificates, logging: Logging::Text })
}

/// Without what says nothing on the mesh: where discovery is asked, and the access log.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(object) if ["ads", "api_config_source"].iter().any(|source| object.contains_key(*source)) => {
            json!("<config source>")
        }
        Value::Object(object) => {
            let kept = object.iter().filter(|(name, _)| *name != "access_log");
            Value::Object(kept.map(|(name, value)| (name.clone(), bare(value))).collect())
        }
        Value::Array(values) => values.iter().map(bare).collect(),
        other => other.clone(),
    }
}

/// Every place where two values differ.
fn differences(path: &str, got: &Value, expected: &Value, found: &mut Vec<String>) {
    match (got, expected) {
        (Value::Object(got), Value::Object(expected)) => {
            let names: std::collections::BTreeSet<_> = got.keys().chain(expected.keys()).collect();
            for name in names {
                let of = |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                differences(&format!("{path}/{name}"), &of(got), &of(expected), found);
            }
        }
        (Value::Array(got), Value::Array(expected)) if got.len() == expected.len() => {
            for (position, (got, expected)) in got.iter().zip(expected).enumerate() {
                differences(&format!("{path}/{position}"), got, expected, found);
            }
        }
        _ if got == expected => {}
        _ => found.push(format!("{path}: {got}, recorded {expected}")),
    }
}

fn named<'v>(values: impl IntoIterator<Item = &'v Value>, name: &str) -> Option<&'v Value> {
    values.into_iter().find(|value| value["name"] == name)
}

/// Where istiod of the recordings and of later releases, or the recording's set-up, differ from what the lab writes.
fn known(case: &str, name: &str, recorded: &mut Value) {
    // The lab's outbound manager always has the filter; routes to other TLS turn it off, as metadata does in Istio's proxy.
    if name.starts_with("0.0.0.0_") && (case.starts_with("dr-simple") || case.starts_with("dr-mutual")) {
        let alpn = json!({
            "name": "istio.alpn",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
                "on_request_headers": [{
                    "object_key": "envoy.network.application_protocols",
                    "format_string": { "text_format_source": { "inline_string": "istio-http/1.1,istio,http/1.1" } },
                    "shared_with_upstream": "ONCE",
                }],
            },
        });
        let filters = recorded.pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters");
        filters.and_then(Value::as_array_mut).expect("filters").insert(1, alpn);
    }
    if name == "8000" {
        let host = recorded.pointer_mut("/virtual_hosts/0").expect("a host");
        let domains = host["domains"].as_array_mut().expect("domains");
        domains.sort_by_key(ToString::to_string);
        if case.starts_with("dr-simple") || case.starts_with("dr-mutual") {
            let off = json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true });
            host["typed_per_filter_config"] = json!({ "istio.alpn": off });
        }
    }
}

#[test]
fn clusters_listeners_and_routes_are_written_as_istiod_writes_them() {
    let (mut compared, mut found) = (0, Vec::new());
    for (case, recorded) in recorded() {
        let (pod, desired) = stage(&case);
        let written = written(&pod, &desired);
        for (field, values) in
            [("clusters", &written.clusters), ("listeners", &written.listeners), ("routes", &written.routes)]
        {
            for expected in recorded[field].as_array().into_iter().flatten() {
                let name = expected["name"].as_str().expect("a name");
                let mut expected = expected.clone();
                known(&case, name, &mut expected);
                let got = named(values, name).unwrap_or_else(|| panic!("{case}: no {field} `{name}`"));
                let mut got = bare(got);
                if let Some(domains) = got.pointer_mut("/virtual_hosts/0/domains").and_then(Value::as_array_mut) {
                    domains.sort_by_key(ToString::to_string);
                }
                differences(&format!("{case} {field} {name} "), &got, &expected, &mut found);
                compared += 1;
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(compared > 80, "{compared}");
}

#[test]
fn endpoints_carry_the_mark_that_automatic_mutual_tls_reads() {
    for (case, marked) in [("auto.http", true), ("auto-nolabel.http", false)] {
        let (pod, desired) = stage(case);
        let written = written(&pod, &desired);
        let recorded = recorded();
        let path = "/endpoints/0/lb_endpoints/0/metadata";
        let got = written.endpoints[0].pointer(path).expect("metadata");
        let expected = recorded[case]["endpoints"][0].pointer(path).expect("metadata");
        assert_eq!(got, expected, "{case}");
        assert_eq!(got.pointer("/filter_metadata/envoy.transport_socket_match").is_some(), marked);
    }
}

#[test]
fn a_dump_has_envoys_sections_and_no_key() {
    let (pod, desired) = stage("auto.http");
    let config = desired.pods[&pod].sidecar.as_ref().expect("a sidecar");
    let served = [
        ("default", kubectl_mtls::lab::envoy_config::Served::Pair { chain: "CHAIN".to_owned(), key: "KEY".to_owned() }),
        ("ROOTCA", kubectl_mtls::lab::envoy_config::Served::Roots("ROOT".to_owned())),
    ];
    let certificates = Certificates(served.map(|(name, secret)| (name.to_owned(), secret)).into());
    let sidecar = Sidecar { id: &pod, config, desired: &desired, certificates: &certificates, logging: Logging::Text };
    let dump = config_dump(&sidecar, jiff::Timestamp::UNIX_EPOCH);
    let sections = dump["configs"].as_array().expect("sections");
    let names: Vec<_> =
        sections.iter().map(|section| section["@type"].as_str().expect("a type").rsplit('.').next()).collect();
    let expected = ["Bootstrap", "Clusters", "Endpoints", "Listeners", "ScopedRoutes", "Routes", "Secrets"];
    assert_eq!(
        names,
        expected.map(|name| format!("{name}ConfigDump")).iter().map(|n| Some(n.as_str())).collect::<Vec<_>>()
    );
    let secret = &sections[6]["dynamic_active_secrets"];
    let default = named(secret.as_array().expect("secrets"), "default").expect("default");
    assert_eq!(default["secret"]["tls_certificate"]["private_key"]["inline_bytes"], "W3JlZGFjdGVkXQ==");
    assert!(!dump.to_string().contains("S0VZ"), "a key");
}
