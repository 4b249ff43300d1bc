//! The mesh of a scenario: workloads and Services, a line each, and the manifests they stand for.

mod cluster;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail, ensure};

use crate::scenario::row::Name;

/// Workloads and Services.
#[derive(Debug)]
pub(crate) struct World {
    workloads: Vec<Workload>,
    services: Vec<Service>,
}

/// A Deployment of one pod.
#[derive(Debug)]
struct Workload {
    name: Name,
    sidecar: bool,
    labels: BTreeMap<String, String>,
    image: &'static str,
}

/// A Service.
#[derive(Debug)]
struct Service {
    name: Name,
    ports: Vec<Port>,
    headless: bool,
    selector: BTreeMap<String, String>,
}

/// `8000->80 http`.
#[derive(Debug)]
struct Port {
    number: u16,
    target: u16,
    name: String,
}

const CURL: &str = "docker.io/curlimages/curl";
const TCP_ECHO: &str = "docker.io/istio/tcp-echo-server";

/// Namespaces that the lab has without being told.
const IN_THE_LAB: [&str; 3] = ["foo", "bar", "legacy"];

// === impl World ===

impl World {
    /// Reads `world` (namespaces with sleep and httpbin in each, sidecars but in `legacy`) and the lines that add to it.
    pub(crate) fn parse(namespaces: &str, workloads: &[String], services: &[String]) -> Result<Self> {
        let mut world = Self { workloads: Vec::new(), services: Vec::new() };
        for namespace in namespaces.split_whitespace() {
            let sidecar = if namespace == "legacy" { "none" } else { "sidecar" };
            world.workloads.push(Workload::parse(&format!("sleep.{namespace} {sidecar} app=sleep"))?);
            world.workloads.push(Workload::parse(&format!("httpbin.{namespace} {sidecar} app=httpbin"))?);
            world.services.push(Service::parse(&format!("httpbin.{namespace} 8000->80 http app=httpbin"))?);
        }
        for line in workloads {
            world.workloads.push(Workload::parse(line).with_context(|| format!("workloads: `{line}`"))?);
        }
        for line in services {
            world.services.push(Service::parse(line).with_context(|| format!("services: `{line}`"))?);
        }
        ensure!(
            !world.workloads.is_empty(),
            "no workloads: write `world: foo bar legacy`, or `workloads` and `services`"
        );
        let names = world.workloads.iter().map(|workload| &workload.name).collect::<BTreeSet<_>>();
        ensure!(names.len() == world.workloads.len(), "a workload is there twice");
        for service in &world.services {
            ensure!(world.behind(service).next().is_some(), "Service `{}` selects no workload", service.name);
        }
        Ok(world)
    }

    /// Whether there is such a workload.
    pub(crate) fn has_client(&self, name: &Name) -> bool {
        self.workloads.iter().any(|workload| workload.name == *name)
    }

    /// Whether there is such a Service port.
    pub(crate) fn has_service_port(&self, name: &Name, port: u16) -> bool {
        let service = self.services.iter().find(|service| service.name == *name);
        service.is_some_and(|service| service.ports.iter().any(|known| known.number == port))
    }

    /// Identities of the pods behind a Service.
    pub(crate) fn identities(&self, name: &Name) -> Vec<String> {
        let service = self.services.iter().find(|service| service.name == *name);
        service.into_iter().flat_map(|service| self.behind(service)).map(Workload::identity).collect()
    }

    /// Whether a Service is one that the tool sends requests to without being told: an httpbin.
    pub(crate) fn is_httpbin(&self, name: &Name) -> bool {
        let service = self.services.iter().find(|service| service.name == *name);
        service.is_some_and(|service| service.selector.get("app").is_some_and(|app| app == "httpbin"))
    }

    /// Whether all of them are.
    pub(crate) fn only_httpbin(&self) -> bool {
        self.services.iter().all(|service| self.is_httpbin(&service.name))
    }

    /// The Services, as arguments of the command.
    pub(crate) fn service_arguments(&self) -> Vec<String> {
        self.services.iter().map(|service| service.name.to_string()).collect()
    }

    /// All of it as the API server would hold it after injection.
    pub(crate) fn manifests(&self) -> String {
        self.manifests_of(|_| true, Workload::write)
    }

