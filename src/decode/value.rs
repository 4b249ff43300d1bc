//! Fields of a parsed object, however much of it is there. `null` is absent, as for Kubernetes.

use serde_json::Value;

use crate::model::meta::Labels;

/// The value at a path of keys.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// The string at a path.
pub(super) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path).and_then(Value::as_str)
}

/// An owned copy of the string at a path; the empty string is absent, as in protobuf.
pub(super) fn owned(value: &Value, path: &[&str]) -> Option<String> {
    text(value, path).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether `true` stands at a path.
pub(super) fn flag(value: &Value, path: &[&str]) -> bool {
    at(value, path).and_then(Value::as_bool).unwrap_or(false)
}

/// The items of the list at a path; none where there is no list.
pub(super) fn items<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The strings of the list at a path.
pub(super) fn texts(value: &Value, path: &[&str]) -> Vec<String> {
    items(value, path).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The map of strings at a path. Other values are left out: an API server refuses them, and `schema` says so.
pub(super) fn labels(value: &Value, path: &[&str]) -> Labels {
    at(value, path)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A port as an integer or as digits in a string; never 0.
pub(super) fn port(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(digits) => digits.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|port| *port != 0)
}
