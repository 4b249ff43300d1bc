//! Applying manifests as `kubectl apply` would, for the lab: server-side apply, with the server's warnings and refusals kept.

use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};
use crate::source::list::Resource;

/// What became of an object that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The server took it; it may have warned (`Warning:` headers).
    Taken(Vec<String>),
    /// The server refused it, with its message.
    Refused(String),
}

impl Cluster {
    /// Applies an object to its place; unknown fields are pruned and warned about (`fieldValidation=Warn`).
    ///
    /// # Errors
    /// A [`Failure`] when the server could not be asked; a refusal is an answer, not a failure.
    pub async fn apply(&self, object: &Value) -> Result<Applied, Failure> {
        let place = Place::of(object);
        let tried = format!("apply {place}");
        let unreadable = |text: String| Failure { tried: tried.clone(), reason: Reason::Unreadable(text) };
        let path =
            format!("{}/{}?fieldManager=kubectl-mtls&force=true&fieldValidation=Warn", place.collection, place.name);
        let body = serde_json::to_vec(object).map_err(|error| unreadable(error.to_string()))?;
        let request = Request::patch(path)
            .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(kube::client::Body::from(body))
            .map_err(|error| unreadable(error.to_string()))?;
        let send = async {
            let response = self.client.send(request).await.map_err(|error| Failure::of(tried.clone(), &error))?;
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.map_err(|error| unreadable(error.to_string()))?.to_bytes();
            if head.status.is_success() {
                return Ok(Applied::Taken(warnings(&head.headers)));
            }
            let status: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            let message = status.get("message").and_then(Value::as_str).unwrap_or("no message").to_owned();
            Ok(Applied::Refused(message))
        };
        match tokio::time::timeout(self.timeout, send).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure { tried: tried.clone(), reason: Reason::TimedOut(self.timeout) }),
        }
    }
}

/// `Warning: 299 - "text"` headers (RFC 7234 section 5.5, as the API server writes them).
fn warnings(headers: &http::HeaderMap) -> Vec<String> {
    headers
        .get_all("warning")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter_map(|text| text.split_once('"').map(|(_, rest)| rest.trim_end_matches('"').replace("\\\"", "\"")))
        .collect()
}

/// Where an object lives.
struct Place {
    collection: String,
    name: String,
    shown: String,
}

impl Place {
    fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (kind, name, namespace) = (text("/kind"), text("/metadata/name"), text("/metadata/namespace"));
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let resource = Resource::new(group, version, &plural(kind), kind);
        let namespace = (!namespace.is_empty()).then_some(namespace);
        let shown = namespace.map_or_else(|| format!("{kind} {name}"), |ns| format!("{kind} {ns}/{name}"));
        Self { collection: resource.path(namespace), name: name.to_owned(), shown }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The URL name of a kind, by English plural as Kubernetes' own kinds have it.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if lower.ends_with('s') || lower.ends_with('x') {
        format!("{lower}es")
    } else if let Some(stem) = lower.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o'])) {
        format!("{stem}ies")
    } else {
        format!("{lower}s")
    }
}