    /// What has to be added to the lab's own mesh.
    pub(crate) fn manifests_beside_the_lab(&self) -> String {
        self.manifests_of(|name| !is_in_the_lab(name), Workload::write)
    }

    fn manifests_of(
        &self,
        wanted: impl Fn(&Name) -> bool,
        write: impl Fn(&Workload, &mut String, &BTreeSet<u16>),
    ) -> String {
        let mut out = String::new();
        let workloads = self.workloads.iter().filter(|workload| wanted(&workload.name)).collect::<Vec<_>>();
        let namespaces = workloads.iter().map(|workload| workload.name.namespace.as_str()).collect::<BTreeSet<_>>();
        for namespace in namespaces {
            let injected = workloads.iter().any(|workload| workload.sidecar && workload.name.namespace == namespace);
            let labels = if injected { "{istio-injection: enabled}" } else { "{}" };
            _ = writeln!(
                out,
                "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {labels}}}"
            );
        }
        for workload in workloads {
            write(workload, &mut out, &self.ports_of(workload));
        }
        for service in self.services.iter().filter(|service| wanted(&service.name)) {
            service.write(&mut out);
        }
        out
    }

    fn behind<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Workload> {
        self.workloads.iter().filter(|workload| service.selects(workload))
    }

    fn ports_of(&self, workload: &Workload) -> BTreeSet<u16> {
        let services = self.services.iter().filter(|service| service.selects(workload));
        services.flat_map(|service| service.ports.iter().map(|port| port.target)).collect()
    }
}

// === impl Workload ===

impl Workload {
    /// Reads `sleep.foo sidecar app=sleep`; `runs curl`, `runs httpbin` or `runs tcp-echo` may follow.
    fn parse(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace();
        let name = Name::parse(words.next().unwrap_or_default())?;
        let sidecar = match words.next() {
            Some("sidecar") => true,
            Some("none") => false,
            other => bail!("write `sidecar` or `none` behind the name, not `{}`", other.unwrap_or_default()),
        };
        let (mut labels, mut runs) = (BTreeMap::new(), None);
        while let Some(word) = words.next() {
            match word.split_once('=') {
                Some((key, value)) => _ = labels.insert(key.to_owned(), value.to_owned()),
                None if word == "runs" => runs = words.next(),
                None => bail!("`{word}`: write a label as key=value, or `runs curl|httpbin|tcp-echo`"),
            }
        }
        ensure!(!labels.is_empty(), "give it a label, e.g. app={}", name.name);
        let calls = labels.get("app").is_some_and(|app| app == "sleep" || app == "curl");
        let image = match runs.unwrap_or(if calls { "curl" } else { "httpbin" }) {
            "curl" => CURL,
            "httpbin" => "docker.io/kong/httpbin",
            "tcp-echo" => TCP_ECHO,
            other => bail!("`runs {other}`: write `runs curl|httpbin|tcp-echo`"),
        };
        Ok(Self { name, sidecar, labels, image })
    }

    /// Its service account has the workload's name.
    fn identity(&self) -> String {
        format!("spiffe://cluster.local/ns/{}/sa/{}", self.name.namespace, self.name.name)
    }

    fn write(&self, out: &mut String, ports: &BTreeSet<u16>) {
        let Name { name, namespace } = &self.name;
        let labels = flow(&self.labels);
        let (marks, annotations, proxy) = if self.sidecar {
            (", security.istio.io/tlsMode: istio", "", "\n      - {name: istio-proxy, image: docker.io/istio/proxyv2}")
        } else {
            ("", "\n      annotations: {sidecar.istio.io/inject: 'false'}", "")
        };
        let ports = ports.iter().map(|port| format!("{{containerPort: {port}}}")).collect::<Vec<_>>().join(", ");
        _ = writeln!(
            out,
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:\n  replicas: 1\n  selector:\n    matchLabels: {{{labels}}}\n  template:\n    metadata:\n      \
             labels: {{{labels}{marks}}}{annotations}\n    spec:\n      serviceAccountName: {name}\n      containers:\n      \
             - {{name: {name}, image: {image}, ports: [{ports}]}}{proxy}",
            image = self.image,
        );
    }
}

// === impl Service ===

