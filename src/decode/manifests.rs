//! Manifests as people write them: files of YAML or JSON with several objects, `List`s, comments and mistakes.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread;

use serde_json::{Map, Value};

use crate::decode::diagnose::{File, Source};
use crate::decode::documents::{Part, Sheet, Unreadable, sheets};
use crate::decode::json;
use crate::decode::kind::is_cluster_scoped;
use crate::decode::lines::Lines;
use crate::decode::schema::{self, Finding, Step};
use crate::decode::value::{at, text as string};
use crate::decode::{Loaded, Objects, Problem};
use crate::model::meta::Origin;

/// Takes a file apart into objects. What cannot be read becomes a problem and costs no other document of the file.
///
/// `file` is only a name for messages and origins. Objects that live in namespaces and name none get `default_namespace`. An
/// object that an API server or Istio's webhook would refuse is left out, unless it bears the marks of one that was let in.
#[must_use]
pub fn parse(file: &str, text: &str, default_namespace: &str) -> (Vec<Loaded>, Vec<Problem>) {
    let (parts, problems) = read(file, text, default_namespace, Vec::push);
    (parts.into_iter().flatten().collect(), problems)
}

/// [`parse`] for those who want a [`snapshot`](crate::decode::snapshot()) and nothing else of pods.
#[must_use]
pub fn gather(file: &str, text: &str, default_namespace: &str) -> (Objects, Vec<Problem>) {
    let (parts, problems) = read(file, text, default_namespace, Objects::add);
    let mut gathered = Objects::default();
    for part in parts {
        gathered.append(part);
    }
    (gathered, problems)
}

/// The objects of each share of a file, and what is wrong with it.
fn read<T: Default + Send>(
    file: &str,
    text: &str,
    namespace: &str,
    keep: fn(&mut T, Loaded),
) -> (Vec<T>, Vec<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    sheet_by_sheet(&File { name: file, lines: Lines::new(text) }, text, namespace, keep)
}

fn sheet_by_sheet<'a, T: Default + Send>(
    file: &File<'a>,
    text: &'a str,
    namespace: &str,
    keep: fn(&mut T, Loaded),
) -> (Vec<T>, Vec<Problem>) {
    let read = |sheets: Vec<Sheet<'a>>| {
        let mut reader = Reader { file, namespace, kept: T::default(), keep, problems: Vec::new() };
        for sheet in sheets {
            reader.sheet(&sheet);
        }
        (reader.kept, reader.problems)
    };
    let (mut kept, mut problems) = (Vec::new(), Vec::new());
    for (objects, wrong) in shared_out(sheets(text), &read) {
        kept.push(objects);
        problems.extend(wrong);
    }
    (kept, problems)
}

/// Fewer documents than this are read faster than a thread starts.
const WORTH_A_THREAD: usize = 64;

