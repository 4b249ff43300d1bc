//! Servers that speak TLS, or pretend to; their certificates and the files clients need.

#![expect(clippy::unwrap_used, reason = "test helpers fail the test by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// What a TLS server does once the handshake is over.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Serves HTTP.
    Http,
    /// Closes with a closing alert.
    CloseNotify,
    /// Closes without one.
    CloseBluntly,
    /// Reads a request, sends half an answer and closes without a closing alert.
    HalfAnswer,
    /// Resets the connection after a request.
    Reset,
}

/// The certificate authority of the servers and of the clients' certificates.
pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    middle: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate chain, leaf first, and the leaf's key.
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

// === impl Authority ===

impl Authority {
    /// A root and one certificate authority below it; writes the files that rows name.
    pub(crate) fn new(directory: &Path) -> Self {
        let root = CertifiedIssuer::self_signed(authority("Root"), KeyPair::generate().unwrap()).unwrap();
        let middle = CertifiedIssuer::signed_by(authority("Middle"), KeyPair::generate().unwrap(), &root).unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
        write("ca.pem", &root.pem());
        let (client, key) = leaf("client", |_| {});
        let signed = client.signed_by(&key, &root).unwrap();
        write("client.pem", &signed.pem());
        write("client.key", &key.serialize_pem());
        write("both.pem", &(signed.pem() + &key.serialize_pem()));
        let (other, other_key) = leaf("other", |_| {});
        let stranger = CertifiedIssuer::self_signed(authority("Stranger"), KeyPair::generate().unwrap()).unwrap();
        write("stranger.pem", &other.signed_by(&other_key, &stranger).unwrap().pem());
        write("stranger.key", &other_key.serialize_pem());
        write("other-ca.pem", &stranger.pem());
        let namesake = CertifiedIssuer::self_signed(authority("Root"), KeyPair::generate().unwrap()).unwrap();
        write("namesake.pem", &namesake.pem());
        let (late, late_key) = leaf("late", |params| params.not_after = date_time_ymd(2021, 1, 1));
        write("late.pem", &late.signed_by(&late_key, &root).unwrap().pem());
        write("late.key", &late_key.serialize_pem());
        std::fs::write(directory.join("client.der"), signed.der()).unwrap();
        std::fs::write(directory.join("client-key.der"), key.serialize_der()).unwrap();
        write("garbage.pem", "this is no certificate\n");
        write("empty.pem", "");
        Self { root, middle }
    }

    /// Signed by the root.
    pub(crate) fn identity(&self, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (params, key) = leaf("server", change);
        Identity::new(&[&params.signed_by(&key, &self.root).unwrap()], &key)
    }

    /// Signed by the authority in the middle; sends whichever of the authorities is asked for.
    pub(crate) fn deep(&self, middle: bool, root: bool) -> Identity {
        let (params, key) = leaf("server", |_| {});
        let signed = params.signed_by(&key, &self.middle).unwrap();
        let mut identity = Identity::new(&[&signed], &key);
        identity.chain.extend(middle.then(|| self.middle.der().clone()));
        identity.chain.extend(root.then(|| self.root.der().clone()));
        identity
    }

    /// A configuration that asks clients for a certificate of the root.
    pub(crate) fn demanding(&self, identity: Identity, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.chain, identity.key)
            .unwrap()
    }
}

// === impl Identity ===

impl Identity {
    fn new(chain: &[&Certificate], key: &KeyPair) -> Self {
        Self {
            chain: chain.iter().map(|certificate| certificate.der().clone()).collect(),
            key: PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        }
    }

    /// Signed by itself; as certificate authority or not.
    pub(crate) fn self_signed(directory: &Path, name: &str, is_ca: bool) -> Self {
        let (params, key) = leaf("self", |params| {
            if is_ca {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
        });
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(directory.join(name), certificate.pem()).unwrap();
        Self::new(&[&certificate], &key)
    }

    /// A configuration that asks clients for nothing.
    pub(crate) fn open(self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)
            .unwrap()
    }
}

/// Both versions.
pub(crate) const ANY: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];
/// TLS 1.2.
pub(crate) const OLD: &[&SupportedProtocolVersion] = &[&version::TLS12];
/// TLS 1.3.
pub(crate) const NEW: &[&SupportedProtocolVersion] = &[&version::TLS13];

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

/// A certificate for loopback, before changes.
fn leaf(name: &str, change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    change(&mut params);
    (params, KeyPair::generate().unwrap())
}

/// Serves one connection.
pub(crate) async fn serve(stream: TcpStream, config: Arc<ServerConfig>, manner: Manner, answers: super::Answers) {
    let accepted = TlsAcceptor::from(config).accept(stream).into_fallible().await;
    let mut tls = match accepted {
        Ok(tls) => tls,
        Err((_, mut stream)) => return super::linger(&mut stream).await,
    };
    match manner {
        Manner::Http => {
            while let Ok(Some(super::After::Keep)) = super::answer(&mut tls, &answers).await {}
            super::linger(&mut tls).await;
        }
        Manner::CloseNotify => super::linger(&mut tls).await,
        Manner::CloseBluntly => super::linger(tls.get_mut().0).await,
        Manner::HalfAnswer => {
            let _ = tls.read(&mut [0; 4096]).await;
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf").await;
            let _ = tls.flush().await;
            super::linger(tls.get_mut().0).await;
        }
        Manner::Reset => {
            let _ = tls.read(&mut [0; 4096]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            super::reset(tls.get_ref().0);
        }
    }
}

/// Reads a `ClientHello` and answers it with these bytes.
pub(crate) async fn parrot(mut stream: TcpStream, bytes: Vec<u8>) {
    let _ = stream.read(&mut [0; 4096]).await;
    let _ = stream.write_all(&bytes).await;
    super::linger(&mut stream).await;
}