impl Service {
    /// Reads `httpbin.bar 8000->80 http, 9000->8080 tcp-raw headless app=httpbin`.
    fn parse(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace();
        let name = Name::parse(words.next().unwrap_or_default())?;
        let mut service = Self { name, ports: Vec::new(), headless: false, selector: BTreeMap::new() };
        while let Some(word) = words.next() {
            if let Some((number, target)) = word.split_once("->") {
                let port = words.next().context("the port's name is missing, e.g. `8000->80 http`")?;
                service.ports.push(Port {
                    number: number.parse().with_context(|| format!("`{number}` is no port"))?,
                    target: target.parse().with_context(|| format!("`{target}` is no port"))?,
                    name: port.trim_end_matches(',').to_owned(),
                });
            } else if let Some((key, value)) = word.split_once('=') {
                service.selector.insert(key.to_owned(), value.to_owned());
            } else if word == "headless" {
                service.headless = true;
            } else {
                bail!("`{word}`: write `8000->80 http`, `headless`, or a selector as key=value");
            }
        }
        ensure!(!service.ports.is_empty(), "it has no port, e.g. `8000->80 http`");
        ensure!(!service.selector.is_empty(), "it selects nothing, e.g. `app=httpbin`");
        Ok(service)
    }

    fn selects(&self, workload: &Workload) -> bool {
        self.name.namespace == workload.name.namespace
            && self.selector.iter().all(|(key, value)| workload.labels.get(key) == Some(value))
    }

    fn write(&self, out: &mut String) {
        let Name { name, namespace } = &self.name;
        let headless = if self.headless { "\n  clusterIP: None" } else { "" };
        let selector = flow(&self.selector);
        _ = writeln!(
            out,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:{headless}\n  selector: {{{selector}}}\n  ports:"
        );
        for Port { number, target, name } in &self.ports {
            _ = writeln!(out, "  - {{name: {name}, port: {number}, targetPort: {target}}}");
        }
    }
}

/// Whether the lab, and the test-bed of the cluster, have it without being told.
fn is_in_the_lab(name: &Name) -> bool {
    IN_THE_LAB.contains(&name.namespace.as_str()) && ["sleep", "httpbin"].contains(&name.name.as_str())
}

/// `app: httpbin, version: v1`.
fn flow(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::World;

    #[test]
    fn a_line_says_all_that_matters_of_a_workload_or_service() {
        let workloads =
            ["web.shop sidecar app=web tier=front", "old.shop none app=web runs tcp-echo"].map(str::to_owned);
        let services = ["web.shop 80->8080 http, 9000->9000 tcp-raw headless app=web".to_owned()];
        let yaml = World::parse("", &workloads, &services).unwrap().manifests();
        for piece in [
            "kind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}",
            "labels: {app: web, tier: front, security.istio.io/tlsMode: istio}\n",
            "- {name: web, image: docker.io/kong/httpbin, ports: [{containerPort: 8080}, {containerPort: 9000}]}\n      - {name: istio-proxy,",
            "labels: {app: web}\n      annotations: {sidecar.istio.io/inject: 'false'}\n",
            "- {name: old, image: docker.io/istio/tcp-echo-server,",
            "clusterIP: None\n  selector: {app: web}\n",
            "- {name: tcp-raw, port: 9000, targetPort: 9000}",
        ] {
            assert!(yaml.contains(piece), "no `{piece}` in\n{yaml}");
        }
    }

    #[test]
    fn a_careless_line_is_refused() {
        for (workload, service, says) in [
            ("web sidecar app=web", "web.a 80->80 http app=web", "write `name.namespace`"),
            ("web.a app=web", "web.a 80->80 http app=web", "write `sidecar` or `none`"),
            ("web.a sidecar", "web.a 80->80 http app=web", "give it a label"),
            ("web.a sidecar app=web runs nginx", "web.a 80->80 http app=web", "`runs nginx`"),
            ("web.a sidecar app=web", "web.a 80 http app=web", "`80`"),
            ("web.a sidecar app=web", "web.a 80->80 http", "it selects nothing"),
            ("web.a sidecar app=web", "web.b 80->80 http app=web", "selects no workload"),
        ] {
            let error = World::parse("", &[workload.to_owned()], &[service.to_owned()]).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(says), "`{workload}`, `{service}`\n  says `{error}`, not `{says}`");
        }
    }
}
