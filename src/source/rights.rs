//! What the user may do in a namespace, as the server tells it before anything is tried.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};

/// A right, as a role grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// `list`.
    pub verb: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural name, with the subresource: `pods/exec`.
    pub resource: &'static str,
    /// One object's name; `None` = all of the kind.
    pub name: Option<&'static str>,
}

/// The rules that hold for the user in one namespace.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Rights {
    #[serde(rename = "resourceRules", default)]
    rules: Vec<Rule>,
    /// The server's authorizer cannot list all its rules (webhooks of cloud providers): only a yes is sure.
    #[serde(default)]
    incomplete: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    verbs: Vec<String>,
    #[serde(default)]
    api_groups: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// A review comes back with what was asked for.
#[derive(Debug, Deserialize)]
struct Review<T> {
    status: T,
}

#[derive(Debug, Deserialize)]
struct Access {
    #[serde(default)]
    allowed: bool,
}

const REVIEWS: &str = "/apis/authorization.k8s.io/v1";

// === impl Right ===

impl Right {
    /// `list peerauthentications.security.istio.io`, as people ask for it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let name = self.name.map(|name| format!(" `{name}`")).unwrap_or_default();
        format!("{} {}{group}{name}", self.verb, self.resource)
    }

    /// The API's plural and what of an object is meant.
    fn parts(&self) -> (&'static str, &'static str) {
        self.resource.split_once('/').unwrap_or((self.resource, ""))
    }
}

// === impl Rights ===

impl Rights {
    /// Whether the rules allow it; `None` where they do not tell.
    #[must_use]
    pub fn allow(&self, right: &Right) -> Option<bool> {
        let allowed = self.rules.iter().any(|rule| rule.allows(right));
        if allowed || !self.incomplete { Some(allowed) } else { None }
    }
}

impl Rule {
    /// Kubernetes: `pkg/apis/rbac/v1/evaluation_helpers.go`.
    fn allows(&self, right: &Right) -> bool {
        let has = |all: &[String], wanted: &str| all.iter().any(|one| one == "*" || one == wanted);
        let (_, part) = right.parts();
        let resource = has(&self.resources, right.resource)
            || !part.is_empty() && self.resources.iter().any(|one| one.strip_prefix("*/") == Some(part));
        let named = self.resource_names.is_empty()
            || right.name.is_some_and(|name| self.resource_names.iter().any(|one| one == name));
        resource && named && has(&self.verbs, right.verb) && has(&self.api_groups, right.group)
    }
}

impl Cluster {
    /// The rules that hold for the user in a namespace: one request, whatever will be asked of them.
    ///
    /// # Errors
    /// A [`Failure`] when the server does not tell.
    pub async fn rights(&self, namespace: &str) -> Result<Rights, Failure> {
        let tried = format!("ask for the rights in namespace {namespace}");
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace },
        });
        self.review(&format!("{REVIEWS}/selfsubjectrulesreviews"), &review, &tried).await
    }

    /// Of some rights those that the user lacks in a namespace. Where the rules do not tell, each right is asked about; what
    /// the server does not tell at all is not missing: whoever tries will see.
    pub async fn lacking(&self, rights: &[Right], namespace: &str) -> Vec<Right> {
        let Ok(rules) = self.rights(namespace).await else { return Vec::new() };
        let mut lacking = Vec::new();
        for right in rights {
            let allowed = match rules.allow(right) {
                Some(allowed) => allowed,
                None => self.may(right, namespace).await.unwrap_or(true),
            };
            if !allowed {
                lacking.push(*right);
            }
        }
        lacking
    }

    /// Whether the user has one right in a namespace.
    ///
    /// # Errors
    /// A [`Failure`] when the server does not tell.
    pub async fn may(&self, right: &Right, namespace: &str) -> Result<bool, Failure> {
        let (plural, part) = right.parts();
        let tried = format!("ask for the right to {} in namespace {namespace}", right.sentence());
        let attributes = json!({
            "namespace": namespace, "verb": right.verb, "group": right.group, "resource": plural, "subresource": part,
            "name": right.name.unwrap_or_default(),
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let access: Access = self.review(&format!("{REVIEWS}/selfsubjectaccessreviews"), &review, &tried).await?;
        Ok(access.allowed)
    }

    async fn review<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        review: &Value,
        tried: &str,
    ) -> Result<T, Failure> {
        let bytes = self.ask(http::Method::POST, path, review.to_string().into_bytes(), tried).await?;
        let answered: Review<T> = serde_json::from_slice(&bytes)
            .map_err(|error| Failure { tried: tried.to_owned(), reason: Reason::Unreadable(error.to_string()) })?;
        Ok(answered.status)
    }
}
