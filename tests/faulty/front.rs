//! A server before the lab's API that keeps a log of what is asked and does to each request what a test wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kube::config::Kubeconfig;
use kubectl_mtls::lab::network::listener::AbortOnDrop;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// What becomes of a request.
pub(super) enum Fate {
    /// It is handed on.
    Pass,
    /// It is handed on with another first line.
    As(String),
    /// It is answered with this status, these headers and this body.
    Answer(u16, &'static str, String),
    /// It is handed on, and the answer is dated so.
    Dated(String),
    /// It is handed on, and the connection ends after so many bytes of the answer's body.
    Cut(usize),
    /// The connection ends without an answer.
    Reset,
    /// Nobody answers.
    Silence,
}

type Decide = dyn Fn(&str, usize) -> Fate + Send + Sync;

pub(super) struct Front {
    address: String,
    token: String,
    behind: Arc<Behind>,
    _accepting: AbortOnDrop,
}

struct Behind {
    address: String,
    tls: TlsConnector,
    decide: Box<Decide>,
    asked: Mutex<Vec<String>>,
    times: Mutex<HashMap<String, usize>>,
}

impl Front {
    pub(super) async fn before(kubeconfig: &str, decide: impl Fn(&str, usize) -> Fate + Send + Sync + 'static) -> Self {
        let value: serde_json::Value = {
            let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
            serde_json::json!({ "cluster": kubeconfig.clusters[0].cluster })
        };
        let text = |pointer: &str| value.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let pem = text("/cluster/certificate-authority-data");
        let pem = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, pem).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(kubectl_mtls::lab::authority::crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let behind = Arc::new(Behind {
            address: text("/cluster/server").trim_start_matches("https://").to_owned(),
            tls: TlsConnector::from(Arc::new(config)),
            decide: Box::new(decide),
            asked: Mutex::default(),
            times: Mutex::default(),
        });
        let serving = Arc::clone(&behind);
        let accepting = AbortOnDrop::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, Arc::clone(&serving)));
            }
        });
        let token = kubeconfig.rsplit("token: ").next().unwrap().trim().to_owned();
        Self { address, token, behind, _accepting: accepting }
    }

    pub(super) fn kubeconfig(&self) -> String {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: faulty, contexts: [{{name: faulty, context: {{cluster: faulty, user: \
             faulty}}}}], clusters: [{{name: faulty, cluster: {{server: \"{}\"}}}}], users: [{{name: faulty, user: {{token: {}}}}}]}}",
            self.address, self.token
        )
    }

    /// Method and path of what was asked, as far as the path begins so; tokens of pages are left out.
    pub(super) fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.behind.asked.lock().unwrap();
        let of = |line: &String| line.split(' ').nth(1).is_some_and(|found| found.starts_with(path));
        let short = |line: &String| line.split("continue=").next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
        asked.iter().filter(|line| of(line)).map(short).collect()
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
    let head = String::from_utf8(head).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let path = line.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
    behind.asked.lock().unwrap().push(line.to_owned());
    let before = {
        let mut times = behind.times.lock().unwrap();
        let times = times.entry(path).or_default();
        *times += 1;
        *times - 1
    };
    let mut date = None;
    let (line, most) = match (behind.decide)(line, before) {
        Fate::Pass => (line.to_owned(), usize::MAX),
        Fate::As(line) => (line, usize::MAX),
        Fate::Cut(most) => (line.to_owned(), most),
        Fate::Dated(text) => {
            date = Some(text);
            (line.to_owned(), usize::MAX)
        }
        Fate::Reset => return,
        Fate::Silence => return std::future::pending().await,
        Fate::Answer(code, headers, body) => {
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {code} -\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
            return;
        }
    };
    let upgraded = headers.to_lowercase().contains("upgrade: websocket");
    let close = if upgraded { "" } else { "connection: close\r\n" };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let Ok(tcp) = TcpStream::connect(&behind.address).await else { return };
    let Ok(mut upstream) = behind.tls.connect(name, tcp).await else { return };
    if upstream.write_all(format!("{line}\r\n{close}{headers}").as_bytes()).await.is_err() {
        return;
    }
    if let Some(date) = date {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(upstream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(answer).unwrap();
        let undated = head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("date:"));
        let head = undated.collect::<Vec<_>>().join("\r\n").replacen("\r\n", &format!("\r\ndate: {date}\r\n"), 1);
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
    if most == usize::MAX {
        let _ = copy_bidirectional(&mut stream, &mut upstream).await;
        return;
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(upstream.read_u8().await.unwrap());
    }
    let head = answer.len();
    answer.resize(head + most, 0);
    if upstream.read_exact(answer.get_mut(head..).unwrap()).await.is_ok() {
        let _ = stream.write_all(&answer).await;
    }
}
