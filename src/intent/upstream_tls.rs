//! The TLS context of an outbound cluster.
//!
//! Istio: `pilot/pkg/networking/core/cluster_tls.go:buildUpstreamClusterTLSContext,constructUpstreamTLS`.

use std::collections::BTreeSet;

use crate::intent::cluster::Wanted;
use crate::intent::mesh::address;
use crate::intent::plane::ControlPlane;
use crate::model::identity::SpiffeId;
use crate::model::tls::{ClientCertificate, ClientTlsMode, ClientTlsSettings, ServerValidation, UpstreamTls};
use crate::model::workload::ProxyKind;

/// Istio mutual TLS, automatic or by `ISTIO_MUTUAL`.
pub(crate) fn istio_mutual(
    plane: &ControlPlane<'_>,
    wanted: Wanted<'_, '_>,
    said: Option<&ClientTlsSettings>,
) -> UpstreamTls {
    let own_sni = said.and_then(|tls| tls.sni.clone()).filter(|sni| !sni.is_empty());
    let own_names = said.and_then(|tls| tls.subject_alt_names.clone()).filter(|names| !names.is_empty());
    let mut alpn = vec!["istio-peer-exchange".to_owned(), "istio".to_owned()];
    if wanted.port.protocol.is_http2() {
        alpn.push("h2".to_owned());
    }
    UpstreamTls {
        sni: Some(own_sni.unwrap_or_else(|| default_sni(wanted))),
        subject_alt_names: own_names.unwrap_or_else(|| service_accounts(plane, wanted)),
        alpn,
        certificate: ClientCertificate::Workload,
        validation: ServerValidation::MeshRoot,
        alpn_override: true,
    }
}

/// Mutual TLS with the files that the proxies' metadata names, where it does.
///
/// Istio: `cluster_tls.go:buildMutualTLS`: a rule's own names and server name stay, those of the service are for automatic mutual TLS.
pub(crate) fn by_files(
    plane: &ControlPlane<'_>,
    wanted: Wanted<'_, '_>,
    said: Option<&ClientTlsSettings>,
) -> Option<UpstreamTls> {
    let files = plane.profile.config.client_certificates.as_ref()?;
    let (sni, subject_alt_names) = match said {
        Some(tls) => (filled(tls.sni.as_ref()), tls.subject_alt_names.clone().unwrap_or_default()),
        None => (Some(default_sni(wanted)), service_accounts(plane, wanted)),
    };
    let unverified =
        || if plane.rules.verifies_with_system_roots { ServerValidation::System } else { ServerValidation::Skip };
    Some(UpstreamTls {
        sni,
        subject_alt_names,
        alpn: if wanted.port.protocol.is_http2() { vec!["h2".to_owned()] } else { Vec::new() },
        certificate: ClientCertificate::Files { certificate: files.certificate.clone(), key: files.key.clone() },
        validation: files.root.clone().map_or_else(unverified, ServerValidation::File),
        alpn_override: !plane.rules.own_tls_keeps_alpn,
    })
}

