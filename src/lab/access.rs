//! What `AuthorizationPolicy` and `RequestAuthentication` ask of the callers of each pod.
//!
//! As much as decides over who calls what: sources by identity, namespace and token, operations by port, method and path.
//! Rules that need more (`when`, addresses, hosts) and actions other than ALLOW and DENY are not acted and hold of nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::lab::desired::access::{Access, AccessRule, Listed, Operation, Source, TokenRule};
use crate::lab::store::object;
use crate::model::meta::selects;
use crate::model::workload::Pod;

/// Fields of `source` and `operation` that are acted.
const ACTED: [&str; 12] = [
    "principals",
    "notPrincipals",
    "namespaces",
    "notNamespaces",
    "requestPrincipals",
    "notRequestPrincipals",
    "ports",
    "notPorts",
    "methods",
    "notMethods",
    "paths",
    "notPaths",
];

/// The policies of a mesh.
#[derive(Debug, Clone)]
pub struct Policies<'o> {
    authorization: Vec<&'o Value>,
    authentication: Vec<&'o Value>,
    root_namespace: &'o str,
}

// === impl Policies ===

impl<'o> Policies<'o> {
    /// Those among all objects.
    #[must_use]
    pub fn among(objects: &'o [Arc<Value>], root_namespace: &'o str) -> Self {
        let of_kind = |kind: &str| {
            let is = |object: &&Value| {
                object::text(object, "/kind") == kind
                    && object::text(object, "/apiVersion").starts_with("security.istio.io/")
            };
            objects.iter().map(|object| &**object).filter(is).collect()
        };
        Self {
            authorization: of_kind("AuthorizationPolicy"),
            authentication: of_kind("RequestAuthentication"),
            root_namespace,
        }
    }

    /// What the policies that select a pod ask of its callers.
    ///
    /// Istio: `pilot/pkg/model/authorization.go:ListAuthorizationPolicies`; the root namespace's hold everywhere.
    #[must_use]
    pub fn of(&self, pod: &Pod) -> Access {
        let mut access = Access::default();
        for policy in self.authorization.iter().filter(|policy| self.selects(policy, pod)) {
            match object::text(policy, "/spec/action") {
                "" | "ALLOW" => access.allow.get_or_insert_default().extend(rules(policy)),
                "DENY" => access.deny.extend(rules(policy)),
                _ => {}
            }
        }
        for policy in self.authentication.iter().filter(|policy| self.selects(policy, pod)) {
            access.tokens.extend(list(policy, "/spec/jwtRules").iter().map(token_rule));
        }
        access
    }

    fn selects(&self, policy: &Value, pod: &Pod) -> bool {
        let namespace = object::namespace(policy);
        let labels: BTreeMap<String, String> = policy
            .pointer("/spec/selector/matchLabels")
            .and_then(|labels| serde_json::from_value(labels.clone()).ok())
            .unwrap_or_default();
        // Policies with targets are for gateways, waypoints and services.
        let targeted = !list(policy, "/spec/targetRefs").is_empty() || policy.pointer("/spec/targetRef").is_some();
        let near = namespace == pod.namespace() || namespace == self.root_namespace;
        near && !targeted && selects(&labels, &pod.meta.labels)
    }
}

/// The rules of a policy; those of an ALLOW policy without any let nobody in.
fn rules(policy: &Value) -> Vec<AccessRule> {
    let (namespace, name) = (object::namespace(policy), object::name(policy));
    let rules = list(policy, "/spec/rules").iter().enumerate();
    let acted = rules.filter(|(_, rule)| is_acted(rule));
    let read = |(at, rule): (usize, &Value)| AccessRule {
        name: format!("ns[{namespace}]-policy[{name}]-rule[{at}]"),
        from: list(rule, "/from").iter().filter_map(|from| from.get("source")).map(source).collect(),
        to: list(rule, "/to").iter().filter_map(|to| to.get("operation")).map(operation).collect(),
    };
    acted.map(read).collect()
}

fn is_acted(rule: &Value) -> bool {
    let parts = [("/from", "source"), ("/to", "operation")];
    let mut fields = parts.iter().flat_map(|(place, part)| {
        list(rule, place).iter().filter_map(|one| one.get(*part)?.as_object()).flat_map(|part| part.keys())
    });
    list(rule, "/when").is_empty() && fields.all(|field| ACTED.contains(&field.as_str()))
}

fn source(source: &Value) -> Source {
    Source {
        principals: listed(source, "principals", "notPrincipals"),
        namespaces: listed(source, "namespaces", "notNamespaces"),
        request_principals: listed(source, "requestPrincipals", "notRequestPrincipals"),
    }
}

fn operation(operation: &Value) -> Operation {
    Operation {
        ports: listed(operation, "ports", "notPorts"),
        methods: listed(operation, "methods", "notMethods"),
        paths: listed(operation, "paths", "notPaths"),
    }
}

fn token_rule(rule: &Value) -> TokenRule {
    TokenRule {
        issuer: object::text(rule, "/issuer").to_owned(),
        audiences: texts(rule, "audiences"),
        // Keys behind a URL are not fetched: no token is good then, as where istiod cannot reach it.
        jwks: object::text(rule, "/jwks").to_owned(),
        forwards: rule.pointer("/forwardOriginalToken").and_then(Value::as_bool).unwrap_or(false),
    }
}

fn listed(of: &Value, any: &str, none: &str) -> Listed {
    Listed { any: texts(of, any), none: texts(of, none) }
}

fn texts(of: &Value, field: &str) -> Vec<String> {
    list(of, &format!("/{field}")).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn list<'v>(of: &'v Value, place: &str) -> &'v [Value] {
    of.pointer(place).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
