//! `metadata.managedFields`: who wrote what, and when; and the fields that server-side apply takes away with it.

use serde_json::{Value, json};

use crate::lab::kube_api::managed_fields::fields::Fields;
use crate::lab::kube_api::patch::lists::Lists;
use crate::lab::kube_api::patch::merge;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::{now, object};

mod fields;

/// Who writes, and what.
#[derive(Debug, Clone, Copy)]
pub struct Manager<'r> {
    /// `kubectl-client-side-apply`, `argocd-controller`, ...
    pub name: &'r str,
    /// What.
    pub target: &'r Target,
}

/// An entry of `managedFields`.
#[derive(Debug, Clone)]
struct Entry {
    value: Value,
    fields: Fields,
}

const APPLY: &str = "Apply";
const UPDATE: &str = "Update";

// === impl Manager ===

impl Manager<'_> {
    /// Notes that this manager wrote the object by anything but server-side apply: it owns what it changed.
    pub fn record_update(&self, object: &mut Value, before: Option<&Value>) {
        let null = Value::Null;
        let (lists, was) = (Lists::of(self.target.kind), before.unwrap_or(&null));
        let changed = Fields::of(object, lists).differing(was, object);
        let gone = Fields::of(was, lists).without(&Fields::of(object, lists));
        let mut entries = entries(was);
        if !changed.is_empty() || !gone.is_empty() {
            for entry in &mut entries {
                entry.fields = entry.fields.without(&changed).without(&gone);
            }
            self.add(&mut entries, UPDATE, &changed);
        }
        write(object, entries);
    }

    /// The object as server-side apply makes it: what this manager applied last and now leaves out goes away.
    pub fn apply(&self, before: Option<&Value>, config: &Value, force: bool) -> Result<Value, Refusal> {
        let lists = Lists::of(self.target.kind);
        let Some(before) = before else { return Ok(config.clone()) };
        let mut after = before.clone();
        merge::apply(&mut after, config, "", lists);
        let wanted = Fields::of(config, lists);
        let (own, others): (Vec<Entry>, Vec<Entry>) =
            entries(before).into_iter().partition(|entry| self.owns(entry, APPLY));
        if !force {
            conflicts(&others, &wanted, before, &after)?;
        }
        let held = others.iter().fold(Fields::default(), |all, entry| all.either(&entry.fields));
        let mut left_out = own.iter().fold(Fields::default(), |all, entry| all.either(&entry.fields));
        left_out = left_out.without(&wanted).without(&held);
        left_out.remove_from(&mut after);
        Ok(after)
    }

    /// Notes that this manager applied the object: it owns what its configuration says.
    pub fn record_apply(&self, object: &mut Value, before: Option<&Value>, config: &Value) {
        let null = Value::Null;
        let (lists, was) = (Lists::of(self.target.kind), before.unwrap_or(&null));
        // What was dropped as unknown is nobody's.
        let wanted = Fields::of(config, lists).both(&Fields::of(object, lists));
        let changed = wanted.differing(was, object);
        let mut entries = entries(was);
        let held = entries.iter().find(|entry| self.owns(entry, APPLY)).map(|entry| entry.fields.clone());
        if held.as_ref() != Some(&wanted) || !changed.is_empty() {
            for entry in entries.iter_mut().filter(|entry| !self.owns(entry, APPLY)) {
                entry.fields = entry.fields.without(&changed);
            }
            entries.retain(|entry| !self.owns(entry, APPLY));
            self.add(&mut entries, APPLY, &wanted);
        }
        write(object, entries);
    }

    fn add(&self, entries: &mut Vec<Entry>, operation: &str, fields: &Fields) {
        let known = entries.iter().position(|entry| self.owns(entry, operation));
        let held = known.map(|at| entries.remove(at).fields).unwrap_or_default();
        let mut value = json!({
            "manager": self.name, "operation": operation,
            "apiVersion": self.target.kind.api_version(&self.target.version), "time": now(), "fieldsType": "FieldsV1",
        });
        if let Some(part) = &self.target.subresource {
            object::set(&mut value, &["subresource"], part.as_str());
        }
        entries.push(Entry { value, fields: held.either(fields) });
    }

    fn owns(&self, entry: &Entry, operation: &str) -> bool {
        object::text(&entry.value, "/manager") == self.name
            && object::text(&entry.value, "/operation") == operation
            && object::text(&entry.value, "/subresource") == self.target.subresource.as_deref().unwrap_or_default()
    }
}

fn entries(object: &Value) -> Vec<Entry> {
    object::elements(object, "/metadata/managedFields")
        .map(|value| Entry {
            value: value.clone(),
            fields: value.get("fieldsV1").map(Fields::parse).unwrap_or_default(),
        })
        .collect()
}

fn write(object: &mut Value, entries: Vec<Entry>) {
    let owned = entries.into_iter().filter(|entry| !entry.fields.is_empty());
    let values = owned.map(|Entry { mut value, fields }| {
        object::set(&mut value, &["fieldsV1"], fields.to_value());
        value
    });
    object::set(object, &["metadata", "managedFields"], values.collect::<Vec<_>>());
}

/// Fields that others own and that would change.
///
/// Text: Kubernetes `apimachinery/pkg/util/managedfields/internal/conflict.go`.
fn conflicts(others: &[Entry], wanted: &Fields, before: &Value, after: &Value) -> Result<(), Refusal> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for entry in others {
        let paths = entry.fields.both(wanted).differing(before, after).paths();
        if !paths.is_empty() {
            found.push((named(&entry.value), paths));
        }
    }
    let count: usize = found.iter().map(|(_, paths)| paths.len()).sum();
    let message = match found.as_slice() {
        [] => return Ok(()),
        [(manager, paths)] if count == 1 => {
            format!("Apply failed with 1 conflict: conflict with {manager}: {}", paths.concat())
        }
        several => {
            let lines = several.iter().flat_map(|(manager, paths)| {
                let head = format!("conflicts with {manager}:");
                std::iter::once(head).chain(paths.iter().map(|path| format!("- {path}")))
            });
            format!("Apply failed with {count} conflicts: {}", lines.collect::<Vec<_>>().join("\n"))
        }
    };
    let causes = found.iter().flat_map(|(manager, paths)| {
        paths.iter().map(move |path| {
            json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path })
        })
    });
    Err(Refusal::apply_conflict(message, &json!({ "causes": causes.collect::<Vec<_>>() })))
}

fn named(entry: &Value) -> String {
    let text = |field: &str| object::text(entry, field);
    let part = match text("/subresource") {
        "" => String::new(),
        part => format!(" with subresource \"{part}\""),
    };
    let how = match text("/operation") {
        UPDATE => format!(" using {} at {}", text("/apiVersion"), text("/time")),
        _ => String::new(),
    };
    format!("\"{}\"{part}{how}", text("/manager"))
}
