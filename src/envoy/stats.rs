//! `/stats` as text: counters and gauges, one a line.

use std::collections::BTreeMap;

use crate::envoy::refusal::Refusal;

/// Counters and gauges by name; histograms and text values are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats(BTreeMap<String, u64>);

// === impl Stats ===

impl Stats {
    /// Reads `name: value` lines.
    ///
    /// # Errors
    /// A [`Refusal`] where no line is of that form, or the text begins as something else.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        match Refusal::of_text(body) {
            Some(refusal @ (Refusal::Empty | Refusal::Html | Refusal::Denied(_) | Refusal::OtherJson { .. })) => {
                return Err(refusal);
            }
            None => {
                return Err(Refusal::OtherJson { expected: "lines of counters", found: "an object".to_owned() });
            }
            Some(Refusal::NotJson { .. } | Refusal::Truncated { .. } | Refusal::UnknownShape { .. }) => {}
        }
        let text = String::from_utf8_lossy(body);
        let read = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.trim().to_owned(), value.trim().parse().ok()?))
        };
        let counters: BTreeMap<String, u64> = text.lines().filter_map(read).collect();
        if counters.is_empty() && !text.lines().any(|line| line.contains(": ")) {
            let begins = text.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(Refusal::NotJson { at: "its first line".to_owned(), begins });
        }
        Ok(Self(counters))
    }

    /// A counter by its whole name; `None` where it is not in the answer, which is not zero: Istio hides most of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// Every counter and gauge, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The sum of the counters that begin and end so.
    #[must_use]
    pub fn sum(&self, prefix: &str, suffix: &str) -> Option<u64> {
        let mut found = self.0.iter().filter(|(name, _)| name.starts_with(prefix) && name.ends_with(suffix)).peekable();
        found.peek()?;
        Some(found.map(|(_, value)| value).sum())
    }

    /// What grew since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let grew = self.0.iter().map(|(name, value)| {
            (name.clone(), value.saturating_sub(earlier.0.get(name).copied().unwrap_or_default()))
        });
        Self(grew.collect())
    }
}
