//! A `VirtualService`: where a client's proxy sends what is called by a host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::meta::{Labels, Meta};
use crate::model::port::ServicePort;

/// A `VirtualService`, as far as it decides which cluster a call of a sidecar takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualService {
    /// Its metadata.
    pub meta: Meta,
    /// `hosts` as written; without any it only serves as a delegate of others.
    pub hosts: Vec<String>,
    /// `gateways`; empty = `mesh`, the sidecars.
    pub gateways: Vec<String>,
    /// `exportTo` as written; empty = as the mesh's default says.
    pub export_to: Vec<String>,
    /// `http` in order.
    pub http: Vec<HttpRule>,
    /// `tcp` in order.
    pub tcp: Vec<StreamRule>,
    /// `tls` in order.
    pub tls: Vec<StreamRule>,
}

/// An entry of `http`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRule {
    /// `match`: any of them; none = every request.
    pub matches: Vec<HttpMatch>,
    /// `route`.
    pub destinations: Vec<Destination>,
    /// `redirect`: the status that the client's proxy answers.
    pub redirect: Option<u16>,
    /// `directResponse.status`.
    pub direct_response: Option<u16>,
    /// `delegate`: namespace, where given, and name.
    pub delegate: Option<(Option<String>, String)>,
    /// `fault.abort`.
    pub abort: Option<Abort>,
    /// `mirror` and `mirrors`: they get copies, and nobody waits for their answers.
    pub mirrors: Vec<Destination>,
}

/// `fault.abort`: the client's proxy answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Abort {
    /// The HTTP status; 200 for a gRPC status, which travels in a header.
    pub status: u16,
    /// How many of a million requests; `percentage` absent is none.
    pub per_million: u32,
}

/// An entry of `http[].match`: all of its conditions at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpMatch {
    /// `uri`.
    pub uri: Option<StringMatch>,
    /// `ignoreUriCase`.
    pub ignore_uri_case: bool,
    /// `scheme`.
    pub scheme: Option<StringMatch>,
    /// `method`.
    pub method: Option<StringMatch>,
    /// `authority`.
    pub authority: Option<StringMatch>,
    /// `headers`.
    pub headers: BTreeMap<String, StringMatch>,
    /// `withoutHeaders`.
    pub without_headers: BTreeMap<String, StringMatch>,
    /// `queryParams`.
    pub query_params: BTreeMap<String, StringMatch>,
    /// What istiod evaluates for each proxy.
    pub source: SourceMatch,
}

/// The conditions that istiod evaluates itself, so that a proxy never sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceMatch {
    /// `port`: the one that is dialled.
    pub port: Option<ServicePort>,
    /// `sourceLabels`.
    pub labels: Labels,
    /// `sourceNamespace`.
    pub namespace: Option<String>,
    /// `gateways`.
    pub gateways: Vec<String>,
}

/// `exact`, `prefix` or `regex`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StringMatch {
    /// `{}`: it only has to be there.
    Present,
    /// The whole text.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// An RE2 expression for the whole text.
    Regex(String),
}

/// An entry of `tcp` or `tls`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamRule {
    /// `match`: any of them; none = every connection (of `tcp`).
    pub matches: Vec<StreamMatch>,
    /// `route`.
    pub destinations: Vec<Destination>,
}

/// An entry of `tcp[].match` or `tls[].match`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamMatch {
    /// `destinationSubnets`.
    pub subnets: Vec<String>,
    /// `sniHosts`.
    pub sni_hosts: Vec<String>,
    /// What istiod evaluates for each proxy.
    pub source: SourceMatch,
}

/// `destination`, with its weight among others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Destination {
    /// `host` as written.
    pub host: String,
    /// `subset`.
    pub subset: Option<String>,
    /// `port.number`; absent = the one that was dialled.
    pub port: Option<ServicePort>,
    /// `weight`; one destination alone gets everything.
    pub weight: u32,
}

// === impl SourceMatch ===

impl SourceMatch {
    /// The word for the sidecars among gateways.
    pub const MESH: &'static str = "mesh";

    /// Whether sidecars are among the gateways; none named = as the object says, which is asked elsewhere.
    #[must_use]
    pub fn names_mesh(&self) -> bool {
        self.gateways.iter().any(|gateway| gateway == Self::MESH)
    }
}

// === impl VirtualService ===

impl VirtualService {
    /// Whether sidecars take it.
    ///
    /// Istio: `pilot/pkg/model/push_context.go:getGatewayNames`.
    #[must_use]
    pub fn is_for_mesh(&self) -> bool {
        self.gateways.is_empty() || self.gateways.iter().any(|gateway| gateway == SourceMatch::MESH)
    }

    /// Every place where it names conditions that istiod evaluates for each proxy.
    pub fn sources(&self) -> impl Iterator<Item = &SourceMatch> {
        let http = self.http.iter().flat_map(|rule| &rule.matches).map(|item| &item.source);
        let streams = self.tcp.iter().chain(&self.tls).flat_map(|rule| &rule.matches).map(|item| &item.source);
        http.chain(streams)
    }
}
