//! Which protocol a port is declared to speak.

use crate::model::port::Protocol;

/// Protocol of a Service port from its transport protocol, `appProtocol`, name and number.
///
/// Istio: `pkg/config/kube/conversion.go:ConvertProtocol`. `appProtocol` replaces the name; a name counts up to its first `-`;
/// the well-known ports of server-first protocols are TCP when the name says nothing.
#[must_use]
pub fn of_service_port(number: u16, name: &str, app_protocol: Option<&str>, transport: &str) -> Protocol {
    // Istio looks for UDP only; SCTP has no rows either.
    if transport.eq_ignore_ascii_case("UDP") || transport.eq_ignore_ascii_case("SCTP") {
        return Protocol::Udp;
    }
    let declared = match app_protocol {
        Some("kubernetes.io/h2c") => return Protocol::Http2,
        Some("kubernetes.io/ws") => return Protocol::Http,
        Some("kubernetes.io/wss") => return Protocol::Https,
        Some(app_protocol) => app_protocol,
        None => name,
    };
    match of_name(prefix(declared)) {
        Protocol::Auto if SERVER_FIRST.contains(&number) => Protocol::Tcp,
        protocol => protocol,
    }
}

/// Ports whose protocols let the server speak first: SMTP, DNS, `MySQL`, `MongoDB`.
const SERVER_FIRST: [u16; 4] = [25, 53, 3306, 27017];

/// Protocol of a `ServiceEntry`'s or `Sidecar`'s port, which is named outright.
///
/// Istio: `pkg/config/protocol/instance.go:Parse`; whatever it does not know is sniffed.
#[must_use]
pub fn of_name(name: &str) -> Protocol {
    match name.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "grpc" => Protocol::Grpc,
        "grpc-web" => Protocol::GrpcWeb,
        "http" => Protocol::Http,
        "http_proxy" => Protocol::HttpProxy,
        "http2" => Protocol::Http2,
        "https" => Protocol::Https,
        "tls" => Protocol::Tls,
        "mongo" => Protocol::Mongo,
        "redis" => Protocol::Redis,
        "mysql" => Protocol::Mysql,
        _ => Protocol::Auto,
    }
}

fn prefix(name: &str) -> &str {
    const GRPC_WEB: &str = "grpc-web";
    match name.get(..GRPC_WEB.len()) {
        Some(start) if start.eq_ignore_ascii_case(GRPC_WEB) => start,
        Some(_) | None => name.split('-').next().unwrap_or(name),
    }
}
