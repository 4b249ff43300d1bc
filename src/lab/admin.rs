//! The admin endpoint of the lab's sidecars: Envoy's port 15000, in the shape of Envoy 1.40 as measured.
//!
//! Everything it tells is what the proxy does at that moment; where the two differ this one is wrong.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::PrettyFormatter;
use tokio::net::TcpStream;

use crate::lab::dataplane::Told;
use crate::lab::kube_api::query::Query;
use crate::lab::proxy::Proxy;

pub mod certs;
pub mod clusters;
pub mod dump;
mod listeners;
mod mask;
mod schema;
mod server_info;
pub mod stats;

/// The port in the pod, on its loopback only.
pub const PORT: u16 = 15000;

const JSON: &str = "application/json";
/// Most answers that are not JSON.
const TEXT: &str = "text/plain; charset=UTF-8";
/// Errors of `/config_dump` only.
const PLAIN: &str = "text/plain";

/// Paths that change something: Envoy answers GET with 405.
const MUTATING: [&str; 12] = [
    "/allocprofiler",
    "/cpuprofiler",
    "/drain_listeners",
    "/healthcheck/fail",
    "/healthcheck/ok",
    "/heapprofiler",
    "/logging",
    "/quitquitquit",
    "/reopen_logs",
    "/reset_counters",
    "/runtime_modify",
    "/tap",
];

/// What is served, for the page that Envoy shows for any other path.
const SERVED: [(&str, &str); 8] = [
    ("/", "Admin home page"),
    ("/certs", "print certs on machine"),
    ("/clusters", "upstream cluster status"),
    ("/config_dump", "dump current Envoy configs"),
    ("/init_dump", "dump current Envoy init manager information"),
    ("/listeners", "print listener info"),
    ("/ready", "print server state, return 200 if LIVE, otherwise return 503"),
    ("/server_info", "print server version/status information"),
];

/// An answer of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// `content-type`.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self { status: StatusCode::OK, content_type: JSON, body: pretty(value) }
    }

    pub(crate) fn text(body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type: TEXT, body: body.into() }
    }

    pub(crate) fn refused(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type, body: body.into() }
    }
}

/// JSON as Envoy prints it: one blank a level, `<` and `>` escaped, a line end behind.
fn pretty(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b" "));
    // A value in memory always serialises to a vector.
    let _ = value.serialize(&mut serializer);
    let mut text = String::from_utf8(bytes).unwrap_or_default().replace('<', "\\u003c").replace('>', "\\u003e");
    text.push('\n');
    text
}

/// Serves one connection until the caller closes it.
pub(crate) async fn serve(proxy: Arc<Proxy>, told: Told, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let uri = request.uri();
        let reply = answer(&proxy, &told, request.method(), uri.path(), uri.query());
        async move { Ok::<_, Infallible>(respond(reply)) }
    });
    // A broken connection is the caller's affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// What the proxy answers.
fn answer(proxy: &Proxy, told: &Told, method: &Method, path: &str, query: Option<&str>) -> Reply {
    let query = Query::parse(query);
    if MUTATING.contains(&path) {
        return if *method == Method::POST {
            Reply::refused(
                StatusCode::NOT_IMPLEMENTED,
                TEXT,
                "the reference mesh changes its proxies by their policies only\n",
            )
        } else {
            let text = format!("Method {method} not allowed, POST required.");
            Reply::refused(StatusCode::METHOD_NOT_ALLOWED, TEXT, text)
        };
    }
    match path {
        "/" => Reply { content_type: "text/html; charset=UTF-8", ..Reply::text(home()) },
        "/certs" => certs::reply(proxy),
        "/clusters" => clusters::reply(proxy, &query),
        "/config_dump" => dump::reply(&told.sections(&proxy.pod), &query),
        "/init_dump" => Reply::json(&Value::Object(serde_json::Map::new())),
        "/listeners" => listeners::reply(&query),
        "/ready" | "/healthz/ready" => Reply::text("LIVE\n"),
        "/server_info" => server_info::reply(proxy, &told.sections(&proxy.pod)),
        "/stats" => stats::reply(proxy, query.first("format"), &query),
        "/stats/prometheus" => stats::reply(proxy, "prometheus", &query),
        _ => Reply::refused(StatusCode::NOT_FOUND, TEXT, help()),
    }
}

fn help() -> String {
    let rows = SERVED.map(|(path, what)| format!("  {path}: {what}\n"));
    let stats = "  /stats: print server stats\n  /stats/prometheus: print server stats in prometheus format\n";
    format!("invalid path. admin commands are:\n{}{stats}", rows.concat())
}

fn home() -> String {
    let rows = SERVED.map(|(path, what)| format!("<tr><td><a href='{path}'>{path}</a></td><td>{what}</td></tr>\n"));
    format!(
        "<!DOCTYPE html>\n<html lang='en'>\n<title>Envoy Admin</title>\n<table>\n{}</table>\n</html>\n",
        rows.concat()
    )
}

/// A regular expression of a query as RE2 reads it, and RE2's complaint where it cannot.
///
/// The dialects are the same for what is written in practice; the complaint is only spelt out for the common mistake.
fn regex(pattern: &str) -> Result<regex::Regex, String> {
    regex::Regex::new(pattern).map_err(|_| {
        let open = pattern.matches('(').count() > pattern.matches(')').count();
        format!("{}: {pattern}", if open { "missing )" } else { "invalid pattern" })
    })
}
