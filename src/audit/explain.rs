//! What stands beside the answer: what would help, who else is concerned, what it is not.

use crate::audit::fixes::{self, Wanted};
use crate::audit::{others, ruled_out};
use crate::intent::Mesh;
use crate::verdict::report::{Listed, Report};

/// Adds it to a report: for a check the fixes of its errors, for an explanation everything. Fixes are tried on pairs, so a report
/// that does not list them has none.
pub fn add(report: &mut Report, mesh: &Mesh<'_>, wanted: Wanted) {
    if !matches!(report.listed, Listed::Each) {
        return;
    }
    if wanted.all {
        for pair in &mut report.pairs {
            pair.ruled_out = ruled_out::of(pair);
        }
        others::add(report, mesh);
    }
    fixes::propose(report, mesh.snapshot(), wanted);
}
