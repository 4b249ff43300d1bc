//! Every kind of client and server that Envoy was configured as, read back.

use std::net::IpAddr;
use std::path::PathBuf;

use kubectl_mtls::model::derivation::{PolicyKind, PolicyRef};
use kubectl_mtls::model::pair::{AcceptMode, Accepts, Endpoint, OriginKind, OriginMode, Route, ServerRef};
use kubectl_mtls::model::port::{PortClass, Protocol, ServicePort, WorkloadPort};
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::model::tls::{ClientCertificate, ServerValidation};
use kubectl_mtls::model::wire::{Outcome, Why, Wire};
use kubectl_mtls::model::workload::ProxyKind;
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};
use kubectl_mtls::programmed::told::{End, Trouble, TroubleKind};
use kubectl_mtls::programmed::{inbound, outbound, troubles};

pub(crate) const HOST: &str = "httpbin.foo.svc.cluster.local";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dumps/envoy")
}

fn proxy(file: &str) -> Proxy {
    let body = std::fs::read(folder().join(format!("{file}-config_dump.json"))).unwrap();
    let answer = Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body };
    let answers = ProxyAnswers {
        namespace: "foo".to_owned(),
        pod: file.to_owned(),
        answers: vec![answer],
        ..ProxyAnswers::default()
    };
    Proxy::read(&answers, &Wanted::all())
}

/// Files of one end, without their states, as kind, protocol and name.
fn files(end: &str) -> Vec<(String, String, String)> {
    let suffix = format!("-{end}-config_dump.json");
    let names = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> = names
        .filter(|name| !name.starts_with("state."))
        .filter_map(|name| {
            let stem = name.strip_suffix(&suffix)?.to_owned();
            let mut parts = stem.split('.');
            let (kind, protocol) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            Some((kind, protocol, format!("{stem}-{end}")))
        })
        .collect();
    found.sort();
    found
}

pub(crate) fn server(protocol: &str) -> ServerRef {
    ServerRef {
        namespace: "foo".to_owned(),
        service: "httpbin".to_owned(),
        entry: false,
        host: HOST.to_owned(),
        port: ServicePort(8000),
        port_name: String::new(),
        protocol: match protocol {
            "tcp" => Protocol::Tcp,
            "auto" => Protocol::Auto,
            _ => Protocol::Http,
        },
    }
}

/// The endpoint that the client's own dump lists.
fn endpoint(proxy: &Proxy) -> Endpoint {
    let listed = &proxy.endpoints[&format!("outbound|8000||{HOST}")].value.endpoint_config;
    let (address, _) = listed.hosts().next().unwrap();
    endpoint_at(&address.address, address.port_value.unwrap())
}

/// A pod behind the service.
pub(crate) fn endpoint_at(address: &str, port: u16) -> Endpoint {
    Endpoint {
        namespace: "foo".to_owned(),
        pod: Some("httpbin".to_owned()),
        workload: "httpbin".to_owned(),
        address: Some(address.parse::<IpAddr>().unwrap()),
        port: WorkloadPort(port),
        proxy: ProxyKind::Sidecar,
        is_self: false,
        marked: None,
        sends: None,
        accepts: Accepts {
            mode: AcceptMode::Permissive,
            class: PortClass::Http,
            decided_by: PolicyRef::default_of(PolicyKind::DefaultPermissive),
            layers: Vec::new(),
        },
        outcome: Outcome { wire: Wire::Unknown, why: Why::NotReadable },
        tcp: None,
        tcp_sends: None,
    }
}

