//! Names that Kubernetes would draw at random, here the same in every run.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Kubernetes' alphabet for generated names: no vowels and no digits that look like one.
/// `apimachinery/pkg/util/rand/rand.go`.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five characters, as in `sleep-cb66f94f5-wjqs2`.
#[must_use]
pub fn suffix(series: &str, serial: u64) -> String {
    letters(&format!("{series} {serial}"), 5)
}

/// Characters of the alphabet that depend on a text only.
#[must_use]
pub fn letters(text: &str, count: usize) -> String {
    let digest = Sha256::digest(text);
    let letter = |byte: &u8| ALPHABET.get(usize::from(*byte) % ALPHABET.len()).copied().map_or('x', char::from);
    digest.iter().take(count).map(letter).collect()
}

/// The `pod-template-hash` of a template. Kubernetes hashes otherwise; the form is the same.
#[must_use]
pub fn template_hash(template: &Value) -> String {
    letters(&canonical(template), 10)
}

/// A text that does not depend on the order of keys.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, String> = map.iter().map(|(key, value)| (key, canonical(value))).collect();
            format!("{sorted:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(canonical).collect::<Vec<_>>()),
        scalar => scalar.to_string(),
    }
}
