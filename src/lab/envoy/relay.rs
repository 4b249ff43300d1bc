//! Between a real Envoy and the lab's network: Envoy dials loopback sockets, which lead to virtual addresses.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::lab::desired::PodId;
use crate::lab::network::Network;
use crate::lab::network::listener::Listener;
use crate::lab::network::proxy_protocol::Dialled;
use crate::model::port::WorkloadPort;

/// One read.
const CHUNK: usize = 16 * 1024;

/// A socket that stands for one virtual address, as the sidecar of `pod` dials it.
pub(super) fn to(network: Network, pod: PodId, destination: SocketAddr) -> io::Result<Listener> {
    Listener::start(move |stream| {
        let (network, pod) = (network.clone(), pod.clone());
        async move { splice(stream, network.connect_as_sidecar(&pod, destination).await).await }
    })
}

/// A socket for every destination the sidecar does not know: Envoy names it in a PROXY header.
pub(super) fn anywhere(network: Network, pod: PodId) -> io::Result<Listener> {
    Listener::start(move |mut stream| {
        let (network, pod) = (network.clone(), pod.clone());
        async move {
            let Ok(dialled) = Dialled::read(&mut stream).await else { return };
            splice(stream, network.connect_as_sidecar(&pod, dialled.destination).await).await;
        }
    })
}

/// A socket for the ports of the pod's own application that nobody declared.
pub(super) fn application(network: Network, pod: PodId) -> io::Result<Listener> {
    Listener::start(move |mut stream| {
        let (network, pod) = (network.clone(), pod.clone());
        async move {
            let Ok(dialled) = Dialled::read(&mut stream).await else { return };
            let port = WorkloadPort(dialled.destination.port());
            splice(stream, network.connect_to_application(&pod, port).await).await;
        }
    })
}

/// Carries bytes, ends and resets both ways. A connection that cannot be made is a reset.
async fn splice(envoy: TcpStream, upstream: io::Result<TcpStream>) {
    let Ok(upstream) = upstream else {
        let _ = envoy.set_zero_linger();
        return;
    };
    let (mut from_envoy, mut to_envoy) = envoy.into_split();
    let (mut from_upstream, mut to_upstream) = upstream.into_split();
    let carried = tokio::try_join!(carry(&mut from_envoy, &mut to_upstream), carry(&mut from_upstream, &mut to_envoy),);
    if carried.is_err() {
        for half in [&to_envoy, &to_upstream] {
            let stream: &TcpStream = half.as_ref();
            let _ = stream.set_zero_linger();
        }
    }
}

/// Until the end, which is passed on; an error is a reset.
async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(chunk.get(..read).unwrap_or_default()).await?;
    }
}