/// SIMPLE or MUTUAL with the user's own settings; `Err` where istiod leaves TLS out, with the reason.
pub(crate) fn own(
    plane: &ControlPlane<'_>,
    wanted: Wanted<'_, '_>,
    said: &ClientTlsSettings,
) -> Result<UpstreamTls, &'static str> {
    let selecting = wanted.rule.is_some_and(|rule| rule.selector.is_some());
    let credential = said.credential_name.as_deref().filter(|name| !name.is_empty());
    if let Some(name) = credential {
        let config_map = plane.rules.config_map_credentials && name.starts_with("configmap://");
        if !config_map && wanted.proxy == ProxyKind::Sidecar && !selecting {
            return Err(
                "credentialName works on sidecars only in a rule with a workloadSelector; istiod leaves TLS out",
            );
        }
    }
    let certificate = match (said.mode, credential) {
        (ClientTlsMode::Mutual, Some(name)) => ClientCertificate::Secret(name.to_owned()),
        (ClientTlsMode::Mutual, None) => {
            match (filled(said.client_certificate.as_ref()), filled(said.private_key.as_ref())) {
                (Some(certificate), Some(key)) => ClientCertificate::Files { certificate, key },
                (_, None) | (None, _) => {
                    return Err("MUTUAL without clientCertificate and privateKey: istiod leaves TLS out");
                }
            }
        }
        (ClientTlsMode::Simple | ClientTlsMode::IstioMutual | ClientTlsMode::Disable, _) => ClientCertificate::None,
    };
    let validation = validation(plane, said, credential);
    let own_names = said.subject_alt_names.clone().filter(|names| !names.is_empty());
    let entry_names = || if wanted.svc.is_kubernetes() { Vec::new() } else { service_accounts(plane, wanted) };
    Ok(UpstreamTls {
        sni: filled(said.sni.as_ref()),
        // Nothing is verified, names included.
        subject_alt_names: match validation {
            ServerValidation::Skip => Vec::new(),
            ServerValidation::MeshRoot
            | ServerValidation::System
            | ServerValidation::File(_)
            | ServerValidation::Secret(_) => own_names.unwrap_or_else(entry_names),
        },
        alpn: if wanted.port.protocol.is_http2() { vec!["h2".to_owned()] } else { Vec::new() },
        certificate,
        validation,
        alpn_override: !plane.rules.own_tls_keeps_alpn,
    })
}

fn validation(plane: &ControlPlane<'_>, said: &ClientTlsSettings, credential: Option<&str>) -> ServerValidation {
    if said.insecure_skip_verify {
        return ServerValidation::Skip;
    }
    match (credential, filled(said.ca_certificates.as_ref())) {
        (Some(name), _) => ServerValidation::Secret(name.to_owned()),
        (None, Some(path)) => ServerValidation::File(path),
        (None, None) if plane.rules.verifies_with_system_roots => ServerValidation::System,
        (None, None) => ServerValidation::Skip,
    }
}

/// `outbound_.8000_._.host`. Istio: `pilot/pkg/model/service.go:BuildDNSSrvSubsetKey`.
fn default_sni(wanted: Wanted<'_, '_>) -> String {
    format!("outbound_.{}_.{}_.{}", wanted.port.port, wanted.subset.unwrap_or_default(), wanted.svc.host)
}

/// The identities of a service's endpoints, whatever their port, in every trust domain of the mesh.
///
/// Istio: `push_context.go:addServiceAccounts`, `pkg/spiffe/spiffe.go:ExpandWithTrustDomains`.
fn service_accounts(plane: &ControlPlane<'_>, wanted: Wanted<'_, '_>) -> Vec<String> {
    let kept = wanted.svc.identities.get_or_init(|| (address(plane), identities(plane, wanted)));
    if kept.0 == address(plane) { kept.1.clone() } else { identities(plane, wanted) }
}

fn identities(plane: &ControlPlane<'_>, wanted: Wanted<'_, '_>) -> Vec<String> {
    let config = &plane.profile.config;
    let of_endpoints = wanted.all.iter().flatten().filter_map(|endpoint| endpoint.service_account);
    let accounts: BTreeSet<(&str, &str)> = of_endpoints.collect();
    let own = accounts.into_iter().map(|(namespace, account)| {
        let (namespace, service_account) = (namespace.to_owned(), account.to_owned());
        SpiffeId { trust_domain: config.trust_domain.clone(), namespace, service_account }.to_string()
    });
    let names: BTreeSet<String> = wanted.svc.subject_alt_names.iter().cloned().chain(own).collect();
    let mut expanded = names.clone();
    for id in names.iter().filter_map(|name| name.parse::<SpiffeId>().ok()) {
        let in_alias = |alias: &String| SpiffeId { trust_domain: alias.clone(), ..id.clone() }.to_string();
        expanded.extend(config.trust_domain_aliases.iter().map(in_alias));
    }
    expanded.into_iter().collect()
}

fn filled(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}
