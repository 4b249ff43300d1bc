//! A file taken apart into the values of its documents.

use std::cell::OnceCell;

use serde_json::Value;

use crate::decode::json;
use crate::decode::lines::{Lines, Spot, number};
use crate::decode::locate::{self, Found, Place};
use crate::decode::schema::{Path, Step};
use crate::decode::yaml::{self, Refusal};

/// A stretch of a file that is read by itself: a YAML document with its markers, or one JSON value.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    text: &'a str,
    /// Where it begins in the file.
    begin: Spot,
    /// Read only when somebody asks for a field.
    places: OnceCell<Option<Vec<Place<'a>>>>,
}

/// A value and where it came from: an object, or a list of them.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) value: Value,
    /// Which document of its sheet it is.
    pub(super) document: usize,
    /// Whether a key stands twice in it; the last one won.
    pub(super) doubled: bool,
}

/// Why a sheet could not be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// What the reader says.
    pub(super) why: String,
    /// Where in the file.
    pub(super) spot: Option<Spot>,
}

/// Cuts a file at its document markers; what says nothing is left out.
pub(super) fn sheets(text: &str) -> Vec<Sheet<'_>> {
    let mut sheets = Vec::new();
    let mut cut = Cut { start: 0, line: 1, marked: false, says_something: false };
    let (mut offset, mut line) = (0, 1);
    for row in text.split_inclusive('\n') {
        // At the start of a line `---` ends a document wherever it stands; a directive belongs to the marker after it.
        if is_marker(row) && (cut.marked || cut.says_something) {
            sheets.extend(cut.sheet(text, offset));
            cut = Cut { start: offset, line, marked: false, says_something: false };
        }
        cut.marked |= is_marker(row);
        cut.says_something |= says_something(row);
        offset += row.len();
        line += 1;
    }
    sheets.extend(cut.sheet(text, text.len()));
    sheets
}

struct Cut {
    start: usize,
    line: u64,
    marked: bool,
    says_something: bool,
}

impl Cut {
    fn sheet<'a>(&self, text: &'a str, end: usize) -> Option<Sheet<'a>> {
        let text = text.get(self.start..end).filter(|_| self.says_something)?;
        Some(Sheet::new(text, Spot { line: self.line, column: 1 }))
    }
}

fn is_marker(row: &str) -> bool {
    row.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn says_something(row: &str) -> bool {
    let row = if is_marker(row) { row.strip_prefix("---").unwrap_or(row) } else { row };
    let row = row.trim();
    !row.is_empty() && !row.starts_with(['#', '%']) && row != "..."
}

// === impl Sheet ===

impl<'a> Sheet<'a> {
    /// A stretch of a file that begins at a place.
    pub(super) fn new(text: &'a str, begin: Spot) -> Self {
        Self { text, begin, places: OnceCell::new() }
    }

    /// The JSON values of the sheet, if it is JSON, by their place in the file.
    pub(super) fn json(&self, lines: &Lines<'a>) -> Option<Vec<json::Stretch<'a>>> {
        let body = self.text.strip_prefix("---").unwrap_or(self.text).trim_start();
        let values = json::values(body).ok().filter(|_| body.starts_with('{'))?;
        let skipped = lines.offset(self.begin)? + self.text.len() - body.len();
        let placed = |value: json::Stretch<'a>| json::Stretch { offset: value.offset + skipped, ..value };
        Some(values.into_iter().map(placed).collect())
    }

    /// The YAML documents of the sheet, empty ones left out.
    pub(super) fn yaml(&self) -> Result<Vec<Part>, Unreadable> {
        let (values, doubled) = match yaml::documents(self.text) {
            Ok(values) => (values, false),
            Err(Refusal::DoubledKeys(values)) => (values, true),
            Err(Refusal::Unreadable(error)) => return Err(self.unreadable(&error)),
        };
        let part = |(document, value)| Part { value, document, doubled };
        Ok(values.into_iter().enumerate().map(part).collect())
    }

    fn unreadable(&self, error: &serde_saphyr::Error) -> Unreadable {
        let place = error.location().filter(|place| place.line() > 0);
        let spot = place.map(|place| self.in_file(Spot { line: place.line(), column: place.column() }));
        Unreadable { why: yaml::why(error), spot }
    }

    /// Where a field of a document stands in the file; the nearest holder where there is no such field.
    pub(super) fn find(&self, document: usize, path: &[Step]) -> Found {
        let found = self.place(document).map(|place| place.find(path));
        let found = found.unwrap_or(Found { key: self.first(), value: self.first(), complete: path.is_empty() });
        Found { key: self.in_file(found.key), value: self.in_file(found.value), complete: found.complete }
    }

    /// The keys that stand twice, in all its documents.
    pub(super) fn doubles(&self) -> Vec<(Path, Spot)> {
        let places = self.places().into_iter().flatten();
        places.flat_map(Place::doubles).map(|(path, spot)| (path, self.in_file(spot))).collect()
    }

    /// Where the first document begins; cheap, and right for the one document that nearly every sheet is.
    pub(super) fn begin(&self) -> Spot {
        self.in_file(self.first())
    }

    /// Where each item of a document's list begins, without reading more than that.
    pub(super) fn items(&self, document: usize) -> Vec<Spot> {
        const LIST_ITEM: usize = 2;
        let documents = locate::documents(self.text, LIST_ITEM).unwrap_or_default();
        let items = documents.get(document).map(|place| place.items("items"));
        items.unwrap_or_default().into_iter().map(|spot| self.in_file(spot)).collect()
    }

    fn place(&self, document: usize) -> Option<&Place<'a>> {
        self.places()?.get(document)
    }

    fn places(&self) -> Option<&Vec<Place<'a>>> {
        self.places.get_or_init(|| locate::documents(self.text, usize::MAX)).as_ref()
    }

    fn first(&self) -> Spot {
        let skipped = self.text.lines().take_while(|row| !says_something(row)).count();
        let row = self.text.lines().nth(skipped).unwrap_or_default();
        let body = row.strip_prefix("---").filter(|_| is_marker(row)).unwrap_or(row).trim_start();
        let column = row.get(..row.len() - body.len()).unwrap_or_default().chars().count();
        Spot { line: number(skipped) + 1, column: number(column) + 1 }
    }

    fn in_file(&self, spot: Spot) -> Spot {
        let columns = if spot.line == 1 { self.begin.column - 1 } else { 0 };
        Spot { line: spot.line + self.begin.line - 1, column: spot.column + columns }
    }
}
