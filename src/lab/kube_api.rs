//! The lab's face: a small Kubernetes API server on loopback over the object store.
//!
//! HTTPS with HTTP/1.1 and HTTP/2, a bearer token; what is served is what the Rust client and kubectl ask for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::lab::kube_api::exec::Exec;
use crate::lab::kube_api::kubeconfig::Connection;
use crate::lab::store::Store;

pub mod admission;
pub mod apply;
pub mod body;
pub mod delete;
pub mod discovery;
mod ephemeral;
pub mod exec;
pub mod handler;
pub mod kubeconfig;
pub mod managed_fields;
pub mod openapi;
pub mod patch;
pub mod port_forward;
pub mod protobuf;
pub mod query;
pub mod rbac;
pub mod read;
pub mod review;
pub mod route;
pub mod scale;
pub mod selector;
pub mod status;
pub mod view;
pub mod watching;
mod websocket;
pub mod write;

/// The certificate the server shows, and the authority that clients trust it by.
pub struct ServerCertificate {
    /// Leaf first. It must name 127.0.0.1.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
    /// The authority's certificate for the kubeconfig.
    pub authority_pem: String,
}

/// Why the API server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The certificate or key is not usable.
    #[error("cannot serve the lab's API with its certificate: {0}")]
    Certificate(#[from] rustls::Error),
    /// No port on loopback.
    #[error("cannot listen on a port of 127.0.0.1 for the lab's API: {0}")]
    Listen(#[from] std::io::Error),
}

/// A running API server. Dropping it ends every connection, watch and exec.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    connection: Connection,
    accepting: JoinHandle<()>,
    // Whoever waits on the other end learns of the end by the drop.
    _running: watch::Sender<()>,
}

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Server<E> {
    store: Store,
    exec: E,
    token: String,
    /// Changes never; closes when the server ends.
    running: watch::Receiver<()>,
}

// === impl ApiServer ===

impl ApiServer {
    /// Starts to serve on a free port of 127.0.0.1. Needs a tokio runtime.
    pub async fn start(
        store: Store,
        exec: impl Exec,
        certificate: ServerCertificate,
        token: &str,
    ) -> Result<Self, StartError> {
        let ServerCertificate { chain, key, authority_pem } = certificate;
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (running, watching) = watch::channel(());
        let server = Server { store, exec, token: token.to_owned(), running: watching };
        let accepting = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(tls)), Arc::new(server)));
        let connection = Connection { server: format!("https://{address}"), authority_pem, token: token.to_owned() };
        Ok(Self { address, connection, accepting, _running: running })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client needs to connect.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A kubeconfig file for kubectl.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        self.connection.kubeconfig()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

// === impl ServerCertificate ===

impl std::fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerCertificate").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// The provider this build was made with, whatever the process has installed.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(provider)
}

/// Takes connections until aborted; its connections end with it.
async fn accept<E: Exec>(listener: TcpListener, tls: TlsAcceptor, server: Arc<Server<E>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, tls.clone(), Arc::clone(&server)));
                }
                Err(error) => tracing::debug!(%error, "the lab's API could not accept a connection"),
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve<E: Exec>(stream: TcpStream, tls: TlsAcceptor, server: Arc<Server<E>>) {
    stream.set_nodelay(true).ok();
    let stream = match tls.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "TLS handshake with a client of the lab's API failed"),
    };
    let service = service_fn(move |request| {
        let server = Arc::clone(&server);
        async move { Ok::<_, std::convert::Infallible>(handler::handle(&server, request).await) }
    });
    let http = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = http.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection to the lab's API ended early");
    }
}
