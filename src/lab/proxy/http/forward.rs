//! Attempts at an upstream: which failures are tried again, and what Envoy calls them.

use std::error::Error as _;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper_util::rt::TokioIo;

use crate::lab::desired::ClusterEndpoint;
use crate::lab::network::listener::AbortOnDrop;
use crate::lab::proxy::access_log::{Flag, Flags};
use crate::lab::proxy::failure::tls_error_behind;
use crate::lab::proxy::http::reply::{Logged, Proxied, ReplyBody, Reset, local_reply};
use crate::lab::proxy::http::{Manager, Routing};
use crate::lab::proxy::upstream::NotConnected;
use crate::lab::proxy::{Upstream, headers};

/// One attempt's failure.
enum Failed {
    /// No connection, or no handshake.
    Connect(NotConnected),
    /// The connection ended before the response.
    Terminated,
    /// The response was not HTTP.
    Protocol,
}

// === impl Manager ===

impl Manager {
    /// Sends a request within the bounds of its route and cluster.
    pub(super) async fn forward(
        &self,
        upstream: &Upstream,
        request: &Request<()>,
        body: &Bytes,
        logged: &mut Logged,
    ) -> Response<ReplyBody> {
        let Some(_under_way) = self.proxy.begin(upstream) else {
            self.proxy.count_cluster(&upstream.cluster, "upstream_rq_pending_overflow");
            logged.entry_mut(|entry| entry.attempt_count = 1);
            let mut response = logged.reset(Reset::of("overflow", Flag::UpstreamOverflow));
            response.headers_mut().insert(headers::OVERLOADED, HeaderValue::from_static("true"));
            return response;
        };
        let Some(bound) = upstream.limits.answer else { return self.attempts(upstream, request, body, logged).await };
        if let Ok(response) = tokio::time::timeout(bound, self.attempts(upstream, request, body, logged)).await {
            return response;
        }
        self.proxy.count_cluster(&upstream.cluster, "upstream_rq_timeout");
        logged.entry_mut(|entry| {
            entry.flags = Flags::of(&[Flag::UpstreamRequestTimeout]);
            entry.details = Some("response_timeout".to_owned());
        });
        local_reply(StatusCode::GATEWAY_TIMEOUT, "upstream request timeout".to_owned())
    }

