//! A change as a person makes it: steps of a JSON patch on the object, or a manifest of a new one.

use serde_json::{Map, Value, json};

use crate::audit::change::{Change, Key, Place, is, only_tls, only_tls_at_all};
use crate::model::json_patch::{self, Step};
use crate::model::meta::Labels;
use crate::model::policy::{DestinationRule, PeerAuthentication};
use crate::model::snapshot::Snapshot;

/// A change as a person makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Steps on an object that is there.
    Patch {
        /// kubectl's word for the kind.
        resource: &'static str,
        /// The object.
        object: Key,
        /// The steps.
        steps: Vec<Step>,
    },
    /// A new object.
    Create(Value),
}

// === impl Edit ===

impl Edit {
    /// What a person does to make the change in this mesh; `None` where there is nothing to change.
    #[must_use]
    pub fn of(change: &Change, mesh: &Snapshot) -> Option<Self> {
        let rule = |key: &Key| mesh.destination_rules.iter().find(|found| is(&found.meta, key));
        let on = |resource, object: &Key, step| Self::Patch { resource, object: object.clone(), steps: vec![step] };
        match change {
            Change::RemoveTls { rule: key, place } => {
                let path = path_to_remove(rule(key)?, *place)?;
                Some(on("destinationrule", key, Step::Remove { path }))
            }
            Change::SetTls { rule: key, place, mode } => {
                let value = json!({ "mode": mode });
                let step = step_to_set(rule(key)?, *place, value)?;
                Some(on("destinationrule", key, step))
            }
            Change::SetMode { policy: key, port, mode } => {
                let found = mesh.peer_authentications.iter().find(|found| is(&found.meta, key))?;
                let value = json!({ "mode": mode });
                let set = |path: String, there: bool| {
                    let value = value.clone();
                    if there { Step::Replace { path, value } } else { Step::Add { path, value } }
                };
                let step = match port {
                    None => set("/spec/mtls".to_owned(), found.mode.is_some()),
                    Some(port) if found.ports.is_empty() => {
                        Step::Add { path: "/spec/portLevelMtls".to_owned(), value: json!({ port.to_string(): value }) }
                    }
                    Some(port) => set(format!("/spec/portLevelMtls/{port}"), found.ports.contains_key(port)),
                };
                Some(on("peerauthentication", key, step))
            }
            Change::NewRule(rule) => Some(Self::Create(rule_manifest(rule))),
            Change::NewPolicy(policy) => Some(Self::Create(policy_manifest(policy))),
        }
    }

    /// The steps; none for a new object.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        match self {
            Self::Patch { steps, .. } => steps,
            Self::Create(_) => &[],
        }
    }

    /// A command that can be pasted.
    #[must_use]
    pub fn command(&self) -> String {
        match self {
            Self::Patch { resource, object: (namespace, name), steps } => {
                let steps = serde_json::to_string(steps).unwrap_or_default();
                format!("kubectl -n {namespace} patch {resource} {name} --type=json -p '{steps}'")
            }
            Self::Create(manifest) => {
                let manifest = serde_saphyr::to_string(manifest).unwrap_or_default();
                format!("kubectl apply -f - <<'EOF'\n{}\nEOF", manifest.trim_end())
            }
        }
    }
}

/// The manifest after the steps, without what only a server writes; `None` where a step does not fit.
#[must_use]
pub fn patched(object: &Value, steps: &[Step]) -> Option<Value> {
    let mut object = object.clone();
    json_patch::apply(steps, &mut object).ok()?;
    as_written(&mut object);
    Some(object)
}

/// Leaves out what a server adds to an object.
fn as_written(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    fields.shift_remove("status");
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "selfLink"] {
        metadata.shift_remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            metadata.shift_remove("annotations");
        }
    }
}

fn path_of(place: Place) -> String {
    let policy = match place.subset {
        None => "/spec/trafficPolicy".to_owned(),
        Some(index) => format!("/spec/subsets/{index}/trafficPolicy"),
    };
    match place.entry {
        None => policy,
        Some(index) => format!("{policy}/portLevelSettings/{index}"),
    }
}

/// The smallest thing around the TLS settings that has to go with them.
fn path_to_remove(rule: &DestinationRule, place: Place) -> Option<String> {
    let (policy, settings) = (place.policy(rule)?, place.settings(rule)?);
    settings.tls.as_ref()?;
    let around = path_of(Place { entry: None, ..place });
    Some(match place.entry {
        None if only_tls_at_all(policy) => around,
        None => format!("{around}/tls"),
        Some(_) if !only_tls(settings) => format!("{}/tls", path_of(place)),
        Some(_) if policy.ports.len() > 1 => path_of(place),
        Some(_) if only_tls(&policy.settings) && policy.settings.tls.is_none() => around,
        Some(_) => format!("{around}/portLevelSettings"),
    })
}

fn step_to_set(rule: &DestinationRule, place: Place, value: Value) -> Option<Step> {
    let path = format!("{}/tls", path_of(place));
    match (place.policy(rule), place.settings(rule)) {
        (None, _) if place.entry.is_none() => Some(Step::Add { path: path_of(place), value: json!({ "tls": value }) }),
        (_, None) => None,
        (_, Some(settings)) if settings.tls.is_some() => Some(Step::Replace { path, value }),
        (_, Some(_)) => Some(Step::Add { path, value }),
    }
}

fn manifest(api_version: &str, kind: &str, namespace: &str, name: &str, spec: &Map<String, Value>) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": { "name": name, "namespace": namespace },
        "spec": spec,
    })
}

fn rule_manifest(rule: &DestinationRule) -> Value {
    let mut spec = Map::new();
    spec.insert("host".to_owned(), json!(rule.host));
    if let Some(tls) = rule.traffic_policy.as_ref().and_then(|policy| policy.settings.tls.as_ref()) {
        spec.insert("trafficPolicy".to_owned(), json!({ "tls": { "mode": tls.mode } }));
    }
    manifest("networking.istio.io/v1", "DestinationRule", &rule.meta.namespace, &rule.meta.name, &spec)
}

fn policy_manifest(policy: &PeerAuthentication) -> Value {
    let mut spec = Map::new();
    spec.insert("selector".to_owned(), json!({ "matchLabels": labels(&policy.selector) }));
    let ports: Map<String, Value> =
        policy.ports.iter().map(|(port, mode)| (port.to_string(), json!({ "mode": mode }))).collect();
    spec.insert("portLevelMtls".to_owned(), Value::Object(ports));
    manifest("security.istio.io/v1", "PeerAuthentication", &policy.meta.namespace, &policy.meta.name, &spec)
}

fn labels(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect()
}
