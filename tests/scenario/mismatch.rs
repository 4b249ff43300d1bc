//! Expectations that were not met, as one list that a person can work through.

use kubectl_mtls::model::mesh::IstioVersion;

use crate::scenario::answer::Found;
use crate::scenario::file::Scenario;
use crate::scenario::row::{PairName, Row};

/// An expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    place: String,
    pair: String,
    what: &'static str,
    expected: String,
    got: String,
    /// The versions at which it was not met, oldest first.
    versions: Vec<IstioVersion>,
}

// === impl Mismatch ===

impl Mismatch {
    /// Names the place of each difference.
    pub(crate) fn all(
        scenario: &Scenario,
        version: IstioVersion,
        row: &Row,
        found: Found,
    ) -> impl Iterator<Item = Self> {
        let place = format!("tests/scenarios/{}.yaml:{}", scenario.id, row.line);
        let pair = row.pair.to_string();
        found.into_iter().map(move |(what, expected, got)| Self {
            place: place.clone(),
            pair: pair.clone(),
            what,
            expected,
            got,
            versions: vec![version],
        })
    }

    /// A whole scenario, or a pair of it, that gave no answer.
    pub(crate) fn unanswered(scenario: &Scenario, version: IstioVersion, pair: Option<&PairName>, why: String) -> Self {
        Self {
            place: format!("tests/scenarios/{}.yaml", scenario.id),
            pair: pair.map_or_else(|| "every pair".to_owned(), PairName::to_string),
            what: "answer",
            expected: "one".to_owned(),
            got: why,
            versions: vec![version],
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        Self { versions: Vec::new(), ..self.clone() } == Self { versions: Vec::new(), ..other.clone() }
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, pair, what, expected, got, versions } = self;
        let versions = match versions.as_slice() {
            [first, .., last] if usize::from(last.minor - first.minor) + 1 == versions.len() => {
                format!("{first} to {last}")
            }
            some => some.iter().map(IstioVersion::to_string).collect::<Vec<_>>().join(", "),
        };
        write!(f, "{place} at {versions}: {pair}\n    {what}: expected `{expected}`, got `{got}`")
    }
}

/// The whole list for a test's message, what is the same at several versions once; or nothing.
pub(crate) fn report(mismatches: &[Mismatch]) -> Result<(), String> {
    let mut once = Vec::<Mismatch>::new();
    for mismatch in mismatches {
        match once.iter_mut().find(|known| known.is_same(mismatch)) {
            Some(known) => known.versions.extend(&mismatch.versions),
            None => once.push(mismatch.clone()),
        }
    }
    if once.is_empty() {
        return Ok(());
    }
    let lines = once.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("\n");
    Err(format!("{} expectations are not met:\n{lines}\n", once.len()))
}

#[cfg(test)]
mod tests {
    use super::{Mismatch, report};
    use kubectl_mtls::model::mesh::IstioVersion;

    #[test]
    fn what_is_wrong_at_several_versions_is_told_once() {
        let at = |minor, got: &str| Mismatch {
            place: "a.yaml:7".to_owned(),
            pair: "sleep.foo -> httpbin.bar:8000".to_owned(),
            what: "client",
            expected: "auto mTLS".to_owned(),
            got: got.to_owned(),
            versions: vec![IstioVersion::minor(minor)],
        };
        let list = report(&[at(9, "x"), at(10, "x"), at(10, "y"), at(12, "y"), at(11, "x")]).unwrap_err();
        assert!(list.starts_with("2 expectations are not met:\na.yaml:7 at 1.9 to 1.11: sleep.foo"), "{list}");
        assert!(list.contains(
            "a.yaml:7 at 1.10, 1.12: sleep.foo -> httpbin.bar:8000\n    client: expected `auto mTLS`, got `y`"
        ));
        assert_eq!(report(&[]), Ok(()));
    }
}
