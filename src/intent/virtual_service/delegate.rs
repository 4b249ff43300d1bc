//! HTTP rules of delegates, put in the place of those that name them.
//!
//! Istio: `pilot/pkg/model/virtualservice.go:MergeHTTPRoutes,mergeHTTPMatchRequests`. A delegate delegates no further.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use crate::intent::virtual_service::{Exports, Placed};
use crate::model::mesh::MeshConfig;
use crate::model::virtual_service::{HttpMatch, HttpRule, SourceMatch, StringMatch, VirtualService};

/// The HTTP rules of a VirtualService; a delegate that is missing or not visible leaves nothing in its place.
pub(super) fn merged<'s>(
    root: &'s VirtualService,
    delegates: &FxHashMap<(&str, &str), &'s VirtualService>,
    config: &MeshConfig,
) -> Vec<Placed<'s>> {
    let mut placed = Vec::new();
    for (index, rule) in root.http.iter().enumerate() {
        let Some((namespace, name)) = &rule.delegate else {
            placed.push(Placed { rule: rule.clone(), from: root, index });
            continue;
        };
        let namespace = namespace.as_ref().unwrap_or(&root.meta.namespace);
        let found = delegates.get(&(namespace.as_str(), name.as_str()));
        let Some(from) = found.filter(|from| Exports::of(from, config).reaches(&root.meta.namespace)) else {
            continue;
        };
        placed.extend(from.http.iter().enumerate().filter_map(|(index, own)| {
            let rule = joined(rule, own)?;
            Some(Placed { rule, from, index })
        }));
    }
    placed
}

/// What the delegate leaves out comes from the root; `None` where their conditions exclude each other.
fn joined(root: &HttpRule, own: &HttpRule) -> Option<HttpRule> {
    Some(HttpRule {
        matches: joined_matches(&root.matches, &own.matches)?,
        direct_response: own.direct_response.or(root.direct_response),
        abort: own.abort.or(root.abort),
        mirrors: if own.mirrors.is_empty() { root.mirrors.clone() } else { own.mirrors.clone() },
        delegate: None,
        ..own.clone()
    })
}

fn joined_matches(root: &[HttpMatch], own: &[HttpMatch]) -> Option<Vec<HttpMatch>> {
    match (root, own) {
        ([], own) => Some(own.to_vec()),
        (root, []) => Some(root.to_vec()),
        (root, own) => {
            let mut all = Vec::new();
            for leaf in own {
                let fitting: Vec<HttpMatch> =
                    root.iter().filter(|root| !conflict(root, leaf)).map(|root| joined_match(root, leaf)).collect();
                if fitting.is_empty() {
                    return None;
                }
                all.extend(fitting);
            }
            Some(all)
        }
    }
}

fn joined_match(root: &HttpMatch, leaf: &HttpMatch) -> HttpMatch {
    let either = |leaf: &Option<StringMatch>, root: &Option<StringMatch>| leaf.clone().or_else(|| root.clone());
    let both = |root: &BTreeMap<String, StringMatch>, leaf: &BTreeMap<String, StringMatch>| {
        let mut all = root.clone();
        all.extend(leaf.iter().map(|(name, value)| (name.clone(), value.clone())));
        all
    };
    let mut labels = root.source.labels.clone();
    labels.extend(leaf.source.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
    let gateways = if leaf.source.gateways.is_empty() { &root.source.gateways } else { &leaf.source.gateways };
    HttpMatch {
        uri: either(&leaf.uri, &root.uri),
        ignore_uri_case: leaf.ignore_uri_case,
        scheme: either(&leaf.scheme, &root.scheme),
        method: either(&leaf.method, &root.method),
        authority: either(&leaf.authority, &root.authority),
        headers: both(&root.headers, &leaf.headers),
        without_headers: both(&root.without_headers, &leaf.without_headers),
        query_params: both(&root.query_params, &leaf.query_params),
        source: SourceMatch {
            port: leaf.source.port.or(root.source.port),
            labels,
            namespace: leaf.source.namespace.clone().or_else(|| root.source.namespace.clone()),
            gateways: gateways.clone(),
        },
    }
}

/// Istio: `virtualservice.go:hasConflict`: each condition of the delegate has to lie within the root's.
fn conflict(root: &HttpMatch, leaf: &HttpMatch) -> bool {
    let texts = [
        (&root.uri, &leaf.uri),
        (&root.scheme, &leaf.scheme),
        (&root.method, &leaf.method),
        (&root.authority, &leaf.authority),
    ];
    let maps = [
        (&root.headers, &leaf.headers),
        (&root.without_headers, &leaf.without_headers),
        (&root.query_params, &leaf.query_params),
    ];
    let outside = |root: Option<&StringMatch>, leaf: &StringMatch| root.is_some_and(|root| beyond(root, leaf));
    let (wide, narrow) = (&root.source, &leaf.source);
    texts.iter().any(|(root, leaf)| leaf.as_ref().is_some_and(|leaf| outside(root.as_ref(), leaf)))
        || maps.iter().any(|(root, leaf)| leaf.iter().any(|(name, leaf)| outside(root.get(name), leaf)))
        || root.ignore_uri_case != leaf.ignore_uri_case
        || matches!((wide.port, narrow.port), (Some(wide), Some(narrow)) if wide != narrow)
        || (wide.namespace.is_some() && wide.namespace != narrow.namespace)
        || narrow.labels.iter().any(|(key, value)| wide.labels.get(key).is_some_and(|other| other != value))
        || (!wide.gateways.is_empty() && narrow.gateways.iter().any(|gateway| !wide.gateways.contains(gateway)))
}

/// Istio: `virtualservice.go:stringMatchConflict`.
fn beyond(root: &StringMatch, leaf: &StringMatch) -> bool {
    match (root, leaf) {
        (StringMatch::Exact(root), StringMatch::Exact(leaf)) => root != leaf,
        (StringMatch::Prefix(root), StringMatch::Prefix(leaf) | StringMatch::Exact(leaf)) => !leaf.starts_with(root),
        (StringMatch::Exact(_) | StringMatch::Prefix(_) | StringMatch::Regex(_) | StringMatch::Present, _) => true,
    }
}
