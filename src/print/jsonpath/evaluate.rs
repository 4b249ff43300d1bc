//! Steps over a document.
//!
//! client-go: `util/jsonpath/jsonpath.go`, the functions named `eval...`.

use jsonpath_rust::query::js_path_process;
use serde_json::Value;

use crate::print::jsonpath::step::{Comparison, Filter, Slice, Step};

/// Why a template does not fit a document, in client-go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A key that is nowhere, with `--allow-missing-template-keys=false`.
    #[error("{0} is not found")]
    NotFound(String),
    /// An index into something else than an array.
    #[error("{0} is not array or slice")]
    NotAnArray(&'static str),
    /// A filter over something else than an array.
    #[error("{0} is not array or slice and cannot be filtered")]
    NotFilterable(&'static str),
    /// An index outside the array.
    #[error("array index out of bounds: index {index}, length {length}")]
    OutOfBounds {
        /// The index, counted from the start.
        index: i64,
        /// How long the array is.
        length: i64,
    },
    /// `[3:1]`.
    #[error("starting index {start} is greater than ending index {end}")]
    StartBehindEnd {
        /// The first element wanted.
        start: i64,
        /// Behind the last one.
        end: i64,
    },
    /// `[::0]`.
    #[error("step must be > 0")]
    Step,
    /// A side of a comparison that finds several values.
    #[error("can only compare one element at a time")]
    SeveralElements,
    /// A number against a string, and the like.
    #[error("incompatible types for comparison")]
    IncompatibleTypes,
    /// Maps, arrays, nothing; or an order of booleans.
    #[error("invalid type for comparison")]
    InvalidType,
}

/// What the steps find, starting from these values.
pub(super) fn evaluate<'v>(
    mut values: Vec<&'v Value>,
    steps: &'v [Step],
    allow_missing: bool,
) -> Result<Vec<&'v Value>, EvaluationError> {
    for step in steps {
        values = match step {
            Step::Name { name, query } => {
                let found: Vec<&Value> = values.iter().flat_map(|value| run(query, value)).collect();
                if found.is_empty() && !values.is_empty() && !allow_missing {
                    return Err(EvaluationError::NotFound(name.clone()));
                }
                found
            }
            Step::Wildcard(query) => values.iter().flat_map(|value| run(query, value)).collect(),
            Step::Recursive => {
                let mut found = Vec::new();
                for value in values {
                    descend(value, &mut found);
                }
                found
            }
            Step::Slice(slice) => sliced(&values, *slice)?,
            Step::Union(each) => {
                let found = each.iter().map(|steps| evaluate(values.clone(), steps, allow_missing));
                found.collect::<Result<Vec<_>, _>>()?.concat()
            }
            Step::Filter(filter) => filtered(&values, filter, allow_missing)?,
            Step::Literal(literal) => vec![literal; values.len()],
            Step::Quoted(text) => vec![text],
        };
    }
    Ok(values)
}

/// An RFC 9535 query; names and wildcards cannot fail.
fn run<'v>(query: &jsonpath_rust::parser::model::JpQuery, value: &'v Value) -> Vec<&'v Value> {
    js_path_process(query, value).unwrap_or_default().into_iter().map(|found| found.val).collect()
}

/// The value and everything below it; only what has parts, so that numbers and booleans are never among it.
fn descend<'v>(value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            found.push(value);
            for element in elements {
                descend(element, found);
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            found.push(value);
            for field in fields.values() {
                descend(field, found);
            }
        }
        Value::String(text) if !text.is_empty() => found.push(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {}
    }
}

fn sliced<'v>(values: &[&'v Value], slice: Slice) -> Result<Vec<&'v Value>, EvaluationError> {
    let mut found = Vec::new();
    for value in values {
        match value {
            Value::Null => {}
            Value::Array(elements) => found.extend(elements_of(elements, slice)?),
            other => return Err(EvaluationError::NotAnArray(go_type(other))),
        }
    }
    Ok(found)
}

fn elements_of(elements: &[Value], slice: Slice) -> Result<impl Iterator<Item = &Value>, EvaluationError> {
    let length = i64::try_from(elements.len()).unwrap_or(i64::MAX);
    let from_start = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
    let (start, end, step) = match slice {
        Slice::Index(index) => (from_start(index), from_start(index).saturating_add(1), 1),
        Slice::Range { start, end, step } => {
            (from_start(start.unwrap_or(0)), end.map_or(length, from_start), step.unwrap_or(1))
        }
    };
    // Nothing is asked for: that is never out of bounds.
    if start != end {
        if start >= length || start < 0 {
            return Err(EvaluationError::OutOfBounds { index: start, length });
        }
        if end > length || end < 0 {
            return Err(EvaluationError::OutOfBounds { index: end - 1, length });
        }
        if start > end {
            return Err(EvaluationError::StartBehindEnd { start, end });
        }
        if step <= 0 {
            return Err(EvaluationError::Step);
        }
    }
    let [skip, take, step] = [start, end - start, step].map(|number| usize::try_from(number).unwrap_or(0));
    Ok(elements.iter().skip(skip).take(take).step_by(step.max(1)))
}

fn filtered<'v>(values: &[&'v Value], filter: &'v Filter, allow: bool) -> Result<Vec<&'v Value>, EvaluationError> {
    let mut found = Vec::new();
    for value in values {
        let Value::Array(elements) = value else { return Err(EvaluationError::NotFilterable(go_type(value))) };
        for element in elements {
            if keeps(filter, element, allow)? {
                found.push(element);
            }
        }
    }
    Ok(found)
}

/// An element for which a side of the comparison finds nothing is left out.
fn keeps(filter: &Filter, element: &Value, allow_missing: bool) -> Result<bool, EvaluationError> {
    let left = evaluate(vec![element], &filter.left, allow_missing);
    let Some((comparison, right)) = &filter.right else {
        return Ok(left.is_ok_and(|found| !found.is_empty()));
    };
    let Some(left) = only(&left?)? else { return Ok(false) };
    let Some(right) = only(&evaluate(vec![element], right, allow_missing)?)? else { return Ok(false) };
    compare(left, *comparison, right)
}

fn only<'v>(found: &[&'v Value]) -> Result<Option<&'v Value>, EvaluationError> {
    match found {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(EvaluationError::SeveralElements),
    }
}

/// client-go: `third_party/forked/golang/template/funcs.go`.
fn compare(left: &Value, comparison: Comparison, right: &Value) -> Result<bool, EvaluationError> {
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            (_, _) => left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right)),
        },
        (Value::Bool(left), Value::Bool(right)) => match comparison {
            Comparison::Equal | Comparison::NotEqual => Some(left.cmp(right)),
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
                return Err(EvaluationError::InvalidType);
            }
        },
        (Value::Null | Value::Array(_) | Value::Object(_), _)
        | (_, Value::Null | Value::Array(_) | Value::Object(_)) => {
            return Err(EvaluationError::InvalidType);
        }
        (Value::String(_) | Value::Number(_) | Value::Bool(_), _) => return Err(EvaluationError::IncompatibleTypes),
    };
    Ok(match comparison {
        Comparison::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::NotEqual => !order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    })
}

/// What Go calls the type, since that is what kubectl's users know from its messages.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
