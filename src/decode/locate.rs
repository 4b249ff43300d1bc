//! Where the fields of a YAML or JSON text stand.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_saphyr::granit_parser::{Event, Marker, ScalarStyle};

use crate::decode::lines::{Spot, number};
use crate::decode::schema::{Path, Step};
use crate::decode::yaml;

/// A node of a document and where it begins.
#[derive(Debug)]
pub(super) struct Place<'a> {
    spot: Spot,
    inside: Inside<'a>,
}

#[derive(Debug)]
enum Inside<'a> {
    /// A scalar, an alias, or something deeper than was asked for.
    Nothing,
    /// Keys with their places, in order, those that stand twice included.
    Map(Vec<(Cow<'a, str>, Spot, Place<'a>)>),
    List(Vec<Place<'a>>),
}

/// What a path led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Where the key stands, or the item; the nearest holder where the path leads nowhere.
    pub(super) key: Spot,
    /// Where its value begins.
    pub(super) value: Spot,
    /// Whether the path was followed to its end.
    pub(super) complete: bool,
}

/// The documents of a text, empty ones left out, down to a depth. `None` where it cannot be read.
pub(super) fn documents(text: &str, depth: usize) -> Option<Vec<Place<'_>>> {
    let mut builder = Builder { stack: Vec::new(), roots: Vec::new(), depth };
    for event in yaml::events(text) {
        let (event, span) = event.ok()?;
        builder.take(event, spot(span.start));
    }
    Some(builder.roots)
}

fn spot(marker: Marker) -> Spot {
    Spot { line: number(marker.line()), column: number(marker.col()) + 1 }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

struct Builder<'a> {
    stack: Vec<Frame<'a>>,
    roots: Vec<Place<'a>>,
    depth: usize,
}

/// A collection that has not ended.
struct Frame<'a> {
    spot: Spot,
    kind: Collection<'a>,
}

enum Collection<'a> {
    Map { entries: Vec<(Cow<'a, str>, Spot, Place<'a>)>, key: Option<(Cow<'a, str>, Spot)> },
    List(Vec<Place<'a>>),
}

// === impl Builder ===

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, spot: Spot) {
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) if self.stack.is_empty() && is_null(&text) => {}
            Event::Scalar(text, ..) => self.add(Place { spot, inside: Inside::Nothing }, Some(text)),
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.add(Place { spot, inside: Inside::Nothing }, None),
            Event::SequenceStart(..) => self.stack.push(Frame { spot, kind: Collection::List(Vec::new()) }),
            Event::MappingStart(..) => {
                self.stack.push(Frame { spot, kind: Collection::Map { entries: Vec::new(), key: None } });
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            _ => {}
        }
    }

    fn end(&mut self) {
        let Some(Frame { spot, kind }) = self.stack.pop() else { return };
        let inside = match kind {
            // Nothing was kept of what is too deep.
            Collection::Map { entries, .. } if entries.is_empty() => Inside::Nothing,
            Collection::Map { entries, .. } => Inside::Map(entries),
            Collection::List(items) => Inside::List(items),
        };
        self.add(Place { spot, inside }, None);
    }

    /// A finished node: a key, a value, an item or a document.
    fn add(&mut self, place: Place<'a>, text: Option<Cow<'a, str>>) {
        let too_deep = self.stack.len() > self.depth;
        match self.stack.last_mut().map(|frame| &mut frame.kind) {
            None => self.roots.push(place),
            Some(Collection::List(items)) if !too_deep => items.push(place),
            Some(Collection::List(_)) => {}
            Some(Collection::Map { entries, key }) => match key.take() {
                None => *key = Some((text.unwrap_or_default(), place.spot)),
                Some((name, spot)) if !too_deep => entries.push((name, spot, place)),
                Some(_) => {}
            },
        }
    }
}

// === impl Place ===

impl Place<'_> {
    /// Where a path leads, as far as it can be followed; of keys that stand twice the last counts.
    pub(super) fn find(&self, path: &[Step]) -> Found {
        let mut found = Found { key: self.spot, value: self.spot, complete: true };
        let mut here = self;
        for step in path {
            let next = match (&here.inside, step) {
                (Inside::Map(entries), Step::Field(name) | Step::Key(name)) => {
                    entries.iter().rev().find(|(key, ..)| key == name).map(|(_, key, place)| (*key, place))
                }
                (Inside::List(items), Step::Item(index)) => items.get(*index).map(|place| (place.spot, place)),
                (Inside::Nothing | Inside::Map(_) | Inside::List(_), _) => None,
            };
            let Some((key, place)) = next else { return Found { complete: false, ..found } };
            found = Found { key, value: place.spot, complete: true };
            here = place;
        }
        found
    }

    /// Where it begins; a block mapping begins with its first key.
    pub(super) fn spot(&self) -> Spot {
        self.spot
    }

    /// Where the items of a list under a key begin.
    pub(super) fn items(&self, key: &str) -> Vec<Spot> {
        let Inside::Map(entries) = &self.inside else { return Vec::new() };
        match entries.iter().rev().find(|(name, ..)| name == key).map(|(_, _, place)| &place.inside) {
            Some(Inside::List(items)) => items.iter().map(Self::spot).collect(),
            Some(Inside::Nothing | Inside::Map(_)) | None => Vec::new(),
        }
    }

    /// Every key that stands in a mapping a second time, with its path.
    pub(super) fn doubles(&self) -> Vec<(Path, Spot)> {
        let mut doubles = Vec::new();
        let mut open = vec![(self, Path::default())];
        while let Some((place, path)) = open.pop() {
            match &place.inside {
                Inside::Nothing => {}
                Inside::List(items) => {
                    open.extend(items.iter().enumerate().map(|(index, item)| (item, path.item(index))));
                }
                Inside::Map(entries) => {
                    let mut seen = HashSet::new();
                    for (name, spot, value) in entries {
                        let path = path.field(name);
                        if !seen.insert(name) {
                            doubles.push((path.clone(), *spot));
                        }
                        open.push((value, path));
                    }
                }
            }
        }
        doubles.sort_by_key(|(_, spot)| (spot.line, spot.column));
        doubles
    }
}
