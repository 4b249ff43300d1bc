//! A loopback listener whose connections end with it.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How long to wait for other connections to end when there are no descriptors left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// After which a connection on loopback is taken for one that nobody will accept.
const UNANSWERED: Duration = Duration::from_millis(100);

/// A task that ends when this is dropped.
#[derive(Debug)]
pub struct AbortOnDrop(JoinHandle<()>);

/// A listener on 127.0.0.1 with an ephemeral port. Dropping it closes the port and every connection it accepted.
#[derive(Debug)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    _accepts: AbortOnDrop,
}

// === impl AbortOnDrop ===

impl AbortOnDrop {
    /// Runs the future until it ends or this is dropped.
    pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl Listener ===

impl Listener {
    /// Listens at once; connections that come before the first poll wait in the kernel's queue.
    pub fn start<F, C>(accept: F) -> io::Result<Self>
    where
        F: Fn(TcpStream) -> C + Send + 'static,
        C: Future<Output = ()> + Send + 'static,
    {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        let address = socket.local_addr()?;
        let accepts = AbortOnDrop::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = socket.accept() => match accepted {
                        Ok((stream, _)) => {
                            // Small writes of small answers: the delay would be the longest part of a request.
                            let _ = stream.set_nodelay(true);
                            connections.spawn(accept(stream));
                        }
                        Err(_) => tokio::time::sleep(OUT_OF_DESCRIPTORS).await,
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, _accepts: accepts })
    }

    /// Listens, with a queue that is full: further connections are neither made nor refused.
    pub fn full() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let socket = socket.listen(1)?;
        let address = socket.local_addr()?;
        let mut waiting = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, UNANSWERED) {
            waiting.push(stream);
        }
        let accepts = AbortOnDrop::spawn(async move {
            let _kept = (socket, waiting);
            std::future::pending::<()>().await;
        });
        Ok(Self { address, _accepts: accepts })
    }
}
