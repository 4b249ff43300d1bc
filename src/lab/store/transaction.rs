//! Writes that become visible together.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::lab::store::kinds::Kind;
use crate::lab::store::stamp::{same_but_revision, stamp};
use crate::lab::store::{Action, Change, Key, Reconcile, State, object};

/// Writes that become visible together.
pub struct Transaction<'s> {
    pub(super) state: &'s mut State,
    pub(super) controllers: &'s dyn Reconcile,
    pub(super) pending: VecDeque<Change>,
}

// === impl Transaction ===

impl Transaction<'_> {
    /// One object.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.state.objects.get(key).cloned()
    }

    /// All objects of a kind, or those of one namespace, in the order of their names.
    #[must_use]
    pub fn list(&self, kind: &Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        self.state.range(kind, namespace).map(|(_, object)| Arc::clone(object)).collect()
    }

    /// The objects that name an owner of this kind and name in their namespace, whatever uid they know it by.
    #[must_use]
    pub fn dependents(&self, namespace: &str, kind: &str, owner: &str) -> Vec<Arc<Value>> {
        let keys = self.state.dependents.of(namespace, kind, owner, true);
        keys.filter_map(|key| self.get(key)).collect()
    }

    /// The same for all owners whose name begins so.
    #[must_use]
    pub fn dependents_by_prefix(&self, namespace: &str, kind: &str, prefix: &str) -> Vec<Arc<Value>> {
        let keys = self.state.dependents.of(namespace, kind, prefix, false);
        keys.filter_map(|key| self.get(key)).collect()
    }

    /// Every object there is.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Value>> {
        self.state.objects.values().cloned().collect()
    }

    /// The next number of a series, from 1: for names and addresses that must not repeat, yet be the same in every run.
    pub fn serial(&mut self, series: &str) -> u64 {
        let serial = self.state.serials.entry(series.to_owned()).or_default();
        *serial += 1;
        *serial
    }

    /// How far a series is.
    #[must_use]
    pub fn serial_so_far(&self, series: &str) -> u64 {
        self.state.serials.get(series).copied().unwrap_or_default()
    }

    /// Completes an object as it would be written, without writing it: for `dryRun=All`.
    #[must_use]
    pub fn preview(&mut self, key: &Key, mut object: Value) -> Value {
        let controllers = self.controllers;
        controllers.admit(self, &mut object);
        let before = self.get(key);
        stamp(&mut object, key, before.as_deref(), self.state.revision + 1);
        object
    }

    /// Writes an object. Writing what is already there changes nothing.
    pub fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        let controllers = self.controllers;
        controllers.admit(self, &mut object);
        let before = self.get(key);
        let revision = self.state.revision + 1;
        stamp(&mut object, key, before.as_deref(), revision);
        if let Some(before) = &before
            && same_but_revision(before, &object)
        {
            return Arc::clone(before);
        }
        let object = Arc::new(object);
        self.state.revision = revision;
        self.state.objects.insert(key.clone(), Arc::clone(&object));
        let action = if before.is_some() { Action::Modified } else { Action::Added };
        self.happened(Change { revision, action, key: key.clone(), object: Arc::clone(&object), before });
        object
    }

    /// Writes an object under the name it gives itself; one of an unknown kind is left out.
    pub fn put_object(&mut self, object: Value) {
        if let Some(key) = Key::of(&object) {
            self.put(&key, object);
        }
    }

    /// Removes an object and gives back what it was.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.state.objects.remove(key)?;
        self.state.revision += 1;
        let revision = self.state.revision;
        let mut last = Value::clone(&before);
        object::set(&mut last, &["metadata", "resourceVersion"], revision.to_string());
        let (object, before) = (Arc::new(last), Some(before));
        self.happened(Change { revision, action: Action::Deleted, key: key.clone(), object, before: before.clone() });
        before
    }

    fn happened(&mut self, change: Change) {
        self.state.dependents.follow(&change, change.action != Action::Deleted);
        self.state.record(change.clone());
        self.pending.push_back(change);
    }

    /// Lets the controllers answer every change, theirs included, until nothing changes any more.
    pub(super) fn settle(&mut self) {
        let controllers = self.controllers;
        while let Some(change) = self.pending.pop_front() {
            controllers.react(self, &change);
        }
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("pending", &self.pending).finish_non_exhaustive()
    }
}
