//! The HTTP connection manager: reads requests, routes them, retries, answers for upstreams that do not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::io::AsyncWriteExt;

use crate::lab::network::proxy_protocol::Dialled;
use crate::lab::proxy::access_log::{AccessLogEntry, Flag, Flags, LogKind};
use crate::lab::proxy::headers;
use crate::lab::proxy::http::reply::{Logged, ReplyBody, local_reply};
use crate::lab::proxy::sniff::{self, Spoken};
use crate::lab::proxy::stream::{Connection, Prefixed};
use crate::lab::proxy::{Proxy, Upstream, tls};

mod access;
mod forward;
mod reply;

/// Which side of the proxy the requests come in on, and where they go.
#[derive(Debug, Clone)]
pub(crate) enum Routing {
    /// From the network to the pod's own application.
    Inbound(Arc<Upstream>),
    /// From the application by the request's host, on this service port.
    OutboundByHost,
    /// From the application to the one service that has the address that was dialled.
    OutboundTo(Arc<Upstream>),
}

/// A connection whose requests are HTTP.
#[derive(Debug)]
pub(crate) struct Manager {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) routing: Routing,
    pub(crate) dialled: Dialled,
    /// Server name of the caller's TLS.
    pub(crate) sni: Option<String>,
    /// Whether the caller came over TLS.
    pub(crate) over_tls: bool,
    /// The caller's certificate.
    pub(crate) peer: Option<CertificateDer<'static>>,
}

/// Where a request goes.
enum Route {
    To {
        upstream: Arc<Upstream>,
        name: &'static str,
    },
    /// `block_all`: 502 without a body.
    Blocked,
}

