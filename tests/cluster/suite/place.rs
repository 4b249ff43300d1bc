//! Where a case is acted: who calls, what is called, and whose proxies have to hold a policy first.

use std::process::Command;

use anyhow::{Result, bail};

use crate::kubectl::{apply, printed};
use crate::scenario::row::Name;
use crate::scenario::world::World;

/// A part of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Workloads that curl runs in.
    pub(crate) clients: Vec<Name>,
    /// Service ports that it calls.
    pub(crate) targets: Vec<(Name, u16)>,
    /// Workloads with a sidecar.
    pub(crate) sidecars: Vec<Name>,
    /// Service ports where the application can tell who called, as far as the tool may ask it.
    pub(crate) tells_the_caller: Vec<(Name, u16)>,
    /// Whether some are no httpbin, which the tool asks only when that is demanded.
    pub(crate) is_probed: bool,
}

/// Namespaces of the test-bed's own world.
const NAMESPACES: [&str; 3] = ["foo", "bar", "legacy"];
/// Service ports of each httpbin there: http, TCP by name, and one without a protocol. What arrives at the other two over mutual TLS
/// runs through TCP chains, where nobody adds a header.
const PORTS: [u16; 3] = [8000, 9000, 9001];

// === impl Place ===

impl Place {
    /// The test-bed's own world (`world/world.yaml`).
    pub(crate) fn own() -> Self {
        let each = |name: &str| NAMESPACES.map(|namespace| named(name, namespace)).to_vec();
        let ports = |of: &[u16]| {
            each("httpbin").into_iter().flat_map(|name| of.iter().map(move |port| (name.clone(), *port))).collect()
        };
        let is_injected = |name: &Name| name.namespace != "legacy";
        Self {
            clients: each("sleep"),
            targets: ports(&PORTS),
            sidecars: [each("sleep"), each("httpbin")].concat().into_iter().filter(is_injected).collect(),
            tells_the_caller: ports(&PORTS[..1]),
            is_probed: false,
        }
    }

    /// Brings up what a scenario's world has and the test-bed has not, and waits for it; it stays until the test-bed ends.
    pub(crate) fn of(world: &World) -> Result<Self> {
        if let Some(refused) = apply(&world.manifests_beside_the_test_bed())? {
            bail!("kubectl apply: {}", refused.trim());
        }
        for Name { name, namespace } in world.beside_the_test_bed() {
            printed(&["rollout", "status", "-n", namespace, &format!("deploy/{name}"), "--timeout=110s"])?;
        }
        let targets = world.service_ports().map(|(name, port)| (name.clone(), port)).collect::<Vec<_>>();
        Ok(Self {
            clients: world.callers().cloned().collect(),
            sidecars: world.with_sidecar().cloned().collect(),
            tells_the_caller: targets.iter().filter(|(name, _)| world.is_httpbin(name)).cloned().collect(),
            is_probed: !world.only_httpbin(),
            targets,
        })
    }

    /// The command that looks at all of it.
    pub(crate) fn check(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-mtls"));
        command.args(["check", "-o", "json"]);
        let mut services = self.targets.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>();
        services.dedup();
        command.args(services);
        for client in &self.clients {
            command.args(["--from", &client.to_string()]);
        }
        if self.is_probed {
            command.arg("--probe");
        }
        command
    }
}

fn named(name: &str, namespace: &str) -> Name {
    Name { name: name.to_owned(), namespace: namespace.to_owned() }
}
