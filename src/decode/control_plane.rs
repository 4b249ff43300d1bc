//! Control-plane revisions: which there are, their version and their mesh configuration.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::decode::kind::{Kind, title};
use crate::decode::mesh_config::mesh_config;
use crate::decode::metadata::name;
use crate::decode::objects::PodRead;
use crate::decode::value::{at, items, text};
use crate::decode::yaml::{self, Refusal};
use crate::decode::{Assume, Loaded, Problem, ProblemSeverity};
use crate::model::mesh::{DEFAULT_REVISION, IstioVersion, MeshConfig, MeshProfile};
use crate::model::workload::Pod;

/// What istiod reads as "no" in its environment; whatever else it cannot read leaves the default, which is "yes".
///
/// Istio: `pkg/env/var.go:BoolVar.Lookup`, which calls Go's `strconv.ParseBool`.
const FALSE: [&str; 6] = ["0", "f", "F", "false", "FALSE", "False"];

/// One istiod, as its Deployment or Pod shows it.
#[derive(Default)]
struct Istiod {
    version: Option<IstioVersion>,
    alpn_filter: Option<bool>,
    tls_on_sidecar_ingress: bool,
    cluster_domain: Option<String>,
}

/// The profiles of all revisions that were seen, `default` first; one with the defaults where none was.
pub(super) fn profiles(
    istiods: Istiods,
    objects: &[(Kind, &Loaded)],
    pods: &[Pod],
    assume: &Assume,
    problems: &mut Vec<Problem>,
) -> Vec<MeshProfile> {
    let seen = istiods.namespace.as_deref();
    let namespace = assume.istio_namespace.as_deref().or(seen).unwrap_or("istio-system");
    let mut configs = configs(objects, namespace, problems);
    if let Some(seen) = seen.filter(|seen| *seen != namespace && configs.is_empty() && assume.mesh_config.is_none()) {
        problems.push(Problem {
            hint: Some(format!("istiod runs in namespace {seen}: `-i {seen}`")),
            ..Problem::new(
                ProblemSeverity::Warning,
                format!("namespace {namespace} has no mesh configuration: Istio's defaults are taken"),
            )
        });
    }
    let assumed = assume.mesh_config.as_ref().map(|value| {
        let (config, complaints) = mesh_config(value);
        let problem = |why| Problem::new(ProblemSeverity::Error, format!("the given mesh configuration: {why}"));
        problems.extend(complaints.into_iter().map(problem));
        config
    });
    let mut by_revision = istiods.by_revision;
    for revision in configs.keys() {
        by_revision.entry(revision.clone()).or_default();
    }
    if by_revision.is_empty() {
        by_revision = of_proxies(pods);
    }
    let mut profiles: Vec<MeshProfile> = by_revision
        .into_iter()
        .map(|(revision, istiod)| {
            let config = assumed.clone().or_else(|| configs.remove(&revision)).unwrap_or_default();
            profile(revision, &istiod, config, assume)
        })
        .collect();
    profiles.sort_by_key(|profile| profile.revision != DEFAULT_REVISION);
    profiles
}

fn profile(revision: String, istiod: &Istiod, config: MeshConfig, assume: &Assume) -> MeshProfile {
    let version = assume.istio_version.or(istiod.version);
    MeshProfile {
        revision,
        version: version.unwrap_or_default(),
        version_seen: version.is_some(),
        config: MeshConfig {
            cluster_domain: istiod.cluster_domain.clone().unwrap_or(config.cluster_domain.clone()),
            ..config
        },
        alpn_filter: istiod.alpn_filter.unwrap_or(true),
        tls_on_sidecar_ingress: istiod.tls_on_sidecar_ingress,
    }
}

/// Every istiod that was seen, by revision, and where they run.
#[derive(Default)]
pub(super) struct Istiods {
    by_revision: BTreeMap<String, Istiod>,
    namespace: Option<String>,
}

/// The control planes that Deployments and pods show.
pub(super) fn istiods(objects: &[(Kind, &Loaded)], pods: &[PodRead]) -> Istiods {
    let mut found = Istiods::default();
    for (_, loaded) in objects.iter().filter(|(kind, _)| *kind == Kind::Workload("Deployment")) {
        if let Some(template) = at(&loaded.object, &["spec", "template"]) {
            found.add(template, text(&loaded.object, &["metadata", "namespace"]));
        }
    }
    for object in pods.iter().filter_map(|read| read.istiod.as_deref()) {
        found.add(object, text(object, &["metadata", "namespace"]));
    }
    found
}

impl Istiods {
    fn add(&mut self, pod: &Value, namespace: Option<&str>) {
        let (Some(labels), Some(spec)) = (at(pod, &["metadata", "labels"]), at(pod, &["spec"])) else { return };
        if text(labels, &["app"]) != Some("istiod") {
            return;
        }
        let Some(container) = discovery_container(spec) else { return };
        let revision = text(labels, &["istio.io/rev"]).filter(|revision| !revision.is_empty());
        let entry = self.by_revision.entry(revision.unwrap_or(DEFAULT_REVISION).to_owned()).or_default();
        read_istiod(container, entry);
        if self.namespace.is_none() {
            self.namespace = namespace.map(str::to_owned);
        }
    }
}

