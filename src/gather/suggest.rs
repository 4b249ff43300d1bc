//! A name that nothing has: what is wrong with it, and what comes near.

use std::collections::BTreeSet;

use crate::gather::scope::Unmatched;
use crate::intent::Client;
use crate::model::name::{ClientName, ServiceName};
use crate::model::pair::ServerRef;

/// So many names are offered.
const MOST: usize = 3;
/// Names less alike than this are no help.
const LEAST_ALIKE: f64 = 0.75;

/// For a service port that is not there.
pub(super) fn service(
    asked: &ServiceName,
    servers: &[ServerRef],
    namespaces: &BTreeSet<&str>,
    default_namespace: &str,
) -> Unmatched {
    let (name, namespace) = asked.parts();
    let place = namespace.unwrap_or(default_namespace);
    let of_name = || servers.iter().filter(|server| server.service == name || server.host == name);
    let here: Vec<&ServerRef> = of_name().filter(|server| server.entry || server.namespace == place).collect();
    let (because, near): (Option<String>, Vec<String>) = if here.is_empty() {
        let elsewhere: Vec<String> = of_name().map(ServerRef::display_name).collect();
        let names = || servers.iter().map(ServerRef::display_name);
        let near = if elsewhere.is_empty() { alike(&asked.text, names()) } else { elsewhere };
        (missing(place, namespaces), near)
    } else {
        let ports: Vec<String> = here.iter().map(|server| server.port.to_string()).collect();
        let because = format!("it has port {}", ports.join(", "));
        (Some(because), here.iter().map(|server| server.display_name()).collect())
    };
    Unmatched { text: asked.text.clone(), what: "service port", because, nearest: first(near) }
}

/// For a client that is not there.
pub(super) fn client(
    asked: &ClientName,
    clients: &[Client<'_>],
    namespaces: &BTreeSet<&str>,
    default_namespace: Option<&str>,
) -> Unmatched {
    let (because, near) = match asked {
        ClientName::Labelled(_) => (Some("no pod that can call has these labels".to_owned()), Vec::new()),
        ClientName::Named { name, namespace, .. } => {
            let same = |client: &&Client<'_>| client.pod.workload.name == *name || client.pod.meta.name == *name;
            let elsewhere: Vec<String> = clients.iter().filter(same).map(|client| client.pod.display_name()).collect();
            let place = namespace.as_deref().or(default_namespace);
            let near = if elsewhere.is_empty() {
                alike(asked.text(), clients.iter().map(|client| client.pod.display_name()))
            } else {
                elsewhere
            };
            (place.and_then(|place| missing(place, namespaces)), near)
        }
    };
    Unmatched { text: asked.text().to_owned(), what: "client", because, nearest: first(near) }
}

/// What is wrong with a namespace that is not there.
fn missing(namespace: &str, namespaces: &BTreeSet<&str>) -> Option<String> {
    (!namespaces.contains(namespace)).then(|| {
        let near = alike(namespace, namespaces.iter().map(|name| (*name).to_owned()));
        let near = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        format!("there is no namespace `{namespace}`{near}")
    })
}

/// The name that is most like a text, where one is alike at all.
#[must_use]
pub fn alike(text: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<(f64, String)> = names
        .map(|name| (strsim::jaro_winkler(text, &name), name))
        .filter(|(likeness, _)| *likeness > LEAST_ALIKE)
        .collect();
    found.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    found.truncate(1);
    found.into_iter().map(|(_, name)| name).collect()
}

fn first(mut names: Vec<String>) -> Vec<String> {
    names.dedup();
    names.truncate(MOST);
    names
}
