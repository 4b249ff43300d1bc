//! `pods/<name>/portforward` over a WebSocket: channels 2i for the data of the i-th port, 2i+1 for its error.
//!
//! Each channel begins with the port, two bytes, lowest first.
//! Kubernetes: `kubelet/pkg/cri/streaming/portforward/websocket.go`. `kubectl port-forward` tunnels SPDY instead (since 1.31 in a
//! WebSocket of `SPDY/3.1+portforward.k8s.io`, else by an upgrade to SPDY/3.1), which is not served: it is told what is.

use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc::{self, Sender};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::lab::desired::PodId;
use crate::lab::kube_api::Server;
use crate::lab::kube_api::body::Body;
use crate::lab::kube_api::exec::Exec;
use crate::lab::kube_api::query::Query;
use crate::lab::kube_api::route::Target;
use crate::lab::kube_api::status::Refusal;
use crate::lab::kube_api::websocket::{LINGER, close, forever, frame, ping, pump, upgrade, write};
use crate::lab::store::Key;

const PROTOCOLS: &[&str] = &["v4.channel.k8s.io"];
/// What `kubectl port-forward` is told.
const NO_SPDY: &str = "the lab serves port-forward to WebSocket clients of v4.channel.k8s.io, not SPDY, which kubectl speaks; to ask a \
                       proxy: kubectl exec POD -c istio-proxy -- pilot-agent request GET /config_dump";

/// Answers a request: checks it, upgrades, and lets the connections run by themselves.
pub(crate) fn answer<E: Exec>(
    server: &Arc<Server<E>>,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let name = target.name.as_deref().unwrap_or_default();
    let key = Key::new(target.kind, target.namespace.as_deref().unwrap_or_default(), name);
    if server.store.get(&key).is_none() {
        return Err(Refusal::not_found(target.kind, name));
    }
    if speaks_spdy(request.headers()) {
        return Err(Refusal::not_implemented(NO_SPDY));
    }
    let (_, response) = upgrade(request.headers(), PROTOCOLS)?;
    let ports: Result<Vec<u16>, _> = query.all("ports").flat_map(|list| list.split(',')).map(str::parse).collect();
    let ports = ports.map_err(|_| Refusal::bad_request("query parameter \"ports\" must name ports"))?;
    // A channel is one byte, and each port takes two.
    if ports.is_empty() || ports.len() > 120 {
        return Err(Refusal::bad_request("query parameter \"ports\" is required"));
    }
    let server = Arc::clone(server);
    let pod = PodId { namespace: key.namespace, name: key.name };
    tokio::spawn(async move {
        let mut running = server.running.clone();
        let session = async {
            match hyper::upgrade::on(request).await {
                Ok(upgraded) => {
                    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
                    run(&server.exec, socket, &pod, &ports).await;
                }
                Err(error) => tracing::debug!(%error, "a port-forward of the lab was not upgraded"),
            }
        };
        tokio::select! {
            () = session => {}
            _ = running.changed() => {}
        }
    });
    Ok(response)
}

/// Whether a client wants SPDY, bare or in a WebSocket (`k8s.io/client-go/tools/portforward/tunneling_dialer.go`).
fn speaks_spdy(headers: &HeaderMap) -> bool {
    let asks = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.starts_with("SPDY/"));
    headers.get(UPGRADE).is_some_and(asks) || headers.get(SEC_WEBSOCKET_PROTOCOL).is_some_and(asks)
}

/// Carries bytes until every connection has ended or the client is gone.
async fn run<E, S>(exec: &E, socket: WebSocketStream<S>, pod: &PodId, ports: &[u16])
where
    E: Exec,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (sink, source) = socket.split();
    let (outgoing, queue) = mpsc::channel(4);
    let asking = outgoing.downgrade();
    let (inlets, outlets): (Vec<_>, Vec<_>) = ports.iter().map(|_| mpsc::channel(4)).unzip();
    let forwarding = async move {
        let all = ports.iter().zip(outlets).zip(0_u8..);
        let all = all.map(|((port, outlet), index)| forward(exec, pod, *port, index, outlet, &outgoing));
        futures_util::future::join_all(all).await;
        outgoing.send(close()).await.ok();
    };
    let reading = read(source, inlets);
    tokio::pin!(reading);
    let finished = tokio::select! {
        finished = write(sink, queue) => finished.is_ok(),
        () = &mut reading => false,
        never = forever(forwarding) => match never {},
        never = ping(asking) => match never {},
    };
    if finished {
        tokio::time::timeout(LINGER, reading).await.ok();
    }
}

/// One connection to one port. Its end ends nothing else.
async fn forward<E: Exec>(
    exec: &E,
    pod: &PodId,
    port: u16,
    index: u8,
    mut outlet: mpsc::Receiver<bytes::Bytes>,
    outgoing: &Sender<Message>,
) {
    let (data, error) = (2 * index, 2 * index + 1);
    for channel in [data, error] {
        outgoing.send(frame(channel, &port.to_le_bytes())).await.ok();
    }
    let connection = match exec.connect(pod, port).await {
        Ok(connection) => connection,
        Err(reason) => {
            let text = format!("error forwarding port {port} to pod {pod}: {reason}");
            outgoing.send(frame(error, text.as_bytes())).await.ok();
            return;
        }
    };
    let (from, to) = connection.into_split();
    let sending = async {
        let mut to: OwnedWriteHalf = to;
        while let Some(bytes) = outlet.recv().await {
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        to.shutdown().await.ok();
        std::future::pending::<()>().await;
    };
    // The connection is over when the server says so; a client cannot close one half over channels.
    tokio::select! {
        () = pump(from, Some(data), outgoing) => {}
        () = sending => {}
    }
}

/// Carries frames to the connections; ends when the client is gone.
async fn read(mut source: impl Stream<Item = Result<Message, Error>> + Unpin, inlets: Vec<Sender<bytes::Bytes>>) {
    while let Some(Ok(message)) = source.next().await {
        let Message::Binary(data) = message else { continue };
        let Some((&channel, rest)) = data.split_first() else { continue };
        // Odd channels are for errors, which a client has none of.
        if channel % 2 == 0
            && let Some(inlet) = inlets.get(usize::from(channel / 2))
            && !rest.is_empty()
        {
            inlet.send(data.slice(1..)).await.ok();
        }
    }
}
