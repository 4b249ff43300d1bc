//! `VirtualService`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::decode::metadata::meta;
use crate::decode::value::{at, flag, items, labels, owned, port, text, texts};
use crate::model::meta::Origin;
use crate::model::port::ServicePort;
use crate::model::virtual_service::{
    Abort, Destination, HttpMatch, HttpRule, SourceMatch, StreamMatch, StreamRule, StringMatch, VirtualService,
};

/// Reads a `VirtualService`.
pub(super) fn virtual_service(object: &Value, origin: Option<&Origin>) -> VirtualService {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    VirtualService {
        meta: meta(object, origin),
        hosts: texts(spec, &["hosts"]),
        gateways: texts(spec, &["gateways"]),
        export_to: texts(spec, &["exportTo"]),
        http: items(spec, &["http"]).iter().map(http_rule).collect(),
        tcp: items(spec, &["tcp"]).iter().map(stream_rule).collect(),
        tls: items(spec, &["tls"]).iter().map(stream_rule).collect(),
    }
}

fn http_rule(value: &Value) -> HttpRule {
    let mirrors = at(value, &["mirror"]).into_iter();
    let mirrors = mirrors.chain(items(value, &["mirrors"]).iter().filter_map(|mirror| at(mirror, &["destination"])));
    HttpRule {
        matches: items(value, &["match"]).iter().map(http_match).collect(),
        destinations: items(value, &["route"]).iter().map(weighted).collect(),
        redirect: at(value, &["redirect"]).map(|redirect| status(redirect, "redirectCode").unwrap_or(301)),
        direct_response: at(value, &["directResponse"]).map(|answer| status(answer, "status").unwrap_or(200)),
        delegate: at(value, &["delegate"]).map(|delegate| {
            (owned(delegate, &["namespace"]), text(delegate, &["name"]).unwrap_or_default().to_owned())
        }),
        abort: at(value, &["fault", "abort"]).and_then(abort),
        mirrors: mirrors.map(destination).collect(),
    }
}

/// Istio: `route.go:TranslateFault`: neither status nor share has a default.
fn abort(value: &Value) -> Option<Abort> {
    let grpc = || text(value, &["grpcStatus"]).map(|_| 200);
    let percent = at(value, &["percentage", "value"]).and_then(Value::as_f64).unwrap_or_default();
    Some(Abort { status: status(value, "httpStatus").or_else(grpc)?, per_million: per_million(percent) })
}

/// Envoy counts in millionths (`route.go:translatePercentToFractionalPercent`), so a share is never an arbitrary number.
fn per_million(percent: f64) -> u32 {
    let share = (percent.clamp(0.0, 100.0) * 10_000.0).trunc();
    format!("{share:.0}").parse().unwrap_or_default()
}

fn status(value: &Value, field: &str) -> Option<u16> {
    at(value, &[field]).and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())
}

fn http_match(value: &Value) -> HttpMatch {
    HttpMatch {
        uri: at(value, &["uri"]).map(string_match),
        ignore_uri_case: flag(value, &["ignoreUriCase"]),
        scheme: at(value, &["scheme"]).map(string_match),
        method: at(value, &["method"]).map(string_match),
        authority: at(value, &["authority"]).map(string_match),
        headers: string_matches(value, "headers"),
        without_headers: string_matches(value, "withoutHeaders"),
        query_params: string_matches(value, "queryParams"),
        source: source(value),
    }
}

fn string_matches(value: &Value, field: &str) -> BTreeMap<String, StringMatch> {
    let map = at(value, &[field]).and_then(Value::as_object);
    map.into_iter().flatten().map(|(name, value)| (name.clone(), string_match(value))).collect()
}

/// Istio: `route.go:canBeConvertedToPresentMatch`: no kind of match, and the regex `*`, only ask for presence.
fn string_match(value: &Value) -> StringMatch {
    let of = |field: &str| text(value, &[field]).map(str::to_owned);
    let exact = of("exact").map(StringMatch::Exact);
    let prefix = || of("prefix").map(StringMatch::Prefix);
    let regex = || of("regex").filter(|regex| regex != "*").map(StringMatch::Regex);
    exact.or_else(prefix).or_else(regex).unwrap_or(StringMatch::Present)
}

fn source(value: &Value) -> SourceMatch {
    SourceMatch {
        port: at(value, &["port"]).and_then(port).map(ServicePort),
        labels: labels(value, &["sourceLabels"]),
        namespace: owned(value, &["sourceNamespace"]),
        gateways: texts(value, &["gateways"]),
    }
}

fn stream_rule(value: &Value) -> StreamRule {
    StreamRule {
        matches: items(value, &["match"]).iter().map(stream_match).collect(),
        destinations: items(value, &["route"]).iter().map(weighted).collect(),
    }
}

fn stream_match(value: &Value) -> StreamMatch {
    StreamMatch {
        subnets: texts(value, &["destinationSubnets"]),
        sni_hosts: texts(value, &["sniHosts"]),
        source: source(value),
    }
}

fn weighted(value: &Value) -> Destination {
    let weight = at(value, &["weight"]).and_then(Value::as_u64).and_then(|weight| u32::try_from(weight).ok());
    Destination {
        weight: weight.unwrap_or_default(),
        ..destination(at(value, &["destination"]).unwrap_or(&Value::Null))
    }
}

fn destination(value: &Value) -> Destination {
    Destination {
        host: text(value, &["host"]).unwrap_or_default().to_owned(),
        subset: owned(value, &["subset"]),
        port: at(value, &["port", "number"]).and_then(port).map(ServicePort),
        weight: 0,
    }
}
