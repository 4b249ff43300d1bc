//! As much of curl as the measured command lines use, with curl's exit codes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kubectl_mtls::lab::authority::Issued;
use kubectl_mtls::lab::dataplane::Dataplane;
use kubectl_mtls::lab::desired::PodId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

const PATIENCE: Duration = Duration::from_secs(10);

/// What curl would say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Exit code.
    pub(crate) exit: i32,
    /// 0 without an answer.
    pub(crate) status: u16,
    /// In the order received, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A command line.
#[derive(Debug, Clone)]
pub(crate) struct Curl {
    pub(crate) https: bool,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) headers: Vec<(String, String)>,
    /// `--cert`.
    pub(crate) presents: bool,
    pub(crate) alpn: bool,
    /// `-m`.
    pub(crate) patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `--tls-max 1.1`: no HTTP is ever spoken.
    Tls11,
    Http10,
    Http11,
    H2c,
}

impl Curl {
    /// Reads a recorded command line; `None` for options that are not acted.
    pub(crate) fn parse(command: &str) -> Option<Self> {
        let (options, url) = command.rsplit_once(' ')?;
        let (scheme, rest) = url.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let header = options.split(" -H ").nth(1).map(|header| header.split_once(": ").expect("a header"));
        Some(Self {
            https: scheme == "https",
            host: host.to_owned(),
            path: format!("/{path}"),
            version: match (options.contains("--http1.0"), options.contains("--http2-prior-knowledge")) {
                (true, _) => Version::Http10,
                (false, true) => Version::H2c,
                (false, false) if options.contains("--tls-max 1.1") => Version::Tls11,
                (false, false) => Version::Http11,
            },
            headers: header.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            presents: options.contains("--cert"),
            alpn: !options.contains("--no-alpn"),
            patience: PATIENCE,
        })
    }

    pub(crate) fn get(host: &str, path: &str) -> Self {
        Self::parse(&format!("curl -sS http://{host}{path}")).expect("a command line")
    }

    /// Runs it in a pod against a virtual address.
    pub(crate) async fn run(&self, mesh: &Dataplane, pod: &PodId, to: SocketAddr, certificate: &Issued) -> Said {
        let run = async {
            let stream = match mesh.network().connect(pod, to).await {
                Ok(stream) => stream,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Said::exit(7),
                Err(_) => return Said::exit(28),
            };
            match (self.https, self.version) {
                (_, Version::Tls11) => old_tls(stream).await,
                (true, _) => self.over_tls(stream, mesh, certificate).await,
                (false, Version::H2c) => self.h2(stream).await,
                (false, Version::Http10 | Version::Http11) => self.h1(stream).await,
            }
        };
        tokio::time::timeout(self.patience, run).await.unwrap_or_else(|_| Said::exit(28))
    }

    async fn over_tls<S>(&self, stream: S, mesh: &Dataplane, certificate: &Issued) -> Said
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let provider = Arc::clone(mesh.authority().provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Insecure(provider)));
        let mut config = if self.presents {
            builder.with_client_auth_cert(certificate.chain().to_vec(), certificate.key()).expect("a certificate")
        } else {
            builder.with_no_client_auth()
        };
        if self.alpn {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        let name = self.host.split(':').next().expect("a host").to_owned();
        let name = ServerName::try_from(name).expect("a name");
        let Ok(stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await else {
            return Said::exit(35);
        };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") { self.h2(stream).await } else { self.h1(stream).await }
    }

    async fn h1<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Said {
        let version = if self.version == Version::Http10 { "1.0" } else { "1.1" };
        let mut request = format!(
            "GET {} HTTP/{version}\r\nHost: {}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n",
            self.path,
            self.header("Host").unwrap_or(&self.host)
        );
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "Host") {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.push_str("\r\n");
        if stream.write_all(request.as_bytes()).await.is_err() {
            return Said::exit(55);
        }
        let mut answer = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk).await {
                Ok(0) if answer.is_empty() => return Said::exit(52),
                Ok(0) => return Said::exit(18),
                Ok(read) => answer.extend_from_slice(&chunk[..read]),
                // TLS that ends without its alert is an end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Said::exit(52),
                Err(_) => return Said::exit(56),
            }
            if !answer.starts_with(&b"HTTP/1."[..answer.len().min(7)]) {
                return Said::exit(1);
            }
            if let Some(said) = Said::parse(&answer) {
                return said;
            }
        }
    }

    async fn h2<S>(&self, stream: S) -> Said
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok((mut sender, connection)) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await
        else {
            return Said::exit(56);
        };
        let driver = tokio::spawn(connection);
        let scheme = if self.https { "https" } else { "http" };
        let mut request = http::Request::get(format!("{scheme}://{}{}", self.host, self.path))
            .header("user-agent", "curl/7.88.1")
            .header("accept", "*/*");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<bytes::Bytes>::new()).expect("a request");
        let said = match sender.send_request(request).await {
            // An answer that is no HTTP/2 leaves curl with nothing; a broken connection is another matter.
            Err(error) if self.https && !is_broken(&error) => Said::exit(52),
            Err(_) => Said::exit(56),
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
                let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
                let body = body.collect().await.expect("a body").to_bytes();
                let body = String::from_utf8_lossy(&body).into_owned();
                Said { exit: 0, status: parts.status.as_u16(), headers, body }
            }
        };
        driver.abort();
        said
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }
}

impl Said {
    fn exit(exit: i32) -> Self {
        Self { exit, ..Self::default() }
    }

    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        self.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }

    /// `None` while the answer is incomplete.
    fn parse(answer: &[u8]) -> Option<Self> {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let said = Self { exit: 0, status, headers, body: String::new() };
        let length: usize = said.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        let body = &answer[end + 4..];
        (body.len() >= length).then(|| Self { body: String::from_utf8_lossy(&body[..length]).into_owned(), ..said })
    }

    /// The headers that httpbin says it got.
    pub(crate) fn echoed(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        body.get("headers")?.as_object().cloned()
    }

    pub(crate) fn xfcc(&self) -> Option<String> {
        self.echoed()?.get("X-Forwarded-Client-Cert")?.as_str().map(str::to_owned)
    }
}

/// Whether the connection was reset or ended by an alert, which is only told behind the words for HTTP/2.
fn is_broken(error: &hyper::Error) -> bool {
    let shown = format!("{error:?}");
    ["fatal alert", "ConnectionReset"].iter().any(|kind| shown.contains(kind))
}

/// A `ClientHello` of TLS 1.1 (RFC 4346, section 7.4.1.2), which rustls does not write, and the alert it meets.
async fn old_tls<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Said {
    const PROTOCOL_VERSION: u8 = 70;
    // `supported_groups` with x25519 and P-256, `ec_point_formats` with uncompressed points.
    let curves = [0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0, 11, 0, 2, 1, 0];
    let body = [&[3, 2][..], &[7; 32], &[0, 0, 4, 0xc0, 0x14, 0, 0x2f, 1, 0, 0, 16], &curves].concat();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).expect("short").to_be_bytes();
    let message = [&[1, 0][..], &length(&body), &body].concat();
    let record = [&[22, 3, 1][..], &length(&message), &message].concat();
    let mut alert = [0; 7];
    let answered = stream.write_all(&record).await.is_ok() && stream.read_exact(&mut alert).await.is_ok();
    Said::exit(if answered && alert[0] == 21 && alert[6] == PROTOCOL_VERSION { 35 } else { 56 })
}

/// `-k`.
#[derive(Debug)]
struct Insecure(Arc<rustls::crypto::CryptoProvider>);

impl ServerCertVerifier for Insecure {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
