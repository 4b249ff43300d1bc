//! Lists whose items have a name of their own, so that a patch can mean one of them.
//!
//! Kubernetes: `patchMergeKey` and `listMapKey` of `api/core/v1/types.go`. Lists of custom resources are always one value.

use serde_json::{Value, json};

use crate::lab::store::kinds::Kind;

/// What tells the items of a list apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lists {
    /// As Kubernetes' own kinds have it.
    Keyed,
    /// Nothing: lists are replaced as a whole.
    Atomic,
}

// === impl Lists ===

impl Lists {
    /// Those of a kind.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        if matches!(kind.group, "" | "apps" | "batch") { Self::Keyed } else { Self::Atomic }
    }

    /// The fields that name an item of a list, with their values; `None` where the list is one value.
    #[must_use]
    pub fn key(self, list: &str, item: &Value) -> Option<Value> {
        let fields: &[&str] = match (self, list) {
            (Self::Atomic, _) => &[],
            (_, "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "env") => &["name"],
            (_, "imagePullSecrets" | "secrets") => &["name"],
            (_, "ports") if item.get("containerPort").is_some() => &["containerPort", "protocol"],
            (_, "ports") => &["port", "protocol"],
            (_, "volumeMounts") => &["mountPath"],
            (_, "hostAliases") => &["ip"],
            (_, "ownerReferences") => &["uid"],
            (_, "conditions") => &["type"],
            (Self::Keyed, _) => &[],
        };
        let mut key = json!({});
        for field in fields {
            let default = if *field == "protocol" { Some(json!("TCP")) } else { None };
            let value = item.get(field).cloned().or(default)?;
            key.as_object_mut()?.insert((*field).to_owned(), value);
        }
        (!fields.is_empty()).then_some(key)
    }

    /// The position of the item that another one means.
    #[must_use]
    pub fn position(self, list: &str, items: &[Value], meant: &Value) -> Option<usize> {
        let key = self.key(list, meant)?;
        items.iter().position(|item| self.key(list, item).as_ref() == Some(&key))
    }
}
