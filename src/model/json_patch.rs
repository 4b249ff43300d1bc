//! RFC 6902: a list of steps, all or nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Why a step does not fit; the words are those of `github.com/evanphx/json-patch`, which API servers use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Nothing stands where the step needs something.
    #[error("{operation} operation does not apply: doc is missing path: {path}: missing value")]
    Missing {
        /// `add`, `remove`, `replace` or `copy`.
        operation: &'static str,
        /// JSON pointer.
        path: String,
    },
    /// A path without a slash.
    #[error("`{0}` is not a JSON pointer")]
    NotAPointer(String),
    /// Something else stands there.
    #[error("testing path {0} failed: test failed")]
    TestFailed(String),
}

/// Takes the steps; where one does not fit, those before it have been taken.
///
/// # Errors
/// The first [`Misfit`].
pub fn apply(steps: &[Step], target: &mut Value) -> Result<(), Misfit> {
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
                    return Err(Misfit::TestFailed(path.clone()));
                }
            }
        }
    }
    Ok(())
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), Misfit> {
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

fn remove(target: &mut Value, path: &str) -> Result<Value, Misfit> {
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
fn split(path: &str) -> Result<(&str, String), Misfit> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| Misfit::NotAPointer(path.to_owned()))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn missing(operation: &'static str, path: &str) -> Misfit {
    Misfit::Missing { operation, path: path.to_owned() }
}
