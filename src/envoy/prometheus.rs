//! The text format of Prometheus, as Envoy writes it at `/stats/prometheus`.
//!
//! Whatever is no sample of a counter is passed over: comments, histograms, numbers that are no integers.

use std::borrow::Cow;

/// One sample of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample<'t> {
    /// Name of the family: `istio_requests_total`.
    pub name: &'t str,
    /// Labels in their order, unescaped.
    pub labels: Vec<Label<'t>>,
    /// The value.
    pub value: u64,
}

/// A label and its value, unescaped.
pub type Label<'t> = (&'t str, Cow<'t, str>);

/// Reads the samples of an answer.
pub fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample)
}

// === impl Sample ===

impl Sample<'_> {
    /// A label's value.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_ref())
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    // A timestamp may stand behind the value.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    (!name.is_empty()).then_some(Sample { name, labels, value })
}

/// Labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(Vec<Label<'_>>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let end = closing(quoted)?;
        let (value, behind) = quoted.split_at_checked(end)?;
        labels.push((name, unescaped(value)));
        rest = behind.strip_prefix('"')?;
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Where the quoted value ends.
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn unescaped(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    let mut escaped = false;
    for c in value.chars() {
        match (escaped, c) {
            (false, '\\') => {
                escaped = true;
                continue;
            }
            (true, 'n') => text.push('\n'),
            (_, c) => text.push(c),
        }
        escaped = false;
    }
    Cow::Owned(text)
}
