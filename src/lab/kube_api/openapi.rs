//! `/openapi`, as much of it as makes kubectl leave validation to the server.
//!
//! kubectl asks it one thing: does PATCH of a kind take `fieldValidation`? Kinds that are not described are taken for custom
//! resources, for which `Namespace` answers (kubectl `pkg/cmd/util/query_param_verifier_v3.go`). Nothing is described in
//! detail, so `kubectl explain` finds no fields.

use serde_json::{Value, json};

use crate::lab::store::kinds::{Access, KINDS, Kind};

/// How kubectl asks for version 2, which it does for files of `kind: List` and before 1.29 for all. The document without
/// anything in it has no bytes in this format, and kinds that are not described are not checked.
pub const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// The same as an answer names it: what is asked for is no media type that Go would parse.
pub const V2_PROTOBUF_ANSWER: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Version 2 as JSON.
#[must_use]
pub fn v2() -> Value {
    json!({ "swagger": "2.0", "info": { "title": "Kubernetes", "version": "v1.34.0" }, "paths": {}, "definitions": {} })
}

/// The list of documents of version 3.
#[must_use]
pub fn index() -> Value {
    let mut paths = serde_json::Map::new();
    for kind in KINDS {
        for version in kind.versions {
            let path = document_path(kind, version);
            let url = format!("/openapi/v3/{path}?hash=lab");
            paths.insert(path, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

/// The document of a group and version, by the path under `/openapi/v3/`.
#[must_use]
pub fn document(path: &str) -> Option<Value> {
    let mut paths = serde_json::Map::new();
    let mut schemas = serde_json::Map::new();
    for kind in KINDS {
        for version in kind.versions.iter().filter(|version| document_path(kind, version) == path) {
            let (url, item) = patch(kind, version, path);
            paths.insert(url, item);
            schemas.insert(schema_name(kind, version), schema(kind, version));
        }
    }
    let info = json!({ "title": "Kubernetes", "version": "v1.34.0" });
    let components = json!({ "schemas": schemas });
    (!paths.is_empty()).then(|| json!({ "openapi": "3.0.0", "info": info, "paths": paths, "components": components }))
}

fn document_path(kind: &Kind, version: &str) -> String {
    let api_version = kind.api_version(version);
    if kind.group.is_empty() { format!("api/{api_version}") } else { format!("apis/{api_version}") }
}

fn identity(kind: &Kind, version: &str) -> Value {
    json!({ "group": kind.group, "version": version, "kind": kind.kind })
}

fn schema_name(kind: &Kind, version: &str) -> String {
    let group = if kind.group.is_empty() { "core" } else { kind.group };
    let reversed: Vec<&str> = group.rsplit('.').collect();
    format!("{}.{version}.{}", reversed.join("."), kind.kind)
}

fn schema(kind: &Kind, version: &str) -> Value {
    json!({
        "type": "object", "description": format!("{} is described by its own documentation.", kind.kind),
        "x-kubernetes-group-version-kind": [identity(kind, version)], "x-kubernetes-preserve-unknown-fields": true,
    })
}

fn patch(kind: &Kind, version: &str, path: &str) -> (String, Value) {
    let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let url = format!("/{path}{scope}/{}/{{name}}", kind.plural);
    let parameter =
        |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
    let mut item = json!({});
    if kind.access != Access::Review {
        item = json!({ "patch": {
            "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": identity(kind, version),
            "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation"), parameter("force")],
            "responses": { "200": { "description": "OK" } },
        } });
    }
    (url, item)
}
