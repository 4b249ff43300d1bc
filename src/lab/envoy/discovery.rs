//! Discovery over REST: Envoy asks for each kind of resource, and an answer waits until there is something new.
//!
//! Envoy: `source/extensions/config_subscription/rest/http_subscription_impl.cc`. The version in a question is the last one
//! that Envoy took, which tells what is in force and what was rejected. The socket lies in a private directory: secrets
//! pass over it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::lab::envoy_config::Resources;
use crate::lab::network::listener::AbortOnDrop;

/// Before the same thing is served to the same question again: it was rejected, or the question is new.
const AGAIN: Duration = Duration::from_millis(100);

/// The kinds, as the last part of the path names them.
const KINDS: [&str; 5] = ["clusters", "endpoints", "listeners", "routes", "secrets"];

/// What one Envoy is told.
#[derive(Debug)]
pub(super) struct Discovery {
    shared: Arc<Shared>,
    _accepts: AbortOnDrop,
}

#[derive(Debug)]
struct Shared {
    published: watch::Sender<BTreeMap<&'static str, Published>>,
    /// Version that Envoy said it has, by kind and name; lists have the empty name.
    taken: watch::Sender<BTreeMap<(&'static str, String), u64>>,
    /// Last version served, by kind and name.
    served: Mutex<BTreeMap<(&'static str, String), u64>>,
}

/// The resources of a kind at a version that changes with them.
#[derive(Debug, Clone, Default)]
struct Published {
    version: u64,
    resources: Arc<Vec<Value>>,
}

// === impl Discovery ===

impl Discovery {
    /// Listens on a socket that is not there yet; nothing is served before the first [`Self::publish`].
    pub(super) fn start(socket: &Path) -> io::Result<Self> {
        let listener = UnixListener::bind(socket)?;
        let shared = Arc::new(Shared {
            published: watch::Sender::default(),
            taken: watch::Sender::default(),
            served: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let accepts = AbortOnDrop::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                connections.spawn(async move {
                    let service = service_fn(move |request| {
                        let shared = Arc::clone(&shared);
                        async move { Ok::<_, Infallible>(shared.answer(request).await) }
                    });
                    // Envoy connects again when a connection breaks.
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { shared, _accepts: accepts })
    }

    /// Tells Envoy; kinds that did not change keep their version.
    pub(super) fn publish(&self, resources: Resources) {
        let Resources { clusters, endpoints, listeners, routes, secrets } = resources;
        let all = KINDS.into_iter().zip([clusters, endpoints, listeners, routes, secrets]);
        self.shared.published.send_modify(|published| {
            for (kind, resources) in all {
                let known = published.entry(kind).or_default();
                if known.version == 0 || *known.resources != resources {
                    *known = Published { version: known.version + 1, resources: Arc::new(resources) };
                }
            }
        });
    }

    /// Waits until Envoy has taken all of it: every list, and every named resource that it ever asked for.
    pub(super) async fn taken(&self) {
        let mut taken = self.shared.taken.subscribe();
        let all = |taken: &BTreeMap<(&'static str, String), u64>| {
            let published = self.shared.published.borrow();
            let lists = ["clusters", "listeners"];
            let lists_taken = lists.iter().all(|kind| taken.contains_key(&(*kind, String::new())));
            lists_taken
                && taken
                    .iter()
                    .all(|((kind, name), version)| published.get(kind).is_none_or(|p| p.holds(name, *version)))
        };
        // The sender lives as long as this does.
        let _ = taken.wait_for(|taken| all(taken)).await;
    }
}

// === impl Published ===

impl Published {
    /// Whether this version of a resource is the newest; of what is no longer there nothing is demanded.
    fn holds(&self, name: &str, version: u64) -> bool {
        version == self.version || (!name.is_empty() && self.resource(name).is_none())
    }

    fn resource(&self, name: &str) -> Option<&Value> {
        self.resources.iter().find(|resource| {
            let named = resource.get("cluster_name").or_else(|| resource.get("name"));
            named.and_then(Value::as_str) == Some(name)
        })
    }

    /// What answers a question; `None` where what it names is not there.
    fn answer(&self, name: &str) -> Option<Value> {
        let resources = if name.is_empty() { (*self.resources).clone() } else { vec![self.resource(name)?.clone()] };
        Some(json!({ "version_info": self.version.to_string(), "resources": resources }))
    }
}

// === impl Shared ===

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let kind = request.uri().path().rsplit(':').next().unwrap_or_default().to_owned();
        let kind = KINDS.into_iter().find(|known| *known == kind);
        let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let question: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = match kind {
            Some(kind) => self.next(kind, &question).await.to_string(),
            None => String::new(),
        };
        let status = if text.is_empty() { 404 } else { 200 };
        let response = Response::builder().status(status).header("content-type", "application/json");
        response.body(Full::from(text)).unwrap_or_default()
    }

    /// Waits until there is something that the asking subscription does not have.
    async fn next(&self, kind: &'static str, question: &Value) -> Value {
        let has = question.get("version_info").and_then(Value::as_str).and_then(|version| version.parse().ok());
        let name = question.pointer("/resource_names/0").and_then(Value::as_str).unwrap_or_default();
        let key = (kind, name.to_owned());
        if let Some(has) = has {
            self.taken.send_modify(|taken| _ = taken.insert(key.clone(), has));
        }
        let mut published = self.published.subscribe();
        loop {
            let now = published.borrow_and_update().get(kind).cloned().unwrap_or_default();
            let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
            let rejected = has.is_some() && served == Some(now.version);
            if now.version > 0
                && has != Some(now.version)
                && !rejected
                && let Some(answer) = now.answer(name)
            {
                if served == Some(now.version) {
                    tokio::time::sleep(AGAIN).await;
                }
                self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now.version);
                return answer;
            }
            if published.changed().await.is_err() {
                return Value::Null;
            }
        }
    }
}
