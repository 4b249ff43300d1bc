//! Who names whom in `ownerReferences`: an index, so that controllers need not look at every object.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::lab::store::{Change, Key, object};

/// Namespace, kind and name of an owner, as its dependents name it.
type Owner = (String, String, String);

/// Dependents by owner.
#[derive(Debug, Default)]
pub(super) struct Dependents(BTreeMap<Owner, BTreeSet<Key>>);

// === impl Dependents ===

impl Dependents {
    /// Follows a change.
    pub(super) fn follow(&mut self, change: &Change, exists: bool) {
        for owner in change.before.iter().flat_map(|before| owners(before)) {
            if let Some(keys) = self.0.get_mut(&owner) {
                keys.remove(&change.key);
                if keys.is_empty() {
                    self.0.remove(&owner);
                }
            }
        }
        if exists {
            for owner in owners(&change.object) {
                self.0.entry(owner).or_default().insert(change.key.clone());
            }
        }
    }

    /// The objects that name owners of a kind whose name begins so; `exact` for the one of that very name.
    pub(super) fn of<'d>(
        &'d self,
        namespace: &str,
        kind: &str,
        name: &str,
        exact: bool,
    ) -> impl Iterator<Item = &'d Key> {
        let start = (namespace.to_owned(), kind.to_owned(), name.to_owned());
        let (namespace, kind, name) = start.clone();
        self.0
            .range(start..)
            .take_while(move |(owner, _)| {
                owner.0 == namespace
                    && owner.1 == kind
                    && if exact { owner.2 == name } else { owner.2.starts_with(&name) }
            })
            .flat_map(|(_, keys)| keys)
    }
}

fn owners(dependent: &Value) -> Vec<Owner> {
    let namespace = object::namespace(dependent);
    object::elements(dependent, "/metadata/ownerReferences")
        .map(|owner| {
            (namespace.to_owned(), object::text(owner, "/kind").to_owned(), object::text(owner, "/name").to_owned())
        })
        .collect()
}
