//! What is thrown at each parser, and what must hold of its answer: the same for the fuzzer and for the replay in the tests.

use std::io::Cursor;

use bytes::Bytes;
use kubectl_mtls::decode::{self, Assume};
use kubectl_mtls::gather::dumps::Dump;
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::lab::drift::Drift;
use kubectl_mtls::lab::kube_api::patch::json_patch;
use kubectl_mtls::lab::kube_api::query::Query;
use kubectl_mtls::lab::kube_api::selector::Selector;
use kubectl_mtls::lab::kube_api::{body, protobuf};
use kubectl_mtls::model::identity::SpiffeId;
use kubectl_mtls::model::mesh::IstioVersion;
use kubectl_mtls::model::name::{ClientName, LabelSelector, ServiceName};
use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::observed::access_log;
use kubectl_mtls::observed::probe::{Patience, Question, Script};
use kubectl_mtls::observed::traffic::Counters;
use kubectl_mtls::observed::wget::{Ended, Wget};
use kubectl_mtls::print::jsonpath::Template;
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};
use kubectl_mtls::verdict::finding::{Code, Override};
use kubectl_mtls::verdict::policies;
use kubectl_mtls::xfcc;

/// One input of a target.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 11] = [
    ("access_log", access_log),
    ("admin", admin),
    ("config_dump", config_dump),
    ("jsonpath", jsonpath),
    ("kube_api", kube_api),
    ("manifests", manifests),
    ("mesh_config", mesh_config),
    ("metrics", metrics),
    ("names", names),
    ("transcript", transcript),
    ("xfcc", xfcc),
];

/// A sidecar's access log: whatever is taken of it is short.
pub fn access_log(bytes: &[u8]) {
    for line in access_log::lines(&String::from_utf8_lossy(bytes)) {
        assert!(line.words.iter().all(|word| (1..=300).contains(&word.chars().count())));
    }
}

/// Manifests: read, decoded, and their policies judged.
pub fn manifests(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (objects, _) = decode::manifests::parse("fuzz", &text, "default");
    let (snapshot, _) = decode::snapshot(&objects, &Assume::default());
    let _ = policies::findings(&Mesh::new(&snapshot), &[], None);
}

/// The configuration of a mesh, and what it makes of an empty one.
pub fn mesh_config(bytes: &[u8]) {
    if let Ok(given) = decode::mesh_config::given(&String::from_utf8_lossy(bytes)) {
        let _ = decode::snapshot(&[], &Assume { mesh_config: Some(given), ..Assume::default() });
    }
}

/// A server's counters: Envoy's before a line of dashes, Istio's behind it.
pub fn metrics(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (envoy, istio) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let _ = Counters::read(envoy.as_bytes(), istio.as_bytes());
}

/// A dump of a proxy's configuration: read whole and as a stream, it says the same.
pub fn config_dump(bytes: &[u8]) {
    let streamed = Proxy::stream("fuzz", "pod", Cursor::new(bytes), &Wanted::all());
    let whole = answered(AdminEndpoint::ConfigDump, bytes);
    if streamed.refusals.is_empty() && whole.refusals.is_empty() {
        assert!(streamed.clusters.keys().eq(whole.clusters.keys()), "clusters");
        assert_eq!(streamed.listeners.len(), whole.listeners.len(), "listeners");
        assert!(streamed.secrets.keys().eq(whole.secrets.keys()), "secrets");
    }
}

/// Any answer of Envoy's admin interface; the first byte chooses which.
pub fn admin(bytes: &[u8]) {
    const ENDPOINTS: [AdminEndpoint; 7] = [
        AdminEndpoint::ConfigDump,
        AdminEndpoint::Clusters,
        AdminEndpoint::Certs,
        AdminEndpoint::Listeners,
        AdminEndpoint::Stats,
        AdminEndpoint::ServerInfo,
        AdminEndpoint::InitDump,
    ];
    let Some((first, rest)) = bytes.split_first() else { return };
    if let Some(endpoint) = ENDPOINTS.get(usize::from(*first) % ENDPOINTS.len()) {
        answered(*endpoint, rest);
    }
}

fn answered(endpoint: AdminEndpoint, bytes: &[u8]) -> Proxy {
    let answer = Answer { endpoint, query: endpoint.path().to_owned(), body: bytes.to_owned() };
    Proxy::read(&ProxyAnswers { answers: vec![answer], ..ProxyAnswers::default() }, &Wanted::all())
}

/// An X-Forwarded-Client-Cert header: what is read is written back and read again as the same.
pub fn xfcc(bytes: &[u8]) {
    if let Ok(elements) = xfcc::parse(&String::from_utf8_lossy(bytes)) {
        assert_eq!(xfcc::parse(&xfcc::format(&elements)), Ok(elements));
    }
}

/// What curl printed on both streams: every question has exactly one answer, or the reason why not.
pub fn transcript(bytes: &[u8]) {
    let (stdout, stderr) = bytes.split_at(bytes.len() / 2);
    let question = Question::new("http://httpbin.foo:8000/headers");
    let script = Script::new(0, vec![question; 3], Patience::default());
    assert_eq!(script.answers(stdout, stderr, "it ended").len(), 3);
    for (wget, code) in [(Wget::Gnu, 8), (Wget::BusyBox { bounded: true }, 1), (Wget::Gnu, 0)] {
        let _ = wget.answer(stdout, stderr, Ended::Exited(code));
    }
    let _ = Wget::of(stdout, stderr);
}

/// A template of `-o jsonpath=`, parsed and run.
pub fn jsonpath(bytes: &[u8]) {
    if let Ok(template) = Template::parse(&String::from_utf8_lossy(bytes)) {
        let document = serde_json::json!({"items": [{"a": 1, "b.c": ["x", null]}, {"a": "2"}], "kind": "List"});
        let _ = template.render(&document);
    }
}

/// Everything that is a word on the command line: what is shown of it is read as the same.
pub fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<ServiceName>();
    let _ = text.parse::<ClientName>();
    let _ = text.parse::<LabelSelector>();
    let _ = text.parse::<Override>();
    let _ = text.parse::<Code>();
    let _ = text.parse::<Dump>();
    if let Ok(version) = text.parse::<IstioVersion>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
    if let Ok(id) = text.parse::<SpiffeId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(drift) = text.parse::<Drift>() {
        assert!(drift.to_string().parse::<Drift>().is_ok());
    }
}

/// What clients of the lab's API send: bodies, patches, selectors, queries.
pub fn kube_api(bytes: &[u8]) {
    let owned = Bytes::copy_from_slice(bytes);
    let _ = protobuf::parse(bytes);
    let _ = body::parse_json(&owned);
    let _ = body::parse_yaml(&owned);
    let _ = json_patch::parse(&owned);
    let text = String::from_utf8_lossy(bytes);
    let (labels, fields) = text.split_once('\n').unwrap_or((&text, ""));
    let _ = Selector::parse(labels, fields);
    let _ = Query::parse(Some(labels));
}
