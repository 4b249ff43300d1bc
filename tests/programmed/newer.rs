//! Shapes that the recorded dumps lack: tunnels, PROXY headers, both families of addresses, files in the place of SDS, QUIC.
//!
//! Written after what Istio's own code makes (named at each), since no proxy that was recorded had been told so.

use kubectl_mtls::model::pair::{AcceptMode, OriginKind, OriginMode};
use kubectl_mtls::model::port::WorkloadPort;
use kubectl_mtls::model::tls::{ClientCertificate, ServerValidation};
use kubectl_mtls::model::wire::Sends;
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};
use kubectl_mtls::programmed::told::TroubleKind;
use kubectl_mtls::programmed::{certificates, inbound, outbound, troubles};
use serde_json::{Value, json};

use super::kinds::{HOST, endpoint_at, server};

const NAME: &str = "outbound|8000||httpbin.foo.svc.cluster.local";

fn read(sections: &Value) -> Proxy {
    let text = json!({ "configs": sections }).to_string();
    let proxy = Proxy::stream("foo", "pod", text.as_bytes(), &Wanted::all());
    assert!(proxy.refusals.is_empty(), "{:?}", proxy.refusals);
    proxy
}

fn raw() -> Value {
    json!({ "name": "envoy.transport_sockets.raw_buffer", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" } })
}

fn upstream(certificate: &str, roots: &str) -> Value {
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": { "alpn_protocols": ["istio-peer-exchange", "istio"],
            "tls_certificate_sds_secret_configs": [{ "name": certificate }],
            "combined_validation_context": { "default_validation_context": {},
                "validation_context_sds_secret_config": { "name": roots } } },
        "sni": format!("outbound_.8000_._.{HOST}") } })
}

/// `cluster_tls.go:hboneTransportSocket`.
fn tunnel() -> Value {
    json!({ "name": "hbone", "match": { "tunnel": "http" }, "transport_socket": { "name": "internal_upstream",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport",
            "transport_socket": raw() } } })
}

fn automatic(first: Option<Value>, socket: &Value) -> Value {
    let rest = [
        json!({ "name": "tlsMode-istio", "match": { "tlsMode": "istio" }, "transport_socket": socket }),
        json!({ "name": "tlsMode-disabled", "match": {}, "transport_socket": raw() }),
    ];
    first.into_iter().chain(rest).collect()
}

fn client(matches: &Value, endpoints: &Value) -> Proxy {
    read(&json!([
        { "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [
            { "cluster": { "name": NAME, "type": "EDS", "transport_socket_matches": matches } }] },
        { "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump", "dynamic_endpoint_configs": [
            { "endpoint_config": { "cluster_name": NAME, "endpoints": [{ "lb_endpoints": endpoints }] } }] },
    ]))
}

fn marked(address: &Value, metadata: &Value) -> Value {
    json!([{ "endpoint": address, "metadata": { "filter_metadata": { "envoy.transport_socket_match": metadata } } }])
}

#[test]
fn an_endpoint_behind_a_tunnel_is_found_and_gets_mutual_tls() {
    let behind = json!({ "address": { "envoy_internal_address": {
        "server_listener_name": "connect_originate", "endpoint_id": "10.244.0.7:80" } } });
    let matches = automatic(Some(tunnel()), &upstream("default", "ROOTCA"));
    let proxy = client(&matches, &marked(&behind, &json!({ "tunnel": "http" })));
    let told = outbound::read(&proxy, &server("http"), &[endpoint_at("10.244.0.7", 80)]).unwrap();
    assert_eq!((told.kind, told.mode, told.by_label), (OriginKind::MutualTls, OriginMode::Auto, false));
    assert!(told.odd.is_empty(), "{:?}", told.odd);
    // What is not in the tunnel is judged by its own mark.
    let plain = json!({ "address": { "socket_address": { "address": "10.244.0.7", "port_value": 80 } } });
    let proxy = client(&matches, &marked(&plain, &json!({})));
    let told = outbound::read(&proxy, &server("http"), &[endpoint_at("10.244.0.7", 80)]).unwrap();
    assert_eq!(told.sends, [Some(Sends::Plaintext)]);
}