impl Manager {
    /// Serves a connection until it ends.
    pub(crate) async fn serve<S: Connection + 'static>(self, mut stream: Prefixed<S>) {
        self.count("downstream_cx_total");
        if self.over_tls {
            self.count("downstream_cx_ssl_total");
        }
        let Ok(spoken) = sniff::http(&mut stream).await else { return };
        match spoken {
            Spoken::Http11 => self.count("downstream_cx_http1_total"),
            Spoken::H2c => self.count("downstream_cx_http2_total"),
            Spoken::Http10 => return self.refuse(stream, StatusCode::UPGRADE_REQUIRED, "low_version", "").await,
            Spoken::NotHttp => {
                self.count("downstream_cx_protocol_error");
                return self.refuse(stream, StatusCode::BAD_REQUEST, "http1.codec_error", "Bad Request").await;
            }
        }
        let manager = Arc::new(self);
        let service = service_fn(move |request| {
            let manager = Arc::clone(&manager);
            async move { Ok::<_, Infallible>(manager.respond(request).await) }
        });
        // A caller that breaks the connection is logged by the request it left.
        let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    /// Answers bytes that are no HTTP/1.1 in plain HTTP/1.1, whatever they are: a TLS client then reads a wrong version.
    async fn refuse<S: Connection>(&self, mut stream: S, status: StatusCode, details: &str, body: &str) {
        let reason = status.canonical_reason().unwrap_or_default();
        let length = body.len();
        let kind = if body.is_empty() { "" } else { "content-type: text/plain\r\n" };
        let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let answer = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-length: {length}\r\n{kind}date: {date}\r\nserver: {}\r\nconnection: close\r\n\r\n{body}",
            status.as_u16(),
            self.server_name(),
        );
        let mut entry = self.entry();
        entry.protocol = Some("HTTP/1.1");
        entry.response_code = status.as_u16();
        entry.flags = Flags::of(&[Flag::DownstreamProtocolError]);
        entry.details = Some(details.to_owned());
        entry.bytes_sent = u64::try_from(length).unwrap_or(0);
        self.proxy.finish(entry);
        if stream.write_all(answer.as_bytes()).await.is_ok() {
            let _ = stream.shutdown().await;
        }
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        self.count("downstream_rq_total");
        let (parts, body) = request.into_parts();
        let mut request = Request::from_parts(parts, ());
        let mut logged = Logged::begin(Arc::clone(&self), &request);
        // Kept whole, so that it can be sent again.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        self.prepare(&mut request);
        logged.describe(&request, body.len());
        let response = match self.route(&request) {
            Route::Blocked => {
                logged.entry_mut(|entry| {
                    entry.route_name = Some("block_all");
                    entry.details = Some("direct_response".to_owned());
                });
                local_reply(StatusCode::BAD_GATEWAY, String::new())
            }
            Route::To { upstream, name } => {
                logged.entry_mut(|entry| {
                    entry.route_name = Some(name);
                    entry.upstream_cluster = Some(upstream.cluster.clone());
                });
                match self.refused(&mut request, &mut logged) {
                    Some(refused) => refused,
                    None => self.forward(&upstream, &request, &body, &mut logged).await,
                }
            }
        };
        self.finish(response, logged)
    }

    /// Changes the request's headers as the proxy does before it forwards.
    fn prepare(&self, request: &mut Request<()>) {
        if let (None, Some(authority)) = (request.headers().get(HOST), request.uri().authority())
            && let Ok(host) = HeaderValue::try_from(authority.as_str())
        {
            // HTTP/2 has `:authority` where HTTP/1.1 has `host`.
            request.headers_mut().insert(HOST, host);
        }
        if let Some(path) = request.uri().path_and_query().cloned() {
            *request.uri_mut() = Uri::from(path);
        }
        *request.version_mut() = http::Version::HTTP_11;
        let mode = self.proxy.programmed().config.forward;
        let headers = request.headers_mut();
        headers::drop_hop_by_hop(headers);
        headers::ensure_request_id(headers, &self.proxy.provider);
        headers::ensure_forwarded_proto(headers, self.over_tls);
        match &self.routing {
            Routing::Inbound(_) => {
                headers::forward_client_cert(headers, mode, &self.proxy.identity, self.peer.as_ref());
            }
            // The outbound manager sanitizes: an application cannot forge what its own sidecar will say.
            Routing::OutboundByHost | Routing::OutboundTo(_) => {
                headers.remove(headers::XFCC);
            }
        }
    }

    fn route(&self, request: &Request<()>) -> Route {
        match &self.routing {
            Routing::Inbound(upstream) | Routing::OutboundTo(upstream) => {
                Route::To { upstream: Arc::clone(upstream), name: "default" }
            }
            Routing::OutboundByHost => {
                let programmed = self.proxy.programmed();
                let host = headers::host(request.headers()).unwrap_or_default();
                programmed.route(&host, self.dialled.destination)
            }
        }
    }

    fn finish(&self, mut response: Response<ReplyBody>, logged: Logged) -> Response<ReplyBody> {
        headers::name_server(response.headers_mut(), self.server_name());
        self.count(match response.status().as_u16() {
            200..300 => "downstream_rq_2xx",
            300..400 => "downstream_rq_3xx",
            400..500 => "downstream_rq_4xx",
            _ => "downstream_rq_5xx",
        });
        let sent = response.body().size_hint().exact().unwrap_or(0);
        logged.finish(response.status(), sent);
        response
    }

    /// The name in `server`: Istio's inbound listeners say `istio-envoy`, outbound ones keep Envoy's default.
    fn server_name(&self) -> &'static str {
        match self.routing {
            Routing::Inbound(_) => "istio-envoy",
            Routing::OutboundByHost | Routing::OutboundTo(_) => "envoy",
        }
    }

    fn count(&self, counter: &str) {
        let port = self.dialled.destination.port();
        let prefix = match &self.routing {
            Routing::Inbound(upstream) if upstream.cluster == super::inbound::PASSTHROUGH => upstream.cluster.clone(),
            Routing::Inbound(_) => format!("inbound_0.0.0.0_{port}"),
            Routing::OutboundByHost => format!("outbound_0.0.0.0_{port}"),
            Routing::OutboundTo(_) => format!("outbound_{}_{port}", self.dialled.destination.ip()),
        };
        self.proxy.count(format!("http.{prefix};.{counter}"));
    }

    fn entry(&self) -> AccessLogEntry {
        let mut entry = AccessLogEntry::begin(LogKind::Filter, self.dialled.source, self.dialled.destination);
        entry.requested_server_name.clone_from(&self.sni);
        entry.downstream_peer_uri_san = self.peer.as_ref().and_then(|peer| tls::names(peer).into_iter().next());
        entry
    }
}

impl super::Programmed {
    /// The route of a host on a service port: `allow_any` or `block_all` where no service has the name.
    fn route(&self, host: &str, dialled: SocketAddr) -> Route {
        match self.by_host(host, dialled) {
            Some(upstream) => Route::To { upstream: Arc::new(upstream), name: "default" },
            None => match self.unknown(dialled) {
                Some(upstream) => Route::To { upstream: Arc::new(upstream), name: "allow_any" },
                None => Route::Blocked,
            },
        }
    }
}
