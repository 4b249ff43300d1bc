//! Is the object as the server wants it? Fields that do not exist, values that are not allowed.

use serde_json::Value;

use crate::lab::kube_api::query::WriteOptions;
use crate::lab::kube_api::status::Refusal;
use crate::lab::store::kinds::Kind;

mod builtin;
mod names;
mod schema;

/// An object that may be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Without the fields that do not exist.
    pub object: Value,
    /// What to warn about.
    pub warnings: Vec<String>,
}

/// Checks an object that is to be written over `before`, or newly.
///
/// In the order of a real server: decoding and pruning, validation by schema, then Istio's webhook.
pub fn check(
    kind: &Kind,
    version: &str,
    object: Value,
    before: Option<&Value>,
    options: &WriteOptions,
) -> Result<Checked, Refusal> {
    let checked = schema::check(kind, version, object, options.field_validation)?;
    let mut causes = names::check(kind, &checked.object);
    causes.append(&mut builtin::check(kind, &checked.object, before));
    if causes.is_empty() {
        Ok(checked)
    } else {
        let name = crate::lab::store::object::name(&checked.object);
        Err(Refusal::invalid(kind, name, &causes))
    }
}
