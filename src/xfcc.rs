//! The `X-Forwarded-Client-Cert` header, read and written in Envoy's grammar.
//!
//! Envoy documentation, "HTTP header manipulation", `x-forwarded-client-cert`: elements are separated by commas, each is
//! `key=value` pairs separated by semicolons; keys are case-insensitive; a value with `,`, `;` or `=` is put in double
//! quotes, where `\"` stands for a double quote.

use std::fmt;

/// What one proxy added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Pairs in the order written.
    pub pairs: Vec<Pair>,
}

/// A `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The key as written.
    name: String,
    /// The value as written, without the quotes around it.
    written: String,
    quoted: bool,
}

/// The keys Envoy knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// URI name in the certificate of the proxy that wrote the element.
    By,
    /// SHA-256 of the client's certificate, in hexadecimal.
    Hash,
    /// The client's certificate, PEM in URL encoding.
    Cert,
    /// Its chain, PEM in URL encoding.
    Chain,
    /// Its subject.
    Subject,
    /// A URI name of it.
    Uri,
    /// A DNS name of it.
    Dns,
}

/// Why a text is not an XFCC header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotXfcc {
    /// Two separators in a row, or one at an end.
    #[error("nothing stands at byte {at}, where a key=value is expected")]
    Empty {
        /// Byte offset.
        at: usize,
    },
    /// A pair without `=`.
    #[error("the part at byte {at} has no `=`")]
    NoValue {
        /// Byte offset.
        at: usize,
    },
    /// A quoted value that does not end.
    #[error("the double quote at byte {at} is never closed")]
    OpenQuote {
        /// Byte offset.
        at: usize,
    },
    /// Something between a closing quote and the next separator.
    #[error("text follows the closing quote at byte {at}")]
    AfterQuote {
        /// Byte offset.
        at: usize,
    },
}

/// Reads a header. Several header lines are joined by commas before. An empty text has no elements.
///
/// Blanks around separators are dropped, as HTTP allows when lines are joined; everything else is kept, so that
/// formatting gives the same text back.
pub fn parse(text: &str) -> Result<Vec<Element>, NotXfcc> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut elements = Vec::new();
    let mut element = Element::default();
    let mut start = 0;
    loop {
        let (end, separator) = part(text, start)?;
        element.pairs.push(Pair::parse(text, start, end)?);
        match separator {
            Some(';') => {}
            Some(_) => elements.push(std::mem::take(&mut element)),
            None => {
                elements.push(element);
                return Ok(elements);
            }
        }
        start = end + 1;
    }
}

/// Writes a header.
#[must_use]
pub fn format(elements: &[Element]) -> String {
    elements.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The element of the last hop, the only one that the server's own sidecar vouches for: the others came from the client.
#[must_use]
pub fn last(elements: &[Element]) -> Option<&Element> {
    elements.last()
}

/// Where the part that starts here ends, and at which separator.
fn part(text: &str, start: usize) -> Result<(usize, Option<char>), NotXfcc> {
    let mut opened = None;
    let mut escaped = false;
    for (offset, letter) in text.get(start..).unwrap_or_default().char_indices() {
        let at = start + offset;
        match (opened, letter) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(_), '"') => opened = None,
            (Some(_), _) => {}
            (None, '"') => opened = Some(at),
            (None, ',' | ';') => return Ok((at, Some(letter))),
            (None, _) => {}
        }
    }
    match opened {
        Some(at) => Err(NotXfcc::OpenQuote { at }),
        None => Ok((text.len(), None)),
    }
}

/// Whether a value must be in quotes.
fn needs_quotes(value: &str) -> bool {
    value.is_empty() || value.trim() != value || value.contains([',', ';', '=', '"'])
}

// === impl Element ===

impl Element {
    /// An element without pairs, to be built with [`Self::with`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair; subject, certificate and chain are always in quotes, as Envoy writes them.
    #[must_use]
    pub fn with(mut self, key: Key, value: &str) -> Self {
        self.pairs.push(Pair::new(key, value));
        self
    }

    /// Every value of a key, in order.
    pub fn values(&self, key: Key) -> impl Iterator<Item = String> {
        self.pairs.iter().filter(move |pair| pair.key() == Some(key)).map(Pair::value)
    }

