//! What the recorded cases do not show: changing configurations, capture, names, dropping.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use kubectl_mtls::lab::dataplane::Dataplane;
use kubectl_mtls::lab::desired::{Application, Desired, ForwardMode, ProxyConfig, TransportSocket};
use kubectl_mtls::lab::proxy::access_log::{Flag, Flags};
use kubectl_mtls::model::mesh::OutboundPolicy;
use kubectl_mtls::model::port::{PortClass, ServicePort, WorkloadPort};
use kubectl_mtls::model::tls::{ClientCertificate, MtlsMode, UpstreamTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::lab_dataplane::caller::{Curl, Said};
use crate::lab_dataplane::world::{
    CLIENT, CLUSTER, PORT, SERVER, SERVICE_PORT, VIP, accepting, client, client_identity, endpoint, istio_mutual, mesh,
    originating, server, sidecar,
};

const SOON: Duration = Duration::from_secs(5);

fn service() -> SocketAddr {
    SocketAddr::new(VIP, SERVICE_PORT)
}

fn auto() -> ProxyConfig {
    originating(PortClass::Http, TransportSocket::Matches(istio_mutual()), vec![endpoint(SERVER, true)])
}

fn accepts(mode: MtlsMode) -> ProxyConfig {
    accepting(PortClass::Http, mode, mode)
}

async fn start(desired: Desired) -> Dataplane {
    let dataplane = Dataplane::start().await.unwrap();
    dataplane.apply(desired).await.unwrap();
    dataplane
}

async fn ask(dataplane: &Dataplane, to: SocketAddr, curl: &Curl) -> Said {
    let certificate = dataplane.authority().issue_workload(&client_identity()).unwrap();
    curl.run(dataplane, &client(), to, &certificate).await
}

async fn get(dataplane: &Dataplane, path: &str) -> Said {
    ask(dataplane, service(), &Curl::get("httpbin.foo:8000", path)).await
}

#[tokio::test]
async fn a_new_configuration_holds_for_the_next_connection_and_counters_stay() {
    let dataplane = start(mesh(None, Some(accepts(MtlsMode::Permissive)))).await;
    assert_eq!(get(&dataplane, "/headers").await.status, 200);
    dataplane.apply(mesh(None, Some(accepts(MtlsMode::Strict)))).await.unwrap();
    assert_eq!(get(&dataplane, "/headers").await.exit, 56);
    dataplane.apply(mesh(None, Some(accepts(MtlsMode::Disable)))).await.unwrap();
    assert_eq!(get(&dataplane, "/headers").await.status, 200);
    let counters = dataplane.counters(&server()).unwrap();
    assert_eq!(counters.get("listener.0.0.0.0_15006.no_filter_chain_match"), 1);
    assert_eq!(counters.get("http.inbound_0.0.0.0_8080;.downstream_rq_2xx"), 2);
}

#[tokio::test]
async fn a_connection_that_stays_open_sees_the_new_routes() {
    let dataplane = start(mesh(Some(auto()), Some(accepts(MtlsMode::Strict)))).await;
    let mut stream = dataplane.network().connect(&client(), service()).await.unwrap();
    let request = b"GET /status/204 HTTP/1.1\r\nhost: httpbin.foo\r\n\r\n";
    let mut answer = [0; 12];
    stream.write_all(request).await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 204");
    let plaintext = originating(PortClass::Http, TransportSocket::RawBuffer, vec![endpoint(SERVER, true)]);
    dataplane.apply(mesh(Some(plaintext), Some(accepts(MtlsMode::Strict)))).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut rest = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&rest).contains("HTTP/1.1 503") {
            stream.read_buf(&mut rest).await.unwrap();
        }
    };
    tokio::time::timeout(SOON, read).await.unwrap();
}

#[tokio::test]
async fn pods_that_are_gone_do_not_answer() {
    let dataplane = start(mesh(None, None)).await;
    assert_eq!(get(&dataplane, "/headers").await.status, 200);
    let mut desired = mesh(None, None);
    desired.pods.remove(&server());
    dataplane.apply(desired).await.unwrap();
    let gone = dataplane.network().connect(&client(), SocketAddr::new(SERVER, PORT)).await.unwrap_err();
    assert_eq!(gone.kind(), io::ErrorKind::HostUnreachable);
    assert_eq!((dataplane.counters(&server()), dataplane.access_log(&server()).len()), (None, 0));
}

