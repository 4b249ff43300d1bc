//! Names as people type them for servers and clients: one parser each, resolved against what exists.

use crate::model::meta::Labels;
use crate::model::pair::ServerRef;
use crate::model::port::ServicePort;
use crate::model::workload::Pod;

/// `httpbin.bar`, `httpbin.bar:8000`, `bar/httpbin`, `svc/httpbin`, an FQDN, a ServiceEntry's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceName {
    /// As typed.
    pub text: String,
    name: String,
    namespace: Option<String>,
    port: Option<ServicePort>,
}

/// `sleep.foo`, `deploy/sleep`, `sleep`, `foo/sleep`, `app=sleep`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientName {
    /// A workload or pod by name.
    Named {
        /// As typed.
        text: String,
        /// Kind as `deploy` or `Deployment`, where given.
        kind: Option<String>,
        /// Its name.
        name: String,
        /// Its namespace, where given.
        namespace: Option<String>,
    },
    /// Every pod with these labels.
    Labelled(LabelSelector),
}

/// A label selector as kubectl's `-l` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSelector {
    /// As typed.
    pub text: String,
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Is(String, String),
    IsNot(String, String),
    Has(String),
    HasNot(String),
}

/// Why a name cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAName {
    /// The port is no number from 1 to 65535.
    #[error("`{0}`: the port must be a number from 1 to 65535")]
    Port(String),
    /// Nothing is left of it.
    #[error("`{0}` names nothing; write it like httpbin.bar, bar/httpbin or httpbin.bar:8000")]
    Empty(String),
    /// A selector that kubectl would not take either.
    #[error("`{0}` is no label selector; write it like app=sleep, app!=sleep, app or !app, separated by commas")]
    Selector(String),
}

const SERVICE_TYPES: [&str; 5] = ["svc", "service", "services", "se", "serviceentry"];
const WORKLOAD_TYPES: [(&str, &str); 14] = [
    ("deploy", "Deployment"),
    ("deployment", "Deployment"),
    ("deployments", "Deployment"),
    ("sts", "StatefulSet"),
    ("statefulset", "StatefulSet"),
    ("statefulsets", "StatefulSet"),
    ("ds", "DaemonSet"),
    ("daemonset", "DaemonSet"),
    ("daemonsets", "DaemonSet"),
    ("job", "Job"),
    ("jobs", "Job"),
    ("po", "Pod"),
    ("pod", "Pod"),
    ("pods", "Pod"),
];

// === impl ServiceName ===

impl std::str::FromStr for ServiceName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (path, port) = match text.rsplit_once(':') {
            Some((path, port)) => {
                let number = port.parse().ok().filter(|port| *port > 0);
                (path, Some(ServicePort(number.ok_or_else(|| NotAName::Port(text.to_owned()))?)))
            }
            None => (text, None),
        };
        let (namespace, name) = match path.split_once('/') {
            Some((kind, name)) if SERVICE_TYPES.contains(&kind.to_lowercase().as_str()) => (None, name),
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, path),
        };
        if name.is_empty() || namespace.as_deref() == Some("") {
            return Err(NotAName::Empty(text.to_owned()));
        }
        Ok(Self { text: text.to_owned(), name: name.trim_end_matches('.').to_owned(), namespace, port })
    }
}

impl ServiceName {
    /// The name and the namespace, as far as they can be told without knowing what exists: of `httpbin.bar` both.
    #[must_use]
    pub fn parts(&self) -> (&str, Option<&str>) {
        match (&self.namespace, self.name.split_once('.')) {
            (Some(namespace), _) => (&self.name, Some(namespace)),
            (None, None) => (&self.name, None),
            (None, Some((name, rest))) => (name, Some(rest.split_once('.').map_or(rest, |(namespace, _)| namespace))),
        }
    }

    /// Whether it names this service port; a name without namespace means `default_namespace`.
    #[must_use]
    pub fn matches(&self, server: &ServerRef, default_namespace: &str) -> bool {
        if self.port.is_some_and(|port| port != server.port) {
            return false;
        }
        if self.name == server.host {
            return self.namespace.as_deref().is_none_or(|namespace| namespace == server.namespace);
        }
        if server.entry {
            return false;
        }
        match (&self.namespace, self.name.split_once('.')) {
            (Some(namespace), _) => *namespace == server.namespace && self.name == server.service,
            (None, None) => server.namespace == default_namespace && self.name == server.service,
            (None, Some((name, rest))) => {
                let namespace = rest.split_once('.').map_or(rest, |(namespace, _)| namespace);
                let tail = rest.split_once('.').map_or("", |(_, tail)| tail);
                name == server.service && namespace == server.namespace && (tail.is_empty() || is_domain(tail, server))
            }
        }
    }
}

/// `svc`, or the rest of the fully qualified name.
fn is_domain(tail: &str, server: &ServerRef) -> bool {
    tail == "svc" || server.host.ends_with(&format!(".{tail}"))
}

// === impl ClientName ===

impl std::str::FromStr for ClientName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(['=', '!', ',']) {
            return text.parse().map(Self::Labelled);
        }
        let named = |kind: Option<&str>, name: &str, namespace: Option<&str>| {
            if name.is_empty() || namespace == Some("") {
                return Err(NotAName::Empty(text.to_owned()));
            }
            let owned = |part: &str| part.to_owned();
            let (kind, namespace) = (kind.map(owned), namespace.map(owned));
            Ok(Self::Named { text: owned(text), kind, name: owned(name), namespace })
        };
        let Some((first, rest)) = text.split_once('/') else {
            let (name, namespace) = split_namespace(text);
            return named(None, name, namespace);
        };
        if let Some((_, kind)) = WORKLOAD_TYPES.iter().find(|(word, _)| *word == first.to_lowercase()) {
            let (name, namespace) = split_namespace(rest);
            return named(Some(kind), name, namespace);
        }
        named(None, rest, Some(first))
    }
}

