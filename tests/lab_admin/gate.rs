//! A server before the lab's API that forbids some paths, as RBAC would, and hands on the rest.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kube::config::Kubeconfig;
use kubectl_mtls::lab::network::listener::AbortOnDrop;
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

pub(super) struct Gate {
    kubeconfig: Kubeconfig,
    refused: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
    _accepting: AbortOnDrop,
}

/// What is said in place of the lab to a path with its query; `None` hands it on.
pub(super) type Says = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

struct Behind {
    address: String,
    tls: TlsConnector,
    forbidden: Vec<String>,
    refused: Arc<AtomicUsize>,
    says: Says,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    pub(super) async fn before(kubeconfig: &str, forbidden: &[&str]) -> Self {
        Self::saying(kubeconfig, forbidden, Box::new(|_| None)).await
    }

    /// One that answers some paths itself, with text.
    pub(super) async fn saying(kubeconfig: &str, forbidden: &[&str], says: Says) -> Self {
        let mut kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
        let cluster = kubeconfig.clusters[0].cluster.as_mut().unwrap();
        let address = cluster.server.as_ref().unwrap().trim_start_matches("https://").to_owned();
        let pem = cluster.certificate_authority_data.take().unwrap();
        let pem = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, pem).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let provider = kubectl_mtls::lab::authority::crypto_provider();
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        cluster.server = Some(format!("http://{}", listener.local_addr().unwrap()));
        let (refused, asked) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let behind = Arc::new(Behind {
            address,
            tls: TlsConnector::from(Arc::new(config)),
            forbidden: forbidden.iter().map(|path| (*path).to_owned()).collect(),
            refused: Arc::clone(&refused),
            says,
            asked: Arc::clone(&asked),
        });
        let accepting = AbortOnDrop::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, Arc::clone(&behind)));
            }
        });
        Self { kubeconfig, refused, asked, _accepting: accepting }
    }

    pub(super) async fn cluster(&self) -> Cluster {
        Cluster::from_kubeconfig(self.kubeconfig.clone(), &ClusterRequest::default()).await.unwrap()
    }

    /// Paths that it answered itself.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }
}

/// One connection, which carries one request or what it was upgraded to.
async fn carry(mut stream: TcpStream, behind: Arc<Behind>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    if let Some(part) = behind.forbidden.iter().find(|part| line.contains(&format!("{part}?"))) {
        behind.refused.fetch_add(1, Ordering::SeqCst);
        let status = format!(
            "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Failure\",\"message\":\"you may not use {part}\",\
             \"reason\":\"Forbidden\",\"code\":403}}"
        );
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{status}",
            status.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        return;
    }
    let path = line.split(' ').nth(1).unwrap_or_default();
    if let Some(said) = (behind.says)(path) {
        behind.asked.lock().unwrap().push(path.to_owned());
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length";
        let _ = stream.write_all(format!("{head}: {}\r\n\r\n{said}", said.len()).as_bytes()).await;
        return;
    }
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let Ok(tcp) = TcpStream::connect(&behind.address).await else { return };
    let Ok(mut upstream) = behind.tls.connect(name, tcp).await else { return };
    if upstream.write_all(&head).await.is_ok() {
        let _ = copy_bidirectional(&mut stream, &mut upstream).await;
    }
}