#[tokio::test]
async fn ports_without_application_and_services_without_endpoints_refuse() {
    let mut desired = mesh(None, None);
    desired.services[0].ports.push((ServicePort(9000), Vec::new()));
    let dataplane = start(desired).await;
    for to in [SocketAddr::new(SERVER, 81), SocketAddr::new(VIP, 9000), SocketAddr::new(VIP, 9001)] {
        let error = dataplane.network().connect(&client(), to).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{to}");
    }
    let nobody = dataplane.network().connect(&client(), SocketAddr::from(([192, 0, 2, 1], 80))).await.unwrap_err();
    assert_eq!(nobody.kind(), io::ErrorKind::HostUnreachable);
}

#[tokio::test]
async fn dropping_the_last_handle_ends_everything() {
    let dataplane = start(mesh(Some(auto()), Some(accepts(MtlsMode::Strict)))).await;
    let network = dataplane.network();
    let mut open = network.connect(&client(), service()).await.unwrap();
    drop(dataplane);
    let mut byte = [0];
    let ended = tokio::time::timeout(SOON, open.read(&mut byte)).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    assert_eq!(network.connect(&client(), service()).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn ports_excluded_from_capture_pass_the_sidecar_by() {
    let mut desired = mesh(None, Some(accepts(MtlsMode::Strict)));
    desired.pods.get_mut(&server()).unwrap().capture.exclude_inbound.insert(WorkloadPort(PORT));
    let dataplane = start(desired).await;
    let said = get(&dataplane, "/headers").await;
    assert_eq!((said.status, said.header("server")), (200, Some("gunicorn")));

    let mut desired = mesh(Some(auto()), Some(accepts(MtlsMode::Strict)));
    desired.pods.get_mut(&client()).unwrap().capture.exclude_outbound_ports.insert(SERVICE_PORT);
    let dataplane = start(desired).await;
    assert_eq!(get(&dataplane, "/headers").await.exit, 56);
}

#[tokio::test]
async fn a_pod_reaches_itself_without_its_sidecar() {
    let mut desired = mesh(Some(sidecar()), None);
    let curl = desired.pods.get_mut(&client()).unwrap();
    curl.application.insert(WorkloadPort(PORT), Application::Httpbin);
    let dataplane = start(desired).await;
    for address in [CLIENT, [127, 0, 0, 1].into()] {
        let said = ask(&dataplane, SocketAddr::new(address, PORT), &Curl::get("self", "/headers")).await;
        assert_eq!(said.header("server"), Some("gunicorn"), "{address}");
    }
}

#[tokio::test]
async fn a_headless_service_is_dialled_by_the_address_of_its_pods() {
    let mut config = originating(PortClass::Http, TransportSocket::Tls(istio_mutual()), Vec::new());
    let port = &mut config.outbound[0];
    (port.addresses, port.port, port.cluster.original_dst) = (vec![SERVER], ServicePort(PORT), true);
    let mut desired = mesh(Some(config), Some(accepts(MtlsMode::Strict)));
    desired.services[0].addresses.clear();
    let dataplane = start(desired).await;
    assert_eq!(dataplane.network().resolve(&client(), "httpbin.foo"), [SERVER]);
    let said = ask(&dataplane, SocketAddr::new(SERVER, PORT), &Curl::get("httpbin.foo", "/headers")).await;
    assert!(said.xfcc().is_some(), "{said:?}");
}

#[tokio::test]
async fn unknown_destinations_pass_in_plaintext_or_not_at_all() {
    let mut config = sidecar();
    let dataplane = start(mesh(Some(config.clone()), Some(accepts(MtlsMode::Permissive)))).await;
    let said = get(&dataplane, "/headers").await;
    assert_eq!((said.status, said.header("server")), (200, Some("istio-envoy")));

    config.outbound_policy = OutboundPolicy::RegistryOnly;
    dataplane.apply(mesh(Some(config), Some(accepts(MtlsMode::Permissive)))).await.unwrap();
    assert!([52, 55, 56].contains(&get(&dataplane, "/headers").await.exit));
    let blocked = Flags::of(&[Flag::NoHealthyUpstream]);
    let pod = client();
    let log = dataplane.access_log_until(&pod, |log| log.iter().any(|entry| entry.flags == blocked));
    let log = tokio::time::timeout(SOON, log).await.unwrap();
    assert_eq!(log.last().unwrap().upstream_cluster.as_deref(), Some("BlackHoleCluster"));
}

/// `envoy-symptoms.md`, section 3: 503 `no healthy upstream` is UH.
#[tokio::test]
async fn a_cluster_without_endpoints_has_no_healthy_upstream() {
    let config = originating(PortClass::Http, TransportSocket::RawBuffer, Vec::new());
    let dataplane = start(mesh(Some(config), None)).await;
    let said = get(&dataplane, "/headers").await;
    assert_eq!((said.status, said.body.as_str()), (503, "no healthy upstream"));
    assert_eq!(dataplane.access_log(&client())[0].flags, Flags::of(&[Flag::NoHealthyUpstream]));
}

/// `envoy-symptoms.md`, section 3: the client's own certificate never arrived.
#[tokio::test]
async fn a_certificate_file_that_is_not_there_is_a_secret_that_is_not_supplied() {
    let files = ClientCertificate::Files { certificate: "/nowhere/a.pem".to_owned(), key: "/nowhere/b.pem".to_owned() };
    let tls = UpstreamTls { certificate: files, ..istio_mutual() };
    let config = originating(PortClass::Http, TransportSocket::Tls(tls), vec![endpoint(SERVER, true)]);
    let dataplane = start(mesh(Some(config), Some(accepts(MtlsMode::Strict)))).await;
    assert_eq!(get(&dataplane, "/headers").await.status, 503);
    let entry = dataplane.access_log(&client()).remove(0);
    assert_eq!(entry.upstream_failure.as_deref(), Some("TLS_error:_Secret_is_not_supplied_by_SDS"));
    assert_eq!(dataplane.access_log(&server()), []);
}

#[tokio::test]
async fn mended_certificates_work_again() {
    use kubectl_mtls::lab::proxy::secrets::CertificateFault;
    let dataplane = start(mesh(Some(auto()), Some(accepts(MtlsMode::Strict)))).await;
    dataplane.break_certificates(&client(), Some(CertificateFault::Expired)).await.unwrap();
    assert_eq!(get(&dataplane, "/headers").await.status, 503);
    dataplane.break_certificates(&client(), None).await.unwrap();
    assert_eq!(get(&dataplane, "/headers").await.status, 200);
}

/// Envoy documentation, `forward_client_cert_details`, by whether the caller came over mutual TLS.
#[tokio::test]
async fn xfcc_by_forward_mode() {
    let forged = "By=spiffe://a/ns/b/sa/c;URI=spiffe://d/ns/e/sa/f";
    let rows = [
        (ForwardMode::AppendForward, 2, None),
        (ForwardMode::SanitizeSet, 1, None),
        (ForwardMode::Sanitize, 0, None),
        (ForwardMode::ForwardOnly, 1, None),
        (ForwardMode::AlwaysForwardOnly, 1, Some(forged)),
    ];
    for (forward, over_tls, over_plaintext) in rows {
        let config = ProxyConfig { forward, ..accepts(MtlsMode::Strict) };
        let dataplane = start(mesh(None, Some(config.clone()))).await;
        let mut curl = Curl::parse(&format!(
            "curl --cert a -H X-Forwarded-Client-Cert: {forged} https://httpbin.foo:8000/headers"
        ))
        .unwrap();
        let xfcc = ask(&dataplane, service(), &curl).await.xfcc();
        let elements = xfcc.as_deref().map_or(0, |xfcc| kubectl_mtls::xfcc::parse(xfcc).unwrap().len());
        assert_eq!(elements, over_tls, "{forward:?}: {xfcc:?}");

        let inbound = accepts(MtlsMode::Permissive).inbound;
        dataplane.apply(mesh(None, Some(ProxyConfig { inbound, ..config }))).await.unwrap();
        (curl.https, curl.presents) = (false, false);
        let xfcc = ask(&dataplane, service(), &curl).await.xfcc();
        assert_eq!(xfcc.as_deref(), over_plaintext, "{forward:?}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_http_go_through_mutual_tls_on_a_tcp_port() {
    let config = originating(PortClass::Tcp, TransportSocket::Matches(istio_mutual()), vec![endpoint(SERVER, true)]);
    let strict = accepting(PortClass::Tcp, MtlsMode::Strict, MtlsMode::Strict);
    let mut desired = mesh(Some(config), Some(strict));
    let echo = desired.pods.get_mut(&server()).unwrap();
    echo.application.insert(WorkloadPort(PORT), Application::TcpEcho);
    let dataplane = start(desired).await;
    let mut stream = dataplane.network().connect(&client(), service()).await.unwrap();
    stream.write_all(b"\x00\xffhello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut echoed = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut echoed)).await.unwrap().unwrap();
    assert_eq!(echoed, b"\x00\xffhello");
    let handshakes = dataplane.counters(&client()).unwrap().get(&format!("cluster.{CLUSTER};.ssl.handshake"));
    assert_eq!(handshakes, 1);
}

/// `envoy-symptoms.md`, groups `app-slow-*`: `0 DC downstream_remote_disconnect`.
#[tokio::test]
async fn a_caller_that_leaves_is_logged_by_both_sidecars() {
    let dataplane = start(mesh(Some(auto()), Some(accepts(MtlsMode::Strict)))).await;
    let mut stream = dataplane.network().connect(&client(), service()).await.unwrap();
    stream.write_all(b"GET /delay/10 HTTP/1.1\r\nhost: httpbin.foo\r\n\r\n").await.unwrap();
    // The request is on its way once the server's sidecar has counted it.
    let counted = async {
        while dataplane.counters(&server()).unwrap().sum("downstream_rq_total") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, counted).await.unwrap();
    drop(stream);
    for pod in [client(), server()] {
        let left = Flags::of(&[Flag::DownstreamConnectionTermination]);
        let log = dataplane.access_log_until(&pod, |log| log.iter().any(|entry| entry.flags == left));
        let log = tokio::time::timeout(SOON, log).await.unwrap();
        assert_eq!(log[0].details.as_deref(), Some("downstream_remote_disconnect"), "{pod}");
    }
}

/// Istio's default format, `EnvoyTextLogFormat`; the line is the recorded one of `matrix.dr-disable.strict`, with the
/// lab's addresses, times and request id.
#[tokio::test]
async fn a_log_line_reads_like_istios() {
    let plaintext = originating(PortClass::Http, TransportSocket::RawBuffer, vec![endpoint(SERVER, true)]);
    let dataplane = start(mesh(Some(plaintext), Some(accepts(MtlsMode::Strict)))).await;
    get(&dataplane, "/headers?show_env=1").await;
    let entry = dataplane.access_log(&client()).remove(0);
    let line = entry.to_string();
    let id = entry.request_id.clone().unwrap();
    let (start, rest) = line.split_once("] ").unwrap();
    assert_eq!(start.len(), "[2026-11-21T02:06:57.462Z".len(), "{line}");
    let expected = format!(
        "\"GET /headers?show_env=1 HTTP/1.1\" 503 UC upstream_reset_before_response_started{{connection_termination}} - \
         \"-\" 0 95 {} - \"-\" \"curl/7.88.1\" \"{id}\" \"httpbin.foo:8000\" \"10.244.0.10:8080\" {CLUSTER} - \
         10.96.0.10:8000 {} - default",
        entry.duration_ms, entry.downstream_remote_address
    );
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn httpbin_answers_like_httpbin() {
    let dataplane = start(mesh(None, None)).await;
    let keys = |said: &Said| -> BTreeSet<String> {
        let body: serde_json::Value = serde_json::from_str(&said.body).unwrap();
        body.as_object().unwrap().keys().cloned().collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(keys(&get(&dataplane, "/get?a=1").await), set(&["args", "headers", "origin", "url"]));
    assert_eq!(keys(&get(&dataplane, "/ip").await), set(&["origin"]));
    let all = ["args", "data", "files", "form", "headers", "json", "method", "origin", "url"];
    assert_eq!(keys(&get(&dataplane, "/anything/x").await), set(&all));
    let teapot = get(&dataplane, "/status/418").await;
    assert_eq!(teapot.status, 418);
    assert!(teapot.body.contains("-=[ teapot ]=-"), "{}", teapot.body);
    let unknown = get(&dataplane, "/nothing").await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("text/html; charset=utf-8")));
}

#[tokio::test]
async fn a_short_name_is_known_in_its_namespace_only() {
    let dataplane = start(mesh(None, None)).await;
    assert_eq!(dataplane.network().resolve(&server(), "httpbin"), [VIP]);
    assert_eq!(dataplane.network().resolve(&client(), "httpbin"), Vec::<std::net::IpAddr>::new());
}
