//! Patches that look like the object: merge, strategic merge, and the merging half of server-side apply.

use serde_json::{Map, Value};

use crate::lab::kube_api::patch::lists::Lists;

/// RFC 7386: `null` removes, maps merge, everything else replaces.
pub fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    with_map(target, |map| {
        for (field, value) in fields {
            if value.is_null() {
                map.shift_remove(field);
            } else {
                merge(map.entry(field).or_insert(Value::Null), value);
            }
        }
    });
}

/// Server-side apply: maps and named items merge, everything else replaces.
pub fn apply(target: &mut Value, config: &Value, field: &str, lists: Lists) {
    match (target, config) {
        (target, Value::Object(fields)) => with_map(target, |map| {
            for (field, value) in fields {
                apply(map.entry(field).or_insert(Value::Null), value, field, lists);
            }
        }),
        (Value::Array(items), Value::Array(wanted)) if wanted.iter().all(|item| lists.key(field, item).is_some()) => {
            for item in wanted {
                match lists.position(field, items, item).and_then(|at| items.get_mut(at)) {
                    Some(known) => apply(known, item, "", lists),
                    None => items.push(item.clone()),
                }
            }
        }
        (target, config) => *target = config.clone(),
    }
}

/// Strategic merge: RFC 7386, but named items of lists merge, and `$` directives say the rest.
///
/// Kubernetes: `apimachinery/pkg/util/strategicpatch/patch.go`. Known here: `$patch: replace|delete`, `$setElementOrder`,
/// `$deleteFromPrimitiveList`, `$retainKeys`.
pub fn strategic(target: &mut Value, patch: &Value, field: &str, lists: Lists) {
    match patch {
        Value::Object(fields) => strategic_map(target, fields, lists),
        Value::Array(wanted) if is_merged(field, wanted, lists) => {
            if !target.is_array() {
                *target = Value::Array(Vec::new());
            }
            if let Some(items) = target.as_array_mut() {
                strategic_list(items, wanted, field, lists);
            }
        }
        value => *target = value.clone(),
    }
}

fn is_merged(field: &str, wanted: &[Value], lists: Lists) -> bool {
    field == "finalizers" || (!wanted.is_empty() && wanted.iter().all(|item| lists.key(field, item).is_some()))
}

fn strategic_map(target: &mut Value, fields: &Map<String, Value>, lists: Lists) {
    match fields.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let kept = fields.iter().filter(|(field, _)| *field != "$patch");
            *target = Value::Object(kept.map(|(field, value)| (field.clone(), value.clone())).collect());
            return;
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return;
        }
        _ => {}
    }
    with_map(target, |map| strategic_fields(map, fields, lists));
}

fn strategic_fields(map: &mut Map<String, Value>, fields: &Map<String, Value>, lists: Lists) {
    if let Some(kept) = fields.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|field, _| kept.iter().any(|kept| kept == field));
    }
    for (field, value) in fields.iter().filter(|(field, _)| !field.starts_with('$')) {
        if value.is_null() {
            map.shift_remove(field);
        } else {
            strategic(map.entry(field).or_insert(Value::Null), value, field, lists);
        }
    }
    for (directive, value) in fields {
        if let Some(field) = directive.strip_prefix("$deleteFromPrimitiveList/")
            && let (Some(items), Some(gone)) = (map.get_mut(field).and_then(Value::as_array_mut), value.as_array())
        {
            items.retain(|item| !gone.contains(item));
        }
        if let Some(field) = directive.strip_prefix("$setElementOrder/")
            && let (Some(items), Some(order)) = (map.get_mut(field).and_then(Value::as_array_mut), value.as_array())
        {
            set_order(items, order, field, lists);
        }
    }
}

fn strategic_list(items: &mut Vec<Value>, wanted: &[Value], field: &str, lists: Lists) {
    if wanted.iter().any(|item| item.get("$patch") == Some(&Value::from("replace"))) {
        items.clear();
    }
    for item in wanted {
        let directive = item.get("$patch").and_then(Value::as_str);
        match (directive, lists.position(field, items, item)) {
            (Some("delete"), Some(at)) => drop(items.remove(at)),
            (Some("delete" | "replace"), _) => {}
            (_, Some(at)) => {
                if let Some(known) = items.get_mut(at) {
                    strategic(known, item, "", lists);
                }
            }
            (_, None) if items.contains(item) => {}
            (_, None) => items.push(item.clone()),
        }
    }
}

/// Items in the order given; those it does not name keep theirs, behind.
fn set_order(items: &mut [Value], order: &[Value], field: &str, lists: Lists) {
    let place = |item: &Value| match lists.key(field, item) {
        // The order of ports names them by number alone.
        Some(key) => order.iter().position(|wanted| is_part_of(wanted, &key)),
        None => order.iter().position(|wanted| wanted == item),
    };
    items.sort_by_key(|item| place(item).unwrap_or(usize::MAX));
}

fn is_part_of(wanted: &Value, key: &Value) -> bool {
    let mut fields = wanted.as_object().into_iter().flatten().peekable();
    fields.peek().is_some() && fields.all(|(field, value)| key.get(field) == Some(value))
}

/// Works on the map that is there, or on a new one in place of whatever is there.
fn with_map(target: &mut Value, work: impl FnOnce(&mut Map<String, Value>)) {
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Some(map) = target.as_object_mut() {
        work(map);
    }
}
