//! A dump that is too large to keep: one element at a time is in memory, whatever is not asked for is skipped.

use std::io::{ErrorKind, Read};

use super::{Found, Section, Sink};
use crate::envoy::refusal::Refusal;

/// Walks a dump as it comes.
///
/// # Errors
/// A [`Refusal`]; a reader that fails midway counts as truncated.
pub fn walk_reader(reader: impl Read, sink: &mut dyn Sink) -> Result<(), Refusal> {
    let mut scanner = Scanner { reader, buffer: vec![0; BUFFER], at: 0, end: 0, passed: 0, head: Vec::new() };
    let mut found = Found::default();
    match scanner.dump(sink, &mut found) {
        Ok(()) => found.judged(),
        Err(broken) => Err(scanner.refusal(&broken)),
    }
}

/// Read at once.
const BUFFER: usize = 64 * 1024;
/// Kept of the beginning, to say what came instead of a dump.
const HEAD: usize = 512;
/// Deeper nesting is nobody's configuration.
const DEEPEST: usize = 512;

/// Why a text ends early.
enum Broken {
    Eof,
    Syntax,
}

struct Scanner<R> {
    reader: R,
    buffer: Vec<u8>,
    /// Of the buffer: what was taken, and what is there.
    at: usize,
    end: usize,
    /// Bytes of earlier buffers.
    passed: usize,
    head: Vec<u8>,
}

// === impl Scanner: a dump ===

impl<R: Read> Scanner<R> {
    fn dump(&mut self, sink: &mut dyn Sink, found: &mut Found) -> Result<(), Broken> {
        self.expect(b'{')?;
        let mut first = true;
        while let Some(key) = self.key(first)? {
            first = false;
            if key == "configs" {
                found.configs = true;
                self.list(|scanner, index| scanner.config(index, sink, found))?;
            } else {
                self.value(None)?;
            }
            found.first_key.get_or_insert(key);
        }
        match self.token() {
            Err(Broken::Eof) => Ok(()),
            Ok(_) | Err(Broken::Syntax) => Err(Broken::Syntax),
        }
    }

    /// One element of `configs`: a section, or a resource that was asked for by itself.
    fn config(&mut self, index: usize, sink: &mut dyn Sink, found: &mut Found) -> Result<(), Broken> {
        self.expect(b'{')?;
        let mut resource = None;
        let mut whole: Vec<u8> = Vec::new();
        let mut element: Vec<u8> = Vec::new();
        let mut first = true;
        while let Some(key) = self.key(first)? {
            first = false;
            if key == "@type" {
                element.clear();
                self.value(Some(&mut element))?;
                let url: String = serde_json::from_slice(&element).map_err(|_| Broken::Syntax)?;
                resource = found.note_type(&url, sink);
            } else if let Some(section) = Section::of_field(&key).filter(|_| resource.is_none()) {
                sink.section(section);
                self.section(section, index, &key, sink, &mut element)?;
            } else if resource.is_some() {
                whole.push(if whole.is_empty() { b'{' } else { b',' });
                whole.extend_from_slice(serde_json::Value::String(key).to_string().as_bytes());
                whole.push(b':');
                self.value(Some(&mut whole))?;
            } else {
                self.value(None)?;
            }
        }
        if let Some(section) = resource {
            whole.extend_from_slice(if whole.is_empty() { b"{}" } else { b"}" });
            let raw = std::str::from_utf8(&whole).map_err(|_| Broken::Syntax)?;
            sink.section(section);
            sink.element(section, &|| format!("/configs/{index}"), raw);
        }
        Ok(())
    }

    fn section(
        &mut self,
        section: Section,
        config: usize,
        name: &str,
        sink: &mut dyn Sink,
        element: &mut Vec<u8>,
    ) -> Result<(), Broken> {
        if !sink.wants(section) {
            return self.value(None);
        }
        if section == Section::Bootstrap {
            element.clear();
            self.value(Some(element))?;
            let raw = std::str::from_utf8(element).map_err(|_| Broken::Syntax)?;
            sink.element(section, &|| format!("/configs/{config}/bootstrap"), raw);
            return Ok(());
        }
        self.list(|scanner, index| {
            element.clear();
            scanner.value(Some(element))?;
            let raw = std::str::from_utf8(element).map_err(|_| Broken::Syntax)?;
            sink.element(section, &|| format!("/configs/{config}/{name}/{index}"), raw);
            Ok(())
        })
    }
}

// === impl Scanner: JSON ===

