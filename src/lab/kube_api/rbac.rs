//! Who may do what: the bearer of the lab's token everything but read Secrets, whoever it impersonates what roles allow.
//!
//! `kubectl --as somebody` is how the lab is looked at with fewer rights: there is one token, and any number of users.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::lab::store::kinds::{
    Access, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, KINDS, Kind, ROLE, ROLE_BINDING, by_resource,
};
use crate::lab::store::{Key, Store, object};

/// Who the lab takes the bearer of its token for.
pub const USER: &str = "kubectl-mtls-lab";
/// The group of everybody who is known.
const AUTHENTICATED: &str = "system:authenticated";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's name.
    pub user: String,
    groups: Vec<String>,
    /// The bearer of the lab's own token, who needs no roles.
    administrator: bool,
}

/// What is to be done to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// `list`.
    pub verb: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Plural name, with the subresource: `pods/exec`.
    pub resource: &'a str,
    /// The namespace; `None` = all, or none.
    pub namespace: Option<&'a str>,
    /// One object.
    pub name: Option<&'a str>,
}

// === impl Caller ===

impl Caller {
    /// Whom the headers of a request name, once its token is known to be right.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let Some(user) = headers.get("impersonate-user").map(text) else {
            return Self { user: USER.to_owned(), groups: vec![AUTHENTICATED.to_owned()], administrator: true };
        };
        let mut groups: Vec<String> = headers.get_all("impersonate-group").iter().map(text).collect();
        groups.push(AUTHENTICATED.to_owned());
        Self { user, groups, administrator: false }
    }

    /// Whether the caller may do that.
    #[must_use]
    pub fn may(&self, store: &Store, asked: &Attributes<'_>) -> bool {
        let plural = asked.resource.split('/').next().unwrap_or_default();
        match by_resource(asked.group, plural).map(|kind| kind.access) {
            Some(Access::Forbidden) => false,
            // Kubernetes: `system:basic-user`, which everybody who is known has.
            Some(Access::Review) => true,
            Some(Access::Full) | None => {
                self.administrator || self.rules(store, asked.namespace).iter().any(|rule| allows(rule, asked))
            }
        }
    }

    /// The rules that hold for the caller in a namespace, or in all.
    ///
    /// Kubernetes: `pkg/registry/rbac/validation/rule.go:VisitRulesFor`.
    #[must_use]
    pub fn rules(&self, store: &Store, namespace: Option<&str>) -> Vec<Value> {
        if self.administrator {
            return everything();
        }
        let everywhere = store.list(&CLUSTER_ROLE_BINDING, None).objects;
        let here = namespace.map(|namespace| store.list(&ROLE_BINDING, Some(namespace)).objects).unwrap_or_default();
        let of_caller = everywhere.iter().chain(&here).filter(|binding| self.is_subject_of(binding));
        of_caller.flat_map(|binding| rules_of(store, binding)).collect()
    }

    fn is_subject_of(&self, binding: &Value) -> bool {
        object::elements(binding, "/subjects").any(|subject| {
            let name = object::text(subject, "/name");
            match object::text(subject, "/kind") {
                "User" => name == self.user,
                "Group" => self.groups.iter().any(|group| group == name),
                "ServiceAccount" => {
                    self.user == format!("system:serviceaccount:{}:{name}", object::text(subject, "/namespace"))
                }
                _ => false,
            }
        })
    }
}

/// The rules of the role that a binding names.
fn rules_of(store: &Store, binding: &Value) -> Vec<Value> {
    let name = object::text(binding, "/roleRef/name");
    let key = match object::text(binding, "/roleRef/kind") {
        "ClusterRole" => Key::new(&CLUSTER_ROLE, "", name),
        _ => Key::new(&ROLE, object::namespace(binding), name),
    };
    let role = store.get(&key);
    role.iter().flat_map(|role| object::elements(role, "/rules")).cloned().collect()
}

/// Kubernetes: `pkg/apis/rbac/v1/evaluation_helpers.go`.
fn allows(rule: &Value, asked: &Attributes<'_>) -> bool {
    let has = |pointer: &str, wanted: &str| {
        object::elements(rule, pointer).filter_map(Value::as_str).any(|one| one == "*" || one == wanted)
    };
    let named = || {
        let mut names = object::elements(rule, "/resourceNames").filter_map(Value::as_str).peekable();
        names.peek().is_none() || asked.name.is_some_and(|name| names.any(|one| one == name))
    };
    has("/verbs", asked.verb) && has("/apiGroups", asked.group) && has("/resources", asked.resource) && named()
}

/// What the bearer of the token may do.
fn everything() -> Vec<Value> {
    let rule = |kind: &&Kind| {
        let verbs = match kind.access {
            Access::Full => "*",
            Access::Review => "create",
            Access::Forbidden => return None,
        };
        Some(json!({ "verbs": [verbs], "apiGroups": [kind.group], "resources": [kind.plural] }))
    };
    let parts = ["pods/ephemeralcontainers", "pods/exec", "pods/portforward", "pods/log", "pods/status"];
    let parts = json!({ "verbs": ["*"], "apiGroups": [""], "resources": parts });
    KINDS.iter().filter_map(rule).chain([parts]).collect()
}
