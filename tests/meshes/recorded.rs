//! What Istio's own code said about a mesh (format: `tests/vectors/README.md` and `tests/oracle/README.md`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// A mesh and its answer: a line of a recording, or of the oracle.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) mesh: String,
    pub(crate) expected: Expected,
}

#[derive(Deserialize)]
pub(crate) struct Expected {
    /// Objects that an admission webhook would have refused, each with why.
    #[serde(default)]
    pub(crate) invalid: Vec<String>,
    pub(crate) servers: Vec<Server>,
    pub(crate) pairs: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    pub(crate) pod: String,
    pub(crate) sidecar: bool,
    #[serde(default)]
    pub(crate) ports: Vec<Port>,
}

#[derive(Deserialize)]
pub(crate) struct Port {
    #[serde(rename = "port")]
    pub(crate) number: u16,
    pub(crate) mode: String,
    pub(crate) accepts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pair {
    pub(crate) client: String,
    pub(crate) service: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) subset: Option<String>,
    pub(crate) visible: bool,
    pub(crate) cluster: Option<String>,
    pub(crate) cluster_type: Option<String>,
    pub(crate) destination_rule: Option<String>,
    pub(crate) originates: Option<Sent>,
    pub(crate) calls: BTreeMap<String, Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Sent {
    pub(crate) kind: String,
    pub(crate) sni: Option<String>,
    #[serde(default)]
    pub(crate) subject_alt_names: Vec<String>,
    #[serde(default)]
    pub(crate) alpn: Vec<String>,
    #[serde(default)]
    pub(crate) certificates: Vec<String>,
    #[serde(default)]
    pub(crate) ca: String,
    #[serde(default)]
    pub(crate) alpn_override_off: bool,
}

#[derive(Deserialize)]
pub(crate) struct Call {
    pub(crate) route: Option<String>,
    #[serde(default)]
    pub(crate) routes: Vec<String>,
    pub(crate) why: Option<String>,
    pub(crate) wire: String,
    pub(crate) endpoints: Vec<End>,
}

#[derive(Deserialize)]
pub(crate) struct End {
    pub(crate) address: String,
    pub(crate) pod: Option<String>,
    pub(crate) marked: Option<bool>,
    /// Where an address that was dialled leaves by another cluster than the Service's.
    pub(crate) route: Option<String>,
    pub(crate) sends: Option<String>,
    pub(crate) wire: String,
    pub(crate) why: Option<String>,
    #[serde(default, rename = "self")]
    pub(crate) is_self: bool,
}

// === impl Call ===

impl Call {
    /// The clusters that the client's proxy picks.
    pub(crate) fn routes(&self) -> BTreeSet<&str> {
        self.route.iter().chain(&self.routes).map(String::as_str).collect()
    }
}