#[test]
fn an_endpoint_is_known_by_its_other_address() {
    let both = json!({ "address": { "socket_address": { "address": "10.244.0.7", "port_value": 80 } },
        "additional_addresses": [{ "address": { "socket_address": { "address": "fd00::7", "port_value": 80 } } }] });
    let proxy =
        client(&automatic(None, &upstream("default", "ROOTCA")), &marked(&both, &json!({ "tlsMode": "istio" })));
    for address in ["10.244.0.7", "fd00::7"] {
        let told = outbound::read(&proxy, &server("http"), &[endpoint_at(address, 80)]).unwrap();
        assert_eq!((told.kind, told.by_label), (OriginKind::MutualTls, false), "{address}");
    }
    let told = outbound::read(&proxy, &server("http"), &[endpoint_at("10.244.0.8", 80)]).unwrap();
    assert!(told.by_label && told.evidence.iter().any(|shown| shown.says.contains("has not all of them")));
}

/// `cluster_traffic_policy.go:applyUpstreamProxyProtocol`.
#[test]
fn a_proxy_header_changes_nothing_about_tls() {
    let wrapped = |inner: Value| {
        json!({ "name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
            "config": { "version": "V2" }, "transport_socket": inner } })
    };
    let at = json!({ "address": { "socket_address": { "address": "10.244.0.7", "port_value": 80 } } });
    let matches = automatic(None, &wrapped(upstream("default", "ROOTCA")));
    for (mark, expected) in [(json!({ "tlsMode": "istio" }), Sends::MutualTls), (json!({}), Sends::Plaintext)] {
        let proxy = client(&matches, &marked(&at, &mark));
        let told = outbound::read(&proxy, &server("http"), &[endpoint_at("10.244.0.7", 80)]).unwrap();
        assert_eq!((told.sends.as_slice(), told.odd.len()), ([Some(expected)].as_slice(), 0));
    }
}

/// `pkg/model/credentials/resource.go:ToResourceName`.
#[test]
fn secrets_may_come_from_config_maps_and_servers_of_their_own() {
    let at = json!({ "address": { "socket_address": { "address": "10.244.0.7", "port_value": 80 } } });
    let user = json!([{ "name": "user", "transport_socket": upstream("sds://corp", "configmap://foo/corp-cacert") }]);
    let proxy = client(&user, &marked(&at, &json!({})));
    let told = outbound::read(&proxy, &server("http"), &[endpoint_at("10.244.0.7", 80)]).unwrap();
    let tls = told.tls.unwrap();
    assert_eq!((told.mode, told.odd.len()), (OriginMode::Mutual, 0));
    assert_eq!(tls.certificate, ClientCertificate::Secret("sds://corp".to_owned()));
    assert_eq!(tls.validation, ServerValidation::Secret("configmap://foo/corp".to_owned()));
}

fn chain(port: Option<u16>, certificate: &str, roots: &str) -> Value {
    let mut matches = json!({ "transport_protocol": "tls" });
    if let Some(port) = port {
        matches["destination_port"] = port.into();
    }
    json!({ "name": "chain", "filter_chain_match": matches,
        "filters": [{ "name": "envoy.filters.network.http_connection_manager" }],
        "transport_socket": { "name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": { "tls_certificate_sds_secret_configs": [{ "name": certificate }],
                "combined_validation_context": {
                    "default_validation_context": { "match_subject_alt_names": [{ "prefix": "spiffe://cluster.local/" },
                        { "prefix": "spiffe://old.domain/" }], "crl": { "filename": "/etc/crl.pem" } },
                    "validation_context_sds_secret_config": { "name": roots } } },
            "require_client_certificate": true } } })
}

fn listener(name: &str, protocol: &str, port: u16, chains: &Value) -> Value {
    json!({ "name": name, "active_state": { "listener": { "name": name, "traffic_direction": "INBOUND",
        "address": { "socket_address": { "protocol": protocol, "address": "0.0.0.0", "port_value": port } },
        "listener_filters": [{ "name": "envoy.filters.listener.tls_inspector" }], "filter_chains": chains } } })
}

fn serving(listeners: &Value) -> Proxy {
    read(
        &json!([{ "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": listeners }]),
    )
}

