//! Objects to the one input of the rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::decode::control_plane::{self, profiles};
use crate::decode::istio::{self, WrongWord};
use crate::decode::kind::{Kind, group_version, kind, qualified, title};
use crate::decode::metadata::{meta, name};
use crate::decode::objects::{self, PodRead};
use crate::decode::oversights;
use crate::decode::schema;
use crate::decode::service::{endpoint_slice, service};
use crate::decode::traffic_policy::destination_rule;
use crate::decode::value::text;
use crate::decode::virtual_service::virtual_service;
use crate::decode::workload::admitted;
use crate::decode::{Assume, Loaded, Problem, ProblemSeverity};
use crate::model::meta::{Meta, Origin};
use crate::model::snapshot::Snapshot;

/// Makes the frozen picture of a mesh from its objects. Whatever cannot be used becomes a problem; nothing stops it.
///
/// Of two objects with one kind, namespace and name the last counts. Workload objects make one pod each, unless a pod of theirs
/// is there; pods that were never applied get the proxy that admission would add.
#[must_use]
pub fn snapshot(objects: &[Loaded], assume: &Assume) -> (Snapshot, Vec<Problem>) {
    let mut pods = Vec::new();
    let mut others = Vec::new();
    for loaded in objects {
        match kind(&loaded.object) {
            Kind::Pod => pods.push(PodRead::of(loaded)),
            kind => others.push((kind, loaded)),
        }
    }
    assemble(others, pods, assume)
}

/// The same of pods that were read before.
pub(super) fn assemble(others: Vec<(Kind, &Loaded)>, pods: Vec<PodRead>, assume: &Assume) -> (Snapshot, Vec<Problem>) {
    let mut problems = Vec::new();
    let others = distinct(others, &mut problems);
    let pods = objects::distinct(pods, |earlier, later| problems.push(pod_twice(earlier, later)));
    let mut snapshot = Snapshot::default();
    for (kind, loaded) in &others {
        if let Err(error) = add(&mut snapshot, *kind, loaded) {
            problems.push(refused(loaded, &error));
        }
        problems.extend(dropped(*kind, loaded));
        snapshot.oversights.extend(oversights::of(*kind, loaded));
    }
    let istiods = control_plane::istiods(&others, &pods);
    snapshot.pods = admitted(pods, &others, &snapshot.namespaces);
    snapshot.profiles = profiles(istiods, &others, &snapshot.pods, assume, &mut problems);
    problems.extend(skipped(&others));
    (snapshot, problems)
}

/// The objects in order, of those with one identity only the last.
fn distinct<'a>(objects: Vec<(Kind, &'a Loaded)>, problems: &mut Vec<Problem>) -> Vec<(Kind, &'a Loaded)> {
    let mut places: HashMap<(Kind, &str, &str), usize> = HashMap::with_capacity(objects.len());
    let mut kept: Vec<Option<(Kind, &Loaded)>> = Vec::with_capacity(objects.len());
    for (kind, loaded) in objects {
        if !matches!(kind, Kind::Silent | Kind::Foreign) {
            let namespace = text(&loaded.object, &["metadata", "namespace"]).unwrap_or_default();
            let earlier = places.insert((kind, namespace, name(&loaded.object)), kept.len());
            if let Some(place) = earlier.and_then(|place| kept.get_mut(place))
                && let Some((_, earlier)) = place.take()
            {
                let message = twice(earlier.origin.as_ref(), loaded.origin.as_ref());
                problems.push(about(loaded, ProblemSeverity::Warning, message));
            }
        }
        kept.push(Some((kind, loaded)));
    }
    kept.into_iter().flatten().collect()
}

fn twice(earlier: Option<&Origin>, later: Option<&Origin>) -> String {
    let place = |origin: Option<&Origin>| origin.map_or_else(|| "the API".to_owned(), ToString::to_string);
    format!("stands twice, at {} and at {}; the last one counts", place(earlier), place(later))
}

fn pod_twice(earlier: &PodRead, later: &PodRead) -> Problem {
    let (earlier, later) = (&earlier.pod.meta, &later.pod.meta);
    Problem {
        file: later.origin.as_ref().map(|origin| origin.file.clone()),
        line: later.origin.as_ref().map(|origin| origin.line),
        object: Some(format!("Pod {}", later.key())),
        ..Problem::new(ProblemSeverity::Warning, twice(earlier.origin.as_ref(), later.origin.as_ref()))
    }
}

fn refused(loaded: &Loaded, error: &WrongWord) -> Problem {
    Problem {
        field: Some(error.field.clone()),
        hint: Some("an API server refuses it, so it is left out".to_owned()),
        ..about(loaded, ProblemSeverity::Error, error.to_string())
    }
}