impl<R: Read> Scanner<R> {
    /// The next byte that is no white space; it stays.
    fn token(&mut self) -> Result<u8, Broken> {
        loop {
            while let Some(byte) = self.buffer.get(self.at..self.end).and_then(<[u8]>::first) {
                if !byte.is_ascii_whitespace() {
                    return Ok(*byte);
                }
                self.at += 1;
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), Broken> {
        self.passed += self.end;
        (self.at, self.end) = (0, 0);
        loop {
            match self.reader.read(&mut self.buffer) {
                Ok(0) => return Err(Broken::Eof),
                Ok(count) => {
                    self.end = count.min(self.buffer.len());
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken::Eof),
            }
        }
        if self.head.len() < HEAD {
            let more = self.buffer.get(..self.end.min(HEAD)).unwrap_or_default();
            self.head.extend_from_slice(more);
        }
        Ok(())
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Broken> {
        if self.token()? != wanted {
            return Err(Broken::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// The next key of an object and its colon; `None` at the object's end.
    fn key(&mut self, first: bool) -> Result<Option<String>, Broken> {
        match (self.token()?, first) {
            (b'}', _) => {
                self.at += 1;
                return Ok(None);
            }
            (b',', false) => self.at += 1,
            (b'"', true) => {}
            _ => return Err(Broken::Syntax),
        }
        if self.token()? != b'"' {
            return Err(Broken::Syntax);
        }
        let mut text = Vec::new();
        self.value(Some(&mut text))?;
        self.expect(b':')?;
        serde_json::from_slice(&text).map(Some).map_err(|_| Broken::Syntax)
    }

    /// Every element of a list, by its index.
    fn list(&mut self, mut element: impl FnMut(&mut Self, usize) -> Result<(), Broken>) -> Result<(), Broken> {
        self.expect(b'[')?;
        if self.token()? == b']' {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            element(self, index)?;
            match self.token()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    break;
                }
                _ => return Err(Broken::Syntax),
            }
        }
        Ok(())
    }

    /// Passes one value, and keeps its text where somebody wants it.
    fn value(&mut self, mut keep: Option<&mut Vec<u8>>) -> Result<(), Broken> {
        let opens = self.token()?;
        let mut passing = Passing { depth: 0, within: Within::Nothing };
        let bare = !matches!(opens, b'{' | b'[' | b'"');
        loop {
            let rest = self.buffer.get(self.at..self.end).unwrap_or_default();
            let (taken, done) = if bare { bare_end(rest) } else { passing.pass(rest) };
            if let (Some(keep), Some(text)) = (keep.as_deref_mut(), rest.get(..taken)) {
                keep.extend_from_slice(text);
            }
            self.at += taken;
            if passing.depth > DEEPEST {
                return Err(Broken::Syntax);
            }
            if done {
                return Ok(());
            }
            self.fill()?;
        }
    }

    fn refusal(&self, broken: &Broken) -> Refusal {
        let position = self.passed + self.at;
        match (Refusal::of_text(&self.head), broken) {
            (Some(refusal), _) => refusal,
            (None, Broken::Eof) => Refusal::Truncated { bytes: self.passed + self.end },
            (None, Broken::Syntax) => Refusal::not_json(format!("byte {position}"), &self.head),
        }
    }
}

/// How far into a number or a word; it ends before whatever cannot be part of one.
fn bare_end(text: &[u8]) -> (usize, bool) {
    let end = text.iter().position(|byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace());
    end.map_or((text.len(), false), |end| (end, true))
}

/// Where in a string, list or object.
struct Passing {
    depth: usize,
    within: Within,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Text,
    Escape,
}

// === impl Passing ===

impl Passing {
    /// Bytes that belong to the value, and whether it ends with them.
    fn pass(&mut self, text: &[u8]) -> (usize, bool) {
        let (mut depth, mut within) = (self.depth, self.within);
        for (at, byte) in text.iter().enumerate() {
            match (within, byte) {
                (Within::Escape, _) => within = Within::Text,
                (Within::Text, b'\\') => within = Within::Escape,
                (Within::Text, b'"') => {
                    within = Within::Nothing;
                    if depth == 0 {
                        return (at + 1, true);
                    }
                }
                (Within::Text, _) => {}
                (Within::Nothing, b'"') => within = Within::Text,
                (Within::Nothing, b'{' | b'[') => depth += 1,
                (Within::Nothing, b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return (at + 1, true);
                    }
                }
                (Within::Nothing, _) => {}
            }
        }
        (self.depth, self.within) = (depth, within);
        (text.len(), false)
    }
}
