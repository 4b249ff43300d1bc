//! What a template is made of.

use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use serde_json::Value;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Text outside braces.
    Text(String),
    /// An action: what it finds is printed.
    Path(Vec<Step>),
    /// `{range ...}`: the body is run for each thing found, with that as the current object.
    Range(Vec<Step>, Vec<Self>),
}

/// A step from values to values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// `.name`, or `..name` at any depth: a key that may be missing.
    Name {
        /// The key.
        name: String,
        /// The RFC 9535 query that finds it.
        query: JpQuery,
    },
    /// `.*`: all elements of arrays and maps.
    Wildcard(JpQuery),
    /// `..` that no name follows: every map, array and string that is not empty.
    Recursive,
    /// `[0]`, `[1:4:2]`, `[*]`.
    Slice(Slice),
    /// `[1,3]`, `['a.b','c']`: what each finds, one after the other.
    Union(Vec<Vec<Self>>),
    /// `[?(...)]`.
    Filter(Filter),
    /// A number or boolean, once per value.
    Literal(Value),
    /// A quoted string, once.
    Quoted(Value),
}

/// Elements of an array; the end is exclusive, negative numbers count from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slice {
    /// `[i]`.
    Index(i64),
    /// `[start:end:step]`.
    Range {
        /// First element; the array's first where absent.
        start: Option<i64>,
        /// Behind the last element; the array's end where absent.
        end: Option<i64>,
        /// Distance; 1 where absent.
        step: Option<i64>,
    },
}

/// Which elements of an array stay.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    /// Evaluated for each element.
    pub(super) left: Vec<Step>,
    /// What it is compared with; where absent it is enough that there is something.
    pub(super) right: Option<(Comparison, Vec<Step>)>,
}

/// A comparison of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

// === impl Step ===

impl Step {
    /// `.name`.
    pub(super) fn name(name: String) -> Self {
        let query = JpQuery::new(vec![Segment::name(&name)]);
        Self::Name { name, query }
    }

    /// `..name`.
    pub(super) fn name_at_any_depth(name: String) -> Self {
        let query = JpQuery::new(vec![Segment::Descendant(Box::new(Segment::name(&name)))]);
        Self::Name { name, query }
    }

    /// `.*`.
    pub(super) fn wildcard() -> Self {
        Self::Wildcard(JpQuery::new(vec![Segment::Selector(Selector::Wildcard)]))
    }
}

// === impl Comparison ===

impl Comparison {
    /// The operator of that spelling. `=~` is in no released kubectl.
    pub(super) fn of(operator: &str) -> Option<Self> {
        match operator {
            "==" => Some(Self::Equal),
            "!=" => Some(Self::NotEqual),
            "<" => Some(Self::Less),
            "<=" => Some(Self::LessOrEqual),
            ">" => Some(Self::Greater),
            ">=" => Some(Self::GreaterOrEqual),
            _ => None,
        }
    }
}
