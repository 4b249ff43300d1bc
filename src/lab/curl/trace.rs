//! `-v` (`tool_debug_cb`): what happens, in curl's words.

use std::fmt::Write;

/// What `-v` has to say and has not said yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    on: bool,
    text: String,
    /// A line about data was the last; the next data is not worth another.
    in_data: bool,
}

// === impl Trace ===

impl Trace {
    /// Says something only if it is switched on.
    pub(super) fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    /// `* text`.
    pub(super) fn note(&mut self, text: &str) {
        self.line("*", text.as_bytes());
        if self.on {
            self.text.push('\n');
        }
    }

    /// `> line`, for every line of a request's head.
    pub(super) fn sent(&mut self, head: &str) {
        for line in head.split_inclusive('\n') {
            self.line(">", line.as_bytes());
        }
    }

    /// `< line`, for a header line that was received.
    pub(super) fn received(&mut self, line: &[u8]) {
        self.line("<", line);
    }

    /// `} [3 bytes data]`, for data that was sent.
    pub(super) fn data_sent(&mut self, bytes: usize) {
        self.data("}", bytes);
    }

    /// `{ [3 bytes data]`, for data that was received.
    pub(super) fn data_received(&mut self, bytes: usize) {
        self.data("{", bytes);
    }

    /// What is to be said now.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    fn line(&mut self, sign: &str, line: &[u8]) {
        if self.on {
            self.text.push_str(sign);
            self.text.push(' ');
            self.text.push_str(&String::from_utf8_lossy(line));
        }
        self.in_data = false;
    }

    fn data(&mut self, sign: &str, bytes: usize) {
        if self.on && !self.in_data && bytes > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(self.text, "{sign} [{bytes} bytes data]");
            self.in_data = true;
        }
    }
}
