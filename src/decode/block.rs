//! YAML in the block style of generators and people, line by line and without a parser's events, for files of hundreds of thousands
//! of lines.
//!
//! Only mappings and lists by indentation, with keys and values of one line, in printable ASCII. At anything else the text is
//! left to a reader that knows more, so that whatever is read here is what those read.

use serde_json::{Map, Value};

use crate::decode::plain::plain;
use crate::decode::yaml::DEPTH;

/// The one document of a text, where it is that simple.
pub(super) fn document(text: &str) -> Option<Value> {
    if !text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
        return None;
    }
    let mut lines = Lines::of(text)?;
    let (indent, _) = lines.now()?;
    let value = lines.mapping(indent, 0)?;
    lines.now().is_none().then_some(value)
}

/// The lines that say something, each with its indentation.
struct Lines<'t> {
    all: Vec<(usize, &'t str)>,
    at: usize,
}

/// What stands behind a key or a dash.
enum Rest<'t> {
    Nothing,
    Empty(Value),
    Quoted(&'t str),
    Plain(&'t str),
}

// === impl Lines ===

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Option<Self> {
        let mut all = Vec::with_capacity(text.len() / 16);
        let mut opened = false;
        for line in text.lines() {
            if line.starts_with("---") || line.starts_with("...") {
                let opens = !opened && all.is_empty() && uncommented(line.strip_prefix("---")?).is_empty();
                opened = true;
                if opens {
                    continue;
                }
                return None;
            }
            let body = line.trim_start_matches(' ');
            if !body.is_empty() && !body.starts_with('#') {
                all.push((line.len() - body.len(), body.trim_end_matches(' ')));
            }
        }
        Some(Self { all, at: 0 })
    }

    fn now(&self) -> Option<(usize, &'t str)> {
        self.all.get(self.at).copied()
    }

    /// The mapping whose keys stand at this indentation.
    fn mapping(&mut self, indent: usize, depth: usize) -> Option<Value> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        while let Some((own, line)) = self.now().filter(|(own, _)| *own >= indent) {
            if own > indent {
                return None;
            }
            let (key, rest) = key(line)?;
            self.at += 1;
            entries.push((key, self.value(rest, indent, Some(indent), depth)?));
        }
        let count = entries.len();
        let mut map = Map::with_capacity(count);
        map.extend(entries);
        // A key that stands twice is told with its place, elsewhere.
        (count > 0 && map.len() == count).then_some(Value::Object(map))
    }

    /// The list whose dashes stand at this indentation.
    fn list(&mut self, indent: usize, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        while let Some((own, line)) = self.now().filter(|(own, line)| *own >= indent && is_item(line)) {
            if own > indent {
                return None;
            }
            let body = line.strip_prefix('-')?.trim_start_matches(' ');
            if is_item(body) {
                return None;
            }
            let column = indent + line.len() - body.len();
            if key(body).is_some() {
                *self.all.get_mut(self.at)? = (column, body);
                items.push(self.block(column, depth)?);
            } else {
                self.at += 1;
                items.push(self.value(body, indent, None, depth)?);
            }
        }
        Some(Value::Array(items))
    }

    /// What stands on the same line, or below it: deeper, or for a list under a key as deep.
    fn value(&mut self, rest: &'t str, indent: usize, list_at: Option<usize>, depth: usize) -> Option<Value> {
        let next = self.now();
        let deeper = next.filter(|(own, _)| *own > indent);
        let said = match Rest::of(rest)? {
            Rest::Nothing => {
                let (own, _) = deeper.or_else(|| next.filter(|(own, line)| Some(*own) == list_at && is_item(line)))?;
                return self.block(own, depth);
            }
            Rest::Empty(value) => value,
            Rest::Quoted(text) => Value::String(text.to_owned()),
            Rest::Plain(text) => plain(text)?,
        };
        // It may go on below.
        deeper.is_none().then_some(said)
    }

    fn block(&mut self, indent: usize, depth: usize) -> Option<Value> {
        // As deep as the other readers go, the document itself counted.
        if depth + 2 > DEPTH {
            return None;
        }
        let (_, line) = self.now()?;
        if is_item(line) { self.list(indent, depth + 1) } else { self.mapping(indent, depth + 1) }
    }
}

