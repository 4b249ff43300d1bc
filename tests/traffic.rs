//! The servers' counters: read from recorded text, from a running mesh, and from whatever else may come.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use kubectl_mtls::envoy::prometheus;
use kubectl_mtls::observed::traffic::{Call, CallTraffic, Calls, Counters, Listener, Port, PortTraffic, Traffic};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

mod command;
pub(crate) mod live;

/// Recorded: Envoy 1.40.0 configured as istiod would, PERMISSIVE, after three requests of a client with a sidecar.
const ENVOY: &str = "\
http.inbound_0.0.0.0_8080;.downstream_cx_ssl_total: 1
http.inbound_0.0.0.0_8080;.downstream_cx_total: 1
http.inbound_0.0.0.0_8080;.downstream_rq_total: 3
listener.127.0.15.2_15006.downstream_cx_total: 1
listener.127.0.15.2_15006.http.inbound_0.0.0.0_8080;.downstream_rq_2xx: 3
listener.127.0.15.2_15006.no_filter_chain_match: 0
listener.127.0.15.2_15006.ssl.connection_error: 0
listener.127.0.15.2_15006.ssl.fail_verify_error: 0
listener.127.0.15.2_15006.ssl.fail_verify_no_cert: 0
listener.127.0.15.2_15006.ssl.fail_verify_san: 0
listener.127.0.15.2_15006.ssl.handshake: 1
listener.admin.downstream_cx_total: 11
";

