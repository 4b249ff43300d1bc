//! Answers that are no answers: each kind has a name, so that a report can say what came instead of guessing.

use std::fmt;

use serde::Deserialize;

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing came.
    Empty,
    /// It breaks off.
    Truncated {
        /// Bytes that came.
        bytes: usize,
    },
    /// A web page: something else listens there.
    Html,
    /// Envoy's own error text.
    Denied(String),
    /// JSON of another product, or of another endpoint.
    OtherJson {
        /// What was expected.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// No JSON.
    NotJson {
        /// Where it stops being one.
        at: String,
        /// How it begins.
        begins: String,
    },
    /// A part has a shape that is not known.
    UnknownShape {
        /// JSON pointer of the part.
        pointer: String,
        /// What is odd.
        what: String,
    },
}

/// A rejected update: Envoy's `UpdateFailureState`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UpdateFailure {
    /// When it was tried.
    #[serde(alias = "lastUpdateAttempt")]
    pub last_update_attempt: Option<String>,
    /// Envoy's own message.
    pub details: String,
}

/// The most of a foreign text that is quoted.
const QUOTED: usize = 80;

// === impl Refusal ===

impl Refusal {
    /// What a body that is no JSON object is.
    #[must_use]
    pub fn of_text(body: &[u8]) -> Option<Self> {
        let begins = quote(body);
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        match first {
            None => Some(Self::Empty),
            Some(b'<') => Some(Self::Html),
            Some(b'{') => None,
            Some(b'[') => Some(Self::OtherJson { expected: "an object", found: "a list".to_owned() }),
            Some(_) if is_envoys(&begins) => Some(Self::Denied(begins)),
            Some(_) => Some(Self::NotJson { at: "its first byte".to_owned(), begins }),
        }
    }

    /// What a body that could not be read as JSON is.
    #[must_use]
    pub fn of_error(body: &[u8], error: &serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Eof => Self::Truncated { bytes: body.len() },
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Io
            | serde_json::error::Category::Data => {
                Self::NotJson { at: format!("line {} column {}", error.line(), error.column()), begins: quote(body) }
            }
        }
    }

    /// A text that stops being JSON somewhere.
    pub(crate) fn not_json(at: String, body: &[u8]) -> Self {
        Self::NotJson { at, begins: quote(body) }
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Truncated { .. } => "truncated",
            Self::Html => "html",
            Self::Denied(_) => "denied",
            Self::OtherJson { .. } => "other-json",
            Self::NotJson { .. } => "not-json",
            Self::UnknownShape { .. } => "unknown-shape",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the answer is empty"),
            Self::Truncated { bytes } => write!(f, "the answer breaks off after {bytes} bytes"),
            Self::Html => {
                f.write_str("the answer is a web page: something else than Envoy's admin interface listens there")
            }
            Self::Denied(text) => write!(f, "Envoy refuses the question: {text}"),
            Self::OtherJson { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::NotJson { at, begins } => write!(f, "no JSON from {at} on; it begins `{begins}`"),
            Self::UnknownShape { pointer, what } => write!(f, "{pointer} has a shape that is not known: {what}"),
        }
    }
}

/// The beginning of a text of unknown origin, fit to be printed.
fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(4 * QUOTED)).unwrap_or(body));
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(QUOTED).collect()
}

/// Envoy's error texts, as measured on 1.36 to 1.40.
fn is_envoys(text: &str) -> bool {
    text.contains("not found in config dump")
        || text.contains("is not a repeated field")
        || text.starts_with("FieldMask ")
        || text.contains("INVALID_ARGUMENT")
        || text.contains("Invalid re2 regex")
        || text.starts_with("invalid path")
        || text.starts_with("Method ")
        || text.contains("usage: /")
}

/// Reads an object that Envoy answers with; `{}` is a valid answer, other keys alone are not.
pub(crate) fn object<T: serde::de::DeserializeOwned + Default>(body: &[u8], key: &'static str) -> Result<T, Refusal> {
    if let Some(refusal) = Refusal::of_text(body) {
        return Err(refusal);
    }
    let value: serde_json::Value = serde_json::from_slice(body).map_err(|error| Refusal::of_error(body, &error))?;
    let keys = value.as_object();
    if let Some(first) = keys.and_then(|keys| keys.keys().next())
        && !keys.is_some_and(|keys| keys.contains_key(key))
    {
        return Err(Refusal::OtherJson { expected: key, found: format!("an object with `{first}`") });
    }
    serde_json::from_value(value)
        .map_err(|error| Refusal::UnknownShape { pointer: format!("/{key}"), what: error.to_string() })
}
