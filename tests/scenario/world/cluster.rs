//! The same mesh for a cluster with Istio: applications that run, and sidecars that the webhook injects.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::scenario::row::Name;
use crate::scenario::world::{CURL, TCP_ECHO, Workload, World, flow, is_in_the_lab};

// === impl World ===

impl World {
    /// What has to be added to the test-bed's own world.
    pub(crate) fn manifests_beside_the_test_bed(&self) -> String {
        self.manifests_of(|name| !is_in_the_lab(name), Workload::write_for_a_cluster)
    }

    /// Workloads that have to be added to it.
    pub(crate) fn beside_the_test_bed(&self) -> impl Iterator<Item = &Name> {
        self.workloads.iter().map(|workload| &workload.name).filter(|name| !is_in_the_lab(name))
    }

    /// Whether it has no workload or Service but those of the test-bed's own world.
    pub(crate) fn is_of_the_test_bed(&self) -> bool {
        self.beside_the_test_bed().next().is_none() && self.services.iter().all(|service| is_in_the_lab(&service.name))
    }

    /// Workloads with a sidecar.
    pub(crate) fn with_sidecar(&self) -> impl Iterator<Item = &Name> {
        self.workloads.iter().filter(|workload| workload.sidecar).map(|workload| &workload.name)
    }

    /// Workloads that curl runs in.
    pub(crate) fn callers(&self) -> impl Iterator<Item = &Name> {
        self.workloads.iter().filter(|workload| workload.image == CURL).map(|workload| &workload.name)
    }

    /// Ports of its Services.
    pub(crate) fn service_ports(&self) -> impl Iterator<Item = (&Name, u16)> {
        self.services.iter().flat_map(|service| service.ports.iter().map(|port| (&service.name, port.number)))
    }
}

// === impl Workload ===

impl Workload {
    fn write_for_a_cluster(&self, out: &mut String, ports: &BTreeSet<u16>) {
        let Name { name, namespace } = &self.name;
        // `kubectl exec deploy/NAME` goes by the selector alone, and two workloads may have the same labels.
        let labels = format!("{}, workload: {name}", flow(&self.labels));
        let inject = if self.sidecar { "" } else { ", sidecar.istio.io/inject: 'false'" };
        let runs = match self.image {
            CURL => "[/bin/sleep, infinity]".to_owned(),
            TCP_ECHO => echo(ports),
            _ => httpbin(ports),
        };
        let ready = ports.first().map_or_else(String::new, |port| {
            format!(", readinessProbe: {{tcpSocket: {{port: {port}}}, periodSeconds: 1}}")
        });
        _ = writeln!(
            out,
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
             spec:\n  replicas: 1\n  selector:\n    matchLabels: {{{labels}}}\n  template:\n    metadata:\n      \
             labels: {{{labels}{inject}}}\n    spec:\n      serviceAccountName: {name}\n      \
             terminationGracePeriodSeconds: 0\n      containers:\n      \
             - {{name: {name}, image: 'localhost/app:1', imagePullPolicy: Never, command: {runs}{ready}}}",
        );
    }
}

/// As in the test-bed's own world.
fn httpbin(ports: &BTreeSet<u16>) -> String {
    let bound = ports.iter().map(|port| format!("-b, '0.0.0.0:{port}'")).collect::<Vec<_>>().join(", ");
    format!("[gunicorn, -k, gthread, --threads, '16', --keep-alive, '0', {bound}, 'httpbin:app']")
}

fn echo(ports: &BTreeSet<u16>) -> String {
    let each = ports.iter().map(|port| format!("socat TCP-LISTEN:{port},fork,reuseaddr EXEC:cat & "));
    format!("[sh, -c, '{}wait']", each.collect::<Vec<_>>().concat())
}

#[cfg(test)]
mod tests {
    use crate::scenario::world::World;

    #[test]
    fn only_what_the_test_bed_lacks_is_brought_up_and_its_webhook_adds_the_sidecars() {
        let workloads = [
            "sleep.foo sidecar app=sleep",
            "sleep.shop sidecar app=sleep",
            "web.shop none app=web",
            "raw.shop sidecar app=raw runs tcp-echo",
        ];
        let services = ["web.shop 80->8080 http, 90->9090 http app=web", "raw.shop 7->7 tcp app=raw"];
        let world = World::parse("", &workloads.map(str::to_owned), &services.map(str::to_owned)).unwrap();
        let yaml = world.manifests_beside_the_test_bed();
        for piece in [
            "kind: Namespace\nmetadata: {name: shop, labels: {istio-injection: enabled}}",
            "labels: {app: web, workload: web, sidecar.istio.io/inject: 'false'}\n",
            "-b, '0.0.0.0:8080', -b, '0.0.0.0:9090', 'httpbin:app'], readinessProbe: {tcpSocket: {port: 8080}",
            "command: [sh, -c, 'socat TCP-LISTEN:7,fork,reuseaddr EXEC:cat & wait'], readiness",
            "command: [/bin/sleep, infinity]}\n",
        ] {
            assert!(yaml.contains(piece), "no `{piece}` in\n{yaml}");
        }
        for piece in ["foo", "istio-proxy", "tlsMode"] {
            assert!(!yaml.contains(piece), "`{piece}` in\n{yaml}");
        }
        assert!(!world.is_of_the_test_bed() && World::parse("foo legacy", &[], &[]).unwrap().is_of_the_test_bed());
        let names = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(" ");
        assert_eq!(names(&mut world.beside_the_test_bed().map(ToString::to_string)), "sleep.shop web.shop raw.shop");
        assert_eq!(names(&mut world.with_sidecar().map(ToString::to_string)), "sleep.foo sleep.shop raw.shop");
        assert_eq!(names(&mut world.callers().map(ToString::to_string)), "sleep.foo sleep.shop");
        let ports = names(&mut world.service_ports().map(|(name, port)| format!("{name}:{port}")));
        assert_eq!(ports, "web.shop:80 web.shop:90 raw.shop:7");
    }
}
