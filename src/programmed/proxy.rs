//! One proxy: its answers, reduced to the elements that were asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::envoy::certs::Certs;
use crate::envoy::cluster::ClusterEntry;
use crate::envoy::clusters::Clusters;
use crate::envoy::config_dump::{self, Bootstrap, Section, Sink};
use crate::envoy::endpoint::EndpointEntry;
use crate::envoy::init_dump::InitDump;
use crate::envoy::listener::ListenerEntry;
use crate::envoy::refusal::Refusal;
use crate::envoy::route::RouteEntry;
use crate::envoy::secret::SecretEntry;
use crate::envoy::server_info::ServerInfo;
use crate::envoy::stats::Stats;
use crate::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use crate::programmed::told::Evidence;
pub use crate::programmed::wanted::Wanted;

/// One proxy.
#[derive(Debug, Clone, Default)]
pub struct Proxy {
    /// Namespace of its pod.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// When it was asked.
    pub read_at: Option<jiff::Timestamp>,
    /// Whose dump it is, where the bootstrap was read.
    pub bootstrap: Option<Bootstrap>,
    /// Sections that were answered, however empty.
    pub sections: BTreeSet<Section>,
    /// Clusters that serve, by name.
    pub clusters: BTreeMap<String, Kept<ClusterEntry>>,
    /// Clusters that wait.
    pub warming_clusters: BTreeMap<String, Kept<ClusterEntry>>,
    /// Endpoints by cluster.
    pub endpoints: BTreeMap<String, Kept<EndpointEntry>>,
    /// Listeners in every state.
    pub listeners: Vec<Kept<ListenerEntry>>,
    /// Routes by name.
    pub routes: BTreeMap<String, Kept<RouteEntry>>,
    /// Secrets that serve.
    pub secrets: BTreeMap<String, Kept<SecretEntry>>,
    /// Secrets that wait.
    pub warming_secrets: BTreeMap<String, Kept<SecretEntry>>,
    /// `/clusters`.
    pub hosts: Option<Clusters>,
    /// `/certs`.
    pub certs: Option<Certs>,
    /// `/stats`.
    pub stats: Option<Stats>,
    /// `/server_info`.
    pub server_info: Option<ServerInfo>,
    /// `/init_dump`.
    pub init: Option<InitDump>,
    /// Answers, or parts of them, that could not be taken, each with its question.
    pub refusals: Vec<(String, Refusal)>,
}

/// An element and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<T> {
    /// The question it answers; empty for a file.
    pub query: Arc<str>,
    /// JSON pointer into the answer.
    pub pointer: String,
    /// The element.
    pub value: T,
}

struct Collector<'p, 'w> {
    proxy: &'p mut Proxy,
    wanted: &'w Wanted,
    query: Arc<str>,
}

// === impl Proxy ===

impl Proxy {
    /// Reads the answers of one proxy.
    #[must_use]
    pub fn read(answers: &ProxyAnswers, wanted: &Wanted) -> Self {
        let mut proxy = Self::of(&answers.namespace, &answers.pod);
        proxy.read_at = answers.read_at;
        for answer in &answers.answers {
            if let Err(refusal) = proxy.take(answer, wanted) {
                proxy.refusals.push((answer.query.clone(), refusal));
            }
        }
        proxy
    }

    /// Reads a whole dump as it comes.
    #[must_use]
    pub fn stream(namespace: &str, pod: &str, dump: impl Read, wanted: &Wanted) -> Self {
        let mut proxy = Self::of(namespace, pod);
        let mut collector = Collector { proxy: &mut proxy, wanted, query: Arc::from("") };
        if let Err(refusal) = config_dump::walk_reader(dump, &mut collector) {
            proxy.refusals.push((String::new(), refusal));
        }
        proxy
    }

