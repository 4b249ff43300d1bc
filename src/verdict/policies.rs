//! Policies that Istio accepts in silence and that do nothing, or not what they say: found object by object.
//!
//! No pair is looked at: the cost grows with policies, Services and pods. Each control plane is asked for itself, and
//! a policy is only found fault with where every control plane that reads it agrees.

use std::collections::{BTreeMap, BTreeSet};

use crate::intent::Mesh;
use crate::verdict::policies::told::Told;
use crate::verdict::policies::view::View;
use crate::verdict::report::{Finding, Pair};

mod concerns;
mod duplicates;
mod known;
mod modes;
mod next_version;
mod oversights;
mod partly;
mod peer_authentication;
mod port_level;
mod rule_host;
mod rule_reach;
mod rule_tls;
mod sidecars;
mod told;
mod traps;
mod unguarded;
mod unread;
mod view;

pub(super) use concerns::Concerns;

/// Every finding about a policy of the mesh, with the pairs of a report that each concerns.
///
/// `namespaces` are those that were asked about, `None` for all: a finding without pairs is told where its object lives in one.
#[must_use]
pub fn findings(mesh: &Mesh<'_>, pairs: &[Pair], namespaces: Option<&BTreeSet<String>>) -> Vec<Finding> {
    let mut concerns = Concerns::of(mesh, usize::MAX);
    concerns.add_pairs(pairs);
    concerns.findings(namespaces)
}

/// What is wrong in the eyes of every control plane that reads the policy.
fn agreed<'s>(mesh: &Mesh<'s>) -> Vec<Told<'s>> {
    let views: Vec<View<'_, 's>> = mesh.planes().iter().map(|plane| View::new(mesh, plane)).collect();
    let mut agreed: BTreeMap<String, (usize, Told<'s>)> = BTreeMap::new();
    for view in &views {
        for told in of_plane(view) {
            agreed.entry(told.id()).or_insert((0, told)).0 += 1;
        }
    }
    let readers = |told: &Told<'_>| views.iter().filter(|view| view.reads(&told.object)).count();
    let mut found: Vec<Told<'s>> =
        agreed.into_values().filter(|(count, told)| *count == readers(told)).map(|(_, told)| told).collect();
    found.extend(unread::found(&views));
    found
}

fn of_plane<'s>(view: &View<'_, 's>) -> Vec<Told<'s>> {
    let mut found = Vec::new();
    oversights::find(view, &mut found);
    duplicates::find(view, &mut found);
    peer_authentication::find(view, &mut found);
    partly::find(view, &mut found);
    port_level::find(view, &mut found);
    modes::find(view, &mut found);
    unguarded::find(view, &mut found);
    traps::find(view, &mut found);
    next_version::find(view, &mut found);
    rule_host::find(view, &mut found);
    rule_reach::find(view, &mut found);
    rule_tls::find(view, &mut found);
    sidecars::find(view, &mut found);
    found
}
