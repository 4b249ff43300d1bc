//! Facts asserted by Istio's own tests, or read from its code (format: `meta` in the file).

use std::collections::BTreeMap;

use kubectl_mtls::model::mesh::IstioVersion;
use serde::Deserialize;
use serde_json::Value;

mod client;
mod facts;
mod met;
mod server;
mod sockets;

use client::{cluster_tls, hint, mark, rule, settings, tls_mode, traffic_policy, transport};
use met::{outcome, reachable};
use server::{inbound, selection, server_mode, trust_domains};
use sockets::sockets;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    category: String,
    since: Option<String>,
    until: Option<String>,
    input: Value,
    expected: Value,
}

/// Categories that wait, and for what.
const WAITING: [(&str, &str); 12] = [
    ("ambient_effective", "ambient is not answered yet"),
    ("ambient_pa_conversion", "ambient is not answered yet"),
    ("analyzer_dr_ca", "what `istioctl analyze` finds, not what is demanded"),
    ("authz_needs_mtls", "AuthorizationPolicy is not answered yet"),
    ("dr_merge", "rules that istiod makes from Gateway API policies never exist in the API server"),
    ("gateway_server_tls", "Gateways are not answered yet"),
    ("host_match", "checked beside the function, in src/intent/host.rs"),
    ("host_resolve", "checked beside the function, in src/intent/host.rs"),
    ("metadata_path", "what config_dump writes, not what is demanded"),
    ("pa_validation", "checked with the decoder, in tests/decode/admission.rs"),
    ("port_protocol", "checked with the decoder, in tests/decode/vectors.rs"),
    ("sds_name", "what config_dump writes, not what is demanded"),
];

#[test]
fn every_fact_about_sidecars_follows_from_the_rules() {
    let file: File = serde_json::from_str(include_str!("../vectors/istio-vectors.json")).unwrap();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut differences, mut waiting) = (Vec::new(), Vec::new());
    for vector in &file.vectors {
        let check = match vector.category.as_str() {
            "pa_composition" | "pa_effective" | "pa_port_mode" | "workload_only_port" => server_mode,
            "pa_selection" => selection,
            "inbound_simulation" => inbound,
            "service_mode_hint" => hint,
            "endpoint_mtls" => mark,
            "endpoint_tls_mode" => tls_mode,
            "client_transport" => transport,
            "client_tls_settings" => settings,
            "client_cluster_tls" => cluster_tls,
            "cluster_transport_socket" => sockets,
            "dr_traffic_policy" => traffic_policy,
            "dr_resolution" | "dr_selection" => rule,
            "reachability" => reachable,
            "outcome" => outcome,
            "trust_domains" => trust_domains,
            other => {
                assert!(WAITING.iter().any(|(name, _)| *name == other), "nobody looks at category {other}");
                continue;
            }
        };
        if let Some(why) = not_asked(vector) {
            waiting.push((vector.id.as_str(), why));
            continue;
        }
        *counts.entry(vector.category.as_str()).or_default() += 1;
        for version in versions(vector) {
            if let Err(difference) = check(vector, version) {
                differences.push(format!("{} at {version}: {difference}", vector.id));
            }
        }
    }
    let total: usize = counts.values().sum();
    let shown = differences.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {total} facts differ:\n{shown}", differences.len());
    assert_eq!(total, CHECKED, "facts were checked: {counts:?}; these wait: {waiting:?}");
}

/// How many facts are checked; the others wait, each for a reason above or below.
const CHECKED: usize = 276;

/// Why a fact of a category that is checked cannot be asked.
fn not_asked(vector: &Vector) -> Option<&'static str> {
    let client = vector.input["client"].as_str().unwrap_or_default();
    if vector.input["sendHbone"].as_bool() == Some(true) {
        return Some("ambient is not answered yet");
    }
    if client.contains("https") {
        return Some("TLS of the application's own is not asked");
    }
    if client.contains("mesh certificates") {
        return Some("no policy tells where a certificate comes from: `depends`");
    }
    None
}

/// The first and the last version that a fact holds for.
fn versions(vector: &Vector) -> Vec<IstioVersion> {
    // "absent = 1.9 or the first release of the feature": selecting clients came with 1.14.
    let selects_clients = vector.input["destinationRules"].to_string().contains("workloadSelector");
    // And TLS on a Sidecar's ingress with 1.13.
    let oldest = match (selects_clients, vector.input["enableTlsOnSidecarIngress"] == true) {
        (true, _) => IstioVersion::minor(14),
        (false, true) => IstioVersion::minor(13),
        (false, false) => IstioVersion::OLDEST,
    };
    let first = vector.since.as_deref().map_or(oldest, |text| text.parse().unwrap());
    let last = vector.until.as_deref().map_or(IstioVersion::NEWEST, |text| text.parse().unwrap());
    vec![first, last]
}

type Checked = Result<(), String>;

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, wanted: &T) -> Checked {
    if ours == wanted { Ok(()) } else { Err(format!("{what}: ours {ours:?}, Istio {wanted:?}")) }
}
