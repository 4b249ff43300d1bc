//! `labelSelector` and `fieldSelector`.
//!
//! Grammar: Kubernetes `apimachinery/pkg/labels/selector.go` and `fields/selector.go`.

use serde_json::Value;

use crate::lab::kube_api::status::Refusal;
use crate::lab::store::object;

/// What objects must look like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRequirement {
    pointer: String,
    equal: bool,
    value: String,
}

/// Fields that can be selected by, as the field selector and the JSON pointer name them.
const FIELDS: &[(&str, &str)] = &[
    ("metadata.name", "/metadata/name"),
    ("metadata.namespace", "/metadata/namespace"),
    ("spec.nodeName", "/spec/nodeName"),
    ("spec.serviceAccountName", "/spec/serviceAccountName"),
    ("status.phase", "/status/phase"),
    ("status.podIP", "/status/podIP"),
    ("involvedObject.name", "/involvedObject/name"),
    ("involvedObject.namespace", "/involvedObject/namespace"),
    ("involvedObject.kind", "/involvedObject/kind"),
    ("involvedObject.uid", "/involvedObject/uid"),
];

// === impl Selector ===

impl Selector {
    /// Reads both selectors; empty ones match everything.
    pub fn parse(labels: &str, fields: &str) -> Result<Self, Refusal> {
        let labels = split_outside_parentheses(labels).map(Requirement::parse).collect::<Result<_, _>>()?;
        let fields = fields.split(',').filter(|field| !field.trim().is_empty());
        Ok(Self { labels, fields: fields.map(FieldRequirement::parse).collect::<Result<_, _>>()? })
    }

    /// Adds that the object must have this name: a watch of one object.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.fields.push(FieldRequirement {
            pointer: "/metadata/name".to_owned(),
            equal: true,
            value: name.to_owned(),
        });
        self
    }

    /// Whether an object is as asked for.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.labels.iter().all(|requirement| requirement.matches(object::label(object, &requirement.key)))
            && self.fields.iter().all(|field| (object::text(object, &field.pointer) == field.value) == field.equal)
    }
}

// === impl Requirement ===

impl Requirement {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let refuse = || Refusal::bad_request(format!("unable to parse requirement: `{text}`"));
        let of = |key: &str, operator| Self { key: key.trim().to_owned(), operator };
        let one = |value: &str| vec![value.trim().to_owned()];
        let parsed = if let Some(key) = text.strip_prefix('!') {
            of(key, Operator::DoesNotExist)
        } else if let Some((key, value)) = text.split_once("!=") {
            of(key, Operator::NotIn(one(value)))
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            of(key, Operator::In(one(value)))
        } else if let Some((head, values)) = text.split_once('(') {
            let values = values.trim_end().strip_suffix(')').ok_or_else(refuse)?;
            let values = values.split(',').map(|value| value.trim().to_owned()).collect();
            match head.split_whitespace().collect::<Vec<_>>().as_slice() {
                [key, "in"] => of(key, Operator::In(values)),
                [key, "notin"] => of(key, Operator::NotIn(values)),
                _ => return Err(refuse()),
            }
        } else {
            of(text, Operator::Exists)
        };
        let values = match &parsed.operator {
            Operator::In(values) | Operator::NotIn(values) => values.as_slice(),
            Operator::Exists | Operator::DoesNotExist => &[],
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_key = !parsed.key.is_empty() && parsed.key.chars().all(|c| is_plain(c) || c == '/');
        if is_key && values.iter().all(|value| value.chars().all(is_plain)) { Ok(parsed) } else { Err(refuse()) }
    }

    /// `notin` and `!=` also match objects without the label.
    fn matches(&self, value: Option<&str>) -> bool {
        let among = |values: &[String], value: &str| values.iter().any(|known| known == value);
        match (&self.operator, value) {
            (Operator::In(values), Some(value)) => among(values, value),
            (Operator::In(_), None) => false,
            (Operator::NotIn(values), Some(value)) => !among(values, value),
            (Operator::NotIn(_), None) => true,
            (Operator::Exists, value) => value.is_some(),
            (Operator::DoesNotExist, value) => value.is_none(),
        }
    }
}

// === impl FieldRequirement ===

impl FieldRequirement {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let (field, equal, value) = if let Some((field, value)) = text.split_once("!=") {
            (field, false, value)
        } else if let Some((field, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            (field, true, value)
        } else {
            return Err(Refusal::bad_request(format!("invalid selector: '{text}'; can't understand '{text}'")));
        };
        let known = FIELDS.iter().find(|(name, _)| *name == field.trim());
        let (_, pointer) =
            known.ok_or_else(|| Refusal::bad_request(format!("field label not supported: {}", field.trim())))?;
        Ok(Self { pointer: (*pointer).to_owned(), equal, value: value.trim().to_owned() })
    }
}

/// Splits at commas that are not inside `in (a,b)`.
fn split_outside_parentheses(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
}