fn is_item(line: &str) -> bool {
    line.strip_prefix('-').is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The key of a line and what stands behind it.
fn key(line: &str) -> Option<(String, &str)> {
    if line.starts_with(['\'', '"']) {
        let (key, rest) = quoted(line)?;
        let rest = rest.strip_prefix(':')?;
        return (rest.is_empty() || rest.starts_with(' ')).then(|| (key.to_owned(), rest));
    }
    let end = line.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || b"._/-".contains(&byte)))?;
    let (key, rest) = line.split_at_checked(end)?;
    let rest = rest.strip_prefix(':')?;
    let is_key = (rest.is_empty() || rest.starts_with(' ')) && key.len() < 256;
    match plain(key).filter(|_| is_key)? {
        Value::String(key) => Some((key, rest)),
        _ => None,
    }
}

/// A quoted text without anything to unfold, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next()?;
    let (inner, rest) = text.strip_prefix(quote)?.split_once(quote)?;
    let simple = !inner.contains('\\') && !rest.starts_with(quote) && inner.len() < 256;
    simple.then_some((inner, rest))
}

/// What stands before a comment.
fn uncommented(text: &str) -> &str {
    text.split_once(" #").map_or(text, |(text, _)| text).trim_matches(' ')
}

// === impl Rest ===

impl<'t> Rest<'t> {
    fn of(rest: &'t str) -> Option<Self> {
        let text = rest.trim_start_matches(' ');
        if text.starts_with(['\'', '"']) {
            let (text, behind) = quoted(text)?;
            return uncommented(behind).is_empty().then_some(Self::Quoted(text));
        }
        if text.starts_with('#') && rest.len() > text.len() {
            return Some(Self::Nothing);
        }
        match uncommented(text) {
            "" => Some(Self::Nothing),
            "{}" => Some(Self::Empty(Value::Object(Map::new()))),
            "[]" => Some(Self::Empty(Value::Array(Vec::new()))),
            text if text.contains(": ") || text.ends_with(':') => None,
            text => Some(Self::Plain(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop, prop_oneof};
    use proptest::sample::select;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    use super::document;
    use crate::decode::yaml;

    /// Pieces of lines, most of them harmless, some that mean more than they seem to.
    const PIECES: [&str; 44] = [
        "a:",
        "b: ",
        "c: d",
        "name: x",
        "- ",
        "- a: b",
        "- c",
        "-",
        "'q': r",
        "\"s\": \"t u\"",
        "k: 'v'",
        "port: 8080",
        "ip: 10.0.0.1",
        "e: {}",
        "f: []",
        "g: x # y",
        "# z",
        "#",
        "h: i#j",
        "l: m:n",
        "o: p :q",
        "r: http://s/t",
        "u: [v]",
        "w: {x: y}",
        "---",
        "...",
        "y: z",
        "t: true",
        "n: 1.5",
        "z: |",
        "m: > ",
        "x: &y z",
        "*y",
        "? a",
        ": b",
        "a: b: c",
        "a:b",
        "p: \"q\\n\"",
        "i: 'it''s'",
        "<<: a",
        "v: - a",
        "- - b",
        "%YAML 1.1",
        "7: x",
    ];

    fn text() -> impl Strategy<Value = String> {
        let line =
            (0..5_usize, select(&PIECES[..])).prop_map(|(indent, piece)| format!("{:w$}{piece}\n", "", w = indent * 2));
        let odd = (0..5_usize, select(&PIECES[..])).prop_map(|(indent, piece)| format!("{:indent$}{piece}\n", ""));
        prop::collection::vec(prop_oneof![9 => line, 1 => odd], 1..7).prop_map(|lines| lines.concat())
    }

    #[test]
    fn whatever_is_read_line_by_line_is_what_the_thorough_reader_reads() {
        let (mut runner, mut read) = (TestRunner::default(), 0);
        for _ in 0..20_000 {
            let text = text().new_tree(&mut runner).expect("a text").current();
            if let Some(value) = document(&text) {
                read += 1;
                assert_eq!(yaml::thorough(&text).ok(), Some(vec![value]), "{text}");
            }
        }
        assert!(read > 500, "{read} texts that are read prove little");
    }

    #[test]
    fn what_people_write_is_read_line_by_line() {
        for text in [
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a-0\n  labels:\n    app.kubernetes.io/name: \"a\"\nspec:\n  containers:\n  - name: x\n    \
             image: docker.io/istio/proxyv2:1.31.0 # newest\n    ports:\n      - containerPort: 8080\n    args: []\n",
            "# licence\n---\n# what it is\nspec:\n\n  portLevelMtls:\n    '9090':\n      mode: DISABLE\n",
            "a:\n- b: c\n  d:\n  - e\n  -\n    f: g\nh: {}\n",
        ] {
            let value = document(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(yaml::thorough(text).ok(), Some(vec![value]), "{text}");
        }
    }
}
