//! `-o jsonpath=`: kubectl's template language, which is not a subset of RFC 9535.
//!
//! client-go: `util/jsonpath`. A template is text with actions in braces; each action is a list of steps, and the steps
//! that RFC 9535 has too (a name, a wildcard, a name at any depth) are run by an RFC 9535 engine. Known differences:
//! `[*]` on an empty array goes on with the next array, where kubectl forgets whatever comes after it; `{.}` is the current object;
//! JSON is not escaped for HTML.

use serde_json::Value;

use crate::print::jsonpath::evaluate::evaluate;
use crate::print::jsonpath::parse::parse;
use crate::print::jsonpath::step::Node;

mod action;
mod cursor;
mod evaluate;
mod parse;
mod quote;
mod step;
mod text;

pub use crate::print::jsonpath::evaluate::EvaluationError;
pub use crate::print::jsonpath::parse::SyntaxError;

/// A template, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: String,
    nodes: Vec<Node>,
    allow_missing_keys: bool,
    as_json: bool,
}

/// A template that makes sense and met a document it does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error executing jsonpath {template:?}: {source}")]
pub struct TemplateError {
    /// The template.
    pub template: String,
    /// What did not fit.
    pub source: EvaluationError,
}

// === impl Template ===

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self { text: text.to_owned(), nodes: parse(text)?, allow_missing_keys: true, as_json: false })
    }

    /// `--allow-missing-template-keys`: whether a key that is not there prints nothing (the default) or is an error.
    #[must_use]
    pub fn allow_missing_keys(self, allow: bool) -> Self {
        Self { allow_missing_keys: allow, ..self }
    }

    /// `jsonpath-as-json`: what each action finds is printed as a JSON array.
    #[must_use]
    pub fn as_json(self) -> Self {
        Self { as_json: true, ..self }
    }

    /// What the template makes of a document; nothing is printed where a part of it fails.
    pub fn render(&self, document: &Value) -> Result<String, TemplateError> {
        let mut out = String::new();
        match self.run(&self.nodes, document, &mut out) {
            Ok(()) => Ok(out),
            Err(source) => Err(TemplateError { template: self.text.clone(), source }),
        }
    }

    fn run(&self, nodes: &[Node], current: &Value, out: &mut String) -> Result<(), EvaluationError> {
        for node in nodes {
            match node {
                Node::Text(text) if self.as_json => text::write_json(&[&Value::from(text.as_str())], out),
                Node::Text(text) => out.push_str(text),
                Node::Path(steps) => {
                    let found = evaluate(vec![current], steps, self.allow_missing_keys)?;
                    if self.as_json { text::write_json(&found, out) } else { text::write(&found, out) }
                }
                Node::Range(steps, body) => {
                    for element in evaluate(vec![current], steps, self.allow_missing_keys)? {
                        self.run(body, element, out)?;
                    }
                }
            }
        }
        Ok(())
    }
}
