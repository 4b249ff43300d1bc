//! One line a layer: who, what it said, what became of it and why, where it stands.

use std::io::{self, Write};

use crate::model::derivation::{Effect, Layer, PolicyKind, PolicyRef, Step};
use crate::print::narrative::Told;
use crate::print::span::span;

/// Writes the layers, the effective one first, then from strong to weak.
pub(super) fn write(steps: &[Step], told: &Told, out: &mut dyn Write) -> io::Result<()> {
    let mut ordered: Vec<&Step> = steps.iter().rev().collect();
    ordered.sort_by_key(|step| step.effect != Effect::Effective);
    let rows: Vec<[String; 5]> = ordered.into_iter().map(|step| row(step, told)).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let (who, said, became) = (width(1), width(2), width(3));
    for [mark, name, says, effect, why] in &rows {
        let line = format!("  {mark} {name:who$}  {says:said$}  {effect:became$}  {why}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn row(step: &Step, told: &Told) -> [String; 5] {
    let (mark, effect) = match step.effect {
        Effect::Effective => ("*", "effective"),
        Effect::Overridden => (" ", "overridden"),
        Effect::Inherited => (" ", "inherited"),
        Effect::Ignored => (" ", "ignored"),
    };
    let says = match &step.policy.field {
        Some(field) => format!("{field}: {}", step.says),
        None => step.says.clone(),
    };
    // What only stands around the decision neither wins nor loses.
    let effect = if step.effect == Effect::Inherited && step.why.is_none() { "read" } else { effect };
    let parts: Vec<String> = step.why.iter().cloned().chain(place(&step.policy, told)).collect();
    [mark.to_owned(), name(&step.policy), format!("{says}{}", scope(&step.policy)), effect.to_owned(), parts.join("; ")]
}

fn name(policy: &PolicyRef) -> String {
    match policy.kind {
        PolicyKind::AutoMtls => "auto mTLS".to_owned(),
        PolicyKind::DefaultPermissive => "default".to_owned(),
        PolicyKind::NoProxy => "no sidecar".to_owned(),
        PolicyKind::Passthrough => "passthrough".to_owned(),
        PolicyKind::MeshConfig => "mesh config".to_owned(),
        PolicyKind::PeerAuthentication
        | PolicyKind::DestinationRule
        | PolicyKind::Sidecar
        | PolicyKind::Service
        | PolicyKind::ServiceEntry
        | PolicyKind::WorkloadEntry
        | PolicyKind::VirtualService
        | PolicyKind::Pod => policy.short(),
    }
}

/// For whom a PeerAuthentication speaks.
fn scope(policy: &PolicyRef) -> &'static str {
    match (policy.kind, policy.layer) {
        (PolicyKind::PeerAuthentication, Layer::Mesh) => " (mesh-wide)",
        (PolicyKind::PeerAuthentication, Layer::Namespace) => " (namespace)",
        (PolicyKind::PeerAuthentication, Layer::Workload) => " (workload)",
        (_, _) => "",
    }
}

/// When it was changed and by whom, and the line of its manifest.
fn place(policy: &PolicyRef, told: &Told) -> Vec<String> {
    let ago = policy.changed_at.zip(told.now).map(|(at, now)| format!("changed {} ago", age(at, now)));
    let by = policy.changed_by.as_ref().map(|by| format!("by {by}"));
    let changed = match (ago, by) {
        (Some(ago), Some(by)) => Some(format!("{ago} {by}")),
        (Some(text), None) | (None, Some(text)) => Some(text),
        (None, None) => None,
    };
    let told_by = |manager: &&String| policy.changed_by.as_ref().is_none_or(|by| !by.contains(manager.as_str()));
    let managed = policy.managed_by.as_ref().filter(told_by).map(|by| format!("managed by {by}"));
    changed.into_iter().chain(managed).chain(policy.file.clone()).collect()
}

fn age(at: jiff::Timestamp, now: jiff::Timestamp) -> String {
    span(now.as_second().saturating_sub(at.as_second()).try_into().unwrap_or_default())
}
