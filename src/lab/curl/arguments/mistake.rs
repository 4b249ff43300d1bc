//! Why reading options stops, and curl's words for what is wrong with one.

/// Why an option did not simply take effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab::curl) enum Stop {
    /// The option is wrong.
    Mistake(Mistake),
    /// `-h CATEGORY`.
    Help(String),
    /// `-M`.
    Manual,
    /// `-V`.
    Version,
    /// `--next`.
    Next,
    /// Standard input is needed before going on.
    StdinWanted,
}

/// What is wrong with an option, in the order of curl's `ParameterError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab::curl) enum Mistake {
    /// In a config file: a value for an option without one.
    ExtraParameter,
    /// No such option.
    Unknown,
    /// An abbreviation of several options.
    Ambiguous,
    /// The value is missing.
    RequiresParameter,
    /// The value cannot be used.
    BadUse,
    /// Not a number.
    BadNumeric,
    /// A number below zero.
    NegativeNumeric,
    /// Known to curl, and refused by this build of it.
    Unsupported,
    /// A number out of range.
    NumberTooLarge,
    /// `--no-` before an option with a value.
    NotBoolean,
    /// `--proto-default` with an unknown scheme.
    UnsupportedProtocol,
    /// A file that should be read cannot be.
    ReadError,
}

// === impl Mistake ===

impl Mistake {
    /// `param2text`.
    pub(in crate::lab::curl) fn text(self) -> &'static str {
        match self {
            Self::ExtraParameter => "had unsupported trailing garbage",
            Self::Unknown => "is unknown",
            Self::Ambiguous => "is ambiguous",
            Self::RequiresParameter => "requires parameter",
            Self::BadUse => "is badly used here",
            Self::BadNumeric => "expected a proper numerical parameter",
            Self::NegativeNumeric => "expected a positive numerical parameter",
            Self::Unsupported => "the installed libcurl version doesn't support this",
            Self::NumberTooLarge => "too large number",
            Self::NotBoolean => "used '--no-' for option that isn't a boolean",
            Self::UnsupportedProtocol => "a specified protocol is unsupported by libcurl",
            Self::ReadError => "error encountered when reading a file",
        }
    }
}

// === impl Stop ===

impl From<Mistake> for Stop {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}