/// `authentication.go:ApplyToCommonTLSContext`: `TLS_SERVER_CERT_CHAIN` of the proxy stands in every chain.
#[test]
fn certificates_from_files_are_the_workloads_own_where_every_port_has_them() {
    let files = ("file-cert:/etc/certs/cert.pem~/etc/certs/key.pem", "file-root:/etc/certs/root.pem");
    let mounted = serving(&json!([listener(
        "virtualInbound",
        "TCP",
        15006,
        &json!([chain(None, files.0, files.1), chain(Some(80), files.0, files.1)])
    )]));
    for port in [80, 81] {
        let told = inbound::read(&mounted, WorkloadPort(port)).unwrap();
        assert_eq!((told.mode, told.odd.len()), (Some(AcceptMode::Strict), 0), "{port}: {:?}", told.odd);
        assert_eq!(told.trusts, ["spiffe://cluster.local/", "spiffe://old.domain/"]);
    }
    // A port alone with files of its own is TLS on a Sidecar's ingress, which is not Istio's.
    let ingress = serving(&json!([listener(
        "virtualInbound",
        "TCP",
        15006,
        &json!([chain(None, "default", "ROOTCA"), chain(Some(80), files.0, files.1)])
    )]));
    let told = inbound::read(&ingress, WorkloadPort(80)).unwrap();
    assert_eq!((told.mode, told.odd.len()), (None, 1));
}

#[test]
fn quic_is_not_what_a_tcp_connection_meets() {
    let gateway = serving(&json!([
        listener("udp_0.0.0.0_8443", "UDP", 8443, &json!([])),
        listener("0.0.0.0_8443", "TCP", 8443, &json!([chain(None, "default", "ROOTCA")])),
    ]));
    let told = inbound::read(&gateway, WorkloadPort(8443)).unwrap();
    assert_eq!(told.mode, Some(AcceptMode::Strict), "{:?}", told.odd);
}

#[test]
fn certificates_that_are_elsewhere_are_not_missing() {
    let custom =
        json!({ "custom_validator_config": { "name": "envoy.tls.cert_validator.spiffe", "typed_config": {} } });
    let mounted = json!({ "certificate_chain": { "filename": "/etc/certs/cert.pem" } });
    let secret =
        |name: &str, secret: Value| json!({ "name": name, "last_updated": "2026-11-21T10:00:00Z", "secret": secret });
    let proxy =
        read(&json!([{ "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", "dynamic_active_secrets": [
        secret("default", json!({ "tls_certificate": mounted })),
        secret("ROOTCA", json!({ "validation_context": custom }))] }]));
    assert!(certificates::own(&proxy).is_none() && certificates::roots(&proxy).is_none());
    assert_eq!(troubles::of_server(&proxy, None, None), []);
    let empty =
        read(&json!([{ "@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", "dynamic_active_secrets": [
        secret("ROOTCA", json!({ "validation_context": {} }))] }]));
    let found = troubles::of_server(&empty, None, None);
    assert_eq!(found.iter().map(|trouble| trouble.kind).collect::<Vec<_>>(), [TroubleKind::Certificate]);
}

/// `util.go:AddALPNOverrideToMetadata` is of 1.19: before it, a rule that could not be built looks like one without TLS.
#[test]
fn what_an_old_control_plane_does_not_note_may_be_any_rule() {
    let cluster = json!({ "name": NAME, "type": "EDS", "metadata": { "filter_metadata": { "istio": {
        "config": "/apis/networking.istio.io/v1alpha3/namespaces/foo/destination-rule/httpbin" } } } });
    for (version, expected) in
        [("1.18.7", vec![OriginMode::Auto, OriginMode::Simple, OriginMode::Mutual]), ("1.19.0", vec![OriginMode::Auto])]
    {
        let proxy = read(&json!([
            { "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
                "bootstrap": { "node": { "metadata": { "ISTIO_VERSION": version } } } },
            { "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
                "dynamic_active_clusters": [{ "cluster": cluster }] },
        ]));
        let told = outbound::read(&proxy, &server("http"), &[endpoint_at("10.244.0.7", 80)]).unwrap();
        assert_eq!((told.mode, told.or_modes), (OriginMode::Disable, expected), "{version}");
    }
}
