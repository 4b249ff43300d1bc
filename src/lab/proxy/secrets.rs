//! The certificates a sidecar works with, as its agent would serve them over SDS: right ones, and the usual wrong ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use crate::lab::authority::{Authority, AuthorityError, Issued, Validity, pem};
use crate::lab::desired::ProxyConfig;
use crate::lab::envoy_config::{Certificates, Served};
use crate::lab::proxy::Proxy;
use crate::model::identity::SpiffeId;
use crate::model::tls::{ClientCertificate, ServerValidation, UpstreamTls};

/// Where the agent writes the workload's own certificate with `OUTPUT_CERTS`, by Istio's examples. The lab's sidecars
/// have it there, so that a `DestinationRule` of mode `MUTUAL` can present a certificate of the mesh.
const OUTPUT_CERTS: [&str; 2] = ["/etc/certs/", "/etc/istio-output-certs/"];
/// Where every sidecar has the mesh's root (`istio-ca-root-cert`, mounted by the injection template).
const MOUNTED_ROOT: &str = "/var/run/secrets/istio/root-cert.pem";
/// A day.
const DAY: i64 = 24 * 3600;

/// What is wrong with the certificates of a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// Expired yesterday.
    Expired,
    /// The agent serves none.
    Missing,
    /// Holds from tomorrow.
    NotYetValid,
    /// Signed by another authority.
    OtherAuthority,
    /// The proxy's `ROOTCA` holds another authority only: a root rotation gone wrong.
    OtherRoot,
}

/// `default` and `ROOTCA`.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// `None` while the agent has none.
    pub(crate) certificate: Option<Arc<CertifiedKey>>,
    pub(crate) roots: Arc<RootCertStore>,
    issued: Option<Issued>,
    /// The one certificate in `roots`.
    pub(crate) root: CertificateDer<'static>,
}

/// A certificate that the proxy was told to use and does not have.
pub(crate) struct SecretMissing;

/// The certificate to present and the roots to verify with; `None` is not presented and not verified.
pub(crate) type ForUpstream = (Option<Arc<CertifiedKey>>, Option<Arc<RootCertStore>>);

// === impl Secrets ===

impl Secrets {
    /// What the agent of a workload serves.
    pub(crate) fn issue(
        authority: &Authority,
        id: &SpiffeId,
        fault: Option<CertificateFault>,
    ) -> Result<Self, AuthorityError> {
        let another = || Authority::new("another.authority");
        let issued = match fault {
            None | Some(CertificateFault::OtherRoot) => Some(authority.issue_workload(id)?),
            Some(CertificateFault::Expired) => {
                Some(authority.issue_workload_for(id, Validity { from: -2 * DAY, until: -DAY })?)
            }
            Some(CertificateFault::NotYetValid) => {
                Some(authority.issue_workload_for(id, Validity { from: DAY, until: 2 * DAY })?)
            }
            Some(CertificateFault::OtherAuthority) => Some(another()?.issue_workload(id)?),
            Some(CertificateFault::Missing) => None,
        };
        let root = match fault {
            Some(CertificateFault::OtherRoot) => another()?.root_der().clone(),
            None
            | Some(
                CertificateFault::Expired
                | CertificateFault::Missing
                | CertificateFault::NotYetValid
                | CertificateFault::OtherAuthority,
            ) => authority.root_der().clone(),
        };
        let mut roots = RootCertStore::empty();
        roots
            .add(root.clone())
            .map_err(|error| AuthorityError::Key { what: "the root".to_owned(), reason: error.to_string() })?;
        let certificate = issued.as_ref().map(|issued| issued.certified_key(authority.provider())).transpose()?;
        Ok(Self { certificate, roots: Arc::new(roots), issued, root })
    }

