//! Answers that are no answers, odd dumps, and what must never be kept.

use std::path::PathBuf;

use kubectl_mtls::envoy::certs::Certs;
use kubectl_mtls::envoy::clusters::Clusters;
use kubectl_mtls::envoy::stats::Stats;
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};

fn read(body: &[u8], query: &str) -> Proxy {
    let answer = Answer { endpoint: AdminEndpoint::ConfigDump, query: query.to_owned(), body: body.to_vec() };
    let answers = ProxyAnswers {
        namespace: "foo".to_owned(),
        pod: "sleep".to_owned(),
        answers: vec![answer],
        ..ProxyAnswers::default()
    };
    Proxy::read(&answers, &Wanted::all())
}

fn streamed(body: &[u8]) -> Proxy {
    Proxy::stream("foo", "sleep", body, &Wanted::all())
}

fn codes(proxy: &Proxy) -> Vec<&'static str> {
    proxy.refusals.iter().map(|(_, refusal)| refusal.code()).collect()
}

fn dumps() -> Vec<(String, Vec<u8>)> {
    let base = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dumps");
    let files = ["cluster", "envoy"].iter().flat_map(|folder| std::fs::read_dir(base.join(folder)).unwrap());
    let paths = files.map(|entry| entry.unwrap().path());
    let dumps = paths.filter(|path| path.to_string_lossy().ends_with("config_dump.json"));
    dumps.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn each_kind_of_no_answer_has_its_name() {
    for (body, code) in [
        ("", "empty"),
        (" \n", "empty"),
        ("<!DOCTYPE html><html><body>Not Found</body></html>", "html"),
        ("{\"configs\": [{\"@type\": \"type.googleapis.com/envoy.admin.v3.ClustersConfigDump\",", "truncated"),
        ("{\"configs\": [", "truncated"),
        ("{\"kind\": \"Status\", \"apiVersion\": \"v1\"}", "other-json"),
        ("{\"configs\": [{\"@type\": \"type.googleapis.com/google.protobuf.Struct\"}]}", "other-json"),
        ("[1, 2]", "other-json"),
        ("{\"configs\": [}", "not-json"),
        ("{\"configs\": []} trailing", "not-json"),
        ("upstream connect error", "not-json"),
        ("dynamic_endpoint_configs not found in config dump", "denied"),
        ("FieldMask nonsense could not be successfully applied to any configs.", "denied"),
    ] {
        assert_eq!(codes(&read(body.as_bytes(), "/config_dump")), [code], "{body}");
        assert_eq!(codes(&streamed(body.as_bytes())), [code], "streamed: {body}");
    }
    // Envoy's way to say that nothing matches.
    let nothing = read(b"{}\n", "/config_dump?resource=dynamic_warming_clusters");
    assert!(nothing.refusals.is_empty());
    assert_eq!(nothing.sections.len(), 1);
}

#[test]
fn one_odd_element_spoils_nothing_but_itself() {
    let dump = r#"{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.ClustersConfigDump","dynamic_active_clusters":[
        {"cluster":{"name":["not","a","name"]}}, {"cluster":{"name":"outbound|80||good.foo","unknown_field":{"x":[1]}}},
        7, {"cluster":null} ]}]}"#;
    for proxy in [read(dump.as_bytes(), "/config_dump"), streamed(dump.as_bytes())] {
        assert!(proxy.clusters.contains_key("outbound|80||good.foo"));
        let pointers: Vec<String> = proxy.refusals.iter().map(|(_, refusal)| refusal.to_string()).collect();
        assert!(pointers[0].starts_with("/configs/0/dynamic_active_clusters/0 has a shape"), "{pointers:?}");
        assert_eq!(pointers.len(), 3, "{pointers:?}");
    }
}

#[test]
fn a_dump_that_breaks_off_anywhere_is_truncated() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dumps/cluster/a-none.sleep.foo.config_dump.json");
    let body = std::fs::read(path).unwrap();
    let end = body.iter().rposition(|byte| *byte == b'}').unwrap();
    for at in (1..end).step_by(997).chain(end - 3..=end) {
        let cut = &body[..at];
        assert_eq!(codes(&read(cut, "")).last(), Some(&"truncated"), "at {at}");
        assert_eq!(codes(&streamed(cut)).last(), Some(&"truncated"), "streamed, at {at}");
    }
}

#[test]
fn damaged_dumps_are_read_or_refused_and_never_more() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/dumps/cluster/gateway.config_dump.json");
    let whole = std::fs::read(path).unwrap();
    let mut state: usize = 20_261_121;
    let mut refused = 0;
    for _ in 0..200 {
        let mut body = whole.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 16) % body.len();
            body[at] = b"\"{}[],:\\\x00\xff7n"[(state >> 48) % 12];
        }
        refused += usize::from(!read(&body, "").refusals.is_empty());
        let _ = streamed(&body);
    }
    assert!(refused > 20, "only {refused} were refused");
}

