//! Reading and changing an object that is kept as JSON.

use serde_json::{Map, Value};

/// The text at a JSON pointer; empty where there is none.
#[must_use]
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `metadata.name`.
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// `metadata.namespace`; empty for cluster-scoped objects.
#[must_use]
pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// `metadata.uid`.
#[must_use]
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// The value of a label.
#[must_use]
pub fn label<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// The value of an annotation.
#[must_use]
pub fn annotation<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// The elements of a list at a JSON pointer; none where there is no list.
pub fn elements<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

/// Whether every pair of a `matchLabels` map is among an object's labels; an absent or empty map selects nothing.
#[must_use]
pub fn selected_by(match_labels: Option<&Value>, labels: Option<&Value>) -> bool {
    let Some(wanted) = match_labels.and_then(Value::as_object).filter(|wanted| !wanted.is_empty()) else {
        return false;
    };
    wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// Changes the value at a path in place, making the maps on the way; it is `null` where there was none.
pub fn change(value: &mut Value, path: &[&str], how: impl FnOnce(&mut Value)) {
    let Some((head, rest)) = path.split_first() else { return how(value) };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    if let Some(map) = value.as_object_mut() {
        change(map.entry(*head).or_insert(Value::Null), rest, how);
    }
}

/// Writes a value at a path, making the maps on the way.
pub fn set(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    change(value, path, |slot| *slot = new.into());
}

/// Writes a value at a path unless something is there.
pub fn set_default(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    change(value, path, |slot| {
        if slot.is_null() {
            *slot = new.into();
        }
    });
}

/// Removes the value at a path, keeping the order of its siblings.
pub fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (head, rest) = path.split_first()?;
    let map = value.as_object_mut()?;
    if rest.is_empty() { map.shift_remove(*head) } else { remove(map.get_mut(*head)?, rest) }
}
