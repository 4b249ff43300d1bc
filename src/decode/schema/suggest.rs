//! What was probably meant.

use serde_json::Value;

use crate::decode::schema::crd::{Node, Type};
use crate::decode::schema::path::{Path, Step};
use crate::decode::schema::{FieldProblemKind, Finding};

/// How deep a field is looked for below the place where it stands.
const DEPTH: usize = 4;

/// A field that the schema does not know at this place, and where it probably belongs.
pub(super) fn unknown(root: &Node, parent: &Path, name: &str, value: &Value) -> Finding {
    let candidate = meant(root, parent, name, value);
    let hint = candidate.as_ref().map(|nearest| hint(parent, name, nearest));
    Finding {
        path: parent.field(name),
        kind: FieldProblemKind::Unknown { nearest: candidate.map(|nearest| nearest.to_string()) },
        hint,
    }
}

/// First the same name further up, then a similar one beside, then the same name further down, then anywhere.
fn meant(root: &Node, parent: &Path, name: &str, value: &Value) -> Option<Path> {
    let line = line(root, parent);
    let (here, ancestors) = line.split_last()?;
    let above = ancestors.iter().rev().find_map(|(node, path)| known(node, path, name, value));
    let beside = || {
        let similar = nearest(name, here.0.properties.keys().map(String::as_str))?;
        known(here.0, &here.1, similar, value)
    };
    let label = || label_without_its_map(here.0, &here.1, name, value);
    let below = || below(here.0, &here.1, name, value, DEPTH);
    let anywhere = || ancestors.iter().rev().find_map(|(node, path)| self::below(node, path, name, value, DEPTH));
    above.or_else(beside).or_else(below).or_else(label).or_else(anywhere)
}

/// The schema's nodes from the top to a place, each with its path.
fn line<'a>(root: &'a Node, parent: &Path) -> Vec<(&'a Node, Path)> {
    let mut line = vec![(root, Path::default())];
    for step in &parent.0 {
        let Some((node, path)) = line.last() else { break };
        let next = match step {
            Step::Field(name) => node.properties.get(name),
            Step::Key(_) => node.values.as_deref(),
            Step::Item(_) => node.items.as_deref(),
        };
        let Some(next) = next else { break };
        let mut path = path.clone();
        path.0.push(step.clone());
        line.push((next, path));
    }
    line
}

/// The path of a field of this node, if it is one and takes such a value.
fn known(node: &Node, path: &Path, name: &str, value: &Value) -> Option<Path> {
    let child = node.properties.get(name)?;
    (value.is_null() || child.kind.fits(value)).then(|| path.field(name))
}

/// The nearest field of that name below a node, level by level.
fn below(node: &Node, path: &Path, name: &str, value: &Value, depth: usize) -> Option<Path> {
    let mut level = vec![(node, path.clone())];
    for _ in 0..depth {
        let mut next = Vec::new();
        for (node, path) in level {
            for (field, child) in &node.properties {
                let mut path = path.field(field);
                let mut child = child;
                if let (Type::Array, Some(item)) = (child.kind, child.items.as_deref()) {
                    path = path.item(0);
                    child = item;
                }
                if let Some(found) = known(child, &path, name, value) {
                    return Some(found);
                }
                next.push((child, path));
            }
        }
        level = next;
    }
    None
}

/// `selector: {app: httpbin}` forgets the `matchLabels` between.
fn label_without_its_map(node: &Node, path: &Path, name: &str, value: &Value) -> Option<Path> {
    let mut maps = node
        .properties
        .iter()
        .filter(|(_, child)| child.values.as_ref().is_some_and(|values| values.kind == Type::String));
    let (field, _) = maps.next().filter(|_| !value.is_array() && !value.is_object())?;
    maps.next().is_none().then(|| path.field(field).key(name))
}

fn hint(parent: &Path, name: &str, nearest: &Path) -> String {
    let beside = nearest.0.len() == parent.0.len() + 1 && nearest.0.starts_with(&parent.0);
    match nearest.0.last() {
        Some(Step::Field(meant)) if beside => return format!("did you mean `{meant}`?"),
        Some(Step::Key(_)) => return format!("did you mean `{nearest}`?"),
        Some(Step::Field(_) | Step::Item(_)) | None => {}
    }
    let holder = nearest.0.get(..nearest.0.len().saturating_sub(1)).unwrap_or_default();
    if parent.0.starts_with(holder) {
        let levels = fields(&parent.0) - fields(holder);
        return format!("did you mean `{nearest}`? `{name}` stands {} too deep", count(levels));
    }
    if holder.starts_with(&parent.0) {
        let levels = fields(holder) - fields(&parent.0);
        return format!("did you mean `{nearest}`? `{name}` stands {} too high", count(levels));
    }
    format!("did you mean `{nearest}`?")
}

/// Levels of indentation: an item of a list stands as deep as its first field.
fn fields(steps: &[Step]) -> usize {
    steps.iter().filter(|step| !matches!(step, Step::Item(_))).count()
}

fn count(levels: usize) -> String {
    match levels {
        1 => "one level".to_owned(),
        levels => format!("{levels} levels"),
    }
}

/// The word most like another: the same but for case and separators, or few edits away, or a part of it.
pub(super) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(word);
    let distance = |other: &str| {
        let other = self::plain(other);
        let contained = plain.len() > 3 && other.len() > 3 && (other.contains(&plain) || plain.contains(&other));
        let edits = strsim::damerau_levenshtein(&plain, &other);
        let allowed = (plain.chars().count() / 3).max(1);
        if edits <= allowed { Some(edits) } else { contained.then_some(allowed + 1) }
    };
    words
        .filter_map(|other| Some((distance(other)?, other)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Why a string is none, where the file does not show it.
pub(super) fn quoting(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) => {
            Some("write it in quotes: y, n, yes, no, on, off, true and false are booleans in YAML".to_owned())
        }
        Value::Number(number) => Some(format!("write it in quotes: \"{number}\"")),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