fn discovery_container(spec: &Value) -> Option<&Value> {
    let containers = items(spec, &["containers"]);
    let named = containers.iter().find(|container| text(container, &["name"]) == Some("discovery"));
    named.or_else(|| containers.iter().find(|container| text(container, &["image"]).is_some_and(is_pilot)))
}

fn is_pilot(image: &str) -> bool {
    image.rsplit('/').next().is_some_and(|name| name.starts_with("pilot"))
}

fn read_istiod(container: &Value, istiod: &mut Istiod) {
    if let Some(version) = text(container, &["image"]).and_then(version_of_image) {
        istiod.version = Some(version);
    }
    let env = |name: &str| {
        let entry = items(container, &["env"]).iter().find(|entry| text(entry, &["name"]) == Some(name));
        entry.and_then(|entry| text(entry, &["value"]))
    };
    if let Some(value) = env("PILOT_ENABLE_ALPN_FILTER") {
        istiod.alpn_filter = Some(!FALSE.contains(&value));
    }
    if let Some(value) = env("ENABLE_TLS_ON_SIDECAR_INGRESS") {
        istiod.tls_on_sidecar_ingress = is_true(value);
    }
    let mut arguments = items(container, &["args"]).iter().filter_map(Value::as_str);
    let domain = arguments.find_map(|argument| match argument.strip_prefix("--domain") {
        Some("") => Some(None),
        Some(value) => value.strip_prefix('=').map(Some),
        None => None,
    });
    let domain = domain.and_then(|value| value.or_else(|| arguments.next()));
    if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
        istiod.cluster_domain = Some(domain.to_owned());
    }
}

/// Istio reads its switches as Go does: `strconv.ParseBool`.
fn is_true(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// The version in an image's tag: `docker.io/istio/pilot:1.31.0-distroless`.
fn version_of_image(image: &str) -> Option<IstioVersion> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    name.split_once(':')?.1.parse().ok()
}

/// Where no istiod and no mesh configuration was seen, the proxies tell what there is: their revisions, and the newest image of each.
fn of_proxies(pods: &[Pod]) -> BTreeMap<String, Istiod> {
    let mut found: BTreeMap<String, Istiod> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.proxy.is_envoy()) {
        let revision = pod.revision.as_deref().unwrap_or(DEFAULT_REVISION);
        let proxy = pod.containers.iter().find(|container| container.name == "istio-proxy");
        let version = proxy.and_then(|container| version_of_image(&container.image));
        if !found.contains_key(revision) {
            found.insert(revision.to_owned(), Istiod::default());
        }
        if let Some(istiod) = found.get_mut(revision) {
            istiod.version = istiod.version.max(version);
        }
    }
    if found.is_empty() {
        found.insert(DEFAULT_REVISION.to_owned(), Istiod::default());
    }
    found
}

/// `MeshConfig` by revision: ConfigMap `istio`, or `istio-<revision>`, in istiod's namespace.
///
/// Istio: `pilot/pkg/bootstrap/mesh.go:getMeshConfigMapName`.
fn configs(objects: &[(Kind, &Loaded)], namespace: &str, problems: &mut Vec<Problem>) -> BTreeMap<String, MeshConfig> {
    let mut configs = BTreeMap::new();
    for (_, loaded) in objects.iter().filter(|(kind, _)| *kind == Kind::ConfigMap) {
        let object = &loaded.object;
        let revision = match name(object) {
            "istio" => DEFAULT_REVISION,
            name => match name.strip_prefix("istio-") {
                Some(revision) => revision,
                None => continue,
            },
        };
        let there = text(object, &["metadata", "namespace"]) == Some(namespace);
        if let Some(mesh) = text(object, &["data", "mesh"]).filter(|_| there) {
            let documents = match yaml::documents(mesh) {
                Ok(documents) | Err(Refusal::DoubledKeys(documents)) => documents,
                Err(Refusal::Unreadable(error)) => {
                    problems.push(not_understood(loaded, &format!("it cannot be read: {error}")));
                    continue;
                }
            };
            let (config, complaints) = mesh_config(documents.first().unwrap_or(&Value::Null));
            problems.extend(complaints.iter().map(|complaint| not_understood(loaded, complaint)));
            configs.insert(revision.to_owned(), config);
        }
    }
    configs
}

fn not_understood(loaded: &Loaded, why: &str) -> Problem {
    Problem {
        file: loaded.origin.as_ref().map(|origin| origin.file.clone()),
        line: loaded.origin.as_ref().map(|origin| origin.line),
        object: Some(title(&loaded.object)),
        field: Some("data.mesh".to_owned()),
        hint: Some("Istio's default is taken instead".to_owned()),
        ..Problem::new(ProblemSeverity::Error, format!("the mesh configuration is not understood: {why}"))
    }
}
