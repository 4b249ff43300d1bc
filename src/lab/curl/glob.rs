//! URL globbing: `{a,b}` and `[1-3]` (`tool_urlglob.c`).

use super::url;

/// What is wrong with a pattern, and where: the text curl shows after `curl: (3) `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed(String);

/// A URL with its alternatives; iterates over the URLs, the last part varying fastest.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    choices: Vec<String>,
    /// The number `#1` in `-o` refers to it by; literal text has none.
    number: Option<usize>,
}

/// Most parts a URL may have.
const MOST_PARTS: usize = 100;

/// Longest text in brackets that is tried as an address.
const MOST_ADDRESS: usize = 128;

/// Most URLs one range may make here; curl counts them one at a time and has no such limit.
const MOST_NUMBERS: u64 = 100_000;

struct Reader<'a> {
    rest: &'a str,
    /// What curl calls the URL position.
    at: usize,
}

type Mistake = (&'static str, usize);

// === impl Malformed ===

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Glob ===

impl Glob {
    /// One URL, taken as it is.
    pub(super) fn literal(url: &str) -> Self {
        Self { parts: vec![Part { choices: vec![url.to_owned()], number: None }] }
    }

    /// Reads a pattern.
    pub(super) fn parse(url: &str) -> Result<Self, Malformed> {
        let mut reader = Reader { rest: url, at: 1 };
        reader.parts().map(|parts| Self { parts }).map_err(|(error, at)| {
            if at == 0 {
                return Malformed(error.to_owned());
            }
            // curl cuts the text at 511 bytes.
            let mut text = format!("{error} in URL position {at}:\n{url}\n{:>1$}^", " ", at - 1);
            text.truncate(text.floor_char_boundary(511));
            Malformed(text)
        })
    }

    /// Every URL, with the alternatives it was made of by number.
    pub(super) fn urls(&self) -> impl Iterator<Item = (String, Vec<&str>)> {
        let total = self.parts.iter().fold(1usize, |total, part| total.saturating_mul(part.choices.len()));
        (0..total).map(|index| {
            let mut left = index;
            let mut chosen: Vec<(&str, Option<usize>)> = Vec::new();
            for part in self.parts.iter().rev() {
                let choice = part.choices.get(left % part.choices.len()).map_or("", String::as_str);
                chosen.push((choice, part.number));
                left /= part.choices.len();
            }
            chosen.reverse();
            let url = chosen.iter().map(|(choice, _)| *choice).collect();
            (url, chosen.into_iter().filter_map(|(choice, number)| number.map(|_| choice)).collect())
        })
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn parts(&mut self) -> Result<Vec<Part>, Mistake> {
        let mut parts = Vec::new();
        let mut amount = 1u64;
        let mut numbers = 0..;
        while let Some(first) = self.rest.chars().next() {
            let literal = self.literal()?;
            let part = if literal.is_empty() {
                self.advance(first);
                let choices = if first == '{' { self.set()? } else { self.range()? };
                let overflow = if first == '{' { 0 } else { self.at };
                let size = u64::try_from(choices.len()).unwrap_or(u64::MAX);
                amount = amount.checked_mul(size).ok_or(("range overflow", overflow))?;
                Part { choices, number: numbers.next() }
            } else {
                Part { choices: vec![literal], number: None }
            };
            parts.push(part);
            if parts.len() >= MOST_PARTS {
                return Err(("too many globs", self.at));
            }
        }
        Ok(parts)
    }

    fn advance(&mut self, c: char) {
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        self.at += c.len_utf8();
    }

    /// Text up to the next alternative. IPv6 addresses and `[]` are text.
    fn literal(&mut self) -> Result<String, Mistake> {
        let mut out = String::new();
        while let Some(c) = self.rest.chars().next() {
            match c {
                '{' => break,
                '[' => {
                    let Some(text) = self.bracketed_text() else { break };
                    out.push_str(text);
                    // curl leaves the position where it was.
                    self.rest = self.rest.strip_prefix(text).unwrap_or(self.rest);
                }
                '}' | ']' => return Err(("unmatched close brace/bracket", self.at)),
                '\\' => {
                    self.advance(c);
                    let escaped = self.rest.chars().next().filter(|c| matches!(c, '{' | '[' | '}' | ']'));
                    out.push(escaped.unwrap_or('\\'));
                    if let Some(escaped) = escaped {
                        self.advance(escaped);
                    }
                }
                c => {
                    self.advance(c);
                    out.push(c);
                }
            }
        }
        Ok(out)
    }

    /// `[::1]` and `[]` at this place.
    fn bracketed_text(&self) -> Option<&'a str> {
        let end = self.rest.find(']')? + 1;
        let bracketed = self.rest.get(..end)?;
        let address = end < MOST_ADDRESS && url::parse(bracketed, false).is_ok();
        (address || bracketed == "[]").then_some(bracketed)
    }

    fn set(&mut self) -> Result<Vec<String>, Mistake> {
        let opened = self.at - 1;
        let mut choices = Vec::new();
        let mut choice = String::new();
        let mut begun = false;
        loop {
            let Some(c) = self.rest.chars().next() else { return Err(("unmatched brace", opened)) };
            match c {
                '{' | '[' => return Err(("nested brace", self.at)),
                ']' => return Err(("unexpected close bracket", self.at)),
                '}' if !begun => return Err(("empty string within braces", self.at)),
                '}' => {
                    // curl does not count the closing brace.
                    self.rest = self.rest.get(1..).unwrap_or_default();
                    choices.push(choice);
                    return Ok(choices);
                }
                ',' => {
                    self.advance(c);
                    choices.push(std::mem::take(&mut choice));
                }
                '\\' => {
                    self.advance(c);
                    let escaped = self.rest.chars().next().unwrap_or('\\');
                    if !self.rest.is_empty() {
                        self.advance(escaped);
                    }
                    choice.push(escaped);
                }
                c => {
                    self.advance(c);
                    choice.push(c);
                }
            }
            begun = true;
        }
    }

    fn range(&mut self) -> Result<Vec<String>, Mistake> {
        let first = self.rest.chars().next().unwrap_or(']');
        if first.is_ascii_alphabetic() {
            self.letters()
        } else if first.is_ascii_digit() {
            self.numbers()
        } else {
            Err(("bad range specification", self.at))
        }
    }

    /// `a-z]`, `a-z:2]`.
    fn letters(&mut self) -> Result<Vec<String>, Mistake> {
        let mut bytes = self.rest.bytes();
        let (first, dash, last, end) = (bytes.next(), bytes.next(), bytes.next(), bytes.next());
        let (Some(first), Some(b'-'), Some(last), Some(end)) = (first, dash, last, end) else {
            return Err(("bad range", self.at));
        };
        let step = match end {
            b']' => {
                self.skip(4);
                1
            }
            b':' => self.rest.get(4..).and_then(closed_number).map_or(0, |(step, length)| {
                self.skip(4 + length + 1);
                step
            }),
            _ => 0,
        };
        let span = u64::from(last.saturating_sub(first));
        let flat = first == last && step == 1;
        let rising = first < last && (1..=span).contains(&step) && span <= u64::from(b'z' - b'a');
        let step = usize::try_from(step).ok().filter(|_| flat || rising).ok_or(("bad range", self.at))?;
        Ok((first..=last).step_by(step).map(|byte| char::from(byte).to_string()).collect())
    }

    /// `1-10]`, `001-100]`, `1-10:2]`.
    fn numbers(&mut self) -> Result<Vec<String>, Mistake> {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let first_length = digits(self.rest);
        let padding = if self.rest.starts_with('0') { first_length } else { 0 };
        let first: Option<u64> = self.rest.get(..first_length).and_then(|number| number.parse().ok());
        if first.is_none() || self.rest.get(first_length..).is_none_or(|rest| !rest.starts_with('-')) {
            return Err(("bad range", self.at));
        }
        self.skip(first_length + 1);
        let blanks = self.rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        self.skip(blanks);
        let last_length = digits(self.rest);
        let last: Option<u64> = self.rest.get(..last_length).and_then(|number| number.parse().ok());
        let step = match self.rest.get(last_length..).and_then(|rest| rest.chars().next()) {
            Some(']') => {
                self.skip(last_length + 1);
                Some(1)
            }
            Some(':') if last.is_some() => {
                self.skip(last_length + 1);
                let step = closed_number(self.rest);
                if let Some((_, length)) = step {
                    self.skip(length + 1);
                }
                step.map(|(step, _)| step)
            }
            Some(_) | None => None,
        };
        let (Some(first), Some(last), Some(step)) = (first, last, step) else { return Err(("bad range", self.at)) };
        let flat = first == last && step == 1;
        let rising = first < last && (1..=last - first).contains(&step);
        let step = usize::try_from(step).ok().filter(|_| flat || rising).ok_or(("bad range", self.at))?;
        if (last - first) / step.max(1) as u64 >= MOST_NUMBERS {
            return Err(("range overflow", self.at));
        }
        Ok((first..=last).step_by(step).map(|number| format!("{number:0padding$}")).collect())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
        self.at += bytes;
    }
}

/// A number right before a closing bracket, and its length.
fn closed_number(text: &str) -> Option<(u64, usize)> {
    let (number, _) = text.split_once(']')?;
    Some((number.parse().ok()?, number.len()))
}
