//! The smallest mesh that still shows something: documents are taken away, then fields, for as long as it remains.

use serde_json::Value;

/// Questions asked at most.
const BUDGET: usize = 600;

/// Fields at the top of a document without which it is none.
const HEAD: [&str; 5] = ["apiVersion", "kind", "name", "namespace", "metadata"];
/// Fields that every object of a cluster has, if somebody wrote them or not.
const KEPT: [&str; 5] = ["status", "podIP", "clusterIP", "type", "externalName"];

/// Takes away whatever can be taken away while `remains` holds.
pub(crate) fn smallest(documents: Vec<Value>, remains: impl FnMut(&[Value]) -> bool) -> Vec<Value> {
    let mut shrinker = Shrinker { documents, remains, left: BUDGET };
    while shrinker.without_documents() | shrinker.without_fields() {}
    shrinker.documents
}

struct Shrinker<F> {
    documents: Vec<Value>,
    remains: F,
    left: usize,
}

/// The way to a field: keys and indices.
type Path = Vec<Key>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Field(String),
    Item(usize),
    Line(usize),
}

// === impl Shrinker ===

impl<F: FnMut(&[Value]) -> bool> Shrinker<F> {
    /// Takes the smaller mesh where what is looked for remains.
    fn accept(&mut self, smaller: Vec<Value>) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let remains = (self.remains)(&smaller);
        if remains {
            self.documents = smaller;
        }
        remains
    }

    fn without_documents(&mut self) -> bool {
        let mut any = false;
        let mut at = self.documents.len();
        while at > 0 {
            at -= 1;
            let mut smaller = self.documents.clone();
            smaller.remove(at);
            any |= self.accept(smaller);
        }
        any
    }

    fn without_fields(&mut self) -> bool {
        let mut any = false;
        for at in 0..self.documents.len() {
            // From the outside in: what is gone takes its insides along.
            let mut paths = paths(&self.documents[at]);
            paths.sort_by_key(Vec::len);
            let mut gone: Vec<Path> = Vec::new();
            for path in paths {
                if gone.iter().any(|gone| path.starts_with(gone)) {
                    continue;
                }
                let mut smaller = self.documents.clone();
                if remove(&mut smaller[at], &path) && self.accept(smaller) {
                    any = true;
                    // Indices behind it have moved: the next round sees them.
                    gone.push(path[..path.len() - 1].to_vec());
                }
            }
        }
        any
    }
}

/// The ways to everything that may be taken away.
fn paths(value: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    walk(value, &mut Vec::new(), &mut found);
    found
}

fn walk(value: &Value, path: &mut Path, found: &mut Vec<Path>) {
    let mut step = |key: Key, inner: Option<&Value>| {
        let is_kept = |name: &str| KEPT.contains(&name) || (path.len() < 2 && HEAD.contains(&name));
        let kept = matches!(&key, Key::Field(name) if is_kept(name));
        path.push(key);
        if !kept {
            found.push(path.clone());
        }
        if let Some(inner) = inner {
            walk(inner, path, found);
        }
        path.pop();
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, inner)| step(Key::Field(key.clone()), Some(inner))),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, inner)| step(Key::Item(at), Some(inner))),
        Value::String(text) if text.contains('\n') => {
            (0..text.lines().count()).for_each(|at| step(Key::Line(at), None));
        }
        _ => {}
    }
}

fn remove(value: &mut Value, path: &[Key]) -> bool {
    let Some((key, rest)) = path.split_first() else { return false };
    match (key, value) {
        (Key::Field(name), Value::Object(fields)) if rest.is_empty() => fields.shift_remove(name).is_some(),
        (Key::Field(name), Value::Object(fields)) => fields.get_mut(name).is_some_and(|inner| remove(inner, rest)),
        (Key::Item(at), Value::Array(items)) if rest.is_empty() && *at < items.len() => {
            items.remove(*at);
            true
        }
        (Key::Item(at), Value::Array(items)) => items.get_mut(*at).is_some_and(|inner| remove(inner, rest)),
        (Key::Line(at), Value::String(text)) => {
            let kept: Vec<&str> =
                text.lines().enumerate().filter(|(line, _)| line != at).map(|(_, line)| line).collect();
            *text = if kept.is_empty() { String::new() } else { kept.join("\n") + "\n" };
            true
        }
        _ => false,
    }
}
