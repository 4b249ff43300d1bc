//! `/config_dump`: walked element by element, in both of its shapes.
//!
//! A full or masked dump has one element per section with lists in it; with `resource=` every element of `configs` is a
//! resource itself. Elements reach the visitor as raw text first, so that those nobody asked for cost a scan and no memory.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::envoy::lossy;
use crate::envoy::refusal::Refusal;

mod stream;

pub use stream::walk_reader;

/// A list of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Section {
    /// Clusters of the bootstrap.
    StaticClusters,
    /// Clusters that serve.
    ActiveClusters,
    /// Clusters that wait for their secrets.
    WarmingClusters,
    /// Listeners of the bootstrap.
    StaticListeners,
    /// All other listeners, in every state.
    DynamicListeners,
    /// Routes that stand in listeners.
    StaticRoutes,
    /// Routes by name.
    DynamicRoutes,
    /// Endpoints of clusters of the bootstrap.
    StaticEndpoints,
    /// Endpoints of all other clusters.
    DynamicEndpoints,
    /// Secrets of the bootstrap.
    StaticSecrets,
    /// Secrets that serve.
    ActiveSecrets,
    /// Secrets that SDS has not delivered.
    WarmingSecrets,
    /// The bootstrap: one object, not a list.
    Bootstrap,
}

/// Takes what a dump has.
pub trait Sink {
    /// Whether the dump has this section, however empty.
    fn section(&mut self, section: Section);
    /// Whether anything of a section is of interest; a stream skips the others without a copy.
    fn wants(&self, _section: Section) -> bool {
        true
    }
    /// One element of a section, as text, with its place in the dump.
    fn element(&mut self, section: Section, pointer: &dyn Fn() -> String, raw: &str);
}

/// Whose dump it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Bootstrap {
    /// The node.
    #[serde(deserialize_with = "lossy::or_default")]
    pub node: Node,
}

/// `node`, without its metadata but for the version.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `sidecar~10.244.0.7~httpbin-6f.bar~bar.svc.cluster.local`.
    pub id: String,
    /// What is read of the metadata.
    #[serde(deserialize_with = "lossy::or_default")]
    pub metadata: NodeMetadata,
}

/// `node.metadata`, where istio-proxy keeps much that is nobody's business here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NodeMetadata {
    /// Version of the proxy image.
    #[serde(rename = "ISTIO_VERSION")]
    pub istio_version: Option<String>,
}

/// Walks a dump that is in memory.
///
/// `query` is what was asked: it tells active from warming resources, whose type is the same.
///
/// # Errors
/// A [`Refusal`] that names what came instead. What was seen before it does not count.
pub fn walk(body: &[u8], query: &str, sink: &mut dyn Sink) -> Result<(), Refusal> {
    if let Some(refusal) = Refusal::of_text(body) {
        return Err(refusal);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let top = Top { query, sink, found: Found::default() };
    let found = json.deserialize_map(top).map_err(|error| Refusal::of_error(body, &error))?;
    json.end().map_err(|error| Refusal::of_error(body, &error))?;
    found.judged()
}

/// What a top-level object had, to tell a dump from other JSON.
#[derive(Default)]
struct Found {
    configs: bool,
    first_key: Option<String>,
    foreign: Option<String>,
}

struct Top<'s, 'q> {
    query: &'q str,
    sink: &'s mut dyn Sink,
    found: Found,
}

struct Configs<'s, 'q> {
    query: &'q str,
    sink: &'s mut dyn Sink,
    found: &'s mut Found,
}

struct Config<'s> {
    sink: &'s mut dyn Sink,
    found: &'s mut Found,
    index: usize,
}

struct Elements<'s> {
    section: Section,
    name: &'s str,
    config: usize,
    sink: &'s mut dyn Sink,
}

// === impl Section ===

impl Section {
    const NAMES: [(&'static str, &'static str, Self); 13] = [
        ("static_clusters", "staticClusters", Self::StaticClusters),
        ("dynamic_active_clusters", "dynamicActiveClusters", Self::ActiveClusters),
        ("dynamic_warming_clusters", "dynamicWarmingClusters", Self::WarmingClusters),
        ("static_listeners", "staticListeners", Self::StaticListeners),
        ("dynamic_listeners", "dynamicListeners", Self::DynamicListeners),
        ("static_route_configs", "staticRouteConfigs", Self::StaticRoutes),
        ("dynamic_route_configs", "dynamicRouteConfigs", Self::DynamicRoutes),
        ("static_endpoint_configs", "staticEndpointConfigs", Self::StaticEndpoints),
        ("dynamic_endpoint_configs", "dynamicEndpointConfigs", Self::DynamicEndpoints),
        ("static_secrets", "staticSecrets", Self::StaticSecrets),
        ("dynamic_active_secrets", "dynamicActiveSecrets", Self::ActiveSecrets),
        ("dynamic_warming_secrets", "dynamicWarmingSecrets", Self::WarmingSecrets),
        ("bootstrap", "bootstrap", Self::Bootstrap),
    ];