/// The sheets shared out to the cores, and what was made of each share, in their order.
fn shared_out<'a, T: Send>(sheets: Vec<Sheet<'a>>, read: &(impl Fn(Vec<Sheet<'a>>) -> T + Sync)) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = sheets.len().div_ceil(cores).max(WORTH_A_THREAD);
    if sheets.len() <= share {
        return vec![read(sheets)];
    }
    let mut sheets = sheets.into_iter();
    let shares = std::iter::from_fn(|| Some(sheets.by_ref().take(share).collect::<Vec<_>>()).filter(|s| !s.is_empty()));
    let shares: Vec<Vec<Sheet<'a>>> = shares.collect();
    thread::scope(|scope| {
        let started: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || read(share))).collect();
        started.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

struct Reader<'f, 'a, T> {
    file: &'f File<'a>,
    namespace: &'f str,
    kept: T,
    keep: fn(&mut T, Loaded),
    problems: Vec<Problem>,
}

// === impl Reader ===

impl<'a, T> Reader<'_, 'a, T> {
    fn sheet(&mut self, sheet: &Sheet<'a>) {
        if let Some(values) = sheet.json(&self.file.lines) {
            for value in values {
                self.json(value, None);
            }
            return;
        }
        match sheet.yaml() {
            Ok(parts) => {
                if parts.iter().any(|part| part.doubled) {
                    self.problems.extend(self.file.doubles(sheet));
                }
                let several = parts.len() > 1;
                for Part { value, document, .. } in parts {
                    let begin = if several { sheet.find(document, &[]).key } else { sheet.begin() };
                    self.value(value, &Source { sheet, document, steps: Vec::new(), begin });
                }
            }
            Err(unreadable) => self.problems.push(self.file.unreadable(&unreadable)),
        }
    }

    /// One JSON value. The items of a list are read one by one, so that a list of any length is held once.
    fn json(&mut self, stretch: json::Stretch<'a>, list: Option<&json::Head<'a>>) {
        let begin = self.file.lines.spot(stretch.offset);
        let sheet = Sheet::new(stretch.text, begin);
        if let Some(head) = json::list(stretch) {
            for item in json::items(stretch) {
                self.json(item, Some(&head));
            }
            return;
        }
        match json::read(stretch.text) {
            Ok((mut value, doubled)) => {
                if doubled {
                    self.problems.extend(self.file.doubles(&sheet));
                }
                if let Some(list) = list {
                    adopt(&mut value, &list.kind, list.api_version.as_deref());
                }
                self.value(value, &Source { sheet: &sheet, document: 0, steps: Vec::new(), begin });
            }
            Err(error) => {
                let unreadable = Unreadable { why: error.to_string(), spot: Some(begin) };
                self.problems.push(self.file.unreadable(&unreadable));
            }
        }
    }

    /// Takes `List`s apart, those within `List`s too.
    fn value(&mut self, value: Value, source: &Source<'_, 'a>) {
        let kind = string(&value, &["kind"]).filter(|kind| kind.ends_with("List")).map(str::to_owned);
        let api_version = string(&value, &["apiVersion"]).map(str::to_owned);
        match (kind, value) {
            (Some(kind), Value::Object(mut list)) if list.get("items").is_some_and(Value::is_array) => {
                let Some(Value::Array(items)) = list.remove("items") else { return };
                let begins = if source.steps.is_empty() { source.sheet.items(source.document) } else { Vec::new() };
                for (index, mut item) in items.into_iter().enumerate() {
                    adopt(&mut item, &kind, api_version.as_deref());
                    let mut steps = source.steps.clone();
                    steps.extend([Step::Field("items".to_owned()), Step::Item(index)]);
                    let begin = begins.get(index).copied().unwrap_or(source.begin);
                    self.value(item, &Source { steps, begin, ..*source });
                }
            }
            (_, value) => self.object(value, source),
        }
    }

    fn object(&mut self, mut object: Value, source: &Source<'_, 'a>) {
        if let Some(problem) = self.file.identity(&object, source.begin) {
            self.problems.push(problem);
            return;
        }
        fill_namespace(&mut object, self.namespace);
        let findings = schema::inspect(&object);
        let let_in = was_let_in(&object);
        let refused = !let_in && findings.iter().any(Finding::is_refusal);
        for finding in findings {
            self.problems.push(self.file.field(&object, finding, source, let_in));
        }
        if !refused {
            let origin = Some(Origin { file: self.file.name.to_owned(), line: source.begin.line });
            (self.keep)(&mut self.kept, Loaded { object, origin });
        }
    }
}

/// The items of a `PodList` name neither kind nor version where they come straight from an API.
fn adopt(item: &mut Value, list: &str, api_version: Option<&str>) {
    let Some(kind) = list.strip_suffix("List").filter(|kind| !kind.is_empty()) else { return };
    if let (Some(item), Some(api_version)) = (item.as_object_mut(), api_version)
        && !item.contains_key("kind")
    {
        item.insert("kind".to_owned(), Value::String(kind.to_owned()));
        item.entry("apiVersion").or_insert_with(|| Value::String(api_version.to_owned()));
    }
}

/// Whether an API server has let the object in: whatever is wrong with it, istiod uses it as it is.
fn was_let_in(object: &Value) -> bool {
    at(object, &["metadata", "uid"]).is_some()
}

fn fill_namespace(object: &mut Value, namespace: &str) {
    if is_cluster_scoped(object) {
        return;
    }
    if let Some(object) = object.as_object_mut() {
        let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Some(metadata) = metadata.as_object_mut() {
            let absent = |value: &Value| value.is_null() || value.as_str() == Some("");
            if metadata.get("namespace").is_none_or(absent) {
                metadata.insert("namespace".to_owned(), Value::String(namespace.to_owned()));
            }
        }
    }
}
