//! YAML as kubectl reads it.

use serde_json::Value;
use serde_saphyr::granit_parser::{Parser, StrInput};
use serde_saphyr::{DuplicateKeyPolicy, Error, Options};

use crate::decode::plain;

/// How deep a document may be nested. The reader recurses, and a thread's stack of 2 MiB bears no more than this in a debug
/// build; the schemas inside CRDs, the deepest of real manifests, go down to about 30.
pub(super) const DEPTH: usize = 64;

/// Octal numbers and the booleans of YAML 1.1, merge keys. The limits are far above any real input; those on aliases are
/// not, so that a small file cannot blow up. Comments are not counted: with the default limits, 33 lines of them in a row are
/// an error.
fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: duplicate_keys,
        emit_comments: false,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_depth: DEPTH,
            // A bomb of aliases is told after a second, not after many.
            max_recorded_anchor_events: 100_000,
            max_documents: 1_000_000,
            max_nodes: 50_000_000,
            max_events: 200_000_000,
            max_total_scalar_bytes: 2_000_000_000,
        },
    }
}

/// Why a text is not read.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Keys stand twice; with the last value of each it reads so.
    DoubledKeys(Vec<Value>),
    /// It is not YAML, or too much of it.
    Unreadable(Error),
}

/// Reads the documents of a text, empty ones left out.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, Refusal> {
    plain::document(text).map_or_else(|| thorough(text), |value| Ok(vec![value]))
}

/// The same, whatever stands there.
pub(super) fn thorough(text: &str) -> Result<Vec<Value>, Refusal> {
    let read = |policy| serde_saphyr::from_multiple_with_options(text, options(policy));
    read(DuplicateKeyPolicy::Error).map_err(|error| match error.without_snippet() {
        Error::DuplicateMappingKey { .. } => match read(DuplicateKeyPolicy::LastWins) {
            Ok(values) => Refusal::DoubledKeys(values),
            Err(error) => Refusal::Unreadable(error),
        },
        _ => Refusal::Unreadable(error),
    })
}

/// The events of a text, under the same limits.
pub(super) fn events(text: &str) -> Parser<'_, StrInput<'_>> {
    let options = serde_saphyr::granit_parser::options! { emit_comments: false, block_nesting_limit: DEPTH };
    Parser::new_from_str_with_options(text, options)
}

/// What the reader says, without the place and without its own vocabulary.
pub(super) fn why(error: &Error) -> String {
    if let Error::Budget { .. } = error.without_snippet() {
        return "it is nested too deep, or its aliases make too much of it".to_owned();
    }
    if let Error::RecursiveReferencesRequireWeakTypes { .. } = error.without_snippet() {
        return "an alias stands within its own anchor, so it would never end".to_owned();
    }
    let message = error.to_string();
    let suffix = error.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
    suffix.and_then(|suffix| message.strip_suffix(&suffix)).unwrap_or(&message).to_owned()
}
