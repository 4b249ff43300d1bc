//! One request to the API server and its whole answer. A server that asks for patience gets it, within bounds.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Connection;

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};

/// How often a request is sent again to a server that is too busy; the bound on the whole holds besides.
const AGAIN: usize = 5;
/// What a server that is too busy and does not say how long is given. Kubernetes says 1 s.
const BUSY: Duration = Duration::from_secs(1);

/// What came of one attempt.
enum Answered {
    Whole(Bytes),
    /// 429, and how long to wait.
    Busy(Duration, Reason),
}

impl Cluster {
    /// The body of a successful answer. Within the bound of one request, an answer 429 is followed by another attempt after
    /// as long as its `Retry-After` says.
    ///
    /// # Errors
    /// A [`Failure`] with the server's own message, where there is one.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Vec<u8>, tried: &str) -> Result<Bytes, Failure> {
        let failed = |reason| Failure { tried: tried.to_owned(), reason };
        let began = tokio::time::Instant::now();
        let mut attempts = 0;
        loop {
            let left = self.timeout.saturating_sub(began.elapsed());
            let attempt = tokio::time::timeout(left, self.attempt(&method, path, body.clone()));
            let (wait, why) = match attempt.await {
                Err(_) => return Err(failed(Reason::TimedOut(self.timeout))),
                Ok(Err(reason)) => return Err(failed(reason)),
                Ok(Ok(Answered::Whole(bytes))) => return Ok(bytes),
                Ok(Ok(Answered::Busy(wait, why))) => (wait, why),
            };
            attempts += 1;
            if attempts > AGAIN || began.elapsed() + wait >= self.timeout {
                return Err(failed(why));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// A WebSocket, with the same patience.
    ///
    /// # Errors
    /// As of [`Cluster::ask`].
    pub(crate) async fn upgrade(&self, request: Request<Vec<u8>>, tried: &str) -> Result<Connection, Failure> {
        let failed = |reason| Failure { tried: tried.to_owned(), reason };
        let began = tokio::time::Instant::now();
        let mut attempts = 0;
        loop {
            let left = self.timeout.saturating_sub(began.elapsed());
            let reason = match tokio::time::timeout(left, self.client.connect(request.clone())).await {
                Err(_) => return Err(failed(Reason::TimedOut(self.timeout))),
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => Reason::of(&error),
            };
            attempts += 1;
            let busy = matches!(reason, Reason::Answer { code: 429, .. });
            if !busy || attempts > AGAIN || began.elapsed() + BUSY >= self.timeout {
                return Err(failed(reason));
            }
            // The client keeps no headers of a refusal.
            tokio::time::sleep(BUSY).await;
        }
    }

    async fn attempt(&self, method: &Method, path: &str, body: Vec<u8>) -> Result<Answered, Reason> {
        let mut request = Request::builder().method(method.clone()).uri(path);
        if !body.is_empty() {
            let merges = *method == Method::PATCH;
            let kind = if merges { "application/strategic-merge-patch+json" } else { "application/json" };
            request = request.header(CONTENT_TYPE, kind);
        }
        let request =
            request.body(kube::client::Body::from(body)).map_err(|error| Reason::Unreadable(error.to_string()))?;
        let response = self.client.send(request).await.map_err(|error| Reason::of(&error))?;
        let (head, body) = response.into_parts();
        self.clock.read(&head.headers);
        let body = body.collect().await.map_err(|error| Reason::BrokenOff(error.to_string()))?.to_bytes();
        if head.status.is_success() {
            return Ok(Answered::Whole(body));
        }
        let reason = Reason::answered(head.status.as_u16(), &body);
        if head.status == StatusCode::TOO_MANY_REQUESTS {
            return Ok(Answered::Busy(wait(&head.headers), reason));
        }
        Err(reason)
    }
}

/// `Retry-After` in seconds, the only form that Kubernetes writes (`apiserver/pkg/server/filters/maxinflight.go`).
fn wait(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    seconds.map_or(BUSY, Duration::from_secs)
}
