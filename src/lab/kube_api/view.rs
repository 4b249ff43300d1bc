//! How the client wants to see objects: whole, as a table to print, or only their metadata.

use serde_json::{Value, json};

use crate::lab::kube_api::query::Query;
use crate::lab::store::object;

mod age;
mod columns;

/// What the `Accept` header asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The objects.
    Whole,
    /// `as=PartialObjectMetadata` or `as=PartialObjectMetadataList`.
    Metadata,
    /// `as=Table`: what `kubectl get` prints.
    Table(Rows),
}

/// What a table's rows carry beside their cells: `includeObject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// The whole object.
    Object,
    /// Its metadata, which kubectl takes the namespace from.
    Metadata,
    /// Nothing.
    Bare,
}

// === impl View ===

impl View {
    /// Reads the header; the first kind of answer that it names and this server has.
    #[must_use]
    pub fn of(accept: &str, query: &Query) -> Self {
        let wanted = accept.split(',').find_map(|clause| {
            let parameters: Vec<&str> = clause.split(';').map(str::trim).collect();
            let json = matches!(parameters.first(), Some(&("application/json" | "*/*" | "application/*")));
            let value = |key: &str| parameters.iter().find_map(|parameter| parameter.strip_prefix(key));
            match value("as=") {
                _ if !json || !matches!(value("v="), None | Some("v1")) => None,
                None => Some(Self::Whole),
                Some("Table") => Some(Self::Table(Rows::of(query))),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Self::Metadata),
                Some(_) => None,
            }
        });
        wanted.unwrap_or(Self::Whole)
    }

    /// One object.
    #[must_use]
    pub fn one(self, object: Value) -> Value {
        match self {
            Self::Whole => object,
            Self::Metadata => metadata(&object),
            Self::Table(rows) => {
                let revision = json!({ "resourceVersion": object.pointer("/metadata/resourceVersion") });
                table(rows, &object, std::slice::from_ref(&object), &revision, true)
            }
        }
    }

    /// A list.
    #[must_use]
    pub fn list(self, mut list: Value) -> Value {
        let items = list.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        match self {
            Self::Whole => list,
            Self::Metadata => {
                object::set(&mut list, &["kind"], "PartialObjectMetadataList");
                object::set(&mut list, &["apiVersion"], "meta.k8s.io/v1");
                object::set(&mut list, &["items"], items.iter().map(metadata).collect::<Vec<_>>());
                list
            }
            Self::Table(rows) => {
                let kind = object::text(&list, "/kind").trim_end_matches("List").to_owned();
                let sample = json!({ "kind": kind, "apiVersion": list.get("apiVersion") });
                table(rows, &sample, &items, list.get("metadata").unwrap_or(&Value::Null), true)
            }
        }
    }

    /// The object of a watch event. Only the first table of a watch says what its columns are.
    #[must_use]
    pub fn event(self, what: &str, object: Value, first: bool) -> Value {
        match (self, what) {
            (_, "ERROR") | (Self::Whole, _) => object,
            (Self::Metadata, _) => metadata(&object),
            (Self::Table(rows), _) => {
                let revision = json!({ "resourceVersion": object.pointer("/metadata/resourceVersion") });
                table(rows, &object, std::slice::from_ref(&object), &revision, first)
            }
        }
    }
}

// === impl Rows ===

impl Rows {
    fn of(query: &Query) -> Self {
        match query.first("includeObject") {
            "Object" => Self::Object,
            "None" => Self::Bare,
            _ => Self::Metadata,
        }
    }
}

fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.get("metadata") })
}

/// Kubernetes: `apimachinery/pkg/apis/meta/v1/types.go:Table`.
fn table(rows: Rows, sample: &Value, objects: &[Value], list_metadata: &Value, define: bool) -> Value {
    let columns = columns::of(object::text(sample, "/apiVersion"), object::text(sample, "/kind"));
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|column| (column.cell)(object)).collect();
            match rows {
                Rows::Object => json!({ "cells": cells, "object": object }),
                Rows::Metadata => json!({ "cells": cells, "object": metadata(object) }),
                Rows::Bare => json!({ "cells": cells }),
            }
        })
        .collect();
    let definitions: Vec<Value> = columns
        .iter()
        .filter(|_| define)
        .map(|column| {
            json!({
                "name": column.name, "type": column.kind, "format": if column.name == "Name" { "name" } else { "" },
                "description": "", "priority": column.priority,
            })
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_metadata,
        "columnDefinitions": definitions, "rows": rows,
    })
}
