//! The lab's data plane against what real Envoy and real curl did.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kubectl_mtls::lab::dataplane::Dataplane;
use kubectl_mtls::lab::desired::{ProxyConfig, TransportSocket};
use kubectl_mtls::model::port::PortClass;
use kubectl_mtls::model::tls::MtlsMode;

use crate::lab_dataplane::caller::{Curl, Said};
use crate::lab_dataplane::cases::Case;
use crate::lab_dataplane::world::{
    SERVER, SERVICE_PORT, VIP, accepting, client, client_identity, endpoint, istio_mutual, mesh, originating,
};

mod behaviour;
pub(crate) mod caller;
pub(crate) mod cases;
mod certificates;
pub(crate) mod recording;
mod shapes;
mod tokens;
mod world;

/// Asks httpbin from the client's pod.
async fn ask(client_sidecar: Option<ProxyConfig>, server_sidecar: Option<ProxyConfig>) -> Said {
    let dataplane = Dataplane::start().await.unwrap();
    dataplane.apply(mesh(client_sidecar, server_sidecar)).await.unwrap();
    let certificate = dataplane.authority().issue_workload(&client_identity()).unwrap();
    let to = SocketAddr::new(VIP, SERVICE_PORT);
    Curl::get("httpbin.foo:8000", "/headers?show_env=1").run(&dataplane, &client(), to, &certificate).await
}

fn sends(socket: TransportSocket, marked: bool) -> ProxyConfig {
    originating(PortClass::Http, socket, vec![endpoint(SERVER, marked)])
}

fn accepts(mode: MtlsMode) -> ProxyConfig {
    accepting(PortClass::Http, mode, mode)
}

/// `envoy-symptoms.md`, section 2: status, `server`, whether XFCC came.
#[tokio::test]
async fn the_matrix_of_plain_auto_disable_and_istio_mutual() {
    use MtlsMode::{Disable, Permissive, Strict};
    let auto = || Some(sends(TransportSocket::Matches(istio_mutual()), true));
    let unmarked = || Some(sends(TransportSocket::Matches(istio_mutual()), false));
    let disable = || Some(sends(TransportSocket::RawBuffer, false));
    let mutual = || Some(sends(TransportSocket::Tls(istio_mutual()), false));
    let rows = [
        (None, None, 0, 200, "gunicorn", false),
        (None, Some(Permissive), 0, 200, "istio-envoy", false),
        (None, Some(Strict), 56, 0, "", false),
        (None, Some(Disable), 0, 200, "istio-envoy", false),
        (auto(), None, 0, 503, "envoy", false),
        (auto(), Some(Permissive), 0, 200, "envoy", true),
        (auto(), Some(Strict), 0, 200, "envoy", true),
        (auto(), Some(Disable), 0, 503, "envoy", false),
        (unmarked(), None, 0, 200, "envoy", false),
        (unmarked(), Some(Permissive), 0, 200, "envoy", false),
        (unmarked(), Some(Strict), 0, 503, "envoy", false),
        (unmarked(), Some(Disable), 0, 200, "envoy", false),
        (disable(), Some(Permissive), 0, 200, "envoy", false),
        (disable(), Some(Strict), 0, 503, "envoy", false),
        (mutual(), None, 0, 503, "envoy", false),
        (mutual(), Some(Permissive), 0, 200, "envoy", true),
        (mutual(), Some(Strict), 0, 200, "envoy", true),
        (mutual(), Some(Disable), 0, 503, "envoy", false),
    ];
    for (position, (client, server, exit, status, name, xfcc)) in rows.into_iter().enumerate() {
        let said = ask(client, server.map(accepts)).await;
        let seen = (said.exit, said.status, said.header("server").unwrap_or_default(), said.xfcc().is_some());
        assert_eq!(seen, (exit, status, name, xfcc), "row {position}, {server:?}: {said:?}");
    }
}

/// Four copies of the world: eight pods, all with sidecars. The best of a few, since tests share the machine.
#[tokio::test]
async fn it_starts_quickly() {
    let mut desired = mesh(Some(sends(TransportSocket::RawBuffer, false)), Some(accepts(MtlsMode::Strict)));
    let pods: Vec<_> = desired.pods.clone().into_iter().collect();
    for copy in 1..4 {
        for (id, pod) in &pods {
            let mut id = id.clone();
            id.name += &copy.to_string();
            desired.pods.insert(id, pod.clone());
        }
    }
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        let dataplane = Dataplane::start().await.unwrap();
        dataplane.apply(desired.clone()).await.unwrap();
        best = best.min(began.elapsed());
    }
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[tokio::test]
async fn recorded_cases_come_out_as_recorded() {
    let run = |case: Case| async move { (case.differences(None).await, case.id) };
    let ran: Vec<_> = futures_util::stream::iter(Case::all().into_iter().map(run)).buffer_unordered(8).collect().await;
    let failed: Vec<_> = ran.iter().filter(|(differences, _)| !differences.is_empty()).collect();
    assert!(failed.is_empty(), "{} of {} cases: {failed:#?}", failed.len(), ran.len());
    assert_eq!(ran.len(), 304);
}
