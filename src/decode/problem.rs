//! What is wrong with an input, and where.

use std::fmt;

/// Something that a person who wrote the input should hear about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: ProblemSeverity,
    /// Path as the user gave it; absent for objects from an API server.
    pub file: Option<String>,
    /// Line in that file, from 1.
    pub line: Option<u64>,
    /// Column in that line, from 1, in characters.
    pub column: Option<u64>,
    /// The object, like `PeerAuthentication bar/httpbin`.
    pub object: Option<String>,
    /// The field, like `spec.selector.mtls`.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The lines of the file that show it, already laid out for a fixed-width font.
    pub snippet: Option<String>,
}

/// How bad a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemSeverity {
    /// Good to know; nothing was lost that matters.
    Note,
    /// The object counts, but not all of what was written does.
    Warning,
    /// The object does not count: it could not be read, or an API server or Istio's webhook would refuse it.
    Error,
}

// === impl Problem ===

impl Problem {
    /// A problem that has no place yet.
    #[must_use]
    pub fn new(severity: ProblemSeverity, message: impl Into<String>) -> Self {
        Self {
            severity,
            file: None,
            line: None,
            column: None,
            object: None,
            field: None,
            message: message.into(),
            hint: None,
            snippet: None,
        }
    }
}

impl fmt::Display for Problem {
    /// `file:line:column: warning: PeerAuthentication bar/httpbin: message`, the snippet and the hint on lines of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            for number in [self.line, self.column].into_iter().flatten() {
                write!(f, "{number}:")?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}: ", self.severity)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(snippet) = &self.snippet {
            write!(f, "\n{snippet}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

// === impl ProblemSeverity ===

impl fmt::Display for ProblemSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}
