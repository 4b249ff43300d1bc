//! JSON, read faster than YAML can be, and told apart: several documents, the items of a list.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Map, Number, Value};

/// A stretch of a text that is one JSON value, and the byte where it begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch<'a> {
    pub(super) offset: usize,
    pub(super) text: &'a str,
}

/// The values of a text, one after the other, as `kubectl` takes them.
pub(super) fn values(text: &str) -> Result<Vec<Stretch<'_>>, Error> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut values = Vec::new();
    while let Some(raw) = stream.next() {
        let raw = raw?.get();
        values.push(Stretch { offset: stream.byte_offset().saturating_sub(raw.len()), text: raw });
    }
    Ok(values)
}

/// What a list says about its items.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) api_version: Option<Cow<'a, str>>,
}

/// The head of a `List`, or of a list of one kind like `PodList`; `None` for any other value.
pub(super) fn list(value: Stretch<'_>) -> Option<Head<'_>> {
    let head: Head<'_> = serde_json::from_str(value.text).ok()?;
    head.kind.ends_with("List").then_some(head)
}

/// The items of a list.
pub(super) fn items<'a>(list: Stretch<'a>) -> Vec<Stretch<'a>> {
    #[derive(Deserialize)]
    struct Items<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    let items = serde_json::from_str::<Items<'a>>(list.text).map(|list| list.items).unwrap_or_default();
    // The items borrow from the text, so their distance from its beginning is their place.
    let begin = list.text.as_ptr().addr();
    let place = |item: &str| list.offset + item.as_ptr().addr().saturating_sub(begin);
    items.into_iter().map(|item| Stretch { offset: place(item.get()), text: item.get() }).collect()
}

/// Reads one value. Also tells whether a key stood twice in some object; the last one won.
pub(super) fn read(text: &str) -> Result<(Value, bool), Error> {
    let doubled = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Tree(&doubled).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, doubled.get()))
}

/// Builds a value and notes keys that stand twice.
#[derive(Clone, Copy)]
struct Tree<'a>(&'a Cell<bool>);

// === impl Tree ===

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        list.shrink_to_fit();
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list: Vec<(String, Value)> = Vec::new();
        while let Some(key) = entries.next_key()? {
            list.push((key, entries.next_value_seed(self)?));
        }
        // Of known size it takes no more memory than it needs.
        let mut map = Map::with_capacity(list.len());
        for (key, value) in list {
            if map.insert(key, value).is_some() {
                self.0.set(true);
            }
        }
        Ok(Value::Object(map))
    }
}
