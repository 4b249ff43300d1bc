//! `mask=` of `/config_dump`: a field mask on a section, or on each element of a list.
//!
//! Envoy: `source/server/admin/config_dump_handler.cc:trimResourceMessage,checkFieldMaskAndTrimMessage`, and what
//! Envoy 1.40 answered.

use serde_json::{Map, Value};

use crate::lab::admin::schema::{List, Section};

/// A mask that names something that is not there, or below a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable;

/// The paths of a mask.
fn paths(mask: &str) -> impl Iterator<Item = Vec<&str>> {
    mask.split(',').map(|path| path.split('.').collect())
}

/// Keeps what the mask names of a section.
pub(super) fn section(value: &Map<String, Value>, of: &Section, mask: &str) -> Result<Map<String, Value>, Unusable> {
    let mut kept = typed(value);
    for path in paths(mask) {
        let (first, rest) = path.split_first().ok_or(Unusable)?;
        let list = of.lists.iter().any(|list| list.field == *first);
        if !(list && rest.is_empty() || of.singular.contains(first)) {
            return Err(Unusable);
        }
        keep(&mut kept, value, &path);
    }
    Ok(ordered(value, kept))
}

/// Keeps what the mask names of an element of a list.
pub(super) fn element(value: &Map<String, Value>, of: &List, mask: &str) -> Result<Map<String, Value>, Unusable> {
    let mut kept = typed(value);
    for path in paths(mask) {
        let (first, rest) = path.split_first().ok_or(Unusable)?;
        let whole = |first: &str| of.fields.contains(&first);
        match (of.opened, rest) {
            (Some((opened, fields)), [inner, below @ ..]) if opened == *first => {
                let repeated = fields.iter().any(|field| field.strip_prefix('*') == Some(inner));
                if !(repeated && below.is_empty() || fields.contains(inner)) {
                    return Err(Unusable);
                }
            }
            // `active_state.version_info` is a message's field; what a listener is made of is packed and stays closed.
            (_, ["listener", _, ..]) | (Some(_), [_, ..]) => return Err(Unusable),
            (_, [_, ..]) if first.ends_with("_state") => {}
            (_, []) if whole(first) => {}
            (_, _) => return Err(Unusable),
        }
        keep(&mut kept, value, &path);
    }
    Ok(ordered(value, kept))
}

/// Only the `@type`, which every packed message keeps.
fn typed(value: &Map<String, Value>) -> Map<String, Value> {
    value.get("@type").map(|name| ("@type".to_owned(), name.clone())).into_iter().collect()
}

fn keep(into: &mut Map<String, Value>, from: &Map<String, Value>, path: &[&str]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(value) = from.get(*first) else { return };
    match value {
        Value::Object(inner) if !rest.is_empty() => {
            let slot = into.entry((*first).to_owned()).or_insert_with(|| Value::Object(typed(inner)));
            if let Value::Object(slot) = slot {
                keep(slot, inner, rest);
            }
        }
        _ => drop(into.insert((*first).to_owned(), value.clone())),
    }
}

/// Fields in the order they have in the message, whatever the mask's.
fn ordered(like: &Map<String, Value>, mut kept: Map<String, Value>) -> Map<String, Value> {
    like.keys().filter_map(|key| kept.remove(key).map(|value| (key.clone(), value))).collect()
}
