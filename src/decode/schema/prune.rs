//! What an API server drops before it stores an object.

use serde_json::Value;

use crate::decode::schema::crd::Node;

/// Drops unknown fields, and `null`s where `null` is no value.
///
/// Kubernetes: `apiextensions-apiserver/pkg/apiserver/schema/pruning` and `defaulting.PruneNonNullableNullsWithoutDefaults`.
pub(super) fn prune(node: &Node, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| match child(node, name) {
                Some(child) => !value.is_null() || child.nullable,
                None => node.open,
            });
            for (name, value) in fields.iter_mut() {
                if let Some(child) = child(node, name) {
                    prune(child, value);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                if let Some(node) = &node.items {
                    prune(node, item);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn child<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    node.properties.get(name).or(node.values.as_deref())
}
