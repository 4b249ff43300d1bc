//! TLS of the mesh: what each side presents, what it accepts, and how Envoy words a failure.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore, ServerConfig,
    SignatureScheme,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::lab::proxy::failure::NameMismatch;

/// Verifies a client: signed by the mesh's root, and of a trust domain that is accepted.
///
/// Istio: `security/model/authentication.go:AppendURIPrefixToTrustDomain`, exact by prefix `spiffe://<domain>/`.
#[derive(Debug)]
struct MeshClient {
    chain: Arc<dyn ClientCertVerifier>,
    prefixes: Vec<String>,
}

/// Verifies a server as the cluster's validation context says.
#[derive(Debug)]
pub(crate) struct UpstreamServer {
    /// `None` verifies nothing.
    pub(crate) roots: Option<Arc<RootCertStore>>,
    /// What its certificate must carry one of.
    pub(crate) names: ExpectedNames,
    /// Signature algorithms.
    pub(crate) provider: Arc<CryptoProvider>,
}

/// Names that a server's certificate is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExpectedNames {
    /// Not looked at.
    Any,
    /// `match_typed_subject_alt_names`, exact.
    OneOf(Vec<String>),
    /// `auto_san_validation`: the server name that was sent.
    ServerName(String),
}

/// The inbound listener's TLS: the workload's certificate, a client certificate always demanded.
///
/// Without session tickets: every connection is a full handshake, so that each is judged by the rules in force.
pub(crate) fn server_config(
    certificate: &Arc<CertifiedKey>,
    roots: &Arc<RootCertStore>,
    trust_domains: &[String],
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let chain = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let prefixes = trust_domains.iter().map(|domain| format!("spiffe://{domain}/")).collect();
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(MeshClient { chain, prefixes }))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certificate))));
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// The TLS of an outbound connection.
pub(crate) fn client_config(
    certificate: Option<Arc<CertifiedKey>>,
    server: UpstreamServer,
    alpn: &[String],
    sends_name: bool,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&server.provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(server));
    let mut config = match certificate {
        Some(certificate) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.clone().into_bytes()).collect();
    config.enable_sni = sends_name;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The URI and DNS names of a certificate, in its order; none where they cannot be read.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let shown = |name: &GeneralName<'_>| match name {
        GeneralName::URI(name) | GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(shown).collect()
}

/// The subject of a certificate; empty for workloads.
pub(crate) fn subject(certificate: &CertificateDer<'_>) -> String {
    X509Certificate::from_der(certificate).map(|(_, certificate)| certificate.subject().to_string()).unwrap_or_default()
}

fn mismatch(reason: String) -> rustls::Error {
    let other = OtherError(Arc::new(NameMismatch(reason)));
    rustls::Error::InvalidCertificate(CertificateError::Other(other))
}

// === impl MeshClient ===

impl ClientCertVerifier for MeshClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.chain.verify_client_cert(end_entity, intermediates, now)?;
        let names = names(end_entity);
        if names.iter().any(|name| self.prefixes.iter().any(|prefix| name.starts_with(prefix))) {
            return Ok(verified);
        }
        Err(mismatch(format!("SAN matcher, certificate SANs are [{}]", names.join(", "))))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

// === impl UpstreamServer ===

impl UpstreamServer {
    fn verify_names(&self, end_entity: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let names = names(end_entity);
        let shown = names.join(", ");
        match &self.names {
            ExpectedNames::Any => Ok(()),
            ExpectedNames::OneOf(expected) if expected.iter().any(|name| names.contains(name)) => Ok(()),
            ExpectedNames::OneOf(_) => Err(mismatch(format!("SAN matcher, certificate SANs are [{shown}]"))),
            ExpectedNames::ServerName(expected) if names.contains(expected) => Ok(()),
            ExpectedNames::ServerName(expected) => {
                Err(mismatch(format!("verify SAN list, expected SANs: [{expected}], certificate SANs: [{shown}]")))
            }
        }
    }
}

impl ServerCertVerifier for UpstreamServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            rustls::client::verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                algorithms,
            )?;
        }
        self.verify_names(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
