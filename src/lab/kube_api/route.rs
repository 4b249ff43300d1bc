//! Which resource a URL names.

use crate::lab::store::kinds::{self, Kind};

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Health of the server: `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/version`.
    Version,
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(String),
    /// `/api/v1`, `/apis/<group>/<version>`: group and version.
    Resources(String, String),
    /// `/openapi/v2`.
    OpenApiV2,
    /// `/openapi/v3` and what is under it; empty for the index.
    OpenApiV3(String),
    /// Objects.
    Objects(Target),
    /// Nothing.
    Unknown,
}

/// Objects that a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Their kind.
    pub kind: &'static Kind,
    /// The version asked for.
    pub version: String,
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// One object, or all.
    pub name: Option<String>,
    /// `status`, `exec`, ... of that object.
    pub subresource: Option<String>,
}

// === impl Route ===

impl Route {
    /// Reads a path, percent-encoded as it came.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let parts: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(super::query::percent_decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["version"] => Self::Version,
            ["api"] => Self::CoreVersions,
            ["apis"] => Self::Groups,
            ["openapi", "v2"] => Self::OpenApiV2,
            ["openapi", "v3", rest @ ..] => Self::OpenApiV3(rest.join("/")),
            ["api", version, rest @ ..] => Self::under("", version, rest),
            ["apis", group] => Self::Group((*group).to_owned()),
            ["apis", group, version, rest @ ..] => Self::under(group, version, rest),
            _ => Self::Unknown,
        }
    }

    fn under(group: &str, version: &str, rest: &[&str]) -> Self {
        let target = |namespace: Option<&str>, plural: &str, name: Option<&str>, subresource: &[&str]| {
            let known = kinds::by_resource(group, plural).filter(|kind| kind.serves(version));
            match known {
                Some(kind) if kind.namespaced || namespace.is_none() => Self::Objects(Target {
                    kind,
                    version: version.to_owned(),
                    namespace: namespace.map(str::to_owned),
                    name: name.map(str::to_owned),
                    subresource: (!subresource.is_empty()).then(|| subresource.join("/")),
                }),
                _ => Self::Unknown,
            }
        };
        match rest {
            [] => Self::Resources(group.to_owned(), version.to_owned()),
            // `namespaces/<name>/status` is a part of the Namespace itself.
            ["namespaces", name, part @ ("status" | "finalize")] => target(None, "namespaces", Some(name), &[part]),
            ["namespaces", namespace, plural] => target(Some(namespace), plural, None, &[]),
            ["namespaces", namespace, plural, name, part @ ..] => target(Some(namespace), plural, Some(name), part),
            [plural] => target(None, plural, None, &[]),
            [plural, name, part @ ..] => target(None, plural, Some(name), part),
        }
    }
}
