//! Request bodies read, replies written.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::Value;

use crate::lab::kube_api::protobuf;
use crate::lab::kube_api::status::Refusal;

/// The longest body taken, in bytes: the limit of a real API server.
const LIMIT: usize = 3 * 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const WARNING: HeaderName = HeaderName::from_static("warning");

/// The body of any response.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A successful answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// 200, or 201 for what was created.
    pub code: StatusCode,
    /// The object.
    pub object: Value,
    /// Sentences for the `Warning` header.
    pub warnings: Vec<String>,
}

// === impl Reply ===

impl Reply {
    /// 200 with an object.
    #[must_use]
    pub fn ok(object: Value) -> Self {
        Self { code: StatusCode::OK, object, warnings: Vec::new() }
    }

    /// As HTTP.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let mut response = json(self.code, &self.object);
        for warning in &self.warnings {
            // RFC 7234 5.5: code 299, agent unknown, quoted text.
            let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
            if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
                response.headers_mut().append(WARNING, value);
            }
        }
        response
    }
}

/// A JSON document as an answer.
#[must_use]
pub fn json(code: StatusCode, value: &Value) -> Response<Body> {
    let mut text = value.to_string();
    text.push('\n');
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// A refusal as an answer.
#[must_use]
pub fn refusal(refusal: &Refusal) -> Response<Body> {
    json(refusal.code, &refusal.to_status())
}

/// A short text as an answer.
#[must_use]
pub fn text(text: &'static str) -> Response<Body> {
    Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync())
}

/// An answer without a body.
#[must_use]
pub fn empty(code: StatusCode) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = code;
    response
}

/// An answer of a format in which nothing takes no bytes.
#[must_use]
pub fn nothing_of(content_type: HeaderValue) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// An answer that goes on: one JSON document a line.
pub fn lines(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let frames = futures_util::StreamExt::map(lines, |line| Ok(Frame::data(line)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// The whole request body.
pub async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::too_large(LIMIT)),
        Err(error) => Err(Refusal::bad_request(format!("cannot read the body of the request: {error}"))),
    }
}

/// A body as an object, in the format that its content type names.
pub fn parse(headers: &HeaderMap, bytes: &Bytes) -> Result<Value, Refusal> {
    const ACCEPTED: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
    match content_type(headers) {
        "" | "application/json" | "*/*" => parse_json(bytes),
        "application/yaml" => parse_yaml(bytes),
        "application/vnd.kubernetes.protobuf" => protobuf::parse(bytes),
        _ => Err(Refusal::unsupported_media_type(&ACCEPTED)),
    }
}

/// A JSON body.
pub fn parse_json(bytes: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::bad_request(format!("error decoding the body of the request: {error}")))
}

/// A YAML (or JSON) body.
pub fn parse_yaml(bytes: &Bytes) -> Result<Value, Refusal> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_slice_with_options(bytes, options)
        .map_err(|error| Refusal::bad_request(format!("error decoding YAML: {error}")))
}

/// The content type without its parameters.
#[must_use]
pub fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}
