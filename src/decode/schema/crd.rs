//! Istio's CRDs: which fields there are, of which type, with which words.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::decode::kind::group_version;
use crate::decode::value::text;

/// A kind of Istio's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Crd {
    /// Its API group.
    pub(super) group: String,
    /// The versions that are served; all have the same schema.
    pub(super) versions: Vec<String>,
    spec: Node,
    spec_required: bool,
    /// The whole object: `metadata`, `spec` and whatever `status` may hold.
    #[serde(skip)]
    pub(super) root: Node,
}

/// What may stand at a place.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Node {
    /// Type of the value.
    #[serde(rename = "type")]
    pub(super) kind: Type,
    /// The closed list of words, where there is one.
    #[serde(rename = "enum")]
    pub(super) words: Vec<String>,
    /// Fields of an object.
    pub(super) properties: BTreeMap<String, Self>,
    /// Whether fields beyond `properties` are kept.
    pub(super) open: bool,
    /// Values of a map.
    pub(super) values: Option<Box<Self>>,
    /// Items of a list.
    pub(super) items: Option<Box<Self>>,
    /// Fields that must be there.
    pub(super) required: Vec<String>,
    /// Groups of fields of which at most one may be there.
    pub(super) exclusive: Vec<Vec<String>>,
    /// Whether `null` is a value rather than an absence.
    pub(super) nullable: bool,
    /// Whether the string is a duration of at least a millisecond.
    pub(super) duration: bool,
    /// Bounds of a number.
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    /// Bounds of a string, in characters.
    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    /// Bounds of a list.
    pub(super) min_items: Option<usize>,
    pub(super) max_items: Option<usize>,
    /// Bounds of a map.
    pub(super) min_properties: Option<usize>,
    pub(super) max_properties: Option<usize>,
}

/// Type of a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Type {
    /// Whatever.
    #[default]
    Any,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A whole number or a string.
    IntOrString,
    /// Any number.
    Number,
    /// An object with fields, or a map.
    Object,
    /// A string.
    String,
    /// A list.
    Array,
}

/// The CRD of an object, by kind and API group; of one that names no group, by kind alone.
pub(super) fn of(object: &Value) -> Option<&'static Crd> {
    let crd = named(text(object, &["kind"])?)?;
    let group = text(object, &["apiVersion"]).map(|api_version| group_version(api_version).0);
    group.is_none_or(|group| group == crd.group).then_some(crd)
}

/// The CRD of a kind.
pub(super) fn named(kind: &str) -> Option<&'static Crd> {
    static CRDS: OnceLock<BTreeMap<String, Crd>> = OnceLock::new();
    CRDS.get_or_init(load).get(kind)
}

fn load() -> BTreeMap<String, Crd> {
    // The file is part of the program and a test reads it, so there is nothing to tell a user.
    let mut crds: BTreeMap<String, Crd> = serde_json::from_str(include_str!("crds.json")).unwrap_or_default();
    for crd in crds.values_mut() {
        crd.root = root(std::mem::take(&mut crd.spec), crd.spec_required);
    }
    crds
}

fn root(spec: Node, spec_required: bool) -> Node {
    let properties = [
        ("apiVersion", Node::of(Type::String)),
        ("kind", Node::of(Type::String)),
        ("metadata", metadata()),
        ("spec", spec),
        ("status", Node { open: true, ..Node::of(Type::Object) }),
    ];
    Node {
        properties: properties.map(|(name, node)| (name.to_owned(), node)).into(),
        required: if spec_required { vec!["spec".to_owned()] } else { Vec::new() },
        ..Node::of(Type::Object)
    }
}

/// `metadata` of any object.
///
/// Kubernetes: `staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go:ObjectMeta`.
pub(super) fn metadata() -> Node {
    const STRINGS: [&str; 9] = [
        "creationTimestamp",
        "clusterName",
        "deletionTimestamp",
        "generateName",
        "name",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    ];
    let map = || Node { values: Some(Box::new(Node::of(Type::String))), ..Node::of(Type::Object) };
    let objects = || {
        let item = Node { open: true, ..Node::of(Type::Object) };
        Node { items: Some(Box::new(item)), ..Node::of(Type::Array) }
    };
    let mut properties: BTreeMap<String, Node> =
        STRINGS.iter().map(|name| ((*name).to_owned(), Node::of(Type::String))).collect();
    let others = [
        ("annotations", map()),
        ("deletionGracePeriodSeconds", Node::of(Type::Integer)),
        ("finalizers", Node { items: Some(Box::new(Node::of(Type::String))), ..Node::of(Type::Array) }),
        ("generation", Node::of(Type::Integer)),
        ("labels", map()),
        ("managedFields", objects()),
        ("ownerReferences", objects()),
    ];
    properties.extend(others.map(|(name, node)| (name.to_owned(), node)));
    Node { properties, ..Node::of(Type::Object) }
}

// === impl Node ===

impl Node {
    fn of(kind: Type) -> Self {
        Self { kind, ..Self::default() }
    }

    /// Whether the keys are the user's.
    pub(super) fn is_map(&self) -> bool {
        self.values.is_some()
    }
}

// === impl Type ===

impl Type {
    /// The word for messages.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Any => "value",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::IntOrString => "integer or string",
            Self::Number => "number",
            Self::Object => "object",
            Self::String => "string",
            Self::Array => "list",
        }
    }

    /// Whether a value, not `null`, is of this type.
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Boolean => value.is_boolean(),
            Self::Integer => is_whole(value),
            Self::IntOrString => is_whole(value) || value.is_string(),
            Self::Number => value.is_number(),
            Self::Object => value.is_object(),
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
        }
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// The word for what stands there.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