    /// `By`: the proxy that wrote it; several where its certificate has several URI names.
    pub fn by(&self) -> impl Iterator<Item = String> {
        self.values(Key::By)
    }

    /// `URI`: the client's identities.
    pub fn uris(&self) -> impl Iterator<Item = String> {
        self.values(Key::Uri)
    }

    /// `DNS`: the client's DNS names.
    pub fn dns(&self) -> impl Iterator<Item = String> {
        self.values(Key::Dns)
    }

    /// `Hash`.
    #[must_use]
    pub fn hash(&self) -> Option<String> {
        self.values(Key::Hash).next()
    }

    /// `Subject`; empty for workload certificates.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        self.values(Key::Subject).next()
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, pair) in self.pairs.iter().enumerate() {
            if position > 0 {
                f.write_str(";")?;
            }
            pair.fmt(f)?;
        }
        Ok(())
    }
}

// === impl Pair ===

impl Pair {
    /// A pair as Envoy would write it.
    ///
    /// A value with backslashes is taken to be escaped already, as the subjects of RFC 2253 are that Envoy copies.
    #[must_use]
    pub fn new(key: Key, value: &str) -> Self {
        let escaped = value.contains('\\') && !ends_inside(value);
        Self {
            name: key.as_str().to_owned(),
            written: if escaped { value.to_owned() } else { value.replace('\\', "\\\\").replace('"', "\\\"") },
            quoted: matches!(key, Key::Subject | Key::Cert | Key::Chain) || needs_quotes(value),
        }
    }

    /// The key, where Envoy knows it.
    #[must_use]
    pub fn key(&self) -> Option<Key> {
        Key::ALL.into_iter().find(|key| key.as_str().eq_ignore_ascii_case(&self.name))
    }

    /// The value. Only `\"` is an escape: a subject (RFC 2253) has backslashes of its own, which stay.
    #[must_use]
    pub fn value(&self) -> String {
        if self.quoted { self.written.replace("\\\"", "\"") } else { self.written.clone() }
    }

    fn parse(text: &str, start: usize, end: usize) -> Result<Self, NotXfcc> {
        let part = text.get(start..end).unwrap_or_default();
        if part.trim().is_empty() {
            return Err(NotXfcc::Empty { at: start });
        }
        let (name, value) = part.split_once('=').ok_or(NotXfcc::NoValue { at: start })?;
        let (name, value) = (name.trim(), value.trim());
        if name.contains('"') {
            return Err(NotXfcc::NoValue { at: start });
        }
        let Some(opened) = value.strip_prefix('"') else {
            // A quote inside an unquoted value hides separators only from those who do not look for it there.
            return match value.find('"') {
                Some(_) => Err(NotXfcc::AfterQuote { at: start }),
                None => Ok(Self { name: name.to_owned(), written: value.to_owned(), quoted: false }),
            };
        };
        let written = opened.strip_suffix('"').ok_or(NotXfcc::AfterQuote { at: end })?;
        if ends_inside(written) {
            return Err(NotXfcc::AfterQuote { at: end });
        }
        Ok(Self { name: name.to_owned(), written: written.to_owned(), quoted: true })
    }
}

/// Whether a quoted text would end before or after this: at a quote of its own, or not at the quote behind it.
fn ends_inside(written: &str) -> bool {
    let mut escaped = false;
    for letter in written.chars() {
        match (escaped, letter) {
            (true, _) => escaped = false,
            (false, '\\') => escaped = true,
            (false, '"') => return true,
            (false, _) => {}
        }
    }
    escaped
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted {
            write!(f, "{}=\"{}\"", self.name, self.written)
        } else {
            write!(f, "{}={}", self.name, self.written)
        }
    }
}

// === impl Key ===

impl Key {
    const ALL: [Self; 7] = [Self::By, Self::Hash, Self::Cert, Self::Chain, Self::Subject, Self::Uri, Self::Dns];

    /// Envoy's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::By => "By",
            Self::Hash => "Hash",
            Self::Cert => "Cert",
            Self::Chain => "Chain",
            Self::Subject => "Subject",
            Self::Uri => "URI",
            Self::Dns => "DNS",
        }
    }
}
