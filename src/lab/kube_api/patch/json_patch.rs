//! RFC 6902: a list of steps, all or nothing.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::lab::kube_api::status::Refusal;

/// One step.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Step {
    /// Inserts into a list, sets a field.
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Takes away what is there.
    Remove {
        /// Where.
        path: String,
    },
    /// Puts something else for what is there.
    Replace {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Takes away here and adds there.
    Move {
        /// From where.
        from: String,
        /// To where.
        path: String,
    },
    /// Adds there what is here.
    Copy {
        /// From where.
        from: String,
        /// To where.
        path: String,
    },
    /// Goes on only if this is there.
    Test {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
}

/// Reads the steps.
pub fn parse(bytes: &Bytes) -> Result<Vec<Step>, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| Refusal::bad_request(format!("error decoding patch: {error}")))
}

/// Takes the steps.
pub fn apply(steps: &[Step], target: &mut Value) -> Result<(), Refusal> {
    for step in steps {
        match step {
            Step::Add { path, value } => add(target, path, value.clone())?,
            Step::Remove { path } => drop(remove(target, path)?),
            Step::Replace { path, value } => {
                let slot = target.pointer_mut(path).ok_or_else(|| missing("replace", path))?;
                *slot = value.clone();
            }
            Step::Move { from, path } => {
                let moved = remove(target, from)?;
                add(target, path, moved)?;
            }
            Step::Copy { from, path } => {
                let copied = target.pointer(from).cloned().ok_or_else(|| missing("copy", from))?;
                add(target, path, copied)?;
            }
            Step::Test { path, value } => {
                if target.pointer(path).unwrap_or(&Value::Null) != value {
                    return Err(refuse(&format!("testing path {path} failed: test failed")));
                }
            }
        }
    }
    Ok(())
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), Refusal> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let (parent, last) = split(path)?;
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(last, value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let at = if last == "-" { Some(items.len()) } else { last.parse().ok() };
            let at = at.filter(|at| *at <= items.len()).ok_or_else(|| missing("add", path))?;
            items.insert(at, value);
            Ok(())
        }
        _ => Err(missing("add", path)),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, Refusal> {
    let (parent, last) = split(path)?;
    let removed = match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.shift_remove(&last),
        Some(Value::Array(items)) => {
            let at = last.parse().ok().filter(|at: &usize| *at < items.len());
            at.map(|at| items.remove(at))
        }
        _ => None,
    };
    removed.ok_or_else(|| missing("remove", path))
}

/// The pointer of the parent, and the last part with `~1` and `~0` undone.
fn split(path: &str) -> Result<(&str, String), Refusal> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| refuse(&format!("`{path}` is not a JSON pointer")))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

/// Text of `github.com/evanphx/json-patch`, which API servers use.
fn missing(operation: &str, path: &str) -> Refusal {
    refuse(&format!("{operation} operation does not apply: doc is missing path: {path}: missing value"))
}

/// API servers answer a patch that does not fit with 422, without details.
fn refuse(message: &str) -> Refusal {
    let mut refusal =
        Refusal::bad_request(format!("the server rejected our request due to an error in our request: {message}"));
    refusal.code = http::StatusCode::UNPROCESSABLE_ENTITY;
    refusal.reason = "Invalid";
    refusal
}