/// `sleep.foo` is workload `sleep` in namespace `foo`: a namespace has no dots, a workload may.
fn split_namespace(text: &str) -> (&str, Option<&str>) {
    text.rsplit_once('.').map_or((text, None), |(name, namespace)| (name, Some(namespace)))
}

impl ClientName {
    /// Whether it names this pod; a name without namespace means `default_namespace`, or any where there is none.
    #[must_use]
    pub fn matches(&self, pod: &Pod, default_namespace: Option<&str>) -> bool {
        match self {
            Self::Labelled(selector) => selector.matches(&pod.meta.labels),
            Self::Named { kind, name, namespace, .. } => {
                let place = namespace.as_deref().or(default_namespace);
                place.is_none_or(|namespace| namespace == pod.namespace())
                    && kind.as_ref().is_none_or(|kind| *kind == pod.workload.kind || kind == "Pod")
                    && (*name == pod.workload.name || *name == pod.meta.name)
            }
        }
    }

    /// As typed.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Named { text, .. } => text,
            Self::Labelled(selector) => &selector.text,
        }
    }
}

// === impl LabelSelector ===

impl std::str::FromStr for LabelSelector {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let requirements = text.split(',').map(|part| requirement(part.trim())).collect::<Option<Vec<_>>>();
        match requirements {
            Some(requirements) => Ok(Self { text: text.to_owned(), requirements }),
            None => Err(NotAName::Selector(text.to_owned())),
        }
    }
}

fn requirement(part: &str) -> Option<Requirement> {
    let key_value =
        |separator: &str| part.split_once(separator).map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
    let found = if let Some((key, value)) = key_value("!=") {
        Requirement::IsNot(key, value)
    } else if let Some((key, value)) = key_value("==").or_else(|| key_value("=")) {
        Requirement::Is(key, value)
    } else if let Some(key) = part.strip_prefix('!') {
        Requirement::HasNot(key.trim().to_owned())
    } else {
        Requirement::Has(part.to_owned())
    };
    let (Requirement::Is(key, _) | Requirement::IsNot(key, _) | Requirement::Has(key) | Requirement::HasNot(key)) =
        &found;
    (!key.is_empty() && !key.contains([' ', '(', ')'])).then_some(found)
}

impl LabelSelector {
    /// Whether these labels satisfy every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| match requirement {
            Requirement::Is(key, value) => labels.get(key) == Some(value),
            Requirement::IsNot(key, value) => labels.get(key) != Some(value),
            Requirement::Has(key) => labels.contains_key(key),
            Requirement::HasNot(key) => !labels.contains_key(key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientName, LabelSelector, NotAName, ServiceName};
    use crate::model::meta::Labels;
    use crate::model::pair::ServerRef;
    use crate::model::port::{Protocol, ServicePort};

    fn server(host: &str, entry: bool) -> ServerRef {
        ServerRef {
            namespace: "bar".to_owned(),
            service: if entry { host.to_owned() } else { "httpbin".to_owned() },
            entry,
            host: host.to_owned(),
            port: ServicePort(8000),
            port_name: "http".to_owned(),
            protocol: Protocol::Http,
        }
    }

    #[test]
    fn a_service_answers_to_each_of_its_names() {
        let httpbin = server("httpbin.bar.svc.cluster.local", false);
        for name in [
            "httpbin.bar",
            "httpbin.bar:8000",
            "bar/httpbin",
            "bar/httpbin:8000",
            "httpbin.bar.svc",
            "httpbin.bar.svc.cluster.local",
            "httpbin.bar.svc.cluster.local.",
            "httpbin",
            "svc/httpbin",
        ] {
            assert!(name.parse::<ServiceName>().unwrap().matches(&httpbin, "bar"), "{name}");
        }
        for name in ["httpbin.foo", "httpbin.bar:80", "foo/httpbin", "httpbin.bar.example.com", "bar.httpbin"] {
            assert!(!name.parse::<ServiceName>().unwrap().matches(&httpbin, "bar"), "{name}");
        }
        assert!(!"httpbin".parse::<ServiceName>().unwrap().matches(&httpbin, "foo"));
        let entry = server("api.example.com", true);
        assert!("api.example.com:8000".parse::<ServiceName>().unwrap().matches(&entry, "foo"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "bar/", "/httpbin", ":80"] {
            assert!(matches!(text.parse::<ServiceName>(), Err(NotAName::Empty(_))), "{text}");
        }
        for text in ["httpbin:0", "httpbin:http", "httpbin:65536"] {
            assert!(matches!(text.parse::<ServiceName>(), Err(NotAName::Port(_))), "{text}");
        }
        assert!(matches!("app=sleep, tier in (a)".parse::<ClientName>(), Err(NotAName::Selector(_))));
    }

    #[test]
    fn selectors_follow_kubectl() {
        let labels = Labels::from([("app".to_owned(), "sleep".to_owned())]);
        for (text, expected) in [
            ("app=sleep", true),
            ("app==sleep", true),
            ("app!=sleep", false),
            ("app", true),
            ("!app", false),
            ("app,!tier", true),
        ] {
            assert_eq!(text.parse::<LabelSelector>().unwrap().matches(&labels), expected, "{text}");
        }
    }
}
