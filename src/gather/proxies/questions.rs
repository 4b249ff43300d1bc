//! What a proxy is asked: the clusters and endpoints of the services that matter, the inbound listener, the certificates.
//!
//! A name must match RE2 as a whole, and Istio's names contain `|`: both are escaped, then percent-encoded.

use std::collections::BTreeSet;

use crate::gather::proxies::sample::Question;
use crate::model::pair::ServerRef;
use crate::model::port::PortClass;
use crate::model::proxy_answers::{AdminEndpoint, Answer};
use crate::model::service::ServiceAddress;
use crate::model::snapshot::Snapshot;

/// A question to a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The endpoint.
    pub endpoint: AdminEndpoint,
    /// Path and query.
    pub path: String,
    /// Whether the proxy counts as unseen without an answer.
    pub needed: bool,
}

/// Names that go into one query; a URL has its limits on the way (an API server takes some ten thousand bytes).
const NAMES: usize = 40;
/// Queries of one kind; beyond it the whole list is cheaper.
const QUERIES: usize = 5;

/// Everything, for whoever wants it.
#[must_use]
pub fn whole() -> Vec<Asked> {
    vec![config_dump("include_eds", true)]
}

/// The first look.
#[must_use]
pub fn first(question: &Question<'_>, snapshot: &Snapshot) -> Vec<Asked> {
    let mut asked = Vec::new();
    if !question.calls.is_empty() {
        let clusters: BTreeSet<String> = question.calls.iter().map(cluster).collect();
        let fixed = ["PassthroughCluster", "BlackHoleCluster"].map(str::to_owned);
        let with_fixed: Vec<String> = fixed.into_iter().chain(clusters.iter().cloned()).collect();
        asked.extend(named("resource=dynamic_active_clusters", &with_fixed, true));
        let clusters: Vec<String> = clusters.into_iter().collect();
        asked.extend(named("include_eds&resource=dynamic_endpoint_configs", &clusters, false));
        let listeners: Vec<String> = listeners(question, snapshot).into_iter().collect();
        asked.extend(named("resource=dynamic_listeners", &listeners, false));
        asked.extend(named("resource=dynamic_route_configs", &routes(question, snapshot), false));
    }
    if question.serves {
        asked.extend(named("resource=dynamic_listeners", &["virtualInbound".to_owned()], true));
    }
    asked.push(config_dump("resource=dynamic_active_secrets", false));
    asked
}

/// The second look, where the first found nothing: what waits, what is not from the control plane, what old versions do.
#[must_use]
pub fn second(question: &Question<'_>, answers: &[Answer]) -> Vec<Asked> {
    let empty = |part: &str| {
        let mut of = answers.iter().filter(|answer| answer.query.contains(part)).peekable();
        of.peek().is_some() && of.all(|answer| answer.body.trim_ascii() == b"{}")
    };
    let mut asked = Vec::new();
    if !question.calls.is_empty() && empty("dynamic_active_clusters") {
        asked.push(config_dump("resource=dynamic_warming_clusters", false));
        asked.push(config_dump("resource=static_clusters", false));
    }
    if question.serves && empty("virtualInbound") {
        // Before Istio 1.10 an inbound listener has the pod's address and port for a name.
        asked.extend(named("resource=dynamic_listeners", &[".*_[0-9]+".to_owned()], false));
    }
    if empty("dynamic_active_secrets") {
        asked.push(config_dump("resource=dynamic_warming_secrets", false));
    }
    asked
}

/// All subsets of a service port.
fn cluster(server: &ServerRef) -> String {
    format!("outbound\\|{}\\|[^|]*\\|{}", server.port, escaped(&server.host))
}

/// The listeners of TCP ports: what a connection there is does not show in the clusters alone.
fn listeners(question: &Question<'_>, snapshot: &Snapshot) -> BTreeSet<String> {
    let tcp = question.calls.iter().filter(|server| server.protocol.class() == PortClass::Tcp);
    tcp.flat_map(|server| {
        let own = snapshot.services.iter().find(|service| {
            !server.entry && service.meta.namespace == server.namespace && service.meta.name == server.service
        });
        let own = own.map(|service| &service.address).into_iter().flat_map(|address| match address {
            ServiceAddress::ClusterIp(addresses) => addresses.as_slice(),
            ServiceAddress::Headless | ServiceAddress::ExternalName(_) => &[],
        });
        let own = own.map(|address| format!("{}_{}", escaped(&address.to_string()), server.port));
        own.chain([format!("0\\.0\\.0\\.0_{}", server.port)]).collect::<Vec<_>>()
    })
    .collect()
}

/// The routes of HTTP ports, which hold every service of the port: only where a mesh is small enough to be worth it.
fn routes(question: &Question<'_>, snapshot: &Snapshot) -> Vec<String> {
    /// Services of a mesh whose routes stay below some 20 kB a port.
    const SMALL: usize = 30;
    if snapshot.services.len() + snapshot.service_entries.len() > SMALL {
        return Vec::new();
    }
    let http = question.calls.iter().filter(|server| server.protocol.class() != PortClass::Tcp);
    let names = http.flat_map(|server| [server.port.to_string(), format!("{}:{}", escaped(&server.host), server.port)]);
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// RE2 of a text: Envoy asks for a match of the whole name.
fn escaped(text: &str) -> String {
    let special = |c: char| "\\.+*?()|[]{}^$".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn named(query: &str, names: &[String], needed: bool) -> Vec<Asked> {
    if names.is_empty() {
        return Vec::new();
    }
    if names.len() > NAMES * QUERIES {
        return vec![config_dump(query, needed)];
    }
    let parts = names.chunks(NAMES);
    parts.map(|part| config_dump(&format!("{query}&name_regex={}", encoded(&part.join("|"))), needed)).collect()
}

/// Percent-encoding of everything that is not unreserved (RFC 3986, section 2.3).
pub(in crate::gather) fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect::<Vec<_>>().concat()
}

fn config_dump(query: &str, needed: bool) -> Asked {
    Asked { endpoint: AdminEndpoint::ConfigDump, path: format!("/config_dump?{query}"), needed }
}
