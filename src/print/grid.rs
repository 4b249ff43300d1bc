//! Cells in aligned columns, as `kubectl get` prints them: no borders, no blanks at the end of a line.

use std::borrow::Cow;
use std::io::{self, Write};

use tabled::grid::util::string::get_string_width;

/// Blanks between two columns.
const GAP: usize = 2;

/// What a colour would say; the text says it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// Works as it should.
    Good,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
    /// Not known.
    Dim,
}

/// One cell: one line of text and its tone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// What is printed, free of control characters.
    pub(super) text: String,
    /// What a colour would say.
    pub(super) tone: Tone,
}

/// Lines of cells; the first line may be headers.
#[derive(Debug, Default)]
pub(super) struct Grid {
    lines: Vec<Vec<Cell>>,
}

// === impl Tone ===

impl Tone {
    fn style(self) -> owo_colors::Style {
        let style = owo_colors::Style::new();
        match self {
            Self::Plain => style,
            Self::Good => style.green(),
            Self::Warn => style.yellow(),
            Self::Bad => style.red().bold(),
            Self::Dim => style.dimmed(),
        }
    }
}

// === impl Cell ===

impl Cell {
    /// A cell of that tone.
    pub(super) fn toned(text: &str, tone: Tone) -> Self {
        Self { text: visible(text).into_owned(), tone }
    }

    /// A cell without colour.
    pub(super) fn plain(text: &str) -> Self {
        Self::toned(text, Tone::Plain)
    }

    fn width(&self) -> usize {
        get_string_width(&self.text)
    }

    /// The text, coloured where wanted. A blank is never coloured, so that it can be trimmed.
    pub(super) fn write(&self, color: bool, out: &mut dyn Write) -> io::Result<()> {
        if color && self.tone != Tone::Plain {
            write!(out, "{}", self.tone.style().style(&self.text))
        } else {
            out.write_all(self.text.as_bytes())
        }
    }
}

// === impl Grid ===

impl Grid {
    /// Adds a line below the others.
    pub(super) fn push(&mut self, line: Vec<Cell>) {
        self.lines.push(line);
    }

    /// Columns taken on a terminal by the longest line.
    pub(super) fn width(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// Shortens the given columns, the widest first, until everything fits; does nothing where that is not enough.
    pub(super) fn fit(&mut self, width: usize, columns: &[usize], least: usize) {
        let mut widths = self.widths();
        let mut excess = self.width().saturating_sub(width);
        while excess > 0 {
            let shrinkable = widths.iter().enumerate().filter(|(i, width)| columns.contains(i) && **width > least);
            let Some((widest, _)) = shrinkable.max_by_key(|(_, width)| **width) else { return };
            if let Some(width) = widths.get_mut(widest) {
                *width -= 1;
            }
            excess -= 1;
        }
        for line in &mut self.lines {
            for (cell, width) in line.iter_mut().zip(&widths) {
                if cell.width() > *width {
                    cell.text = elide(&cell.text, *width);
                }
            }
        }
    }

    /// Writes every line.
    pub(super) fn write(&self, color: bool, out: &mut dyn Write) -> io::Result<()> {
        let widths = self.widths();
        for line in &self.lines {
            let mut pad = 0;
            for (cell, width) in line.iter().zip(&widths) {
                write!(out, "{:pad$}", "")?;
                cell.write(color, out)?;
                pad = width - cell.width() + GAP;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column| self.lines.iter().filter_map(|line| line.get(column)).map(Cell::width).max().unwrap_or(0);
        (0..columns).map(widest).collect()
    }
}

/// Text with its control characters spelt out: what a server answers must not steer the terminal.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let spell = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(spell).collect())
}

/// Breaks text at blanks into lines of at most that width; a word that is longer gets a line of its own.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && get_string_width(&line) + 1 + get_string_width(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// The text with its middle left out: names differ at both ends.
fn elide(text: &str, width: usize) -> String {
    let kept = width.saturating_sub(1);
    let head = take_width(text.chars(), kept.div_ceil(2));
    let tail = take_width(text.chars().rev(), kept / 2);
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

/// Characters from the start that take at most that width.
fn take_width(chars: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += get_string_width(c.encode_utf8(&mut [0; 4]));
            used <= width
        })
        .collect()
}
