//! Refusals in the words of a real API server: `Status` objects with reason, code and message.
//!
//! Texts: Kubernetes `staging/src/k8s.io/apimachinery/pkg/api/errors/errors.go`.

use http::StatusCode;
use serde_json::{Value, json};

use crate::lab::kube_api::rbac::Attributes;
use crate::lab::store::kinds::Kind;

/// A request that was refused, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The HTTP status.
    pub code: StatusCode,
    /// Kubernetes' word for it, e.g. `NotFound`; empty for none.
    pub reason: &'static str,
    /// The sentence that kubectl prints after `Error from server (NotFound): `.
    pub message: String,
    /// `details` of the `Status`; `null` for none.
    pub details: Value,
}

/// One thing wrong with one field, as validation reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldCause {
    /// `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, `FieldValueTypeInvalid`, `FieldValueForbidden`.
    pub reason: &'static str,
    /// `spec.mtls.mode`.
    pub field: String,
    /// `Unsupported value: "strict": supported values: ...`, without the field.
    pub message: String,
}

// === impl Refusal ===

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// No or a wrong token.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// A path that names no resource this server has.
    #[must_use]
    pub fn no_such_path() -> Self {
        let message = "the server could not find the requested resource";
        Self { details: json!({}), ..Self::new(StatusCode::NOT_FOUND, "NotFound", message) }
    }

    /// An object that is not there.
    #[must_use]
    pub fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.qualified_plural());
        Self { details: details(kind, name), ..Self::new(StatusCode::NOT_FOUND, "NotFound", message) }
    }

    /// An object that is there already.
    #[must_use]
    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.qualified_plural());
        Self { details: details(kind, name), ..Self::new(StatusCode::CONFLICT, "AlreadyExists", message) }
    }

    /// A write that does not fit what is there.
    #[must_use]
    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified_plural());
        Self { details: details(kind, name), ..Self::new(StatusCode::CONFLICT, "Conflict", message) }
    }

    /// What this user may not do.
    ///
    /// Kubernetes: `apiserver/pkg/endpoints/handlers/responsewriters/errors.go:Forbidden,forbiddenMessage`.
    #[must_use]
    pub fn forbidden(kind: &Kind, asked: &Attributes<'_>, user: &str) -> Self {
        let of_object = asked.name.map(|name| format!(" \"{name}\"")).unwrap_or_default();
        let scope = match asked.namespace {
            Some(namespace) => format!("in the namespace \"{namespace}\""),
            _ => "at the cluster scope".to_owned(),
        };
        let message = format!(
            "{}{of_object} is forbidden: User \"{user}\" cannot {} resource \"{}\" in API group \"{}\" {scope}",
            kind.qualified_plural(),
            asked.verb,
            asked.resource,
            kind.group
        );
        let details = details(kind, asked.name.unwrap_or_default());
        Self { details, ..Self::new(StatusCode::FORBIDDEN, "Forbidden", message) }
    }

    /// A field that another manager owns.
    #[must_use]
    pub fn apply_conflict(message: String, details: &Value) -> Self {
        Self { details: details.clone(), ..Self::new(StatusCode::CONFLICT, "Conflict", message) }
    }

    /// A request that makes no sense.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// An object whose fields do not make sense.
    #[must_use]
    pub fn invalid(kind: &Kind, name: &str, causes: &[FieldCause]) -> Self {
        let texts: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let list = match texts.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let message = format!("{} \"{name}\" is invalid: {list}", kind.qualified_kind());
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({ "reason": cause.reason, "message": cause.message, "field": cause.field }))
            .collect();
        let details = json!({ "name": name, "group": kind.group, "kind": kind.kind, "causes": causes });
        Self { details, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message) }
    }

    /// What an admission webhook refuses. The `Status` has no reason, so that kubectl prints `Error from server: `.
    ///
    /// Kubernetes: `apiserver/pkg/admission/plugin/webhook/errors/statuserror.go:ToStatusErr`.
    #[must_use]
    pub fn denied_by_webhook(webhook: &str, why: &str) -> Self {
        let message = format!("admission webhook \"{webhook}\" denied the request: {why}");
        Self::new(StatusCode::BAD_REQUEST, "", message)
    }

    /// A verb that this resource does not have.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self { details: json!({}), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message) }
    }

    /// A body in a format that is not understood here.
    #[must_use]
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// A body that is too long.
    #[must_use]
    pub fn too_large(limit: usize) -> Self {
        let message = format!("Request entity too large: limit is {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// A watch or a page that starts too long ago.
    #[must_use]
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// What the lab does not do.
    #[must_use]
    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    /// The `Status` object.
    #[must_use]
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        });
        if let Some(map) = status.as_object_mut() {
            if !self.reason.is_empty() {
                map.insert("reason".to_owned(), self.reason.into());
            }
            if !self.details.is_null() {
                map.insert("details".to_owned(), self.details.clone());
            }
            map.insert("code".to_owned(), self.code.as_u16().into());
        }
        status
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.reason {
            "" => write!(f, "Error from server: {}", self.message),
            reason => write!(f, "Error from server ({reason}): {}", self.message),
        }
    }
}

fn details(kind: &Kind, name: &str) -> Value {
    let mut details = serde_json::Map::new();
    if !name.is_empty() {
        details.insert("name".to_owned(), name.into());
    }
    if !kind.group.is_empty() {
        details.insert("group".to_owned(), kind.group.into());
    }
    details.insert("kind".to_owned(), kind.plural.into());
    Value::Object(details)
}
