//! Clients that were not asked about and are refused all the same.

use crate::intent::Mesh;
use crate::model::pair::ServerRef;
use crate::model::wire::Wire;
use crate::verdict::report::{AlsoBroken, Report};

/// More clients than this are not looked at: a mesh of that size is a matter for `check`.
const MOST_CLIENTS: usize = 20_000;

/// Adds who else is refused by the service ports of the report.
pub fn add(report: &mut Report, mesh: &Mesh<'_>) {
    let clients = mesh.clients();
    if clients.len() > MOST_CLIENTS {
        return;
    }
    let servers: Vec<ServerRef> = mesh.servers();
    for server in &servers {
        let here = |pair: &&crate::verdict::report::Pair| crate::audit::fixes::is_server(pair, server);
        let Some(key) = report.pairs.iter().find(here).map(|pair| key_of(&pair.id)) else { continue };
        let mut also = AlsoBroken { server: key, conflicts: Vec::new(), refused: Vec::new() };
        for client in &clients {
            let known = |pair: &crate::verdict::report::Pair| {
                pair.client.namespace == client.reference.namespace && pair.client.pod == client.reference.pod
            };
            if report.pairs.iter().filter(here).any(known) {
                continue;
            }
            let intent = mesh.pair_shared(client.pod, server);
            let name = client.pod.display_name();
            match (intent.conflict, intent.outcome.wire) {
                (true, _) => also.conflicts.push(name),
                (false, Wire::Refused) => also.refused.push(name),
                (false, _) => {}
            }
        }
        if !also.conflicts.is_empty() || !also.refused.is_empty() {
            report.also_broken.push(also);
        }
    }
}

/// `bar/httpbin:8000` of `foo/sleep->bar/httpbin:8000`.
fn key_of(id: &str) -> String {
    id.split_once("->").map_or(id, |(_, server)| server).to_owned()
}
