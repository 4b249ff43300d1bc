//! Which requests a match takes. What is asked is always the plain one: `GET /`, without headers of its own.
//!
//! Istio: `pilot/pkg/networking/core/route/route.go:TranslateRouteMatch,sourceMatchHTTP,IsCatchAllRoute`.

use regex::Regex;

use crate::model::meta::selects;
use crate::model::port::ServicePort;
use crate::model::virtual_service::{HttpMatch, SourceMatch, StringMatch};
use crate::model::workload::Pod;

/// The plain request of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) client: &'a Pod,
    /// The host that is called.
    pub(crate) host: &'a str,
    /// The port that is dialled.
    pub(crate) port: ServicePort,
}

/// Which requests a match takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// All of them: nothing behind it is reached.
    Everything,
    /// The plain one, and others.
    Plain,
    /// Only others.
    Others,
}

/// Which requests of a client a match takes; `None` where its proxy never gets the match.
pub(crate) fn takes(item: &HttpMatch, asking: Asking<'_>) -> Option<Takes> {
    if !http_source_fits(&item.source, asking) {
        return None;
    }
    let any_path = match &item.uri {
        None | Some(StringMatch::Present) => true,
        Some(StringMatch::Prefix(prefix)) => prefix == "/",
        Some(StringMatch::Regex(regex)) => regex == ".*",
        Some(StringMatch::Exact(_)) => false,
    };
    let bare = [&item.scheme, &item.method, &item.authority].into_iter().all(Option::is_none)
        && item.headers.is_empty()
        && item.without_headers.is_empty()
        && item.query_params.is_empty();
    if any_path && bare {
        return Some(Takes::Everything);
    }
    let plain = is_path(item.uri.as_ref(), item.ignore_uri_case)
        && item.scheme.as_ref().is_none_or(|scheme| is(scheme, "http"))
        && item.method.as_ref().is_none_or(|method| is(method, "GET"))
        && item.authority.as_ref().is_none_or(|authority| is_authority(authority, asking))
        // A header that is not there matches nothing, and its absence everything that does not take the empty text.
        && item.headers.is_empty()
        && item.without_headers.values().all(|value| *value == StringMatch::Present || !is(value, ""))
        && item.query_params.is_empty();
    Some(if plain { Takes::Plain } else { Takes::Others })
}

/// Conditions that istiod evaluates for a proxy. Where gateways are named the others are not looked at.
fn http_source_fits(source: &SourceMatch, asking: Asking<'_>) -> bool {
    let port = source.port.is_none_or(|port| port == asking.port);
    port && if source.gateways.is_empty() { is_from(source, asking.client) } else { source.names_mesh() }
}

/// The same for `tcp` and `tls`, where all of them count.
///
/// Istio: `pilot/pkg/networking/core/tls.go:matchTLS,matchTCP`.
pub(crate) fn source_fits(source: &SourceMatch, asking: Asking<'_>) -> bool {
    let gateway = source.gateways.is_empty() || source.names_mesh();
    gateway && source.port.is_none_or(|port| port == asking.port) && is_from(source, asking.client)
}

fn is_from(source: &SourceMatch, client: &Pod) -> bool {
    selects(&source.labels, &client.meta.labels)
        && source.namespace.as_ref().is_none_or(|namespace| *namespace == client.meta.namespace)
}

fn is_path(uri: Option<&StringMatch>, any_case: bool) -> bool {
    match uri {
        // Case means nothing to the path `/`.
        Some(StringMatch::Regex(expression)) if any_case => is(&StringMatch::Regex(format!("(?i){expression}")), "/"),
        Some(uri) => is(uri, "/"),
        None => true,
    }
}

/// Envoy leaves the port aside for virtual hosts (`ignore_port_in_host_matching`) and not here; clients name it, as curl does, where
/// it is not 80.
fn is_authority(wanted: &StringMatch, asking: Asking<'_>) -> bool {
    let Asking { host, port, .. } = asking;
    if port.0 == 80 { is(wanted, host) } else { is(wanted, &format!("{host}:{port}")) }
}

/// Whether a text matches; an expression that cannot be read matches nothing (Envoy refuses it).
fn is(wanted: &StringMatch, text: &str) -> bool {
    match wanted {
        StringMatch::Present => true,
        StringMatch::Exact(exact) => exact == text,
        StringMatch::Prefix(prefix) => text.starts_with(prefix),
        StringMatch::Regex(expression) => {
            Regex::new(&format!("^(?:{expression})$")).is_ok_and(|expression| expression.is_match(text))
        }
    }
}
