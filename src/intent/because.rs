//! One sentence: what meets what.

use crate::model::pair::{AcceptMode, Endpoint};
use crate::model::wire::{Outcome, Sends, Why, Wire};
use crate::model::workload::ProxyKind;

/// The sentence for a pair.
pub(crate) fn sentence(outcome: Outcome, client: ProxyKind, endpoints: &[Endpoint], target: &str) -> String {
    let telling = endpoints
        .iter()
        .filter(|endpoint| !endpoint.is_self)
        .find(|endpoint| endpoint.outcome == outcome)
        .or_else(|| endpoints.iter().find(|endpoint| !endpoint.is_self));
    match (outcome.wire, telling) {
        (Wire::None, _) => format!("{}: {target}", reason(outcome.why)),
        (Wire::Unknown, telling) => {
            let server = telling.map_or(ProxyKind::None, |endpoint| endpoint.proxy);
            format!("{}: {target}", untold(client, server))
        }
        (Wire::Mixed, _) => format!("the endpoints of {target} differ"),
        (_, None) => format!("{}: {target}", reason(outcome.why)),
        (_, Some(endpoint)) => match endpoint.sends {
            None => format!("{}: {target}", reason(outcome.why)),
            Some(sends) => format!("{} to {}, which {}", sent(sends), place(endpoint), taken(endpoint, outcome)),
        },
    }
}

/// Why nothing is told where a proxy is neither a sidecar nor absent.
fn untold(client: ProxyKind, server: ProxyKind) -> &'static str {
    match (client.is_ambient(), server.is_ambient()) {
        (true, _) => "the client is captured by a ztunnel, and ambient mode is not judged",
        (false, true) => "the server is behind a ztunnel or waypoint, and ambient mode is not judged",
        (false, false) => "it could not be read what proxy stands there",
    }
}

fn sent(sends: Sends) -> &'static str {
    match sends {
        Sends::MutualTls => "mutual TLS",
        Sends::Plaintext => "plaintext",
        Sends::Tls => "TLS without client certificate",
        Sends::TlsClientCert => "TLS with the user's certificate",
    }
}

fn place(endpoint: &Endpoint) -> String {
    match (&endpoint.pod, endpoint.address) {
        (Some(pod), _) => format!("{}/{pod} port {}", endpoint.namespace, endpoint.port),
        (None, Some(address)) => format!("{address} port {}", endpoint.port),
        (None, None) => format!("{} port {}", endpoint.workload, endpoint.port),
    }
}

fn taken(endpoint: &Endpoint, outcome: Outcome) -> String {
    let accepts = match endpoint.accepts.mode {
        AcceptMode::Strict => "accepts mutual TLS only",
        AcceptMode::Permissive => "accepts mutual TLS and plaintext",
        AcceptMode::Disable => "accepts plaintext only",
        AcceptMode::NoProxy if endpoint.proxy == ProxyKind::Sidecar => "its sidecar does not capture",
        AcceptMode::NoProxy => "has no sidecar",
    };
    match (outcome.wire, outcome.why) {
        (Wire::Refused, Why::NoFilterChain) if endpoint.accepts.mode == AcceptMode::Strict => accepts.to_owned(),
        (Wire::Refused, Why::ApplicationGetsCiphertext | Why::TlsOnPlaintextHttp) => accepts.to_owned(),
        (Wire::Refused | Wire::Depends, why) => format!("{accepts}: {}", reason(why)),
        (_, _) => accepts.to_owned(),
    }
}

fn reason(why: Why) -> &'static str {
    match why {
        Why::MutualTls => "both proxies speak mutual TLS",
        Why::PlaintextAccepted => "plaintext is accepted",
        Why::NoProxyAtServer => "no proxy stands before the application",
        Why::PassedToApplication => "foreign TLS is passed to the application",
        Why::NoFilterChain => "no filter chain takes this kind of connection",
        Why::ClientCertificateRequired => "a client certificate is demanded",
        Why::TlsOnPlaintextHttp => "TLS bytes reach a plaintext HTTP codec",
        Why::NotHttp => "bytes that are not HTTP reach an HTTP codec",
        Why::ApplicationGetsCiphertext => "the application gets ciphertext",
        Why::ServerIdentityNotExpected => "the server's identity is not among those the client expects",
        Why::NothingListens => "nothing listens on the Service's port in the pod",
        Why::BlockedByOutboundPolicy => "REGISTRY_ONLY: the client's proxy does not know the destination",
        Why::NoRoute => "the client's proxy has no route",
        Why::NoCluster => "the client's proxy has no cluster",
        Why::NoListener => "the client's proxy has no listener",
        Why::ClientCertificateOrigin => "it works with a certificate of the mesh",
        Why::OutsideTheMesh => "the address is no pod of the mesh",
        Why::NoEndpoints => "no endpoint is ready",
        Why::OnlyItself => "the only endpoint is the client itself",
        Why::NotAKubernetesService => "only a proxy that knows it can call it",
        Why::EndpointsDiffer => "the endpoints differ",
        Why::NotReadable => "something that decides it could not be read",
        Why::ForeignTrustDomain => "the client's trust domain is none that the server accepts",
        Why::OtherNetwork => "it is in another network, and the gateway between them is not looked at",
        Why::EndedByOwnCertificate => "the sidecar ends TLS with a certificate of its own",
        Why::AnsweredByClientProxy => "the client's proxy answers by itself",
    }
}
