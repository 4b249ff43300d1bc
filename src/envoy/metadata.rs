//! `metadata.filter_metadata`: what istiod leaves beside what it configures.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::envoy::lossy;

/// `metadata` of a cluster, an endpoint, a route or a filter chain.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// By filter.
    #[serde(alias = "filterMetadata", deserialize_with = "lossy::or_default")]
    pub filter_metadata: FilterMetadata,
}

/// The two filters whose metadata says something here.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FilterMetadata {
    /// `istio`.
    #[serde(deserialize_with = "lossy::or_default")]
    pub istio: IstioMetadata,
    /// `envoy.transport_socket_match`: what `transport_socket_matches` of the cluster are held against.
    #[serde(rename = "envoy.transport_socket_match", deserialize_with = "lossy::or_default")]
    pub socket_match: BTreeMap<String, Value>,
}

/// `istio`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IstioMetadata {
    /// Path of the object that was applied: `/apis/networking.istio.io/v1/namespaces/bar/destination-rule/httpbin`.
    pub config: Option<String>,
    /// `false` where the `istio.alpn` filter leaves the cluster's ALPN alone (since 1.19).
    pub alpn_override: Option<String>,
    /// `workload;namespace;canonical name;revision;cluster` of an endpoint.
    pub workload: Option<String>,
}

/// An object of Istio's, as metadata names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPath {
    /// `destination-rule`, `virtual-service`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

// === impl ConfigPath ===

impl ConfigPath {
    /// Reads `/apis/networking.istio.io/<any version>/namespaces/<namespace>/<kind>/<name>`.
    ///
    /// Istio: `pilot/pkg/networking/util/util.go:BuildConfigInfoMetadata`; the version is `v1alpha3` up to 1.21, `v1` after.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("/apis/")?.split('/');
        let (_group, _version) = (parts.next()?, parts.next()?);
        (parts.next()? == "namespaces").then_some(())?;
        let (namespace, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let named = parts.next().is_none() && ![namespace, kind, name].contains(&"");
        named.then(|| Self { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() })
    }
}