/// Fields that somebody applied and the API server dropped without a word: what `kubectl apply` noted, against the schema.
fn dropped(kind: Kind, loaded: &Loaded) -> Vec<Problem> {
    let is_policy = match kind {
        Kind::PeerAuthentication
        | Kind::DestinationRule
        | Kind::Sidecar
        | Kind::ServiceEntry
        | Kind::WorkloadEntry
        | Kind::VirtualService => true,
        Kind::Namespace
        | Kind::Pod
        | Kind::Workload(_)
        | Kind::Service
        | Kind::EndpointSlice
        | Kind::ConfigMap
        | Kind::Silent
        | Kind::Foreign => false,
    };
    let applied = || {
        let note = "kubectl.kubernetes.io/last-applied-configuration";
        serde_json::from_str::<Value>(text(&loaded.object, &["metadata", "annotations", note])?).ok()
    };
    let Some(applied) = Some(()).filter(|()| is_policy).and_then(|()| applied()) else { return Vec::new() };
    let lost = schema::check(&applied).into_iter().filter(|problem| !problem.is_refusal());
    lost.map(|problem| Problem {
        field: Some(problem.path.clone()),
        hint: problem.hint,
        ..about(
            loaded,
            ProblemSeverity::Warning,
            format!("`{}` was applied and is no field: it was dropped", problem.path),
        )
    })
    .collect()
}

fn about(loaded: &Loaded, severity: ProblemSeverity, message: String) -> Problem {
    Problem {
        file: loaded.origin.as_ref().map(|origin| origin.file.clone()),
        line: loaded.origin.as_ref().map(|origin| origin.line),
        object: Some(title(&loaded.object)),
        ..Problem::new(severity, message)
    }
}

/// Adds one object; pods and what makes them come later, when the namespaces are known.
fn add(snapshot: &mut Snapshot, kind: Kind, loaded: &Loaded) -> Result<(), WrongWord> {
    let (object, origin) = (&loaded.object, loaded.origin.as_ref());
    match kind {
        Kind::Namespace => snapshot.namespaces.push(namespace(object, origin)),
        Kind::Service => snapshot.services.push(service(object, origin)),
        Kind::EndpointSlice => snapshot.endpoint_slices.extend(endpoint_slice(object, origin)),
        Kind::PeerAuthentication => snapshot.peer_authentications.push(istio::peer_authentication(object, origin)?),
        Kind::DestinationRule => snapshot.destination_rules.push(destination_rule(object, origin)?),
        Kind::Sidecar => snapshot.sidecars.push(istio::sidecar(object, origin)?),
        Kind::ServiceEntry => snapshot.service_entries.push(istio::service_entry(object, origin)?),
        Kind::WorkloadEntry => snapshot.workload_entries.push(istio::workload_entry(object, origin)),
        Kind::VirtualService => snapshot.virtual_services.push(virtual_service(object, origin)),
        Kind::Pod | Kind::Workload(_) | Kind::ConfigMap | Kind::Silent | Kind::Foreign => {}
    }
    Ok(())
}

/// The API server labels every namespace with its name; selectors rely on it.
fn namespace(object: &Value, origin: Option<&Origin>) -> Meta {
    let mut meta = meta(object, origin);
    let name = meta.name.clone();
    meta.labels.entry("kubernetes.io/metadata.name".to_owned()).or_insert(name);
    meta
}

/// What is meant by the name of a kind in Istio. Kubernetes' own groups share names with it on purpose (Gateway).
fn namesake(loaded: &Loaded) -> Option<String> {
    let kind = text(&loaded.object, &["kind"])?;
    let (group, _) = group_version(text(&loaded.object, &["apiVersion"]).unwrap_or_default());
    let group = Some(group).filter(|group| !group.ends_with(".k8s.io"));
    group.and_then(|_| schema::group_of(kind)).map(|group| format!("Istio's {kind} is of the API group {group}"))
}

/// One note for all objects of kinds that are not read.
fn skipped(objects: &[(Kind, &Loaded)]) -> Option<Problem> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, loaded) in objects.iter().filter(|(kind, _)| *kind == Kind::Foreign) {
        *counts.entry(qualified(&loaded.object)).or_default() += 1;
    }
    let total: usize = counts.values().sum();
    let list: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let namesakes: BTreeSet<String> =
        objects.iter().filter(|(kind, _)| *kind == Kind::Foreign).filter_map(|(_, loaded)| namesake(loaded)).collect();
    let namesakes = Some(namesakes.into_iter().collect::<Vec<_>>().join("; ")).filter(|hint| !hint.is_empty());
    (total > 0).then(|| Problem {
        hint: namesakes,
        ..Problem::new(ProblemSeverity::Note, format!("not read: {}", list.join(", ")))
    })
}
