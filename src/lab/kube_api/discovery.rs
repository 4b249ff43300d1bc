//! What this server has: versions, groups, resources.

use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::lab::kube_api::body::{self, Body};
use crate::lab::kube_api::openapi;
use crate::lab::kube_api::patch::merge::merge;
use crate::lab::kube_api::route::Route;
use crate::lab::kube_api::scale;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::kinds::{Access, KINDS, Kind};

/// Answers a request about the server itself.
pub fn answer(route: &Route, accept: &str) -> Result<Response<Body>, Refusal> {
    let document = match route {
        Route::OpenApiV2 if accept.contains(openapi::V2_PROTOBUF) => {
            return Ok(body::nothing_of(HeaderValue::from_static(openapi::V2_PROTOBUF_ANSWER)));
        }
        Route::OpenApiV2 => openapi::v2(),
        Route::Version => version(),
        Route::CoreVersions => json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }),
        Route::Groups => {
            let groups: Vec<Value> = groups().iter().map(|name| group(name)).collect();
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
        }
        Route::Group(name) if groups().contains(&name.as_str()) => {
            let mut document = json!({ "kind": "APIGroup", "apiVersion": "v1" });
            merge(&mut document, &group(name));
            document
        }
        Route::Resources(group, version) => resources(group, version)?,
        Route::OpenApiV3(path) if path.is_empty() => openapi::index(),
        Route::OpenApiV3(path) => openapi::document(path).ok_or_else(Refusal::no_such_path)?,
        _ => return Err(Refusal::no_such_path()),
    };
    Ok(body::json(StatusCode::OK, &document))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "emulationMajor": "1", "emulationMinor": "34",
        "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "clean", "buildDate": "2025-08-27T10:09:04Z",
        "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

/// Groups other than the core one, in the order of the kinds.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = KINDS.iter().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    groups.dedup();
    groups
}

fn group(name: &str) -> Value {
    let of = |version: &str| json!({ "groupVersion": format!("{name}/{version}"), "version": version });
    let versions = versions(name);
    json!({
        "name": name,
        "versions": versions.iter().map(|version| of(version)).collect::<Vec<_>>(),
        "preferredVersion": of(versions.first().copied().unwrap_or("v1")),
    })
}

/// Versions of a group, preferred first.
fn versions(group: &str) -> Vec<&'static str> {
    let mut versions = Vec::new();
    for version in KINDS.iter().filter(|kind| kind.group == group).flat_map(|kind| kind.versions) {
        if !versions.contains(version) {
            versions.push(*version);
        }
    }
    versions.sort_by_key(|version| match *version {
        "v1" => 0,
        "v1beta1" => 1,
        _ => 2,
    });
    versions
}

fn resources(group: &str, version: &str) -> Result<Value, Refusal> {
    let kinds: Vec<&Kind> = KINDS.iter().copied().filter(|kind| kind.group == group && kind.serves(version)).collect();
    let group_version = kinds.first().ok_or_else(Refusal::no_such_path)?.api_version(version);
    let mut resources: Vec<Value> = Vec::new();
    for kind in kinds {
        resources.push(resource(kind));
        resources.extend(parts(kind));
    }
    Ok(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }))
}

fn resource(kind: &Kind) -> Value {
    let mut resource = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": verbs(kind),
    });
    if let Some(map) = resource.as_object_mut() {
        if !kind.short.is_empty() {
            map.insert("shortNames".to_owned(), json!(kind.short));
        }
        if !kind.categories.is_empty() {
            map.insert("categories".to_owned(), json!(kind.categories));
        }
    }
    resource
}

fn verbs(kind: &Kind) -> &'static [&'static str] {
    match kind.access {
        Access::Full | Access::Forbidden => {
            &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        }
        Access::Review => &["create"],
    }
}

/// Subresources.
fn parts(kind: &Kind) -> Vec<Value> {
    let part = |name: &str, of: &str, verbs: &[&str]| {
        let name = format!("{}/{name}", kind.plural);
        json!({ "name": name, "singularName": "", "namespaced": kind.namespaced, "kind": of, "verbs": verbs })
    };
    let mut parts = Vec::new();
    if kind.plural == "pods" {
        parts.push(part("ephemeralcontainers", "Pod", &["patch"]));
        parts.push(part("exec", "PodExecOptions", &["create", "get"]));
        parts.push(part("portforward", "PodPortForwardOptions", &["create", "get"]));
    }
    if scale::has(kind) {
        let mut scale = part("scale", "Scale", &["get", "patch", "update"]);
        merge(&mut scale, &json!({ "group": "autoscaling", "version": "v1" }));
        parts.push(scale);
    }
    if kind.access == Access::Full && (kind.is_istio() || matches!(kind.group, "apps" | "batch")) {
        parts.push(part("status", kind.kind, &["get", "patch", "update"]));
    }
    parts
}
