//! The application behind the lab's Services: httpbin, as far as the probes and the seeds' loops ask it.
//!
//! Shapes follow postmanlabs/httpbin (`core.py`, `helpers.py`) behind gunicorn.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, LOCATION, PROXY_AUTHENTICATE, SERVER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

/// The longest `/delay`, as in the original.
const LONGEST_DELAY: u64 = 10;
/// Headers that `/headers` hides unless asked with `show_env`.
const ENVIRONMENT: [&str; 14] = [
    "X-Varnish",
    "X-Request-Start",
    "X-Heroku-Queue-Depth",
    "X-Real-Ip",
    "X-Forwarded-Proto",
    "X-Forwarded-Protocol",
    "X-Forwarded-Ssl",
    "X-Heroku-Queue-Wait-Time",
    "X-Forwarded-For",
    "X-Heroku-Dynos-In-Use",
    "X-Forwarded-Port",
    "X-Request-Id",
    "Via",
    "Total-Route-Time",
];
const NOT_FOUND: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<title>404 Not Found</title>\n\
    <h1>Not Found</h1>\n<p>The requested URL was not found on the server.  \
    If you entered the URL manually please check your spelling and try again.</p>\n";
const TEAPOT: &str = concat!(
    "\n    -=[ teapot ]=-\n\n       _...._\n     .'  _ _ `.\n    | .\"` ^ `\". _,\n    \\_;`\"---\"`|//\n",
    "      |       ;/\n      \\_     _/\n        `\"\"\"`\n"
);

type Answer = Response<Full<Bytes>>;

/// A request as the answers show it.
struct Asked {
    method: String,
    uri: Uri,
    scheme: &'static str,
    headers: HeaderMap,
    body: Bytes,
    peer: String,
}

/// Serves one connection until the peer closes it. `scheme` is what `/get` says in `url`.
pub async fn serve<S>(stream: S, peer: SocketAddr, scheme: &'static str)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| async move {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let asked = Asked {
            method: parts.method.to_string(),
            uri: parts.uri,
            scheme,
            headers: parts.headers,
            body,
            peer: peer.ip().to_string(),
        };
        Ok::<_, Infallible>(answer(&asked).await)
    });
    // A broken connection is the peer's affair.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(asked: &Asked) -> Answer {
    let path = asked.uri.path();
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let answered = match (parts.next(), parts.next()) {
        (Some("headers"), None) => json_answer(&json!({ "headers": asked.shown_headers() })),
        (Some("ip"), None) => json_answer(&json!({ "origin": asked.origin() })),
        (Some("get"), None) => json_answer(&Value::Object(asked.summary())),
        (Some("anything"), _) => json_answer(&Value::Object(asked.everything())),
        (Some("delay"), Some(seconds)) => match seconds.parse::<u64>() {
            Ok(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds.min(LONGEST_DELAY))).await;
                json_answer(&Value::Object(asked.summary()))
            }
            Err(_) => html(StatusCode::NOT_FOUND, NOT_FOUND),
        },
        (Some("status"), Some(code)) => status(code),
        (Some(""), None) => html(StatusCode::OK, "<!DOCTYPE html>\n<title>httpbin.org</title>\n"),
        (_, _) => html(StatusCode::NOT_FOUND, NOT_FOUND),
    };
    with_common_headers(answered)
}

/// `/status/<code>`. The codes with headers of their own have no content type (`helpers.py:status_code`).
fn status(code: &str) -> Answer {
    let Some(status) = code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()) else {
        return html(StatusCode::BAD_REQUEST, "Invalid status code");
    };
    let special = match status.as_u16() {
        301 | 302 | 303 | 305 | 307 => Some((LOCATION, "/redirect/1", "")),
        401 => Some((WWW_AUTHENTICATE, "Basic realm=\"Fake Realm\"", "")),
        407 => Some((PROXY_AUTHENTICATE, "Basic realm=\"Fake Realm\"", "")),
        418 => Some((HeaderName::from_static("x-more-info"), "http://tools.ietf.org/html/rfc2324", TEAPOT)),
        _ => None,
    };
    let Some((name, value, body)) = special else { return html(status, "") };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn json_answer(value: &Value) -> Answer {
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn html(status: StatusCode, body: &'static str) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

fn with_common_headers(mut response: Answer) -> Answer {
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("gunicorn"));
    headers.insert(http::header::CONNECTION, HeaderValue::from_static("keep-alive"));
    headers.insert("access-control-allow-origin", HeaderValue::from_static("*"));
    headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
    response
}

/// `x-forwarded-client-cert` as WSGI shows it: `X-Forwarded-Client-Cert`.
fn canonical(name: &HeaderName) -> String {
    let capitalise = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.as_str().split('-').map(capitalise).collect::<Vec<_>>().join("-")
}

// === impl Asked ===

impl Asked {
    /// All headers, sorted by name, repeated ones joined by a comma as WSGI does.
    fn headers(&self) -> Map<String, Value> {
        let mut names: Vec<&HeaderName> = self.headers.keys().collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        let joined = |name: &HeaderName| {
            let values = self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            values.collect::<Vec<_>>().join(",")
        };
        names.into_iter().map(|name| (canonical(name), Value::String(joined(name)))).collect()
    }

    fn shown_headers(&self) -> Map<String, Value> {
        let mut headers = self.headers();
        if !self.arguments().contains_key("show_env") {
            headers.retain(|name, _| !ENVIRONMENT.contains(&name.as_str()));
        }
        headers
    }

    fn arguments(&self) -> Map<String, Value> {
        let pairs = self.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())))
            .collect()
    }

    fn origin(&self) -> String {
        let forwarded = self.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        forwarded.unwrap_or(&self.peer).to_owned()
    }

    fn url(&self) -> String {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let scheme = header("x-forwarded-proto").unwrap_or(self.scheme);
        format!("{scheme}://{}{}", header("host").unwrap_or_default(), self.uri)
    }

    fn summary(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("args".to_owned(), Value::Object(self.arguments()));
        shown.insert("headers".to_owned(), Value::Object(self.shown_headers()));
        shown.insert("origin".to_owned(), Value::String(self.origin()));
        shown.insert("url".to_owned(), Value::String(self.url()));
        shown
    }

    fn everything(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("args".to_owned(), Value::Object(self.arguments()));
        shown.insert("data".to_owned(), Value::String(String::from_utf8_lossy(&self.body).into_owned()));
        shown.insert("files".to_owned(), json!({}));
        shown.insert("form".to_owned(), json!({}));
        shown.insert("headers".to_owned(), Value::Object(self.shown_headers()));
        shown.insert("json".to_owned(), serde_json::from_slice(&self.body).unwrap_or(Value::Null));
        shown.insert("method".to_owned(), Value::String(self.method.clone()));
        shown.insert("origin".to_owned(), Value::String(self.origin()));
        shown.insert("url".to_owned(), Value::String(self.url()));
        shown
    }
}
