//! An object against its schema.

use serde_json::{Map, Value};

use crate::decode::schema::crd::{Node, Type, type_of};
use crate::decode::schema::path::{Path, Step};
use crate::decode::schema::{FieldProblemKind, Finding, duration, suggest};

/// Finds what the schema does not know or does not take.
pub(super) fn walk(root: &Node, object: &Value) -> Vec<Finding> {
    let mut walk = Walk { root, at: Path::default(), found: Vec::new() };
    walk.value(root, object);
    walk.found
}

struct Walk<'a> {
    root: &'a Node,
    at: Path,
    found: Vec<Finding>,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node, value: &Value) {
        if value.is_null() && node.nullable {
            return;
        }
        if !node.kind.fits(value) {
            self.wrong_type(node, value);
            return;
        }
        match value {
            Value::Object(fields) => self.object(node, fields),
            Value::Array(items) => self.list(node, items),
            Value::String(text) => self.string(node, text),
            Value::Number(_) => self.number(node, value),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn object(&mut self, node: &Node, fields: &Map<String, Value>) {
        for (name, value) in fields {
            let (child, step) = match (node.properties.get(name), &node.values) {
                (Some(child), _) => (child, Step::Field(name.clone())),
                (None, Some(child)) => (&**child, Step::Key(name.clone())),
                (None, None) if node.open => continue,
                (None, None) => {
                    self.found.push(suggest::unknown(self.root, &self.at, name, value));
                    continue;
                }
            };
            // `null` is an absent field: the API server drops it before it validates.
            if !value.is_null() {
                self.step(step, |walk| walk.value(child, value));
            }
        }
        let there = |name: &String| fields.get(name).is_some_and(|value| !value.is_null());
        for name in node.required.iter().filter(|name| !there(name)) {
            self.found.push(Finding::invalid(self.at.field(name), "is required"));
        }
        for group in &node.exclusive {
            let set: Vec<&str> = group.iter().filter(|name| there(name)).map(String::as_str).collect();
            if set.len() > 1 {
                self.invalid(format!("can have only one of {}", set.join(", ")));
            }
        }
        if node.is_map() {
            self.size(fields.len(), node.min_properties, node.max_properties, "entries");
        }
    }

    fn list(&mut self, node: &Node, items: &[Value]) {
        self.size(items.len(), node.min_items, node.max_items, "items");
        if let Some(child) = &node.items {
            for (index, item) in items.iter().enumerate() {
                self.step(Step::Item(index), |walk| walk.value(child, item));
            }
        }
    }

    fn string(&mut self, node: &Node, text: &str) {
        self.size(text.chars().count(), node.min_length, node.max_length, "characters");
        if !node.words.is_empty() && !node.words.iter().any(|word| word == text) {
            self.wrong_word(node, text);
        }
        if node.duration && duration::seconds(text).is_none_or(|seconds| seconds < 0.001) {
            self.invalid(format!("is `{text}`, which is not a duration of at least 1ms, like `10s` or `1m30s`"));
        }
    }

    fn number(&mut self, node: &Node, value: &Value) {
        let Some(number) = value.as_f64() else { return };
        match (node.minimum, node.maximum) {
            (Some(minimum), _) if number < minimum => {
                self.invalid(format!("is {value} and must be at least {minimum}"));
            }
            (_, Some(maximum)) if number > maximum => self.invalid(format!("is {value} and must be at most {maximum}")),
            (Some(_) | None, Some(_) | None) => {}
        }
    }

    fn size(&mut self, size: usize, minimum: Option<usize>, maximum: Option<usize>, unit: &str) {
        match (minimum, maximum) {
            (Some(minimum), _) if size < minimum => {
                self.invalid(format!("must have at least {minimum} {unit}, and has {size}"));
            }
            (_, Some(maximum)) if size > maximum => {
                self.invalid(format!("must have at most {maximum} {unit}, and has {size}"));
            }
            (Some(_) | None, Some(_) | None) => {}
        }
    }

    fn wrong_type(&mut self, node: &Node, value: &Value) {
        let kind =
            FieldProblemKind::WrongType { expected: node.kind.as_str().to_owned(), found: type_of(value).to_owned() };
        let hint = (node.kind == Type::String).then(|| suggest::quoting(value)).flatten();
        self.found.push(Finding { path: self.at.clone(), kind, hint });
    }

    fn wrong_word(&mut self, node: &Node, text: &str) {
        let nearest = suggest::nearest(text, node.words.iter().map(String::as_str));
        let hint = nearest.map(|word| format!("did you mean `{word}`?"));
        let kind = FieldProblemKind::WrongEnum {
            value: text.to_owned(),
            allowed: node.words.clone(),
            nearest: nearest.map(str::to_owned),
        };
        self.found.push(Finding { path: self.at.clone(), kind, hint });
    }

    fn invalid(&mut self, why: String) {
        self.found.push(Finding::invalid(self.at.clone(), why));
    }

    fn step(&mut self, step: Step, inside: impl FnOnce(&mut Self)) {
        self.at.0.push(step);
        inside(self);
        self.at.0.pop();
    }
}