    /// Again as often as the route says; only failures to connect are tried again.
    async fn attempts(
        &self,
        upstream: &Upstream,
        request: &Request<()>,
        body: &Bytes,
        logged: &mut Logged,
    ) -> Response<ReplyBody> {
        let cluster = &upstream.cluster;
        let mut failed = None;
        let attempts = upstream.retries.saturating_add(1);
        for attempt in 1..=attempts {
            let Some(endpoint) = self.proxy.pick(upstream) else {
                self.proxy.count_cluster(cluster, "upstream_cx_none_healthy");
                logged.entry_mut(|entry| {
                    entry.flags = Flags::of(&[Flag::NoHealthyUpstream]);
                    entry.details = Some("no_healthy_upstream".to_owned());
                });
                return local_reply(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream".to_owned());
            };
            if attempt > 1 {
                self.proxy.count_cluster(cluster, "upstream_rq_retry");
            }
            logged.entry_mut(|entry| {
                entry.attempt_count = attempt;
                entry.upstream_host = Some(endpoint.address);
            });
            let request = self.attempt(request, body, attempt);
            let exchanged = self.exchange(upstream, &endpoint, request, logged).await;
            self.count_answer(cluster, &endpoint, &exchanged);
            match exchanged {
                Ok(response) => {
                    if attempt > 1 {
                        self.proxy.count_cluster(cluster, "upstream_rq_retry_success");
                    }
                    return response;
                }
                Err(Failed::Connect(reason)) => failed = Some(reason),
                Err(Failed::Terminated) => {
                    self.proxy.count_cluster(cluster, "upstream_cx_destroy_remote_with_active_rq");
                    return logged.reset(Reset::of("connection termination", Flag::UpstreamConnectionTermination));
                }
                Err(Failed::Protocol) => {
                    self.proxy.count_cluster(cluster, "upstream_cx_protocol_error");
                    return logged.reset(Reset::of("protocol error", Flag::UpstreamProtocolError));
                }
            }
        }
        let retried = upstream.retries > 0;
        if retried {
            self.proxy.count_cluster(cluster, "upstream_rq_retry_limit_exceeded");
        }
        let (reason, failure) = match failed {
            Some(NotConnected::TimedOut) => ("connection timeout", None),
            Some(NotConnected::Failed(reason)) => ("remote connection failure", Some(reason)),
            None => ("remote connection failure", None),
        };
        logged.reset(Reset { failure, retried, ..Reset::of(reason, Flag::UpstreamConnectionFailure) })
    }

    fn attempt(&self, request: &Request<()>, body: &Bytes, attempt: u32) -> Request<Full<Bytes>> {
        let mut request = request.clone().map(|()| Full::new(body.clone()));
        match self.routing {
            Routing::Inbound(_) => {}
            Routing::OutboundByHost | Routing::OutboundTo(_) => {
                request.headers_mut().insert(headers::ATTEMPT_COUNT, HeaderValue::from(attempt));
            }
        }
        request
    }

    /// One attempt: a connection of its own, the request, the response's headers.
    async fn exchange(
        &self,
        upstream: &Upstream,
        endpoint: &ClusterEndpoint,
        request: Request<Full<Bytes>>,
        logged: &mut Logged,
    ) -> Result<Response<ReplyBody>, Failed> {
        let host = headers::host(request.headers()).unwrap_or_default();
        let connected = self.proxy.connect_upstream(upstream, endpoint, Some(&host)).await.map_err(Failed::Connect)?;
        logged.entry_mut(|entry| entry.upstream_peer_uri_san = connected.peer);
        self.proxy.count_cluster(&upstream.cluster, "upstream_rq_total");
        let sent = Instant::now();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(connected.stream))
            .await
            .map_err(|_| Failed::Terminated)?;
        let driver = AbortOnDrop::spawn(async move {
            // Its error is the request's error as well.
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.map_err(|error| self.classify(upstream, &error))?;
        let milliseconds = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
        logged.entry_mut(|entry| {
            entry.details = Some("via_upstream".to_owned());
            entry.upstream_service_time = Some(milliseconds);
        });
        self.proxy.count_cluster(&upstream.cluster, &format!("upstream_rq_{}", response.status().as_u16()));
        let mut response = response.map(|body| Either::Left(Proxied { body, _connection: driver }));
        headers::drop_hop_by_hop(response.headers_mut());
        response.headers_mut().insert(headers::SERVICE_TIME, HeaderValue::from(milliseconds));
        Ok(response)
    }

    /// Envoy: `source/common/router/upstream_request.cc`: an answer of 5xx, or none, is an error of the host.
    fn count_answer(&self, cluster: &str, endpoint: &ClusterEndpoint, exchanged: &Result<Response<ReplyBody>, Failed>) {
        self.proxy.count_host(cluster, endpoint.address, |host| {
            host.rq_total += u64::from(!matches!(exchanged, Err(Failed::Connect(_))));
            match exchanged {
                Ok(response) if !response.status().is_server_error() => host.rq_success += 1,
                Ok(_) | Err(_) => host.rq_error += 1,
            }
        });
    }

    fn classify(&self, upstream: &Upstream, error: &hyper::Error) -> Failed {
        if tls_error_behind(error).is_some() {
            // TLS 1.3: the handshake was finished here before the server looked at the certificate.
            self.proxy.count_cluster(&upstream.cluster, "ssl.connection_error");
            return Failed::Terminated;
        }
        // Bytes that are not HTTP; an end in the middle of a response is not such.
        if error.is_parse() && error.source().is_none_or(|source| !source.is::<std::io::Error>()) {
            return Failed::Protocol;
        }
        Failed::Terminated
    }
}