    /// All of it by SDS name, with the files that the clusters of a configuration name.
    pub(crate) fn served(&self, config: &ProxyConfig) -> Certificates {
        let own =
            || self.issued.as_ref().map(|issued| Served::Pair { chain: issued.chain_pem(), key: issued.key_pem() });
        let root = || Served::Roots(pem("CERTIFICATE", &self.root));
        let mut served = BTreeMap::from([("ROOTCA".to_owned(), root())]);
        served.extend(own().map(|own| ("default".to_owned(), own)));
        for tls in config.outbound.iter().filter_map(|port| port.cluster.tls()) {
            if let ClientCertificate::Files { certificate, key } = &tls.certificate {
                let pair = if is_own(certificate, key) { own() } else { pair(certificate, key) };
                served.extend(pair.map(|pair| (format!("file-cert:{certificate}~{key}"), pair)));
            }
            match &tls.validation {
                ServerValidation::System => served.extend(nobody().map(|roots| ("file-root:system".to_owned(), roots))),
                ServerValidation::File(path) => {
                    let roots = if is_root(path) {
                        Some(root())
                    } else {
                        std::fs::read_to_string(path).ok().map(Served::Roots)
                    };
                    served.extend(roots.map(|roots| (format!("file-root:{path}"), roots)));
                }
                ServerValidation::Skip | ServerValidation::MeshRoot | ServerValidation::Secret(_) => {}
            }
        }
        Certificates(served)
    }
}

// === impl Proxy ===

impl Proxy {
    /// What a cluster's TLS context asks SDS for.
    pub(crate) async fn secrets_for(&self, tls: &UpstreamTls) -> Result<ForUpstream, SecretMissing> {
        Ok((self.certificate_for(tls).await?, self.roots_for(tls).await?))
    }

    async fn certificate_for(&self, tls: &UpstreamTls) -> Result<Option<Arc<CertifiedKey>>, SecretMissing> {
        let own = || self.programmed().secrets.certificate.clone().ok_or(SecretMissing).map(Some);
        match &tls.certificate {
            ClientCertificate::None => Ok(None),
            ClientCertificate::Workload => own(),
            ClientCertificate::Files { certificate, key } if is_own(certificate, key) => own(),
            ClientCertificate::Files { certificate, key } => {
                let chain = read(certificate).await?;
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
                let key = PrivateKeyDer::from_pem_slice(&read(key).await?).map_err(|_| SecretMissing)?;
                CertifiedKey::from_der(chain.map_err(|_| SecretMissing)?, key, &self.provider)
                    .map(|certificate| Some(Arc::new(certificate)))
                    .map_err(|_| SecretMissing)
            }
            // Sidecars read no Secrets by name unless a flag lets them.
            ClientCertificate::Secret(_) => Err(SecretMissing),
        }
    }

    async fn roots_for(&self, tls: &UpstreamTls) -> Result<Option<Arc<RootCertStore>>, SecretMissing> {
        let mesh = || Arc::clone(&self.programmed().secrets.roots);
        match &tls.validation {
            ServerValidation::Skip => Ok(None),
            ServerValidation::MeshRoot => Ok(Some(mesh())),
            // The operating system's bundle never holds the mesh's root; what else it holds nobody here presents.
            ServerValidation::System => Ok(Some(Arc::new(RootCertStore::empty()))),
            ServerValidation::File(path) if is_root(path) => Ok(Some(mesh())),
            ServerValidation::File(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(&read(path).await?) {
                    roots.add(certificate.map_err(|_| SecretMissing)?).map_err(|_| SecretMissing)?;
                }
                Ok(Some(Arc::new(roots)))
            }
            ServerValidation::Secret(_) => Err(SecretMissing),
        }
    }
}

fn is_own(certificate: &str, key: &str) -> bool {
    is_output(certificate, "cert-chain.pem") && is_output(key, "key.pem")
}

fn is_root(path: &str) -> bool {
    is_output(path, "root-cert.pem") || path.ends_with(MOUNTED_ROOT)
}

fn pair(certificate: &str, key: &str) -> Option<Served> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    Some(Served::Pair { chain: read(certificate)?, key: read(key)? })
}

/// Stands for the operating system's bundle, which never holds what anybody here presents.
fn nobody() -> Option<Served> {
    Authority::new("system").ok().map(|authority| Served::Roots(authority.root_pem()))
}

fn is_output(path: &str, file: &str) -> bool {
    OUTPUT_CERTS.iter().any(|directory| path.strip_prefix(directory) == Some(file))
}

async fn read(path: &str) -> Result<Vec<u8>, SecretMissing> {
    tokio::fs::read(path).await.map_err(|_| SecretMissing)
}
