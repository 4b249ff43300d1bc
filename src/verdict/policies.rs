//! Policies that Istio accepts in silence and that do nothing, or not what they say: found object by object.
//!
//! No pair is looked at: the cost grows with policies, Services and pods. Each control plane is asked for itself, and
//! a policy is only found fault with where every control plane that reads it agrees.

use std::collections::{BTreeMap, BTreeSet};

use crate::intent::Mesh;
use crate::verdict::policies::told::Told;
use crate::verdict::policies::view::View;
use crate::verdict::report::{Finding, Pair};

mod duplicates;
mod known;
mod peer_authentication;
mod port_level;
mod rule_host;
mod told;
mod unread;
mod view;

/// Every finding about a policy, with the pairs of the report that it concerns.
///
/// `namespaces` are those that were asked about, `None` for all: a finding without pairs is told where its object lives in one.
#[must_use]
pub fn findings(mesh: &Mesh<'_>, pairs: &[Pair], namespaces: Option<&BTreeSet<String>>) -> Vec<Finding> {
    let told = survey(mesh);
    let found = told::with_pairs(told, pairs);
    let asked = |finding: &Finding| {
        let of = finding.objects.first().and_then(|object| object.namespace.as_ref());
        !finding.pairs.is_empty() || namespaces.is_none_or(|asked| of.is_some_and(|of| asked.contains(of)))
    };
    found.into_iter().filter(asked).collect()
}

/// What is wrong in the eyes of every control plane that reads the policy.
fn survey<'s>(mesh: &Mesh<'s>) -> Vec<Told<'s>> {
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
    duplicates::find(view, &mut found);
    peer_authentication::find(view, &mut found);
    port_level::find(view, &mut found);
    rule_host::find(view, &mut found);
    found
}
