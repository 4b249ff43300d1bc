//! A file's lines: where an offset lies, and what to show of a line.

use std::sync::OnceLock;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    /// From 1.
    pub(super) line: u64,
    /// From 1, in characters.
    pub(super) column: u64,
}

/// A text and where its lines begin.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    text: &'a str,
    /// Offsets; the first is 0.
    starts: Vec<usize>,
    /// Characters that begin before each block of [`BLOCK`] bytes: a column is counted within a block, however long its line.
    counts: Vec<usize>,
    /// The documents, looked through when the first line is to be shown: a file may have as many problems as lines.
    documents: OnceLock<Vec<Document>>,
}

/// A document by the marks between documents.
#[derive(Debug)]
struct Document {
    /// From 1.
    first_line: u64,
    /// Whether it may hold environment values or secrets.
    telling: bool,
}

/// In bytes.
const BLOCK: usize = 1024;

/// What a terminal shows beside the line number.
const WIDTH: usize = 100;

// === impl Lines ===

impl<'a> Lines<'a> {
    /// Finds the lines of a text.
    pub(super) fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(offset, _)| offset + 1)).collect();
        let counts = text.as_bytes().chunks(BLOCK).scan(0, |before, block| {
            let count = *before;
            *before += characters(block);
            Some(count)
        });
        Self { text, starts, counts: counts.collect(), documents: OnceLock::new() }
    }

    /// The place of a byte.
    pub(super) fn spot(&self, offset: usize) -> Spot {
        let index = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or_default();
        let before = self.before(offset).saturating_sub(self.before(start));
        Spot { line: number(index) + 1, column: number(before) + 1 }
    }

    /// Characters that begin before a byte.
    fn before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..offset).unwrap_or_default();
        self.counts.get(block).copied().unwrap_or_default() + characters(rest)
    }

    /// The byte of a place.
    pub(super) fn offset(&self, spot: Spot) -> Option<usize> {
        let index = usize::try_from(spot.line.checked_sub(1)?).ok()?;
        let start = *self.starts.get(index)?;
        let column = usize::try_from(spot.column.checked_sub(1)?).ok()?;
        let line = self.text.get(start..)?;
        Some(start + line.char_indices().nth(column).map_or(line.len(), |(offset, _)| offset))
    }

    /// The text of a line, from 1.
    pub(super) fn line(&self, line: u64) -> Option<&'a str> {
        let index = usize::try_from(line.checked_sub(1)?).ok()?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        Some(self.text.get(start..end)?.trim_end_matches(['\n', '\r']))
    }

    /// The line of a place with a mark under it; none of a document that may hold environment values or secrets.
    pub(super) fn harmless_snippet(&self, spot: Spot, width: usize) -> Option<String> {
        let documents = self.documents.get_or_init(|| self.documents());
        let after = documents.partition_point(|document| document.first_line <= spot.line);
        let telling =
            after.checked_sub(1).and_then(|place| documents.get(place)).is_none_or(|document| document.telling);
        if telling { None } else { self.snippet(spot, width) }
    }

    fn documents(&self) -> Vec<Document> {
        const WORDS: [&str; 4] = ["containers", "Containers", "Secret", "env:"];
        let mut documents: Vec<Document> = Vec::new();
        for (first_line, line) in (1..).map_while(|number| Some((number, self.line(number)?))) {
            if documents.is_empty() || line.starts_with("---") {
                documents.push(Document { first_line, telling: false });
            }
            if let Some(document) = documents.last_mut() {
                document.telling |= WORDS.iter().any(|word| line.contains(word));
            }
        }
        documents
    }

    /// The line with a mark under a place, laid out for a fixed-width font; a long line is cut around it.
    fn snippet(&self, spot: Spot, width: usize) -> Option<String> {
        let line: Vec<char> = self.line(spot.line)?.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let column = usize::try_from(spot.column).ok()?.saturating_sub(1).min(line.len());
        let from = if line.len() <= WIDTH { 0 } else { column.saturating_sub(WIDTH / 2) };
        let shown: String = line.iter().skip(from).take(WIDTH).collect();
        let marked = width.clamp(1, (shown.chars().count() + 1).saturating_sub(column - from).max(1));
        let number = spot.line.to_string();
        let gutter = " ".repeat(number.len());
        let (indent, mark) = (" ".repeat(column - from), "^".repeat(marked));
        Some(format!("{gutter} |\n{number} | {shown}\n{gutter} | {indent}{mark}"))
    }
}

/// Characters that begin in these bytes of a text.
fn characters(bytes: &[u8]) -> usize {
    const CONTINUATION: u8 = 0b1000_0000;
    bytes.iter().filter(|byte| **byte & 0b1100_0000 != CONTINUATION).count()
}

/// A count as the type of line numbers.
pub(super) fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
