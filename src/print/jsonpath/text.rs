//! Values as kubectl prints them.
//!
//! client-go: `util/jsonpath/jsonpath.go:PrintResults`.

use serde::Serialize as _;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value};

/// What an action finds, with blanks between: strings as they are, maps and arrays as JSON.
pub(super) fn write(found: &[&Value], out: &mut String) {
    for (place, value) in found.iter().enumerate() {
        if place > 0 {
            out.push(' ');
        }
        match value {
            Value::String(text) => out.push_str(text),
            Value::Null => out.push_str("<nil>"),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                out.push_str(&as_go(value).to_string());
            }
        }
    }
}

/// What an action finds, as one JSON array.
pub(super) fn write_json(found: &[&Value], out: &mut String) {
    let array = Value::Array(found.iter().map(|value| as_go(value)).collect());
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, PrettyFormatter::with_indent(b"    "));
    // Values have string keys only, and a vector takes everything: this cannot fail.
    if array.serialize(&mut serializer).is_ok() {
        out.push_str(&String::from_utf8_lossy(&json));
    }
    out.push('\n');
}

/// As Go's `encoding/json` writes it: keys sorted, floats without fraction as whole numbers.
fn as_go(value: &Value) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(as_go).collect(),
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), as_go(value))).collect::<Map<_, _>>())
        }
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|float| float.fract() == 0.0).map(|float| format!("{float:.0}"));
            whole.and_then(|digits| digits.parse::<i64>().ok()).map_or_else(|| value.clone(), Value::from)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
