//! Facts that Istio's own tests assert, see `tests/vectors/istio/README.md`.

use kubectl_mtls::decode::protocol;
use kubectl_mtls::model::port::{PortClass, Protocol};
use serde_json::Value;

#[test]
fn ports_speak_what_istio_reads_from_them() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/istio/port_protocol.json")).unwrap();
    assert_eq!(vectors.len(), 13);
    for vector in vectors {
        let input = &vector["input"];
        let number = u16::try_from(input["port"].as_u64().unwrap()).unwrap();
        let protocol = protocol::of_service_port(
            number,
            input["name"].as_str().unwrap(),
            input["appProtocol"].as_str(),
            input["protocol"].as_str().unwrap(),
        );
        assert_eq!(istio_name(protocol), vector["expected"]["protocol"], "{}", vector["id"]);
        assert_eq!(class_name(protocol.class()), vector["expected"]["inboundClass"], "{}", vector["id"]);
    }
}

fn istio_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "HTTP",
        Protocol::HttpProxy => "HTTP_PROXY",
        Protocol::Http2 => "HTTP2",
        Protocol::Grpc => "GRPC",
        Protocol::GrpcWeb => "GRPC-Web",
        Protocol::Tcp => "TCP",
        Protocol::Tls => "TLS",
        Protocol::Https => "HTTPS",
        Protocol::Mongo => "Mongo",
        Protocol::Redis => "Redis",
        Protocol::Mysql => "MySQL",
        Protocol::Auto => "UnsupportedProtocol",
        Protocol::Udp => "UDP",
    }
}

fn class_name(class: PortClass) -> &'static str {
    match class {
        PortClass::Http => "HTTP",
        PortClass::Tcp => "TCP",
        PortClass::Auto => "AUTO",
    }
}
