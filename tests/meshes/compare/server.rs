//! What the sidecar of each pod does with each arrival.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::filter_chain::handle;
use kubectl_mtls::model::pair::AcceptMode;
use kubectl_mtls::model::port::WorkloadPort;
use kubectl_mtls::model::wire::{Arrival, Handling};

use crate::meshes::compare::pod;
use crate::meshes::recorded::Expected;
use crate::meshes::tally::Tally;

const ARRIVALS: [(&str, Arrival); 7] = [
    ("plaintext-http", Arrival::PlaintextHttp),
    ("plaintext-tcp", Arrival::PlaintextTcp),
    ("mutual-tls-http", Arrival::MutualTlsHttp),
    ("mutual-tls-tcp", Arrival::MutualTlsTcp),
    ("tls", Arrival::Tls),
    ("tls-no-alpn", Arrival::TlsNoAlpn),
    ("tls-client-cert", Arrival::TlsClientCert),
];

/// Any port that nobody names; the recordings write 0.
const ANY_OTHER: u16 = 64999;

pub(crate) fn servers(id: &str, expected: &Expected, mesh: &Mesh<'_>, tally: &mut Tally) {
    for server in &expected.servers {
        tally.servers += 1;
        let Some(pod) = pod(mesh, id, &server.pod, tally).filter(|_| server.sidecar) else { continue };
        let chains = mesh.inbound_chains(pod);
        for port in &server.ports {
            let number = WorkloadPort(if port.number == 0 { ANY_OTHER } else { port.number });
            let at = format!("{id} {} port {}", server.pod, port.number);
            let mode = match mesh.inbound(pod, number).mode {
                AcceptMode::Strict => "STRICT",
                AcceptMode::Permissive => "PERMISSIVE",
                AcceptMode::Disable => "DISABLE",
                AcceptMode::NoProxy => "NO_PROXY",
            };
            tally.same("mode", &at, &mode, &port.mode.as_str());
            for (name, arrival) in ARRIVALS {
                let ours = Some(handling(handle(&chains, number, arrival)));
                tally.same("accepts", &format!("{at} {name}"), &ours.as_ref(), &port.accepts.get(name));
            }
        }
    }
}

/// The recordings' word for a handling.
fn handling(handling: Handling) -> String {
    match handling {
        Handling::Pass => "pass".to_owned(),
        Handling::Terminate => "terminate".to_owned(),
        Handling::TerminateIfMeshCertificate => "terminate-if-mesh-certificate".to_owned(),
        // The recordings know no such port: istiod's switch for it is off.
        Handling::TerminateOwn | Handling::TerminateOwnIfTrusted => "terminate-own".to_owned(),
        Handling::Refuse(why) => format!("refuse:{}", why.as_str()),
    }
}
