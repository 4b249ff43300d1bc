//! What each client's proxy originates towards each Service port and subset.

use kubectl_mtls::intent::Mesh;
use kubectl_mtls::model::pair::{OriginMode, Originates, ServerRef};
use kubectl_mtls::model::port::ServicePort;
use kubectl_mtls::model::tls::{ClientCertificate, ServerValidation, UpstreamTls};

use crate::meshes::compare::pod;
use crate::meshes::recorded::{Expected, Pair};
use crate::meshes::tally::Tally;

pub(crate) fn origins(id: &str, expected: &Expected, mesh: &Mesh<'_>, tally: &mut Tally) {
    for pair in &expected.pairs {
        let Some(sent) = pair.originates.as_ref().filter(|_| pair.visible) else { continue };
        let at = place(id, pair);
        let Some(client) = pod(mesh, id, &pair.client, tally) else { continue };
        let Some(server) = server(mesh, &at, pair, tally) else { continue };
        let ours = mesh.originate(client, &server, pair.subset.as_deref());
        let tls = ours.tls.as_ref();
        tally.same("originates", &at, &kind(&ours), &sent.kind.as_str());
        let as_dialled = pair.cluster_type.as_deref() == Some("ORIGINAL_DST");
        tally.same("original-dst", &at, &ours.original_dst, &as_dialled);
        let empty = Vec::new();
        tally.same("sni", &at, &tls.and_then(|tls| tls.sni.clone()), &sent.sni);
        tally.same("names", &at, tls.map_or(&empty, |tls| &tls.subject_alt_names), &sent.subject_alt_names);
        tally.same("alpn", &at, tls.map_or(&empty, |tls| &tls.alpn), &sent.alpn);
        tally.same("certificates", &at, &certificates(tls), &sent.certificates);
        tally.same("ca", &at, &authority(tls), &sent.ca);
        let keeps_alpn = tls.is_some_and(|tls| !tls.alpn_override);
        tally.same("alpn-override", &at, &keeps_alpn, &(sent.alpn_override_off && tls.is_some()));
    }
}

/// Mesh, client, Service port and subset.
pub(super) fn place(id: &str, pair: &Pair) -> String {
    let subset = pair.subset.as_ref().map(|subset| format!(" subset {subset}")).unwrap_or_default();
    format!("{id} {} -> {}:{}{subset}", pair.client, pair.service, pair.port)
}

/// The rules' own name of a pair's server, or a difference.
pub(super) fn server(mesh: &Mesh<'_>, at: &str, pair: &Pair, tally: &mut Tally) -> Option<ServerRef> {
    let found = mesh.servers().into_iter().find(|server| {
        format!("{}/{}", server.namespace, server.service) == pair.service
            && server.host == pair.host
            && server.port == ServicePort(pair.port)
    });
    if found.is_none() {
        tally.differ("server", at, "no such server".to_owned(), pair.host.clone());
    }
    found
}

fn kind(originates: &Originates) -> &'static str {
    match (originates.mode, &originates.tls, originates.original_dst) {
        (_, None, _) => "plaintext",
        (OriginMode::Auto, Some(_), false) => "auto",
        (_, Some(tls), _) => match tls.certificate {
            ClientCertificate::None => "tls",
            ClientCertificate::Workload => "mutual-tls",
            ClientCertificate::Files { .. } | ClientCertificate::Secret(_) => "tls-client-cert",
        },
    }
}

fn certificates(tls: Option<&UpstreamTls>) -> Vec<String> {
    match tls.map(|tls| &tls.certificate) {
        None | Some(ClientCertificate::None) => Vec::new(),
        Some(ClientCertificate::Workload) => vec!["default".to_owned()],
        Some(ClientCertificate::Files { certificate, key }) => vec![format!("file-cert:{certificate}~{key}")],
        Some(ClientCertificate::Secret(name)) => vec![format!("kubernetes://{name}")],
    }
}

fn authority(tls: Option<&UpstreamTls>) -> String {
    match tls.map(|tls| &tls.validation) {
        None | Some(ServerValidation::Skip) => String::new(),
        Some(ServerValidation::MeshRoot) => "ROOTCA".to_owned(),
        Some(ServerValidation::System) => "file-root:system".to_owned(),
        Some(ServerValidation::File(path)) => format!("file-root:{path}"),
        Some(ServerValidation::Secret(name)) => format!("kubernetes://{name}-cacert"),
    }
}
