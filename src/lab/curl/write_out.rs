//! `-w` (`ourWriteOut` of `tool_writeout.c`).

mod variables;

use super::outcome::Outcome;

/// What `-w` wrote to either stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// To standard output.
    pub(super) stdout: String,
    /// To standard error.
    pub(super) stderr: String,
}

/// What `-w` needs besides the format.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// The URL as typed.
    pub(super) url: &'a str,
    /// The place of the URL on the command line.
    pub(super) number: usize,
    /// What happened.
    pub(super) outcome: &'a Outcome,
}

/// A format being expanded.
struct Expansion<'a> {
    about: About<'a>,
    written: Written,
    to_stderr: bool,
    /// `%{onerror}` ended it.
    over: bool,
}

/// Expands a format.
pub(super) fn expand(format: &str, about: About<'_>) -> Written {
    let mut expansion = Expansion { about, written: Written::default(), to_stderr: false, over: false };
    let mut rest = format;
    while !rest.is_empty() && !expansion.over {
        rest = expansion.step(rest);
    }
    expansion.written
}

// === impl Expansion ===

impl Expansion<'_> {
    /// Expands what stands at the front; returns what follows it.
    fn step<'f>(&mut self, format: &'f str) -> &'f str {
        let escaped = [("%%", "%"), ("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t")];
        for (sequence, meaning) in escaped {
            if let Some(rest) = format.strip_prefix(sequence) {
                self.put(meaning);
                return rest;
            }
        }
        if let Some(inner) = format.strip_prefix("%{") {
            let Some((name, rest)) = inner.split_once('}') else {
                self.put("%{");
                return inner;
            };
            self.variable(name);
            return rest;
        }
        if let Some(inner) = format.strip_prefix("%header{") {
            let Some((name, rest)) = inner.split_once('}') else {
                self.put("%header{");
                return inner;
            };
            let value = header(self.about.outcome, name).unwrap_or_default().to_owned();
            self.put(&value);
            return rest;
        }
        // An unknown sequence stands for both of its characters.
        let count = if format.starts_with(['%', '\\']) { 2 } else { 1 };
        let end = format.char_indices().nth(count).map_or(format.len(), |(at, _)| at);
        let (text, rest) = format.split_at_checked(end).unwrap_or((format, ""));
        self.put(text);
        rest
    }

    fn put(&mut self, text: &str) {
        let stream = if self.to_stderr { &mut self.written.stderr } else { &mut self.written.stdout };
        stream.push_str(text);
    }

    /// `%{name}`.
    fn variable(&mut self, name: &str) {
        match name.to_ascii_lowercase().as_str() {
            "onerror" => self.over = self.about.outcome.failure.is_none(),
            "stdout" => self.to_stderr = false,
            "stderr" => self.to_stderr = true,
            "json" => self.put(&variables::json(self.about)),
            "header_json" => self.put(&variables::header_json(self.about.outcome)),
            lower => {
                if let Some(field) = variables::field(lower, self.about) {
                    self.put(&field.text());
                } else {
                    let warning = format!("curl: unknown --write-out variable: '{name}'\n");
                    self.written.stderr.push_str(&warning);
                }
            }
        }
    }
}

/// The first header of that name in the last answer.
fn header<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a str> {
    outcome.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