#[test]
fn a_client_sends_what_its_kind_says() {
    let mut wrong = Vec::new();
    let mut read = 0;
    for (kind, protocol, file) in files("client") {
        let expected = match kind.as_str() {
            "auto" => (OriginKind::MutualTls, OriginMode::Auto),
            "auto-nolabel" | "auto-ns-disable" | "passthrough-http" | "passthrough-tcp" => {
                (OriginKind::Plaintext, OriginMode::Auto)
            }
            "dr-disable" => (OriginKind::Plaintext, OriginMode::Disable),
            "dr-istio-mutual" => (OriginKind::MutualTls, OriginMode::IstioMutual),
            kind if kind.starts_with("dr-mutual") => (OriginKind::TlsClientCert, OriginMode::Mutual),
            _ => (OriginKind::Tls, OriginMode::Simple),
        };
        let proxy = proxy(&file);
        assert!(proxy.refusals.is_empty(), "{file}: {:?}", proxy.refusals);
        let told = outbound::read(&proxy, &server(&protocol), &[endpoint(&proxy)]).unwrap();
        read += 1;
        let rule = told.named.as_ref().map(PolicyRef::short);
        let named = rule.as_deref() == kind.starts_with("dr-").then_some("dr/httpbin.foo");
        if (told.kind, told.mode) != expected || !told.odd.is_empty() || !named {
            wrong.push(format!("{file}: {:?} {:?} {rule:?} {:?}", told.kind, told.mode, told.odd));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read >= 40, "only {read} dumps");
}

#[test]
fn secrets_are_told_by_their_names() {
    let tls = |file: &str| {
        let proxy = proxy(file);
        outbound::read(&proxy, &server("http"), &[endpoint(&proxy)]).unwrap().tls.unwrap()
    };
    let auto = tls("auto.http.istio_shaped-client");
    assert_eq!((auto.certificate, auto.validation), (ClientCertificate::Workload, ServerValidation::MeshRoot));
    assert_eq!(auto.sni.as_deref(), Some("outbound_.8000_._.httpbin.foo.svc.cluster.local"));
    assert_eq!(auto.subject_alt_names, ["spiffe://cluster.local/ns/foo/sa/httpbin"]);
    assert!(auto.alpn_override);
    let mutual = tls("dr-mutual-otherca.http.istio_shaped-client");
    let files = ClientCertificate::Files {
        certificate: "/etc/certs/client-otherca.crt".to_owned(),
        key: "/etc/certs/client-otherca.key".to_owned(),
    };
    assert_eq!(
        (mutual.certificate, mutual.validation),
        (files, ServerValidation::File("/etc/certs/root.crt".to_owned()))
    );
    assert!(!mutual.alpn_override, "istio.alpn_override: false in its metadata");
    assert_eq!(tls("dr-simple-system.http.istio_shaped-client").validation, ServerValidation::System);
    assert_eq!(tls("dr-simple-insecure.http.istio_shaped-client").validation, ServerValidation::Skip);
}

#[test]
fn a_destination_nobody_knows_is_passed_through() {
    let proxy = proxy("passthrough-tcp.http.istio_shaped-client");
    let told = outbound::read(&proxy, &server("tcp"), &[endpoint(&proxy)]).unwrap();
    assert_eq!(told.route, Route::Passthrough);
    assert!(told.evidence[0].says.contains("virtualOutbound leads to PassthroughCluster"), "{:?}", told.evidence);
}

#[test]
fn a_server_accepts_what_its_mode_says() {
    let mode = |word: &str| match word {
        "strict" => AcceptMode::Strict,
        "permissive" => AcceptMode::Permissive,
        _ => AcceptMode::Disable,
    };
    let mut wrong = Vec::new();
    let mut read = 0;
    for (kind, protocol, file) in files("server") {
        let (workload, port) = kind.split_once("-port-").unwrap_or((&kind, &kind));
        let class = match protocol.as_str() {
            "tcp" => PortClass::Tcp,
            "auto" => PortClass::Auto,
            _ => PortClass::Http,
        };
        let proxy = proxy(&file);
        let declared = inbound::read(&proxy, WorkloadPort(8080)).unwrap();
        let other = inbound::read(&proxy, WorkloadPort(8081)).unwrap();
        read += 1;
        if declared.mode != Some(mode(port)) || declared.class != class || other.mode != Some(mode(workload)) {
            wrong.push(format!("{file}: {:?} {:?} {:?} {:?}", declared.mode, declared.class, declared.odd, other.mode));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read >= 20, "only {read} dumps");
}

fn of_kind(troubles: &[Trouble], kind: TroubleKind) -> Vec<&str> {
    troubles.iter().filter(|trouble| trouble.kind == kind).map(|trouble| trouble.what.as_str()).collect()
}

#[test]
fn a_rejected_update_is_told_once_in_envoys_own_words() {
    let proxy = proxy("state.error-listener-server");
    let found = troubles::of_server(&proxy, None, None);
    let rejected = of_kind(&found, TroubleKind::Rejected);
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert!(rejected[0].starts_with("update of virtualInbound rejected at 2026-11-21T02:24:08.659Z"), "{rejected:?}");
    assert!(rejected[0].contains("has the same matching rules defined as '0.0.0.0_8080'"), "{rejected:?}");
    assert_eq!(found[0].at, End::Server);
    // What it serves is still told.
    assert!(inbound::read(&proxy, WorkloadPort(8080)).unwrap().mode.is_some());
}

#[test]
fn what_waits_and_what_drains_is_told() {
    let warming = proxy("state.warming-listener-server");
    assert!(inbound::read(&warming, WorkloadPort(8080)).unwrap_err().contains("waits for its secrets"));
    assert_eq!(of_kind(&troubles::of_server(&warming, None, None), TroubleKind::Warming).len(), 2);
    let draining = inbound::read(&proxy("state.draining-listener-server"), WorkloadPort(8080)).unwrap();
    assert!(draining.draining);
    let client = proxy("state.warming-cluster-client");
    let told = outbound::read(&client, &server("http"), &[]).unwrap();
    assert_eq!(told.refuses, Some(Why::NoCluster));
}

#[test]
fn certificates_that_do_not_fit_are_told() {
    let expired = troubles::of_server(&proxy("strict.http.cert-expired.istio_shaped-server"), None, None);
    let expired = of_kind(&expired, TroubleKind::Certificate);
    assert!(
        expired[0].starts_with("certificate of spiffe://cluster.local/ns/foo/sa/httpbin expired at "),
        "{expired:?}"
    );
    let client = proxy("auto.http.istio_shaped-client");
    let told = outbound::read(&client, &server("http"), &[endpoint(&client)]).unwrap();
    let other = troubles::of_server(&proxy("strict.http.cert-otherca.istio_shaped-server"), Some(&client), Some(&told));
    let roots = of_kind(&other, TroubleKind::Roots);
    assert!(roots[0].contains("does not lead to a root of foo/auto.http.istio_shaped-client"), "{roots:?}");
    let good = troubles::of_server(&proxy("strict.http.istio_shaped-server"), Some(&client), Some(&told));
    assert!(good.is_empty(), "{good:?}");
}

#[test]
fn a_gateways_chains_are_told_by_name_and_never_taken_for_a_mode() {
    let path = folder().join("../cluster/gateway.config_dump.json");
    let dump = std::fs::File::open(path).unwrap();
    let gateway = Proxy::stream("istio-system", "istio-ingressgateway", dump, &Wanted::all());
    let told = inbound::read(&gateway, WorkloadPort(8443)).unwrap();
    assert_eq!(told.mode, None);
    let says: Vec<&str> = told.odd.iter().map(|odd| odd.says.as_str()).collect();
    assert!(
        says[0].contains("httpbin.example.com, ends TLS with kubernetes://httpbin-credential, no client"),
        "{says:?}"
    );
    assert!(says[1].contains("a client certificate of kubernetes://mutual-credential-cacert demanded"), "{says:?}");
}

#[test]
fn a_client_of_another_trust_domain_is_told() {
    let client = proxy("auto.http.istio_shaped-client");
    let server = proxy("strict.http.istio_shaped-server");
    let mut accepts = inbound::read(&server, WorkloadPort(8080)).unwrap();
    assert_eq!(accepts.trusts, ["spiffe://cluster.local/"]);
    assert!(troubles::of_trust(&client, &server, &accepts).is_none());
    accepts.trusts = vec!["spiffe://other.example/".to_owned()];
    let what = troubles::of_trust(&client, &server, &accepts).unwrap().what;
    assert!(what.starts_with("spiffe://cluster.local/ns/bar/sa/curl is not of the trust domains"), "{what}");
}
