//! `metadata.name`.

use serde_json::Value;

use crate::lab::kube_api::status::FieldCause;
use crate::lab::store::kinds::Kind;
use crate::lab::store::object;

/// Texts: Kubernetes `apimachinery/pkg/util/validation/validation.go`.
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
                         start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                     with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
                             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/// Whether an object has a name, and a possible one.
pub(super) fn check(kind: &Kind, checked: &Value) -> Vec<FieldCause> {
    let name = object::name(checked);
    let generated = !object::text(checked, "/metadata/generateName").is_empty();
    let cause = |reason, message: String| vec![FieldCause { reason, field: "metadata.name".to_owned(), message }];
    let (fits, rule) = match kind.kind {
        "Namespace" => (is_label(name), LABEL),
        "Service" => (is_label(name) && name.starts_with(|c: char| c.is_ascii_lowercase()), SERVICE_LABEL),
        _ => (name.len() <= 253 && name.split('.').all(is_part), SUBDOMAIN),
    };
    match name {
        "" if generated => Vec::new(),
        "" => cause("FieldValueRequired", "Required value: name or generateName is required".to_owned()),
        _ if fits => Vec::new(),
        name => cause("FieldValueInvalid", format!("Invalid value: \"{name}\": {rule}")),
    }
}

fn is_label(name: &str) -> bool {
    name.len() <= 63 && is_part(name)
}

fn is_part(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.starts_with(alphanumeric) && name.ends_with(alphanumeric) && name.chars().all(|c| alphanumeric(c) || c == '-')
}
