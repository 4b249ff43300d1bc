//! Lists of objects, one request a kind, in pages.

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};

/// A kind that is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Version, e.g. `v1`.
    pub version: String,
    /// Plural name as in URLs.
    pub plural: String,
    /// Kind of one object; items of a list do not repeat it.
    pub kind: String,
}

/// Objects of one page.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(default)]
    items: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
struct PageMeta {
    #[serde(rename = "continue", default)]
    next: Option<String>,
}

/// An API group as the server offers it.
#[derive(Debug, Deserialize)]
struct Group {
    #[serde(rename = "preferredVersion")]
    preferred: Version,
}

#[derive(Debug, Deserialize)]
struct Version {
    version: String,
}

/// Objects a page asks for: enough to need one page for most meshes, few enough to bound an answer.
const PAGE: usize = 1000;
/// How often a list is begun anew when its continue token expires.
const RESTARTS: usize = 3;

// === impl Resource ===

impl Resource {
    /// A resource of a group and version.
    #[must_use]
    pub fn new(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), plural: plural.to_owned(), kind: kind.to_owned() }
    }

    /// `group/version` as objects carry it.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `peerauthentications.security.istio.io`.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The URL path of the collection, in one namespace or in all.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}", self.api_version())
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

// === impl Cluster: reading ===

impl Cluster {
    /// All objects of a kind, in one namespace or in all, each with its `apiVersion` and `kind`.
    ///
    /// # Errors
    /// A [`Failure`] that names the resource and scope.
    pub async fn list(&self, resource: &Resource, namespace: Option<&str>) -> Result<Vec<Value>, Failure> {
        let scope = namespace.map_or_else(|| "in all namespaces".to_owned(), |ns| format!("in namespace {ns}"));
        let tried = format!("list {} {scope}", resource.full_name());
        let mut restarts = 0;
        loop {
            match self.pages(resource, namespace, &tried).await {
                Err(Failure { reason: Reason::Gone(_), .. }) if restarts < RESTARTS => restarts += 1,
                outcome => return outcome,
            }
        }
    }

    async fn pages(&self, resource: &Resource, namespace: Option<&str>, tried: &str) -> Result<Vec<Value>, Failure> {
        let mut objects = Vec::new();
        let mut token = String::new();
        loop {
            let mut path = format!("{}?limit={PAGE}", resource.path(namespace));
            if !token.is_empty() {
                path = format!("{path}&continue={}", encode(&token));
            }
            let page: Page = self.get(&path, tried).await?;
            objects.extend(page.items.into_iter().map(|item| typed(item, resource)));
            match page.metadata.next {
                Some(next) if !next.is_empty() => token = next,
                _ => return Ok(objects),
            }
        }
    }

    /// One object.
    ///
    /// # Errors
    /// A [`Failure`]; [`Reason::NotFound`] where there is none.
    pub async fn object(&self, resource: &Resource, namespace: &str, name: &str) -> Result<Value, Failure> {
        let tried = format!("get {} {namespace}/{name}", resource.full_name());
        let object = self.get(&format!("{}/{name}", resource.path(Some(namespace))), &tried).await?;
        Ok(typed(object, resource))
    }

    /// One object of a kind that is in no namespace.
    ///
    /// # Errors
    /// As [`Cluster::object`].
    pub async fn one(&self, resource: &Resource, name: &str) -> Result<Value, Failure> {
        let tried = format!("get {} {name}", resource.full_name());
        let object = self.get(&format!("{}/{name}", resource.path(None)), &tried).await?;
        Ok(typed(object, resource))
    }

    /// The version that the server prefers for an API group; `None` where it does not serve the group.
    ///
    /// # Errors
    /// A [`Failure`] for anything but "not served".
    pub async fn group_version(&self, group: &str) -> Result<Option<String>, Failure> {
        match self.get::<Group>(&format!("/apis/{group}"), &format!("read the API group {group}")).await {
            Ok(found) => Ok(Some(found.preferred.version)),
            Err(Failure { reason: Reason::NotFound(_), .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str, tried: &str) -> Result<T, Failure> {
        let bytes = self.ask(Method::GET, path, Vec::new(), tried).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Failure { tried: tried.to_owned(), reason: Reason::Unreadable(error.to_string()) })
    }
}

fn typed(mut object: Value, resource: &Resource) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.entry("apiVersion").or_insert_with(|| resource.api_version().into());
        fields.entry("kind").or_insert_with(|| resource.kind.clone().into());
    }
    object
}

/// Percent-encodes what a continue token may carry beyond unreserved characters.
fn encode(token: &str) -> String {
    token.bytes().fold(String::with_capacity(token.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