/// Constructed in the form of Istio's standard metrics as its documentation has them: upstream Envoy writes none of these, and
/// no real proxy of Istio's was there to record.
const ISTIO: &str = "\
# TYPE istio_requests_total counter
istio_requests_total{reporter=\"destination\",source_workload=\"sleep\",source_workload_namespace=\"foo\",source_principal=\"spiffe://cluster.local/ns/foo/sa/sleep\",destination_workload=\"httpbin\",destination_service=\"httpbin.bar.svc.cluster.local\",request_protocol=\"http\",response_code=\"200\",response_flags=\"-\",connection_security_policy=\"mutual_tls\"} 7
istio_requests_total{reporter=\"destination\",source_workload=\"sleep\",source_workload_namespace=\"foo\",source_principal=\"spiffe://cluster.local/ns/foo/sa/sleep\",destination_workload=\"httpbin\",destination_service=\"httpbin.bar.svc.cluster.local\",request_protocol=\"http\",response_code=\"404\",response_flags=\"-\",connection_security_policy=\"mutual_tls\"} 2
istio_requests_total{reporter=\"destination\",source_workload=\"unknown\",source_workload_namespace=\"unknown\",source_principal=\"unknown\",destination_workload=\"httpbin\",destination_service=\"httpbin.bar.svc.cluster.local\",request_protocol=\"http\",response_code=\"200\",response_flags=\"-\",connection_security_policy=\"none\"} 5
istio_requests_total{reporter=\"source\",source_workload=\"httpbin\",source_workload_namespace=\"bar\",destination_service=\"db.bar.svc.cluster.local\",response_code=\"200\",connection_security_policy=\"unknown\"} 40
# TYPE istio_tcp_connections_opened_total counter
istio_tcp_connections_opened_total{reporter=\"destination\",source_workload=\"sleep\",source_workload_namespace=\"foo\",source_principal=\"spiffe://cluster.local/ns/foo/sa/sleep\",destination_service=\"echo.bar.svc.cluster.local\",request_protocol=\"tcp\",connection_security_policy=\"mutual_tls\"} 1
";

fn read(envoy: &str, istio: &str) -> Counters {
    Counters::read(envoy.as_bytes(), istio.as_bytes()).unwrap()
}

#[test]
fn envoys_counters_tell_connections_by_what_became_of_them() {
    let traffic = read(ENVOY, "").since(&Counters::default()).unwrap();
    let expected = Traffic {
        listener: Some(Listener { connections: 1, handshakes: 1, ..Listener::default() }),
        ports: vec![PortTraffic { port: 8080, grew: Port { connections: 1, tls: 1, requests: 3 } }],
        calls: Vec::new(),
    };
    assert_eq!(traffic, expected);
    // Three requests over one connection: the second reading counts what is new alone.
    let later = ENVOY
        .replace("rq_total: 3", "rq_total: 8")
        .replace("_15006.downstream_cx_total: 1", "_15006.downstream_cx_total: 3");
    let grew = read(&later, "").since(&read(ENVOY, "")).unwrap();
    assert_eq!(grew.ports[0].grew, Port { connections: 0, tls: 0, requests: 5 });
    let listener = grew.listener.unwrap();
    assert_eq!((listener.connections, listener.handshakes, listener.passed()), (2, 0, 2));
}

#[test]
fn istios_counters_tell_who_called_and_how_as_the_servers_proxy_saw_it() {
    let call = |workload: &str, namespace: &str, principal: &str, service: &str| Call {
        workload: workload.to_owned(),
        namespace: namespace.to_owned(),
        principal: principal.to_owned(),
        service: format!("{service}.bar.svc.cluster.local"),
    };
    let sleep = |service| call("sleep", "foo", "spiffe://cluster.local/ns/foo/sa/sleep", service);
    let calls = read("", ISTIO).since(&Counters::default()).unwrap().calls;
    let expected = [
        CallTraffic { call: sleep("echo"), grew: Calls { mutual_tls: 1, plaintext: 0 } },
        CallTraffic { call: sleep("httpbin"), grew: Calls { mutual_tls: 9, plaintext: 0 } },
        CallTraffic {
            call: call("unknown", "unknown", "unknown", "httpbin"),
            grew: Calls { mutual_tls: 0, plaintext: 5 },
        },
    ];
    assert_eq!(calls, expected);
}

/// Upstream Envoy has none of these counters. What Istio's own proxy writes is known from what its tests demand of it.
#[test]
fn what_istios_proxy_is_held_to_by_its_own_tests_is_read() {
    #[derive(serde::Deserialize)]
    struct Metric {
        family: String,
        value: u64,
        labels: Vec<(String, String)>,
    }
    let metrics: Vec<Metric> = serde_saphyr::from_str(include_str!("vectors/istio-proxy-metrics.yaml")).unwrap();
    let line = |Metric { family, value, labels }: &Metric| {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        format!("# TYPE {family} counter\n{family}{{{}}} {value}\n", labels.join(","))
    };
    let text: String = metrics.iter().map(line).collect();
    let call = |workload: &str, namespace: &str, principal: &str| Call {
        workload: workload.to_owned(),
        namespace: namespace.to_owned(),
        principal: principal.to_owned(),
        service: "server.default.svc.cluster.local".to_owned(),
    };
    let client = "spiffe://cluster.local/ns/default/sa/client";
    let (over_tls, plain) = (Calls { mutual_tls: 10, plaintext: 0 }, Calls { mutual_tls: 0, plaintext: 10 });
    let expected = [
        CallTraffic { call: call("productpage-v1", "default", client), grew: over_tls },
        CallTraffic { call: call("productpage-v1", "default", "unknown"), grew: plain },
        CallTraffic { call: call("unknown", "unknown", client), grew: over_tls },
    ];
    assert_eq!(read("", &text).since(&Counters::default()).unwrap().calls, expected);
}

#[test]
fn counters_that_istio_hides_are_not_zero_and_one_that_went_back_is_another_process() {
    assert!(read("", "").is_empty());
    // Recorded: what Istio's `stats_matcher` leaves by default.
    let hidden = "cluster_manager.active_clusters: 12\nlistener_manager.workers_started: 1\nserver.live: 1\n";
    assert!(read(hidden, "").is_empty());
    assert!(!read(ENVOY, "").is_empty());
    assert!(read(&ENVOY.replace(": 1\n", ": 0\n"), "").since(&read(ENVOY, "")).is_err());
    assert!(read("", "").since(&read(ENVOY, "")).is_err());
}

#[test]
fn what_is_no_counters_is_refused() {
    for body in ["<html></html>", "{\"configs\": []}", "Invalid re2 regex: missing ): ("] {
        let refused = |envoy: &str, istio: &str| Counters::read(envoy.as_bytes(), istio.as_bytes()).is_err();
        assert!(refused("", body), "{body}");
        assert!(refused(body, "") || body.contains("re2"), "{body}");
    }
}

#[test]
fn labels_are_read_as_they_are_quoted() {
    let text =
        "a{x=\"1\",y=\"say \\\"hi\\\", then \\\\ and \\n{}\",} 4 1395066363000\nb 2\nc{x=\"open} 1\nd{} nan\n 3\n";
    let samples: Vec<_> = prometheus::samples(text).collect();
    assert_eq!(samples.len(), 2, "{samples:?}");
    assert_eq!((samples[0].name, samples[0].value, samples[1].name, samples[1].value), ("a", 4, "b", 2));
    assert_eq!(samples[0].label("y"), Some("say \"hi\", then \\ and \n{}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(envoy in prop::collection::vec(any::<u8>(), 0..200), istio in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Counters::read(&envoy, &istio);
    }

    #[test]
    fn nor_do_answers_that_were_cut_and_bent(at in 0..ISTIO.len(), byte in any::<u8>(), to in 0..ENVOY.len(), huge in any::<u64>()) {
        let mut istio = ISTIO.as_bytes().to_vec();
        istio[at] = byte;
        let mut envoy = ENVOY.as_bytes()[..to].to_vec();
        envoy.extend_from_slice(format!("{huge}\nlistener.0.0.0.0_15006.ssl.handshake: {huge}\n").as_bytes());
        if let Ok(counters) = Counters::read(&envoy, &istio) {
            let _ = counters.since(&Counters::default());
            assert_eq!(counters.since(&counters).unwrap().listener.unwrap_or_default(), Listener::default());
        }
    }
}