    /// `namespace/pod`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.namespace, self.pod)
    }

    /// Whether a section was answered, so that what is not in it is not there.
    #[must_use]
    pub fn has(&self, section: Section) -> bool {
        self.sections.contains(&section)
    }

    /// The first reason why something is missing, where an answer was none.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.refusals.first().map(
            |(query, refusal)| {
                if query.is_empty() { refusal.to_string() } else { format!("{query}: {refusal}") }
            },
        )
    }

    /// Where an element stands, and what it says.
    #[must_use]
    pub fn evidence<T>(&self, kept: &Kept<T>, below: &str, says: impl Into<String>) -> Evidence {
        let asked = !kept.query.is_empty();
        let path = kept.query.trim_start_matches('/');
        Evidence {
            pod: self.name(),
            query: asked.then(|| kept.query.to_string()),
            pointer: format!("{}{below}", kept.pointer),
            says: says.into(),
            command: asked.then(|| {
                let (namespace, pod) = (&self.namespace, &self.pod);
                format!("kubectl -n {namespace} exec {pod} -c istio-proxy -- pilot-agent request GET '{path}'")
            }),
        }
    }

    fn of(namespace: &str, pod: &str) -> Self {
        Self { namespace: namespace.to_owned(), pod: pod.to_owned(), ..Self::default() }
    }

    fn take(&mut self, answer: &Answer, wanted: &Wanted) -> Result<(), Refusal> {
        let body = answer.body.as_slice();
        match answer.endpoint {
            AdminEndpoint::ConfigDump => {
                let mut collector = Collector { proxy: self, wanted, query: Arc::from(answer.query.as_str()) };
                config_dump::walk(body, &answer.query, &mut collector)?;
            }
            AdminEndpoint::Clusters => self.hosts = Some(Clusters::parse(body)?),
            AdminEndpoint::Certs => self.certs = Some(Certs::parse(body)?),
            AdminEndpoint::Stats => self.stats = Some(Stats::parse(body)?),
            AdminEndpoint::ServerInfo => self.server_info = Some(ServerInfo::parse(body)?),
            AdminEndpoint::InitDump => self.init = Some(InitDump::parse(body)?),
            AdminEndpoint::Listeners => {
                crate::envoy::listeners::Listeners::parse(body)?;
            }
        }
        Ok(())
    }
}

// === impl Collector ===

impl Sink for Collector<'_, '_> {
    fn section(&mut self, section: Section) {
        self.proxy.sections.insert(section);
    }

    fn wants(&self, section: Section) -> bool {
        self.wanted.is_all() || !matches!(section, Section::StaticListeners | Section::StaticRoutes)
    }

    fn element(&mut self, section: Section, pointer: &dyn Fn() -> String, raw: &str) {
        if !self.wanted.takes(section, raw) {
            return;
        }
        let pointer = pointer();
        if let Err(error) = self.keep(section, pointer.clone(), raw) {
            let refusal = Refusal::UnknownShape { pointer, what: without_value(&error) };
            self.proxy.refusals.push((self.query.to_string(), refusal));
        }
    }
}

/// What is wrong with an element's shape, without the text that stands there: it may be a key.
fn without_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match (text.split_once(" \""), text.rsplit_once("\", expected")) {
        (Some((before, _)), Some((_, after))) => format!("{before}, expected{after}"),
        (_, _) => text,
    }
}

impl Collector<'_, '_> {
    fn keep(&mut self, section: Section, pointer: String, raw: &str) -> Result<(), serde_json::Error> {
        match section {
            Section::StaticClusters | Section::ActiveClusters => {
                let kept: Kept<ClusterEntry> = self.kept(pointer, raw)?;
                self.proxy.clusters.insert(kept.value.cluster.name.clone(), kept);
            }
            Section::WarmingClusters => {
                let kept: Kept<ClusterEntry> = self.kept(pointer, raw)?;
                self.proxy.warming_clusters.insert(kept.value.cluster.name.clone(), kept);
            }
            Section::StaticListeners | Section::DynamicListeners => {
                let kept = self.kept(pointer, raw)?;
                self.proxy.listeners.push(kept);
            }
            Section::StaticRoutes | Section::DynamicRoutes => {
                let kept: Kept<RouteEntry> = self.kept(pointer, raw)?;
                self.proxy.routes.insert(kept.value.route_config.name.clone(), kept);
            }
            Section::StaticEndpoints | Section::DynamicEndpoints => {
                let kept: Kept<EndpointEntry> = self.kept(pointer, raw)?;
                self.proxy.endpoints.insert(kept.value.endpoint_config.cluster_name.clone(), kept);
            }
            Section::StaticSecrets | Section::ActiveSecrets => {
                let kept: Kept<SecretEntry> = self.kept(pointer, raw)?;
                self.proxy.secrets.insert(kept.value.name.clone(), kept);
            }
            Section::WarmingSecrets => {
                let kept: Kept<SecretEntry> = self.kept(pointer, raw)?;
                self.proxy.warming_secrets.insert(kept.value.name.clone(), kept);
            }
            Section::Bootstrap => self.proxy.bootstrap = Some(serde_json::from_str(raw)?),
        }
        Ok(())
    }

    fn kept<T: DeserializeOwned>(&self, pointer: String, raw: &str) -> Result<Kept<T>, serde_json::Error> {
        Ok(Kept { query: Arc::clone(&self.query), pointer, value: serde_json::from_str(raw)? })
    }
}
