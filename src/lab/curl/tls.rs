//! TLS as curl with OpenSSL does it, on rustls: what is offered, what is believed, and what a failure is called.

mod files;
mod names;
mod old;
mod texts;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, SupportedProtocolVersion, version};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use self::verdict::{Judge, NOT_JUDGED};
use super::arguments::Files;
use super::code::{Code, Failure};
use super::operation::{TlsOptions, TlsVersion};
use super::trace::Trace;
use super::wire::Wire;

pub(super) use self::texts::receive_failure;

/// A connection under TLS.
pub(super) type Secured = TlsStream<Wire>;

/// `%{ssl_verify_result}` between the beginning of a handshake and a verdict.
const UNDECIDED: u32 = 1;

/// What a handshake needs besides the connection.
#[derive(Debug)]
pub(super) struct Handshake {
    /// None where only versions are asked for that rustls does not speak.
    config: Option<Arc<ClientConfig>>,
    highest: TlsVersion,
    verdict: Arc<AtomicU32>,
    insecure: bool,
    host: String,
    port: u16,
}

// === impl Handshake ===

impl Handshake {
    /// Reads the files and decides what is offered. `result` is `%{ssl_verify_result}`.
    pub(super) fn prepare(
        options: &TlsOptions,
        host: &str,
        port: u16,
        files: &dyn Files,
        result: &mut u32,
    ) -> Result<Self, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = versions(options)?;
        *result = UNDECIDED;
        let identity = files::identity(options, files, &provider)?;
        let roots = files::roots(options, files)?;
        let verdict = Arc::new(AtomicU32::new(NOT_JUDGED));
        let judge = Judge::new(roots, provider.clone(), options.insecure, verdict.clone());
        let config = match versions.as_slice() {
            [] => None,
            versions => Some(Arc::new(config(provider, versions, judge, identity, options)?)),
        };
        let highest = options.highest.unwrap_or(TlsVersion::Tls13);
        Ok(Self { config, highest, verdict, insecure: options.insecure, host: host.to_owned(), port })
    }

    /// Shakes hands. `result` is `%{ssl_verify_result}`.
    pub(super) async fn run(&self, wire: Wire, result: &mut u32) -> Result<Secured, Failure> {
        let name = ServerName::try_from(self.host.clone()).unwrap_or_else(|_| nobody());
        let Some(config) = self.config.clone() else {
            return Err(old::refused(wire, self.highest, &self.host, self.port).await);
        };
        match TlsConnector::from(config).connect(name, wire).into_fallible().await {
            Ok(stream) => {
                self.check_name(&stream)?;
                *result = self.verdict.load(Ordering::Relaxed);
                Ok(stream)
            }
            Err((error, wire)) => {
                let judged = self.verdict.load(Ordering::Relaxed);
                let failure = texts::handshake_failure(&error, &wire, judged, &self.host, self.port);
                if failure.code == Code::PeerFailedVerification && judged != NOT_JUDGED && judged != 0 {
                    *result = judged;
                }
                Err(failure)
            }
        }
    }

    /// curl looks at the name once the handshake is over.
    fn check_name(&self, stream: &Secured) -> Result<(), Failure> {
        if self.insecure {
            return Ok(());
        }
        let (_, connection) = stream.get_ref();
        let leaf = connection.peer_certificates().and_then(<[_]>::first);
        names::check(leaf, &self.host).map_err(|text| Code::PeerFailedVerification.saying(text))
    }
}

/// The lines of `-v` about a connection; fewer than OpenSSL has.
pub(super) fn describe(stream: &Secured, trace: &mut Trace) {
    let (_, connection) = stream.get_ref();
    trace.note("ALPN: offers http/1.1");
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(_) | None => "TLSv1.2",
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    trace.note(&format!("SSL connection using {version} / {}", suite.replacen("TLS13_", "TLS_", 1)));
    match connection.alpn_protocol() {
        Some(protocol) => trace.note(&format!("ALPN: server accepted {}", String::from_utf8_lossy(protocol))),
        None => trace.note("ALPN: server did not agree on a protocol. Uses default."),
    }
}

/// A name for hosts that are no DNS names; it is sent to nobody who could answer for it.
fn nobody() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into())
}

/// The versions offered: those rustls speaks of the ones asked for.
fn versions(options: &TlsOptions) -> Result<Vec<&'static SupportedProtocolVersion>, Failure> {
    let lowest = options.lowest.unwrap_or(TlsVersion::Tls10);
    let highest = options.highest.unwrap_or(TlsVersion::Tls13);
    if lowest > highest {
        return Err(Code::SslConnectError.saying("CURL_SSLVERSION_MAX incompatible with CURL_SSLVERSION"));
    }
    let offered = [(TlsVersion::Tls12, &version::TLS12), (TlsVersion::Tls13, &version::TLS13)];
    let wanted = offered.into_iter().filter(|(version, _)| (lowest..=highest).contains(version));
    Ok(wanted.map(|(_, version)| version).collect())
}

fn config(
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    judge: Judge,
    identity: Option<files::Identity>,
    options: &TlsOptions,
) -> Result<ClientConfig, Failure> {
    let unusable = |_| Code::SslConnectError.plain();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(judge));
    let mut config = match identity {
        Some(identity) => builder.with_client_auth_cert(identity.chain, identity.key).map_err(unusable)?,
        None => builder.with_no_client_auth(),
    };
    // Every connection is to show its handshake.
    config.resumption = Resumption::disabled();
    if !options.no_alpn {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    Ok(config)
}
