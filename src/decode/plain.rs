//! The YAML that nearly every manifest is, read straight from the parser's events.
//!
//! Only what cannot mean anything else is taken: one document of mappings and lists, quoted texts, and plain ones that no version
//! of YAML reads as a number, a time or a boolean but for whole numbers. Whatever else turns up, the whole text is left to the
//! reader that knows all of YAML; so both give the same value or only that one gives any.

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{Event, ScalarStyle};

use crate::decode::block;
use crate::decode::yaml::{self, DEPTH};

/// The one document of a text, where it is that simple.
pub(super) fn document(text: &str) -> Option<Value> {
    block::document(text).or_else(|| by_events(text))
}

fn by_events(text: &str) -> Option<Value> {
    let mut builder = Builder::default();
    for event in yaml::events(text) {
        builder.take(event.ok()?.0)?;
    }
    builder.root.filter(Value::is_object)
}

/// Entries and items wait on shared stacks until their collection ends: then its size is known, and it takes no more memory than
/// that.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    entries: Vec<(String, Value)>,
    items: Vec<Value>,
    root: Option<Value>,
    documents: usize,
}

/// A collection that has not ended, with the place of its first entry or item.
enum Open {
    Map(usize, Option<String>),
    List(usize),
}

// === impl Builder ===

impl Builder {
    /// Takes in an event; `None` where it is not that simple.
    fn take(&mut self, event: Event<'_>) -> Option<()> {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, 0, None) => self.scalar(plain(&text)?),
            Event::Scalar(text, _, 0, None) => self.scalar(Value::String(text.into_owned())),
            Event::MappingStart(_, 0, None) => self.open(Open::Map(self.entries.len(), None)),
            Event::SequenceStart(_, 0, None) => self.open(Open::List(self.items.len())),
            Event::MappingEnd | Event::SequenceEnd => self.end(),
            Event::DocumentStart(_, None) => {
                self.documents += 1;
                (self.documents == 1).then_some(())
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Some(()),
            _ => None,
        }
    }

    fn open(&mut self, open: Open) -> Option<()> {
        // A mapping or list as a key, or nested deeper than is read.
        if self.awaits_key() || self.open.len() >= DEPTH {
            return None;
        }
        self.open.push(open);
        Some(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map(_, None)))
    }

    fn scalar(&mut self, value: Value) -> Option<()> {
        if let Some(Open::Map(_, key @ None)) = self.open.last_mut() {
            let Value::String(name) = value else { return None };
            *key = Some(name);
            return Some(());
        }
        self.add(value)
    }

    fn end(&mut self) -> Option<()> {
        let value = match self.open.pop()? {
            Open::Map(start, None) => Value::Object(self.map(start)?),
            Open::List(start) => Value::Array(self.items.drain(start..).collect()),
            Open::Map(_, Some(_)) => return None,
        };
        self.add(value)
    }

    fn map(&mut self, start: usize) -> Option<Map<String, Value>> {
        let entries = self.entries.drain(start..);
        let count = entries.len();
        let mut map = Map::with_capacity(count);
        map.extend(entries);
        // A key that stands twice is told with its place, elsewhere.
        (map.len() == count).then_some(map)
    }

    fn add(&mut self, value: Value) -> Option<()> {
        match self.open.last_mut() {
            None => return self.root.replace(value).is_none().then_some(()),
            Some(Open::List(_)) => self.items.push(value),
            Some(Open::Map(_, key)) => self.entries.push((key.take()?, value)),
        }
        Some(())
    }
}

/// What a plain scalar means, where every reader agrees.
pub(super) fn plain(text: &str) -> Option<Value> {
    const WORDS: [&str; 9] = ["y", "yes", "true", "on", "n", "no", "false", "off", "null"];
    let (first, length) = (text.bytes().next()?, text.len());
    let string = || Some(Value::String(text.to_owned()));
    if first.is_ascii_alphabetic() || first == b'/' {
        return if WORDS.iter().any(|word| text.eq_ignore_ascii_case(word)) { None } else { string() };
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) && length < 19 && (first != b'0' || length == 1) {
        return text.parse::<u64>().ok().map(Value::from);
    }
    // Addresses.
    let dots = text.bytes().filter(|byte| *byte == b'.').count();
    let numbers = first.is_ascii_digit() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numbers && dots > 1 { string() } else { None }
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::decode::yaml;

    /// The value by both ways.
    fn both(text: &str) -> Option<serde_json::Value> {
        let fast = document(text);
        // Both ways of being simple.
        for value in super::by_events(text).into_iter().chain(fast.clone()) {
            assert_eq!(fast.as_ref(), Some(&value), "{text}");
        }
        if let Some(value) = &fast {
            let thorough = yaml::thorough(text).expect("what is simple can be read");
            assert_eq!(thorough, std::slice::from_ref(value), "{text}");
        }
        fast
    }

    #[test]
    fn simple_documents_are_read_as_the_thorough_reader_reads_them() {
        for text in [
            "a: b\n",
            "---\na: {b: c, d: [e, 1, 0, 10.96.0.1, '1', \"x\\ty\", '', \"\"]}\n",
            "a:\n- b: c\n  d: e\n- f\n",
            "a: |\n  one\n  two\nb: >-\n  three\n  four\nc: five\n  six\n",
            "a: /x\nb: istio/proxyv2:1.31.0\nc: 2026.1.2\nd: {}\ne: []\n'9090': f\n",
            "a: x # y\n# z\nb: yes-man\nc: nano\nd: infinity\ne: nan\nf: inf\ng: e5\nh: NaN\n",
            "a: tag:x,y\nb: https://x/y?z\nc: 18446744\n",
        ] {
            assert!(both(text).is_some(), "{text}");
        }
    }

    #[test]
    fn whatever_could_be_more_is_left_to_the_thorough_reader() {
        for word in [
            "y",
            "Yes",
            "ON",
            "off",
            "null",
            "~",
            "",
            "1.5",
            "1e3",
            "0x1f",
            "017",
            "+1",
            "-1",
            "1_000",
            ".5",
            ".inf",
            "12:30:45",
            "2026-11-21",
            "!!str x",
            "&a x",
            "99999999999999999999",
            "1.2e3.4",
            "_x",
            "<<",
        ] {
            assert_eq!(both(&format!("a: {word}\n")), None, "{word}");
        }
        for text in [
            "a: &x b\nc: *x\n",
            "a: b\na: c\n",
            "a: b\n---\nc: d\n",
            "80: a\n",
            "? [a]\n: b\n",
            "- a\n",
            "a\n",
            "",
            "<<: {a: b}\n",
            "true: a\n",
            "a: b\n...\n---\nc: d\n",
            "%YAML 1.1\n---\na: b\n",
            "a: [\n",
        ] {
            assert_eq!(both(text), None, "{text}");
        }
        let deep = format!("a: {}{}\n", "[".repeat(70), "]".repeat(70));
        assert_eq!(both(&deep), None);
    }

    #[test]
    fn every_manifest_of_the_tests_is_read_alike() {
        let (mut simple, mut open) = (0, vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")]);
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
                    let text = std::fs::read_to_string(&path).unwrap_or_default();
                    simple += text.split("\n---\n").filter_map(both).count();
                }
            }
        }
        assert!(simple > 50, "{simple} simple documents prove little");
    }
}
