//! Host names of rules and services, and which match which.

/// Whether a host is a wildcard: `*` or `*.example.com`.
pub(crate) fn is_wildcard(host: &str) -> bool {
    host.starts_with('*')
}

/// The host of a rule in full: a name without dots belongs to the rule's own namespace.
///
/// Istio: `pilot/pkg/model/config.go:ResolveShortnameToFQDN`. Anything with a dot is literal: `web.app` stays `web.app`.
pub(crate) fn qualify(host: &str, namespace: &str, cluster_domain: &str) -> String {
    if host.is_empty() || host == "*" || host.contains('.') || host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.{cluster_domain}")
    }
}

/// Whether every name that `host` stands for is matched by `pattern`.
///
/// Istio: `pkg/config/host/name.go:SubsetOf`.
pub(crate) fn subset_of(host: &str, pattern: &str) -> bool {
    match (host.strip_prefix('*'), pattern.strip_prefix('*')) {
        (Some(rest), Some(suffix)) => host.len() >= pattern.len() && rest.ends_with(suffix),
        (Some(_), None) => false,
        (None, Some(suffix)) => host.ends_with(suffix),
        (None, None) => host == pattern,
    }
}

/// Whether a wildcard rule host covers a service's host, as rules are looked up.
///
/// Istio: `pilot/pkg/model/config.go:mostSpecificHostWildcardMatch`. `*.foo.com` does not cover `foo.com`; `*` covers all.
pub(crate) fn covers(wildcard: &str, host: &str) -> bool {
    let needle = host.strip_prefix('*').unwrap_or(host);
    wildcard.strip_prefix('*').is_some_and(|suffix| needle.ends_with(suffix))
}

/// Whether two hosts have a name in common, wildcards on either side.
///
/// Istio: `pkg/config/host/name.go:Matches`.
pub(crate) fn meets(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (Some(a), Some(b)) => a.ends_with(b) || b.ends_with(a),
        (Some(suffix), None) => b.ends_with(suffix),
        (None, Some(suffix)) => a.ends_with(suffix),
        (None, None) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{covers, is_wildcard, qualify, subset_of};

    /// Facts of Istio's tests; the file's `meta` says which.
    fn facts(category: &str) -> Vec<Value> {
        let file: Value = serde_json::from_str(include_str!("../../tests/vectors/istio-vectors.json")).unwrap();
        let all = file["vectors"].as_array().unwrap().clone();
        all.into_iter().filter(|vector| vector["category"] == category).collect()
    }

    #[test]
    fn the_most_specific_host_matches_as_istio_picks_it() {
        let facts = facts("host_match");
        assert_eq!(facts.len(), 7);
        for vector in facts {
            let host = vector["input"]["serviceHost"].as_str().unwrap();
            let rules: Vec<&str> =
                vector["input"]["ruleHosts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let exact = rules.iter().find(|rule| **rule == host);
            let wild =
                rules.iter().filter(|rule| is_wildcard(rule) && covers(rule, host)).max_by_key(|rule| rule.len());
            assert_eq!(exact.or(wild).copied(), vector["expected"]["match"].as_str(), "{}", vector["id"]);
        }
    }

    #[test]
    fn short_names_are_completed_as_istio_completes_them() {
        let mut asked = 0;
        for vector in facts("host_resolve") {
            let text = |field: &str| vector["input"][field].as_str().unwrap().to_owned();
            let (host, domain) = (text("host"), text("domain"));
            // A mesh always has a cluster domain; the vectors without one tell only about names that stay as they are.
            if domain.is_empty() && !host.contains(['.', ':', '*']) {
                continue;
            }
            asked += 1;
            let full = qualify(&host, &text("namespace"), &domain);
            assert_eq!(Some(full.as_str()), vector["expected"]["fqdn"].as_str(), "{}", vector["id"]);
        }
        assert_eq!(asked, 4);
    }

    #[test]
    fn a_wildcard_import_takes_longer_names_only() {
        assert!(subset_of("web.app.svc", "*"));
        assert!(subset_of("*.app.svc", "*.svc"));
        assert!(!subset_of("*.svc", "*.app.svc"));
        assert!(!subset_of("*.svc", "web.svc"));
        assert!(!subset_of("foo.com", "*.foo.com"));
    }
}