#[test]
fn a_stream_gives_what_memory_gives() {
    for (path, body) in dumps() {
        let (whole, stream) = (read(&body, ""), streamed(&body));
        assert!(whole.refusals.is_empty(), "{path}: {:?}", whole.refusals);
        assert_eq!(format!("{whole:?}"), format!("{stream:?}"), "{path}");
    }
}

#[test]
fn resources_that_were_saved_without_their_question_are_told_by_type() {
    let resource = r#"{"configs":[{"@type":"type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster",
        "version_info":"1","cluster":{"name":"outbound|80||a.foo","type":"EDS"}}]}"#;
    for proxy in [read(resource.as_bytes(), ""), streamed(resource.as_bytes())] {
        let kept = &proxy.clusters["outbound|80||a.foo"];
        assert_eq!((kept.pointer.as_str(), kept.value.cluster.kind.as_str()), ("/configs/0", "EDS"));
    }
}

#[test]
fn only_the_hosts_that_are_asked_for_are_kept() {
    // Of one of them only clusters were kept.
    let whole = |body: &[u8]| String::from_utf8_lossy(body).contains("virtualInbound");
    let of_client: Vec<_> =
        dumps().into_iter().filter(|(path, body)| path.contains("sleep.foo") && whole(body)).collect();
    assert!(of_client.len() > 5, "{} whole dumps of the client", of_client.len());
    for (path, body) in of_client {
        let wanted = Wanted::services([("httpbin.legacy.svc.cluster.local", 8000)]);
        let proxy = Proxy::stream("foo", "sleep", body.as_slice(), &wanted);
        let outbound = proxy.clusters.keys().filter(|name| name.starts_with("outbound|"));
        assert!(outbound.clone().all(|name| name.ends_with("|httpbin.legacy.svc.cluster.local")), "{path}");
        assert_eq!(outbound.count(), 1, "{path}");
        assert!(proxy.listeners.iter().any(|kept| kept.value.name == "virtualInbound"), "{path}");
    }
}

#[test]
fn no_key_token_or_environment_is_kept() {
    let secret = "c2VjcmV0LWtleS1tYXRlcmlhbA";
    let dump = format!(
        r#"{{"configs":[
        {{"@type":"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump","bootstrap":{{"node":{{"id":"sidecar~1~a.foo~foo",
          "metadata":{{"ISTIO_VERSION":"1.31.0","ENVIRONMENT":{{"PASSWORD":"{secret}"}}}}}},"admin":{{"token":"{secret}"}}}}}},
        {{"@type":"type.googleapis.com/envoy.admin.v3.SecretsConfigDump","dynamic_active_secrets":[{{"name":"default","secret":{{
          "tls_certificate":{{"certificate_chain":{{"inline_bytes":"QQ=="}},"private_key":{{"inline_bytes":"{secret}"}},
          "password":{{"inline_string":"{secret}"}}}}}}}}]}}]}}"#
    );
    for proxy in [read(dump.as_bytes(), ""), streamed(dump.as_bytes())] {
        assert!(proxy.secrets.contains_key("default") && proxy.bootstrap.is_some());
        assert!(!format!("{proxy:?}").contains(secret));
    }
    let misplaced = format!(
        r#"{{"configs":[{{"@type":"type.googleapis.com/envoy.admin.v3.SecretsConfigDump","dynamic_active_secrets":[
        {{"name":"default","secret":{{"tls_certificate":"{secret}"}}}}]}}]}}"#
    );
    for proxy in [read(misplaced.as_bytes(), ""), streamed(misplaced.as_bytes())] {
        assert_eq!(proxy.refusals.len(), 1);
        let told = proxy.refused().unwrap();
        assert!(told.contains("invalid type: string, expected") && !told.contains(secret), "{told}");
    }
    let broken = read(format!("{secret}: no json").as_bytes(), "").refusals;
    assert_eq!(broken.len(), 1);
}

#[test]
fn the_other_endpoints_name_what_came_instead() {
    assert_eq!(Clusters::parse(b"<html>").unwrap_err().code(), "html");
    assert_eq!(Clusters::parse(b"{\"certificates\":[]}").unwrap_err().code(), "other-json");
    assert_eq!(Certs::parse(b"{\"certificates\": [").unwrap_err().code(), "truncated");
    assert_eq!(Certs::parse(b"{}").unwrap(), Certs::default());
    assert_eq!(Stats::parse(b"{\"stats\":[]}").unwrap_err().code(), "other-json");
    let stats = Stats::parse(b"a.b: 3\nc: 4\nhistogram: P0(nan,1)\n").unwrap();
    assert_eq!((stats.get("a.b"), stats.get("histogram"), stats.sum("", "b")), (Some(3), None, Some(3)));
}