    /// The section of a field, in either spelling.
    #[must_use]
    pub fn of_field(field: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(snake, camel, _)| *snake == field || *camel == field).map(|(_, _, section)| *section)
    }

    /// Its field.
    #[must_use]
    pub fn field(self) -> &'static str {
        Self::NAMES.iter().find(|(_, _, section)| *section == self).map_or("", |(snake, _, _)| snake)
    }

    /// The sections whose presence a `...ConfigDump` proves, even where its lists are absent for being empty.
    fn of_dump(kind: &str) -> &'static [Self] {
        match kind {
            "ClustersConfigDump" => &[Self::StaticClusters, Self::ActiveClusters, Self::WarmingClusters],
            "ListenersConfigDump" => &[Self::StaticListeners, Self::DynamicListeners],
            "RoutesConfigDump" => &[Self::StaticRoutes, Self::DynamicRoutes],
            "EndpointsConfigDump" => &[Self::StaticEndpoints, Self::DynamicEndpoints],
            "SecretsConfigDump" => &[Self::StaticSecrets, Self::ActiveSecrets, Self::WarmingSecrets],
            _ => &[],
        }
    }

    /// The section of a resource that is an element of `configs` itself.
    fn of_resource(kind: &str) -> Option<Self> {
        Some(match kind {
            "ClustersConfigDump.StaticCluster" => Self::StaticClusters,
            "ClustersConfigDump.DynamicCluster" => Self::ActiveClusters,
            "ListenersConfigDump.StaticListener" => Self::StaticListeners,
            "ListenersConfigDump.DynamicListener" => Self::DynamicListeners,
            "RoutesConfigDump.StaticRouteConfig" => Self::StaticRoutes,
            "RoutesConfigDump.DynamicRouteConfig" => Self::DynamicRoutes,
            "EndpointsConfigDump.StaticEndpointConfig" => Self::StaticEndpoints,
            "EndpointsConfigDump.DynamicEndpointConfig" => Self::DynamicEndpoints,
            "SecretsConfigDump.StaticSecret" => Self::StaticSecrets,
            "SecretsConfigDump.DynamicSecret" => Self::ActiveSecrets,
            _ => return None,
        })
    }

    /// The section that a query asks for by `resource=`.
    #[must_use]
    pub fn asked(query: &str) -> Option<Self> {
        let (_, parameters) = query.split_once('?')?;
        let resource = parameters.split('&').find_map(|parameter| parameter.strip_prefix("resource="))?;
        Self::of_field(resource)
    }
}

/// `ClustersConfigDump` of `type.googleapis.com/envoy.admin.v3.ClustersConfigDump`; v2alpha of old proxies as well.
fn admin_kind(url: &str) -> Option<&str> {
    let (_, message) = url.rsplit_once('/')?;
    message.strip_prefix("envoy.admin.v3.").or_else(|| message.strip_prefix("envoy.admin.v2alpha."))
}

// === impl Found ===

impl Found {
    /// Takes the type of an element of `configs`; the section of a resource that stands there itself.
    fn note_type(&mut self, url: &str, sink: &mut dyn Sink) -> Option<Section> {
        let Some(kind) = admin_kind(url) else {
            self.foreign = Some(format!("`{}`", url.chars().take(80).collect::<String>()));
            return None;
        };
        for section in Section::of_dump(kind) {
            sink.section(*section);
        }
        Section::of_resource(kind)
    }

    fn judged(self) -> Result<(), Refusal> {
        let expected = "a config_dump";
        if let Some(found) = self.foreign {
            return Err(Refusal::OtherJson { expected, found });
        }
        match self.first_key {
            Some(key) if !self.configs => {
                Err(Refusal::OtherJson { expected, found: format!("an object with `{key}`") })
            }
            // `{}` is Envoy's way to say that nothing matches.
            Some(_) | None => Ok(()),
        }
    }
}

// === impl Visitor: top, configs, config, elements ===

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a config_dump")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Found, A::Error> {
        if let Some(section) = Section::asked(self.query) {
            self.sink.section(section);
        }
        while let Some(key) = map.next_key::<String>()? {
            if key == "configs" {
                self.found.configs = true;
                map.next_value_seed(Configs { query: self.query, sink: &mut *self.sink, found: &mut self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            self.found.first_key.get_or_insert(key);
        }
        Ok(self.found)
    }
}

impl<'de> DeserializeSeed<'de> for Configs<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Configs<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list `configs`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        // A query for one resource answers with resources; everything else with sections.
        let mut index = 0;
        if let Some(section) = Section::asked(self.query).filter(|section| *section != Section::Bootstrap) {
            while let Some(raw) = seq.next_element::<&RawValue>()? {
                self.sink.element(section, &|| format!("/configs/{index}"), raw.get());
                index += 1;
            }
            return Ok(());
        }
        loop {
            let config = Config { sink: &mut *self.sink, found: &mut *self.found, index };
            if seq.next_element_seed(config)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }
}

impl<'de> DeserializeSeed<'de> for Config<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Config<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section or a resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut resource = None;
        let mut parts: Vec<String> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == "@type" {
                let url: String = map.next_value()?;
                resource = self.found.note_type(&url, self.sink);
            } else if let Some(section) = Section::of_field(&key).filter(|_| resource.is_none()) {
                self.sink.section(section);
                if section == Section::Bootstrap {
                    let raw: &RawValue = map.next_value()?;
                    let index = self.index;
                    self.sink.element(section, &|| format!("/configs/{index}/bootstrap"), raw.get());
                } else {
                    map.next_value_seed(Elements { section, name: &key, config: self.index, sink: &mut *self.sink })?;
                }
            } else if resource.is_some() {
                let raw: &RawValue = map.next_value()?;
                parts.push(format!("{}:{}", serde_json::Value::String(key), raw.get()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        // A file that was saved from a query for resources, without the query.
        if let Some(section) = resource {
            let (index, raw) = (self.index, format!("{{{}}}", parts.join(",")));
            self.sink.section(section);
            self.sink.element(section, &|| format!("/configs/{index}"), &raw);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list `{}`", self.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let (config, name) = (self.config, self.name);
        let mut index = 0;
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            self.sink.element(self.section, &|| format!("/configs/{config}/{name}/{index}"), raw.get());
            index += 1;
        }
        Ok(())
    }
}
