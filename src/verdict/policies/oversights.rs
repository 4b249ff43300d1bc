//! Fields that Istio does not have where they stand, and `tls` that names no mode.
//!
//! The schema of Istio's kinds is structural: an API server prunes what it does not know. `ClientTLSSettings.mode` has no UNSET, so
//! `tls: {}` is DISABLE.

use std::collections::BTreeMap;

use crate::model::derivation::{Layer, PolicyKind, PolicyRef};
use crate::model::meta::Meta;
use crate::model::snapshot::{Oversight, OversightKind};
use crate::verdict::finding::Fault;
use crate::verdict::policies::told::{About, Told};
use crate::verdict::policies::view::View;

/// Kind, namespace and name.
type Key<'s> = (PolicyKind, &'s str, &'s str);

pub(super) fn find<'s>(view: &View<'_, 's>, found: &mut Vec<Told<'s>>) {
    let mut lost: BTreeMap<Key<'s>, Vec<(&'s Oversight, Option<&'s str>)>> = BTreeMap::new();
    let mut modeless: BTreeMap<Key<'s>, Vec<&'s Oversight>> = BTreeMap::new();
    for oversight in &view.mesh.snapshot().oversights {
        let key = (oversight.kind, oversight.meta.namespace.as_str(), oversight.meta.name.as_str());
        match &oversight.what {
            OversightKind::Lost { meant } => lost.entry(key).or_default().push((oversight, meant.as_deref())),
            OversightKind::TlsWithoutMode => modeless.entry(key).or_default().push(oversight),
        }
    }
    found.extend(lost.into_values().filter_map(|fields| lost_fields(view, &fields)));
    found.extend(modeless.into_values().filter_map(|fields| without_mode(view, &fields)));
}

fn lost_fields<'s>(view: &View<'_, 's>, fields: &[(&'s Oversight, Option<&str>)]) -> Option<Told<'s>> {
    let (first, _) = fields.first()?;
    let object = object(first);
    let words: Vec<String> = fields
        .iter()
        .map(|(oversight, meant)| match meant {
            Some(meant) => format!("`{}` (did you mean `{meant}`?)", oversight.field),
            None => format!("`{}`", oversight.field),
        })
        .collect();
    let are = if words.len() == 1 { "is no field and is" } else { "are no fields and are" };
    let title = format!("{}: {} {are} dropped", object.short(), words.join(", "));
    let about = about(view, first.kind, &first.meta);
    Some(Told { fault: Fault::FieldLost, object, others: Vec::new(), title, about })
}

fn without_mode<'s>(view: &View<'_, 's>, fields: &[&'s Oversight]) -> Option<Told<'s>> {
    let first = fields.first()?;
    let object = object(first);
    let words: Vec<String> = fields.iter().map(|oversight| format!("`{}`", oversight.field)).collect();
    let names = if words.len() == 1 { "names no mode, which" } else { "name no mode, which" };
    let title = format!("{}: {} {names} means DISABLE: clients send plaintext", object.short(), words.join(", "));
    let about = about(view, first.kind, &first.meta);
    Some(Told { fault: Fault::TlsWithoutMode, object, others: Vec::new(), title, about })
}

fn object(oversight: &Oversight) -> PolicyRef {
    let layer = match oversight.kind {
        PolicyKind::DestinationRule => Layer::TrafficPolicy,
        _ => Layer::Workload,
    };
    PolicyRef::object(layer, oversight.kind, &oversight.meta, oversight.field.clone())
}

fn about<'s>(view: &View<'_, 's>, kind: PolicyKind, meta: &'s Meta) -> About<'s> {
    let same = |other: &Meta| other.namespace == meta.namespace && other.name == meta.name;
    let snapshot = view.mesh.snapshot();
    match kind {
        PolicyKind::PeerAuthentication => {
            match snapshot.peer_authentications.iter().find(|policy| same(&policy.meta)) {
                Some(policy) if meta.namespace == view.plane.root() && policy.selector.is_empty() => About::Mesh,
                Some(policy) => About::Pods(view.selected(&meta.namespace, &policy.selector)),
                None => About::Nobody,
            }
        }
        PolicyKind::DestinationRule => {
            let rule = snapshot.destination_rules.iter().find(|rule| same(&rule.meta));
            rule.map_or(About::Nobody, |rule| view.about_rule(rule))
        }
        _ => About::Nobody,
    }
}
