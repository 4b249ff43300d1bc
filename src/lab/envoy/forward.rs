//! Port 15000 of a pod whose sidecar is a real Envoy: what Envoy answers, with the lab's virtual addresses.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::lab::envoy::admin::EnvoyAdmin;
use crate::lab::envoy::back::Back;
use crate::lab::network::listener::Listener;

/// Passes every GET on.
pub(super) fn start(admin: SocketAddr, back: &Arc<RwLock<Back>>) -> io::Result<Listener> {
    let admin = EnvoyAdmin::new(admin, Arc::clone(back));
    Listener::start(move |stream| {
        let admin = admin.clone();
        async move {
            let service = service_fn(move |request| {
                let admin = admin.clone();
                async move { Ok::<_, Infallible>(answer(&admin, &request).await) }
            });
            // A caller that leaves early has nothing to be told.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        }
    })
}

async fn answer(admin: &EnvoyAdmin, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let (status, content_type, body) = match admin.get(path).await {
        Ok(answer) => (answer.status, answer.content_type, answer.body),
        Err(error) => (503, "text/plain".to_owned(), error.to_string().into()),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, content_type);
    response.body(Full::new(body)).unwrap_or_default()
}
