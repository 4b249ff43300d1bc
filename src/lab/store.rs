//! The lab's etcd: objects as JSON, one revision counter, and what happened since.
//!
//! Every write is a transaction: the objects written, and what the controllers make of them, appear together.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use crate::lab::store::dependents::Dependents;
use crate::lab::store::kinds::Kind;

pub use stamp::now;
pub use transaction::Transaction;

mod dependents;
pub mod kinds;
pub mod object;
mod stamp;
mod transaction;

/// How many changes are kept for watches that start in the past; older ones get 410 Gone.
const KEPT_CHANGES: usize = 4_096;

/// The name of an object in the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name of the kind.
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It was removed.
    Deleted,
}

/// One change of one object.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision it made.
    pub revision: u64,
    /// What happened.
    pub action: Action,
    /// To what.
    pub key: Key,
    /// The object afterwards; for removals as it was last, with the revision of its removal.
    pub object: Arc<Value>,
    /// The object before, where there was one.
    pub before: Option<Arc<Value>>,
}

/// A watch asked for changes that are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct TooOld {
    /// The revision asked for.
    pub asked: u64,
    /// The oldest one that can be asked for.
    pub oldest: u64,
}

/// What a cluster does to objects once they are written, inside the same transaction.
pub trait Reconcile: Send + Sync + 'static {
    /// Completes an object before it is written: what admission and defaulting do.
    fn admit(&self, transaction: &mut Transaction<'_>, object: &mut Value);
    /// Answers a change with further writes; called again for each of those.
    fn react(&self, transaction: &mut Transaction<'_>, change: &Change);
}

/// A store whose objects stay as they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inert;

/// All objects of the lab. Clones share them.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    revision: watch::Sender<u64>,
    controllers: Box<dyn Reconcile>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<Key, Arc<Value>>,
    dependents: Dependents,
    revision: u64,
    /// The revision before the oldest change in `changes`.
    forgotten: u64,
    changes: VecDeque<Change>,
    serials: BTreeMap<String, u64>,
}

/// The objects at one revision.
#[derive(Debug, Clone)]
pub struct Objects {
    /// The revision.
    pub revision: u64,
    /// In the order of their keys.
    pub objects: Vec<Arc<Value>>,
}

// === impl Key ===

impl Key {
    /// The key of an object of a kind.
    #[must_use]
    pub fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        Self {
            group: kind.group.to_owned(),
            resource: kind.plural.to_owned(),
            namespace: if kind.namespaced { namespace.to_owned() } else { String::new() },
            name: name.to_owned(),
        }
    }

    /// The key of an object as it names itself, if its kind is known.
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let kind = kinds::by_object(object::text(object, "/apiVersion"), object::text(object, "/kind"))?;
        Some(Self::new(kind, object::namespace(object), object::name(object)))
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Option<&'static Kind> {
        kinds::by_resource(&self.group, &self.resource)
    }
}

// === impl Action ===

impl Action {
    /// The type of a watch event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

// === impl Inert ===

impl Reconcile for Inert {
    fn admit(&self, _: &mut Transaction<'_>, _: &mut Value) {}
    fn react(&self, _: &mut Transaction<'_>, _: &Change) {}
}

// === impl Store ===

impl Store {
    /// An empty store with these controllers.
    #[must_use]
    pub fn new(controllers: impl Reconcile) -> Self {
        let shared = Shared {
            state: Mutex::new(State::default()),
            revision: watch::Sender::new(0),
            controllers: Box::new(controllers),
        };
        Self { shared: Arc::new(shared) }
    }

    /// One object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.state().objects.get(key).cloned()
    }

    /// All objects of a kind, or those of one namespace.
    #[must_use]
    pub fn list(&self, kind: &Kind, namespace: Option<&str>) -> Objects {
        let state = self.state();
        let objects = state.range(kind, namespace).map(|(_, object)| Arc::clone(object)).collect();
        Objects { revision: state.revision, objects }
    }

    /// Every object there is.
    #[must_use]
    pub fn snapshot_objects(&self) -> Objects {
        let state = self.state();
        Objects { revision: state.revision, objects: state.objects.values().cloned().collect() }
    }

    /// The revision of the last transaction, and a way to wait for the next one.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    /// The revision of the last write.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.state().revision
    }

    /// What happened after a revision, oldest first.
    pub fn changes_since(&self, revision: u64) -> Result<Vec<Change>, TooOld> {
        let state = self.state();
        if revision < state.forgotten {
            return Err(TooOld { asked: revision, oldest: state.forgotten });
        }
        let start = state.changes.partition_point(|change| change.revision <= revision);
        Ok(state.changes.range(start..).cloned().collect())
    }

    /// Runs a transaction, lets the controllers answer it, and tells those who wait.
    ///
    /// What is written stays, whatever `writes` returns: check first, then write.
    pub fn write<T>(&self, writes: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        let (result, revision) = {
            let mut state = self.state();
            let controllers = &*self.shared.controllers;
            let mut transaction = Transaction { state: &mut state, controllers, pending: VecDeque::new() };
            let result = writes(&mut transaction);
            transaction.settle();
            (result, state.revision)
        };
        // Another writer may have been faster to tell of a later revision.
        self.shared.revision.send_if_modified(|seen| std::mem::replace(seen, revision.max(*seen)) < revision);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves whole objects behind: every write replaces one `Arc`.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Store")
            .field("revision", &state.revision)
            .field("objects", &state.objects.len())
            .finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    fn range(&self, kind: &Kind, namespace: Option<&str>) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let start = Key::new(kind, namespace.unwrap_or_default(), "");
        let (group, resource) = (start.group.clone(), start.resource.clone());
        let namespace = namespace.map(str::to_owned);
        self.objects.range((Bound::Included(start), Bound::Unbounded)).take_while(move |(key, _)| {
            key.group == group
                && key.resource == resource
                && namespace.as_ref().is_none_or(|namespace| key.namespace == *namespace)
        })
    }

    fn record(&mut self, change: Change) {
        self.changes.push_back(change);
        while self.changes.len() > KEPT_CHANGES {
            if let Some(oldest) = self.changes.pop_front() {
                self.forgotten = oldest.revision;
            }
        }
    }
}
