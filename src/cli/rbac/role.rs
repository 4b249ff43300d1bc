//! Needs written as roles: YAML that `kubectl apply` takes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::source::needs::{self, NAMESPACES, Need, Place, Purpose};
use crate::source::rights::Right;

/// What is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Roles<'a> {
    /// Name of each role.
    pub(super) name: &'a str,
    /// What it is for.
    pub(super) purposes: &'a [Purpose],
    /// Who gets it; none = nobody yet.
    pub(super) subjects: &'a [Subject],
    /// The namespaces; none = all.
    pub(super) namespaces: &'a [String],
    /// The control plane's.
    pub(super) istio_namespace: &'a str,
    /// Revisions beside the default one.
    pub(super) revisions: &'a [String],
}

/// Who gets a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

/// A role: where it holds, and its rules.
struct Role {
    namespace: Option<String>,
    needs: Vec<Need>,
}

// === impl Roles ===

impl Roles<'_> {
    /// All of them, each with its binding where somebody gets it.
    pub(super) fn yaml(self) -> String {
        let documents = self.roles().into_iter().flat_map(|role| {
            let binding = (!self.subjects.is_empty()).then(|| role.binding(self.name, self.subjects));
            [role.yaml(self.name, self.revisions)].into_iter().chain(binding)
        });
        documents.collect::<Vec<_>>().join("---\n")
    }

    fn roles(self) -> Vec<Role> {
        let wanted = || needs::needs().filter(|need| self.purposes.contains(&need.purpose));
        let policies = |right| Need { right, purpose: Purpose::Policies, place: Place::Looked };
        if self.namespaces.is_empty() {
            let (control_plane, looked): (Vec<_>, Vec<_>) =
                wanted().partition(|need| need.place == Place::ControlPlane);
            let needs = [policies(NAMESPACES.right())].into_iter().chain(looked).collect();
            let everywhere = Role { namespace: None, needs };
            return vec![everywhere, Role { namespace: Some(self.istio_namespace.to_owned()), needs: control_plane }];
        }
        let mut by_namespace: BTreeMap<&str, Vec<Need>> = BTreeMap::new();
        for namespace in self.namespaces {
            // A namespace is got by its name: a Role in it may allow that.
            let own = Need { right: Right { verb: "get", ..NAMESPACES.right() }, ..policies(NAMESPACES.right()) };
            let here = wanted().filter(|need| need.place != Place::ControlPlane);
            by_namespace.insert(namespace, [own].into_iter().chain(here).collect());
        }
        let beside = wanted().filter(|need| need.place != Place::Looked);
        let needs = by_namespace.entry(self.istio_namespace).or_default();
        for need in beside {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        by_namespace.into_iter().map(|(at, needs)| Role { namespace: Some(at.to_owned()), needs }).collect()
    }
}

// === impl Role ===

impl Role {
    fn kind(&self) -> &'static str {
        if self.namespace.is_some() { "Role" } else { "ClusterRole" }
    }

    fn head(&self, kind: &str, name: &str) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!("  namespace: {}\n", quoted(namespace)));
        let namespace = namespace.unwrap_or_default();
        format!("apiVersion: {API}/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{namespace}")
    }

    fn binding(&self, name: &str, subjects: &[Subject]) -> String {
        let mut text = self.head(&format!("{}Binding", self.kind()), name);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "roleRef:\n  apiGroup: {API}\n  kind: {}\n  name: {name}\nsubjects:", self.kind());
        for subject in subjects {
            let _ = match subject {
                Subject::User(name) => writeln!(text, "- apiGroup: {API}\n  kind: User\n  name: {}", quoted(name)),
                Subject::Group(name) => writeln!(text, "- apiGroup: {API}\n  kind: Group\n  name: {}", quoted(name)),
                Subject::ServiceAccount { namespace, name } => {
                    let (namespace, name) = (quoted(namespace), quoted(name));
                    writeln!(text, "- kind: ServiceAccount\n  namespace: {namespace}\n  name: {name}")
                }
            };
        }
        text
    }

    fn yaml(&self, name: &str, revisions: &[String]) -> String {
        let mut text = self.head(self.kind(), name);
        text.push_str("rules:\n");
        let mut said = None;
        for rule in rules(&self.needs) {
            if said != Some(rule.purpose) {
                let _ = writeln!(text, "# {}", reason(rule.purpose));
                said = Some(rule.purpose);
            }
            let group = if rule.group.is_empty() { "\"\"" } else { rule.group };
            let _ = writeln!(text, "- apiGroups: [{group}]\n  resources: [{}]", rule.resources.join(", "));
            if let Some(name) = rule.name {
                // The one right that is bound to a name is that to mesh configurations.
                let more = revisions.iter().map(|revision| format!(", {}", quoted(&needs::mesh_config_of(revision))));
                let _ = writeln!(text, "  resourceNames: [{name}{}]", more.collect::<String>());
            }
            let _ = writeln!(text, "  verbs: [{}]", rule.verbs.join(", "));
        }
        text
    }
}

const API: &str = "rbac.authorization.k8s.io";

/// A name as YAML; what it might read otherwise is quoted as JSON, whose strings are YAML's, too.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "y"];
    let plain = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !WORDS.contains(&text)
        && text != "n";
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

fn reason(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Policies => "policies: one list of each kind (not with -f, --bundle or --standalone)",
        Purpose::Requests => "requests: curl, or wget, in the test clients' containers (not with --no-probe)",
        Purpose::DebugContainers => "containers that are added to pods without curl (with --debug-image)",
        Purpose::Proxies => {
            "proxies: Envoy's port 15000 (not with --no-proxy; where this is missing, pods/exec does, one question at a time)"
        }
    }
}

/// A rule of a role.
struct Rule {
    purpose: Purpose,
    group: &'static str,
    resources: Vec<&'static str>,
    name: Option<&'static str>,
    verbs: Vec<&'static str>,
}

/// Needs that differ only in the resource, or only in the verb, are one rule.
fn rules(needs: &[Need]) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for Need { right, purpose, .. } in needs {
        let like = |rule: &&mut Rule| (rule.purpose, rule.group, rule.name) == (*purpose, right.group, right.name);
        if let Some(rule) = rules.iter_mut().filter(like).find(|rule| rule.verbs == [right.verb]) {
            rule.resources.push(right.resource);
        } else if let Some(rule) = rules.iter_mut().filter(like).find(|rule| rule.resources == [right.resource]) {
            rule.verbs.push(right.verb);
        } else {
            rules.push(Rule {
                purpose: *purpose,
                group: right.group,
                resources: vec![right.resource],
                name: right.name,
                verbs: vec![right.verb],
            });
        }
    }
    rules
}
