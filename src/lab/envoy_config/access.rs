//! Filters for `AuthorizationPolicy` and `RequestAuthentication`, as istiod writes them before the router.

use serde_json::{Map, Value, json};

use crate::lab::desired::access::{Access, AccessRule, Listed, Operation, Source};

/// HTTP filters: tokens, then who is refused, then who is let in.
///
/// Istio: `pilot/pkg/security/authn/policy_applier.go:JwtFilter`, `pilot/pkg/security/authz/builder/builder.go:BuildHTTP`.
pub(super) fn http(access: &Access) -> Vec<Value> {
    let kind = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
    let rbac = |rules| json!({ "name": "envoy.filters.http.rbac", "typed_config": { "@type": kind, "rules": rules } });
    tokens(access).into_iter().chain(rules(access, true).into_iter().map(rbac)).collect()
}

/// Network filters, on ports that are not read as HTTP.
pub(super) fn network(access: &Access) -> Vec<Value> {
    let kind = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC";
    let rbac = |rules| {
        json!({ "name": "envoy.filters.network.rbac",
            "typed_config": { "@type": kind, "rules": rules, "stat_prefix": "tcp." } })
    };
    rules(access, false).into_iter().map(rbac).collect()
}

fn tokens(access: &Access) -> Option<Value> {
    let mut providers = Map::new();
    let mut accepted = Vec::new();
    for (at, rule) in access.tokens.iter().enumerate() {
        let name = format!("origins-{at}");
        let provider = json!({ "issuer": rule.issuer, "audiences": rule.audiences, "forward": rule.forwards,
            "local_jwks": { "inline_string": rule.jwks }, "payload_in_metadata": "payload" });
        providers.insert(name.clone(), provider);
        accepted.push(json!({ "provider_name": name }));
    }
    if !access.token_required {
        accepted.push(json!({ "allow_missing": {} }));
    }
    let requires = match accepted.as_slice() {
        [one] => one.clone(),
        _ => json!({ "requires_any": { "requirements": accepted } }),
    };
    (!access.tokens.is_empty()).then(|| {
        json!({ "name": "envoy.filters.http.jwt_authn", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": providers,
            "rules": [{ "match": { "prefix": "/" }, "requires": requires }],
            "bypass_cors_preflight": true,
        } })
    })
}

fn rules(access: &Access, http: bool) -> Vec<Value> {
    let of = |action: &str, rules: &[AccessRule]| {
        let denies = action == "DENY";
        let policies = rules.iter().filter_map(|rule| Some((rule.name.clone(), policy(rule, http, denies)?)));
        json!({ "action": action, "policies": policies.collect::<Map<_, _>>() })
    };
    let deny = (!access.deny.is_empty()).then(|| of("DENY", &access.deny));
    deny.into_iter().chain(access.allow.as_ref().map(|allow| of("ALLOW", allow))).collect()
}

/// `None` for a rule that holds of nobody on a port that is not read as HTTP.
fn policy(rule: &AccessRule, http: bool, denies: bool) -> Option<Value> {
    let any = |parts: Vec<Value>| if parts.is_empty() { vec![json!({ "any": true })] } else { parts };
    let principals: Option<Vec<Value>> = rule.from.iter().map(|from| source(from, http, denies)).collect();
    let permissions: Option<Vec<Value>> = rule.to.iter().map(|to| operation(to, http, denies)).collect();
    Some(json!({ "permissions": any(permissions?), "principals": any(principals?) }))
}

fn source(source: &Source, http: bool, denies: bool) -> Option<Value> {
    let mut all = listed(&source.principals, "or_ids", "not_id", identity);
    all.extend(listed(&source.namespaces, "or_ids", "not_id", |name| {
        json!({ "authenticated": { "principal_name": { "safe_regex": { "regex": format!(".*/ns/{name}/.*") } } } })
    }));
    if http {
        all.extend(listed(&source.request_principals, "or_ids", "not_id", token));
    } else if !source.request_principals.is_empty() && !denies {
        return None;
    }
    Some(json!({ "and_ids": { "ids": if all.is_empty() { vec![json!({ "any": true })] } else { all } } }))
}

fn operation(operation: &Operation, http: bool, denies: bool) -> Option<Value> {
    let mut all = listed(
        &operation.ports,
        "or_rules",
        "not_rule",
        |port| json!({ "destination_port": port.parse::<u16>().unwrap_or_default() }),
    );
    if http {
        all.extend(listed(
            &operation.methods,
            "or_rules",
            "not_rule",
            |name| json!({ "header": { "name": ":method", "string_match": text(name) } }),
        ));
        all.extend(listed(
            &operation.paths,
            "or_rules",
            "not_rule",
            |path| json!({ "url_path": { "path": text(path) } }),
        ));
    } else if !(denies || operation.methods.is_empty() && operation.paths.is_empty()) {
        return None;
    }
    Some(json!({ "and_rules": { "rules": if all.is_empty() { vec![json!({ "any": true })] } else { all } } }))
}

/// One of some, and none of others.
fn listed(listed: &Listed, or: &str, not: &str, one: impl Fn(&str) -> Value) -> Vec<Value> {
    let kind = if or == "or_ids" { "ids" } else { "rules" };
    let many = |values: &[String]| {
        let values: Vec<Value> = values.iter().map(|value| one(value)).collect();
        (!values.is_empty()).then(|| json!({ or: { kind: values } }))
    };
    let none = many(&listed.none).map(|many| json!({ not: many }));
    many(&listed.any).into_iter().chain(none).collect()
}

fn identity(name: &str) -> Value {
    let name = match name.strip_prefix('*') {
        None => format!("spiffe://{name}"),
        Some(_) => name.to_owned(),
    };
    json!({ "authenticated": { "principal_name": text(&name) } })
}

/// `iss/sub` in what the token filter leaves.
fn token(name: &str) -> Value {
    let (issuer, subject) = name.split_once('/').unwrap_or((name, "*"));
    let part = |field: &str, wanted: &str| {
        json!({ "metadata": { "filter": "envoy.filters.http.jwt_authn",
            "path": [{ "key": "payload" }, { "key": field }], "value": { "string_match": text(wanted) } } })
    };
    json!({ "and_ids": { "ids": [part("iss", issuer), part("sub", subject)] } })
}

fn text(wanted: &str) -> Value {
    if wanted == "*" {
        return json!({ "safe_regex": { "regex": ".+" } });
    }
    match (wanted.strip_prefix('*'), wanted.strip_suffix('*')) {
        (Some(end), _) => json!({ "suffix": end }),
        (None, Some(start)) => json!({ "prefix": start }),
        (None, None) => json!({ "exact": wanted }),
    }
}
