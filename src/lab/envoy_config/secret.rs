//! Secrets as an agent serves them over SDS.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::lab::envoy_config::{Sidecar, tls};

/// What a sidecar's agent has, by SDS name: `default`, `ROOTCA`, `file-root:...`, `file-cert:...~...`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates(pub BTreeMap<String, Served>);

/// A secret, in PEM. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub enum Served {
    /// A certificate with its key.
    Pair {
        /// The chain, leaf first.
        chain: String,
        /// The key.
        key: String,
    },
    /// Certificates that are trusted.
    Roots(String),
}

/// Every secret that the listeners and these clusters ask for and the agent has.
pub(super) fn all(sidecar: &Sidecar<'_>, clusters: &[Value]) -> Vec<Value> {
    let mut names = BTreeSet::new();
    for cluster in clusters {
        collect(cluster, &mut names);
    }
    if sidecar.config.inbound.iter().any(|chain| chain.terminates) {
        names.extend([tls::DEFAULT.to_owned(), tls::ROOT.to_owned()]);
    }
    names.iter().filter_map(|name| Some(sidecar.certificates.0.get(name)?.secret(name))).collect()
}

/// SDS names in a configuration.
fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            if let (Some(Value::String(name)), true) = (object.get("name"), object.contains_key("sds_config")) {
                names.insert(name.clone());
            }
            for value in object.values() {
                collect(value, names);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect(value, names);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

// === impl Served ===

impl Served {
    fn secret(&self, name: &str) -> Value {
        let bytes = |pem: &str| json!({ "inline_bytes": STANDARD.encode(pem) });
        let mut secret = Map::new();
        let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
        secret.insert("@type".to_owned(), json!(kind));
        secret.insert("name".to_owned(), json!(name));
        match self {
            Self::Pair { chain, key } => secret.insert(
                "tls_certificate".to_owned(),
                json!({ "certificate_chain": bytes(chain), "private_key": bytes(key) }),
            ),
            Self::Roots(pem) => secret.insert("validation_context".to_owned(), json!({ "trusted_ca": bytes(pem) })),
        };
        Value::Object(secret)
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pair { .. } => "Pair",
            Self::Roots(_) => "Roots",
        })
    }
}
