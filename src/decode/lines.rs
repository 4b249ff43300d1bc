//! A file's lines: where an offset lies, and what to show of a line.

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
        Self { text, starts, counts: counts.collect() }
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
        let is_inside = |line: &&str| !line.starts_with("---");
        let above = (1..spot.line).rev().filter_map(|line| self.line(line)).take_while(is_inside);
        let below = (spot.line..).map_while(|line| self.line(line)).take_while(is_inside);
        let telling = ["containers", "Containers", "Secret", "env:"];
        let holds = |line: &str| telling.iter().any(|word| line.contains(word));
        if above.chain(below).any(holds) { None } else { self.snippet(spot, width) }
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
