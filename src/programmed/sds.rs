//! SDS names as istiod writes them, read back.
//!
//! Istio: `pkg/security/security.go:SdsCertificateConfig`, `pkg/model/credentials/resource.go`.

use crate::envoy::tls::{CommonTls, NameMatch};
use crate::model::tls::{ClientCertificate, ServerValidation};

/// Which certificate a client presents; `Err` names what is not one of Istio's.
pub(crate) fn certificate(tls: &CommonTls) -> Result<ClientCertificate, String> {
    match tls.certificate() {
        None if tls.tls_certificates.is_empty() => Ok(ClientCertificate::None),
        None => Err("a client certificate that stands in the configuration itself".to_owned()),
        Some("default") => Ok(ClientCertificate::Workload),
        Some(name) => match (name.strip_prefix("file-cert:"), name.strip_prefix("kubernetes://")) {
            (Some(files), _) => {
                let (certificate, key) = files.split_once('~').unwrap_or((files, ""));
                Ok(ClientCertificate::Files { certificate: certificate.to_owned(), key: key.to_owned() })
            }
            (None, Some(secret)) => Ok(ClientCertificate::Secret(secret.to_owned())),
            (None, None) if name.contains("://") => Ok(ClientCertificate::Secret(name.to_owned())),
            (None, None) => Err(format!("SDS secret `{name}` as client certificate")),
        },
    }
}

/// What a client verifies a server against; `Err` names what is not one of Istio's.
pub(crate) fn validation(tls: &CommonTls) -> Result<ServerValidation, String> {
    match tls.roots() {
        None if tls.inline_roots() => Err("roots that stand in the configuration itself".to_owned()),
        None => Ok(ServerValidation::Skip),
        Some("ROOTCA") => Ok(ServerValidation::MeshRoot),
        Some("file-root:system") => Ok(ServerValidation::System),
        Some(name) => match (name.strip_prefix("file-root:"), name.strip_prefix("kubernetes://")) {
            (Some(path), _) => Ok(ServerValidation::File(path.to_owned())),
            (None, Some(secret)) => {
                Ok(ServerValidation::Secret(secret.strip_suffix("-cacert").unwrap_or(secret).to_owned()))
            }
            // `configmap://`, or a server of the mesh's own (`credentials/resource.go`).
            (None, None) if name.contains("://") => {
                Ok(ServerValidation::Secret(name.strip_suffix("-cacert").unwrap_or(name).to_owned()))
            }
            (None, None) => Err(format!("SDS secret `{name}` as roots")),
        },
    }
}

/// Exact names, and what else is asked of the peer's.
pub(crate) fn names(tls: &CommonTls) -> (Vec<String>, Vec<String>) {
    let mut exact = Vec::new();
    let mut other = Vec::new();
    for name in tls.names() {
        match name {
            NameMatch::Exact(name) => exact.push(name),
            NameMatch::Prefix(prefix) => other.push(format!("prefix {prefix}")),
            NameMatch::Other(text) => other.push(text),
        }
    }
    (exact, other)
}
