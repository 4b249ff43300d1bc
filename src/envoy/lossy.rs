//! Protobuf's JSON: wrappers and 64-bit integers come as numbers or strings, absent fields as null or not at all.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A number that may be written as a string; what is no number is zero, Envoy's own default.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_u64().unwrap_or_default(),
        Value::String(text) => text.parse().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => 0,
    })
}

/// A port, or nothing where the number is none.
pub(crate) fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    number(deserializer).map(|number| u16::try_from(number).ok())
}

/// A field that may be null.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A field whose shape is only understood where it is the usual one; anything else counts as absent.
pub(crate) fn if_understood<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

/// A text, where it is one: other filters use the same name for other things.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    })
}
