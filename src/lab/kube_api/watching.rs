//! Watches: what there is, then what changes, a JSON document a line.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http::Response;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::lab::kube_api::Server;
use crate::lab::kube_api::body::{self, Body};
use crate::lab::kube_api::query::ListOptions;
use crate::lab::kube_api::read::in_version;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::kube_api::view::View;
use crate::lab::store::kinds::Access;
use crate::lab::store::{Action, Change, Store, object};

/// How often a client that asked for bookmarks gets one. Kubernetes: `cacher.go:bookmarkFrequency`.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
/// When a watch ends that did not say how long it lasts. Kubernetes draws one of 30 to 60 minutes.
const LONGEST: Duration = Duration::from_mins(30);

/// One running watch.
struct Watching {
    store: Store,
    target: Target,
    options: ListOptions,
    view: View,
    changed: watch::Receiver<u64>,
    running: watch::Receiver<()>,
    /// The last revision that was looked at.
    seen: u64,
    lines: VecDeque<Bytes>,
    ends: Instant,
    next_bookmark: Instant,
    told_any: bool,
    over: bool,
}

/// Answers a GET with `watch=true`.
pub(crate) fn answer<E>(
    server: &Server<E>,
    target: &Target,
    options: ListOptions,
    view: View,
) -> Result<Response<Body>, Refusal> {
    if target.kind.access == Access::Review {
        return Err(Refusal::method_not_allowed());
    }
    let initial = options.send_initial_events;
    if initial && options.resource_version_match != "NotOlderThan" {
        let message = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to \
                       NotOlderThan";
        return Err(Refusal::bad_request(message));
    }
    let now = Instant::now();
    let lasts = options.timeout_seconds.map_or(LONGEST, Duration::from_secs);
    let mut watching = Watching {
        store: server.store.clone(),
        target: target.clone(),
        view,
        changed: server.store.subscribe(),
        running: server.running.clone(),
        seen: 0,
        lines: VecDeque::new(),
        ends: now + lasts.min(LONGEST),
        next_bookmark: now + BOOKMARK_EVERY,
        told_any: false,
        over: false,
        options: match &target.name {
            Some(name) => ListOptions { selector: options.selector.clone().named(name), ..options },
            None => options,
        },
    };
    watching.begin()?;
    Ok(body::lines(watching.into_lines()))
}

// === impl Watching ===

impl Watching {
    /// Without a revision (or with 0) a watch begins with everything there is.
    fn begin(&mut self) -> Result<(), Refusal> {
        let asked = self.options.resource_version.as_str();
        let from = match asked {
            "" | "0" => None,
            text => {
                let invalid =
                    |_| Refusal::bad_request(format!("Invalid value: \"{text}\": must be a resource version"));
                Some(text.parse::<u64>().map_err(invalid)?)
            }
        };
        match from {
            Some(revision) if !self.options.send_initial_events => {
                self.seen = revision.min(self.store.revision());
                self.catch_up();
            }
            _ => self.everything(),
        }
        Ok(())
    }

    fn everything(&mut self) {
        let now = self.store.list(self.target.kind, self.target.namespace.as_deref());
        self.seen = now.revision;
        for object in &now.objects {
            if self.options.selector.matches(object) {
                self.tell("ADDED", in_version(object, &self.target));
            }
        }
        if self.options.send_initial_events && self.options.bookmarks {
            let mut bookmark = self.bookmark();
            let end = json!({ "k8s.io/initial-events-end": "true" });
            object::set(&mut bookmark, &["metadata", "annotations"], end);
            self.tell("BOOKMARK", bookmark);
        }
    }

    /// Tells everything that happened since the last look.
    fn catch_up(&mut self) {
        match self.store.changes_since(self.seen) {
            Ok(changes) => {
                for change in changes {
                    self.seen = change.revision;
                    self.consider(&change);
                }
            }
            Err(too_old) => {
                self.tell("ERROR", Refusal::gone(too_old.to_string()).to_status());
                self.over = true;
            }
        }
    }

    /// An object that comes to match is new to the watcher, one that ceases to match is gone.
    fn consider(&mut self, change: &Change) {
        let ours = change.key.group == self.target.kind.group
            && change.key.resource == self.target.kind.plural
            && self.target.namespace.as_ref().is_none_or(|namespace| *namespace == change.key.namespace);
        if !ours {
            return;
        }
        let selector = &self.options.selector;
        let before = change.before.as_ref().is_some_and(|before| selector.matches(before));
        let after = change.action != Action::Deleted && selector.matches(&change.object);
        let action = match (before, after) {
            (false, false) => return,
            (false, true) => Action::Added,
            (true, true) => Action::Modified,
            (true, false) => Action::Deleted,
        };
        self.tell(action.as_str(), in_version(&change.object, &self.target));
    }

    fn tell(&mut self, what: &str, object: Value) {
        let object = self.view.event(what, object, !self.told_any);
        self.told_any = true;
        let mut line = json!({ "type": what, "object": object }).to_string();
        line.push('\n');
        self.lines.push_back(Bytes::from(line));
    }

    fn bookmark(&self) -> Value {
        json!({
            "kind": self.target.kind.kind, "apiVersion": self.target.kind.api_version(&self.target.version),
            "metadata": { "resourceVersion": self.seen.to_string(), "creationTimestamp": null },
        })
    }

    fn into_lines(self) -> impl Stream<Item = Bytes> + Send {
        unfold(self, |mut watching| async move {
            let line = watching.next_line().await?;
            Some((line, watching))
        })
    }

    /// Waits for something to tell; `None` at the end of the watch.
    async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            let bookmark_at = if self.options.bookmarks { self.next_bookmark } else { self.ends };
            tokio::select! {
                changed = self.changed.changed() => match changed {
                    Ok(()) => self.catch_up(),
                    Err(_) => return None,
                },
                () = sleep_until(self.ends.min(bookmark_at)) => {
                    self.over = Instant::now() >= self.ends;
                    self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                    if self.options.bookmarks {
                        let bookmark = self.bookmark();
                        self.tell("BOOKMARK", bookmark);
                    }
                },
                _ = self.running.changed() => return None,
            }
        }
    }
}
