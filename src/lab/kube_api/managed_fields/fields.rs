//! Sets of fields in the form of `fieldsV1`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::lab::kube_api::patch::lists::Lists;

/// A set of fields, as a tree: `f:spec`, `k:{"name":"app"}`. A node without children is a field that is owned.
///
/// Kubernetes: `sigs.k8s.io/structured-merge-diff/fieldpath`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(BTreeMap<String, Self>);

/// Metadata that belongs to the server and to nobody else.
const OF_THE_SERVER: [&str; 8] =
    ["name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];

// === impl Fields ===

impl Fields {
    /// All fields of an object that somebody can own.
    pub(super) fn of(object: &Value, lists: Lists) -> Self {
        let mut owned = object.clone();
        if let Some(map) = owned.as_object_mut() {
            map.retain(|field, _| !matches!(field.as_str(), "apiVersion" | "kind"));
            if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.retain(|field, _| !OF_THE_SERVER.contains(&field.as_str()));
                if metadata.is_empty() {
                    map.shift_remove("metadata");
                }
            }
        }
        Self::of_value(&owned, "", lists)
    }

    fn of_value(value: &Value, field: &str, lists: Lists) -> Self {
        match value {
            Value::Object(map) => Self(
                map.iter().map(|(name, value)| (format!("f:{name}"), Self::of_value(value, name, lists))).collect(),
            ),
            Value::Array(items) => {
                let named: Option<BTreeMap<String, Self>> = items
                    .iter()
                    .map(|item| Some((format!("k:{}", lists.key(field, item)?), Self::of_value(item, "", lists))))
                    .collect();
                Self(named.unwrap_or_default())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Self::default(),
        }
    }

    /// Reads `fieldsV1`.
    pub(super) fn parse(value: &Value) -> Self {
        let entries = value.as_object().into_iter().flatten().filter(|(name, _)| *name != ".");
        Self(entries.map(|(name, value)| (name.clone(), Self::parse(value))).collect())
    }

    /// Writes `fieldsV1`.
    pub(super) fn to_value(&self) -> Value {
        let mut map = Map::new();
        for (name, child) in &self.0 {
            let mut value = child.to_value();
            if name.starts_with("k:")
                && let Some(item) = value.as_object_mut()
            {
                item.insert(".".to_owned(), json!({}));
            }
            map.insert(name.clone(), value);
        }
        Value::Object(map)
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in both. An empty map is owned by itself, without what others put into it.
    pub(super) fn both(&self, other: &Self) -> Self {
        let shared = self.0.iter().filter_map(|(name, mine)| {
            let both = mine.both(other.0.get(name)?);
            (mine.is_empty() || !both.is_empty()).then(|| (name.clone(), both))
        });
        Self(shared.collect())
    }

    /// What is in this one alone.
    pub(super) fn without(&self, other: &Self) -> Self {
        let left = self.0.iter().filter_map(|(name, mine)| match other.0.get(name) {
            None => Some((name.clone(), mine.clone())),
            Some(theirs) => Some((name.clone(), mine.without(theirs))).filter(|(_, rest)| !rest.is_empty()),
        });
        Self(left.collect())
    }

    /// What is in either.
    pub(super) fn either(mut self, other: &Self) -> Self {
        for (name, theirs) in &other.0 {
            let mine = self.0.remove(name).unwrap_or_default();
            self.0.insert(name.clone(), mine.either(theirs));
        }
        self
    }

    /// Those whose value differs between two objects.
    pub(super) fn differing(&self, before: &Value, after: &Value) -> Self {
        let mut differing = BTreeMap::new();
        for (name, child) in &self.0 {
            let (was, is) = (step(before, name), step(after, name));
            if child.is_empty() {
                if was != is {
                    differing.insert(name.clone(), Self::default());
                }
            } else {
                let null = Value::Null;
                let inner = child.differing(was.unwrap_or(&null), is.unwrap_or(&null));
                if !inner.is_empty() {
                    differing.insert(name.clone(), inner);
                }
            }
        }
        Self(differing)
    }

    /// The fields as messages name them: `.spec.mtls.mode`, `.spec.containers[name="app"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        self.0
            .iter()
            .flat_map(|(name, child)| {
                let own = spelled(name);
                if child.is_empty() {
                    vec![own]
                } else {
                    child.paths().into_iter().map(|path| format!("{own}{path}")).collect()
                }
            })
            .collect()
    }

    /// Takes the fields out of an object, and what is empty without them. An item goes with any part of its name.
    pub(super) fn remove_from(&self, object: &mut Value) {
        for (name, child) in &self.0 {
            match (name.split_at_checked(2), &mut *object) {
                (Some(("f:", field)), Value::Object(map)) => {
                    if let Some(value) = map.get_mut(field) {
                        child.remove_from(value);
                        let is_bare =
                            value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
                        if child.is_empty() || is_bare {
                            map.shift_remove(field);
                        }
                    }
                }
                (Some(("k:", key)), Value::Array(items)) => {
                    let key: Value = serde_json::from_str(key).unwrap_or_default();
                    let names = key.as_object().into_iter().flatten();
                    let unnamed =
                        child.is_empty() || names.clone().any(|(field, _)| child.0.contains_key(&format!("f:{field}")));
                    if unnamed {
                        items.retain(|item| !has_key(item, &key));
                    } else if let Some(item) = items.iter_mut().find(|item| has_key(item, &key)) {
                        child.remove_from(item);
                    }
                }
                _ => {}
            }
        }
    }
}

fn has_key(item: &Value, key: &Value) -> bool {
    key.as_object().into_iter().flatten().all(|(field, value)| {
        let default = if field == "protocol" { Some(json!("TCP")) } else { None };
        item.get(field).cloned().or(default).as_ref() == Some(value)
    })
}

fn step<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match name.split_at_checked(2)? {
        ("f:", field) => value.get(field),
        ("k:", key) => {
            let key: Value = serde_json::from_str(key).ok()?;
            value.as_array()?.iter().find(|item| has_key(item, &key))
        }
        _ => None,
    }
}

fn spelled(name: &str) -> String {
    match name.split_at_checked(2) {
        Some(("f:", field)) => format!(".{field}"),
        Some(("k:", key)) => {
            let key: Value = serde_json::from_str(key).unwrap_or_default();
            let parts = key.as_object().into_iter().flatten().map(|(field, value)| format!("{field}={value}"));
            format!("[{}]", parts.collect::<Vec<_>>().join(","))
        }
        _ => name.to_owned(),
    }
}
