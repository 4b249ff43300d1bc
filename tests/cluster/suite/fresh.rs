//! Policy sets made at random for the test-bed's own world, and a set that disagrees made as small as it goes.
//!
//! Everything that PeerAuthentication says about modes, at every level, against rules by every spelling of a host, with and without ports
//! and exports. Rules with a `workloadSelector` are left out: after some of them istiod owes proxies a push (`stale.rs`).

use serde_json::{Map, Value, json};

use crate::random::Random;
use crate::shrink;
use crate::yaml;

/// Sets that are tried at most to make one smaller: each takes seconds.
const TRIES: usize = 60;

const MODES: [&str; 4] = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];
const TLS: [&str; 3] = ["DISABLE", "SIMPLE", "ISTIO_MUTUAL"];
const PLACES: [&str; 4] = ["istio-system", "foo", "bar", "legacy"];

/// The policies of a seed, one to six.
pub(crate) fn set(seed: u64) -> Vec<Value> {
    let random = Random::of(seed, "policies");
    (0..=random.below(6))
        .map(
            |number| {
                if random.percent(55) {
                    peer_authentication(&random, number)
                } else {
                    destination_rule(&random, number)
                }
            },
        )
        .collect()
}

/// The smallest part of a set that disagrees as well, as manifests.
pub(crate) fn smallest(set: Vec<Value>, mut disagrees: impl FnMut(&[Value]) -> bool) -> String {
    let mut left = TRIES;
    let smallest = shrink::smallest(set, |smaller| {
        left = left.saturating_sub(1);
        left > 0 && disagrees(smaller)
    });
    yaml::documents(&smallest)
}

fn peer_authentication(random: &Random, number: usize) -> Value {
    let mut spec = Map::new();
    if random.percent(85) {
        spec.insert("mtls".to_owned(), json!({"mode": random.pick(&MODES)}));
    }
    let namespace = random.pick(&PLACES);
    if random.percent(50) {
        let labels = random.pick(&[json!({"app": "httpbin"}), json!({"version": "v1"}), json!({"app": "sleep"})]);
        spec.insert("selector".to_owned(), json!({"matchLabels": labels}));
        if random.percent(50) {
            let ports = random.sample(&["80", "8080", "8081", "8000"], 1 + random.below(2));
            let levels = ports.into_iter().map(|port| (port.to_owned(), json!({"mode": random.pick(&MODES)})));
            spec.insert("portLevelMtls".to_owned(), Value::Object(levels.collect()));
        }
    }
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"name": format!("p{number}"), "namespace": namespace}, "spec": spec,
    })
}

fn destination_rule(random: &Random, number: usize) -> Value {
    let server = random.pick(&["foo", "bar", "legacy"]);
    let host = match random.below(6) {
        0 => "httpbin".to_owned(),
        1 => format!("*.{server}.svc.cluster.local"),
        2 => "*.local".to_owned(),
        _ => format!("httpbin.{server}.svc.cluster.local"),
    };
    let mut policy = Map::new();
    if random.percent(70) {
        policy.insert("tls".to_owned(), json!({"mode": random.pick(&TLS)}));
    }
    if random.percent(35) {
        let ports = random.sample(&[8000, 9000, 9001, 80], 1 + random.below(2));
        let settings =
            ports.into_iter().map(|port| json!({"port": {"number": port}, "tls": {"mode": random.pick(&TLS)}}));
        policy.insert("portLevelSettings".to_owned(), settings.collect());
    }
    let mut spec = json!({"host": host});
    if !policy.is_empty() {
        spec["trafficPolicy"] = Value::Object(policy);
    }
    if random.percent(25) {
        spec["exportTo"] = random.pick(&[json!(["."]), json!(["*"]), json!(["foo"]), json!([".", "bar"])]);
    }
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": format!("r{number}"), "namespace": random.pick(&PLACES)}, "spec": spec,
    })
}
