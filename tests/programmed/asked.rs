//! Which proxies are asked, for what, and what an old or unwilling one makes of the questions.

use kubectl_mtls::decode::{Assume, manifests, snapshot};
use kubectl_mtls::gather::proxies::questions::{self, Asked};
use kubectl_mtls::gather::proxies::sample::{Question, Sample};
use kubectl_mtls::gather::proxies::{self, Looked};
use kubectl_mtls::gather::scope::ProxyLooks;
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::lab::admin::dump;
use kubectl_mtls::lab::kube_api::query::Query;
use kubectl_mtls::model::evidence::{Reading, Unseen};
use kubectl_mtls::model::pair::{AcceptMode, OriginMode};
use kubectl_mtls::model::proxy_answers::{Answer, ProxyAnswers};
use kubectl_mtls::model::wire::{Why, Wire};
use kubectl_mtls::programmed::proxy::Wanted;
use kubectl_mtls::programmed::told::Programmed;
use serde_json::Value;

use crate::programmed::cluster::{mesh_of, read};

const LOOKS: ProxyLooks = ProxyLooks { all_pods: false, most: 50, whole: false, requested: false, traffic: None };

/// An answer to a query over the sections of a recorded dump: what that Envoy would say, and whether it refuses.
type Envoy = fn(&[Value], &str) -> Result<String, String>;

/// What `sleep.foo` and `httpbin.bar` were told, asked as the tool asks, by Envoys of one kind; and how many queries there were.
fn told(envoy: Envoy) -> (Programmed, usize) {
    let policies = "e-dr-disable";
    let snapshot = mesh_of(policies);
    let mesh = Mesh::new(&snapshot);
    let client = mesh.clients().into_iter().find(|one| one.pod.display_name() == "sleep.foo").unwrap();
    let server = mesh.servers().into_iter().find(|one| one.namespace == "bar" && one.port.0 == 8000).unwrap();
    let intent = mesh.pair(client.pod, &server);
    let sample = Sample::of(std::iter::once((client.pod, &server, &intent)), &snapshot, LOOKS);
    assert_eq!(sample.questions.len(), 2);
    let mut looked = Looked::default();
    let mut queries = 0;
    for question in &sample.questions {
        let dump = read(&format!("{policies}.{}.config_dump.json", question.pod.display_name()));
        let sections: Value = serde_json::from_str(&dump).unwrap();
        let sections = sections["configs"].as_array().unwrap();
        let answered = |asked: Vec<Asked>| {
            asked.into_iter().map(|asked| {
                // Its words are an answer as well.
                let body = envoy(sections, &asked.path).unwrap_or_else(|text| text).into_bytes();
                Answer { endpoint: asked.endpoint, query: asked.path, body }
            })
        };
        let mut answers: Vec<Answer> = answered(questions::first(question, &snapshot)).collect();
        answers.extend(answered(questions::second(question, &answers)).collect::<Vec<_>>());
        queries += answers.len();
        let Question { pod, stands_for, .. } = question;
        let (namespace, pod) = (pod.namespace().to_owned(), pod.meta.name.clone());
        looked.answers.push(ProxyAnswers { namespace, pod, stands_for: stands_for.clone(), answers, read_at: None });
    }
    let wanted = Wanted::services([(server.host.clone(), server.port.0)]);
    (proxies::read(&looked, &wanted).told(&client.reference, &server, &intent), queries)
}

fn query(path: &str) -> &str {
    path.split_once('?').unwrap().1
}

/// Envoy 1.40.
fn newest(sections: &[Value], path: &str) -> Result<String, String> {
    let reply = dump::reply(sections, &Query::parse(Some(query(path))));
    if reply.status == 200 { Ok(reply.body) } else { Err(reply.body) }
}

/// Before `name_regex` there were `resource` and `mask`, and what Envoy does not know in a query it does not read.
fn by_section(sections: &[Value], path: &str) -> Result<String, String> {
    let known: Vec<&str> = query(path).split('&').filter(|part| !part.starts_with("name_regex=")).collect();
    newest(sections, &format!("/config_dump?{}", known.join("&")))
}

/// One that lists no endpoints either.
fn without_endpoints(sections: &[Value], path: &str) -> Result<String, String> {
    if path.contains("resource=dynamic_endpoint_configs") {
        return Err("dynamic_endpoint_configs not found in config dump".to_owned());
    }
    by_section(sections, path)
}

fn refusing(_: &[Value], path: &str) -> Result<String, String> {
    let field = query(path).split('&').find_map(|part| part.strip_prefix("resource=")).unwrap();
    Err(format!("{field} not found in config dump"))
}

#[test]
fn an_old_proxy_answers_by_section_and_says_the_same() {
    let kinds: [(Envoy, &[&str]); 3] =
        [(newest, &[]), (by_section, &[]), (without_endpoints, &["dynamic_endpoint_configs not found in config dump"])];
    for (envoy, refused) in kinds {
        let (told, _) = told(envoy);
        // Curl showed 503 there, and both dumps say why.
        assert_eq!((told.outcome.wire, told.outcome.why), (Wire::Refused, Why::NoFilterChain));
        let (Reading::Seen(client), Reading::Seen(accepts)) = (&told.client, &told.endpoints[0].accepts) else {
            panic!("{told:?}")
        };
        assert_eq!((client.mode, accepts.mode), (OriginMode::Disable, Some(AcceptMode::Strict)));
        assert!(client.odd.is_empty() && accepts.odd.is_empty(), "{told:?}");
        // What it does not answer is said, and the rest counts.
        let said = told.troubles.iter().zip(refused).all(|(trouble, text)| trouble.what.ends_with(text));
        assert!(said && told.troubles.len() == refused.len(), "{:?}", told.troubles);
    }
    // Nothing else is asked of an old one: its sections come in answer to the same questions.
    assert_eq!(told(newest).1, told(by_section).1);
}

#[test]
fn a_proxy_that_refuses_the_questions_is_unseen_in_its_own_words() {
    let (told, _) = told(refusing);
    assert!(!told.any_seen() && told.outcome.wire == Wire::Unknown, "{told:?}");
    let Reading::Unseen(Unseen::Failed(why)) = &told.client else { panic!("{:?}", told.client) };
    assert!(why.contains("dynamic_active_clusters not found in config dump"), "{why}");
}

/// Sixty clients in one namespace, and a server in one that comes after it in the alphabet.
fn crowd() -> String {
    let sidecar = "{name: istio-proxy, image: docker.io/istio/proxyv2:1.31.0}";
    let pod = |namespace: &str, name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\n\
             spec: {{containers: [{{name: app, image: app}}, {sidecar}]}}\n---\n"
        )
    };
    let clients = (0..60).map(|number| pod("a", &format!("client-{number:02}"))).collect::<Vec<_>>().concat();
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: z}\n\
                   spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}\n";
    clients + &pod("z", "web") + service
}

#[test]
fn fifty_proxies_are_asked_at_most_and_the_servers_first() {
    let (objects, _) = manifests::parse("crowd.yaml", &crowd(), "default");
    let (snapshot, _) = snapshot(&objects, &Assume::default());
    let mesh = Mesh::new(&snapshot);
    let server = mesh.servers().into_iter().next().unwrap();
    let clients: Vec<_> = mesh.clients().into_iter().filter(|client| client.pod.namespace() == "a").collect();
    let intents: Vec<_> = clients.iter().map(|client| mesh.pair(client.pod, &server)).collect();
    let sample = |most: usize| {
        let pairs = clients.iter().zip(&intents).map(|(client, intent)| (client.pod, &server, intent));
        Sample::of(pairs, &snapshot, ProxyLooks { most, ..LOOKS })
    };
    let all = sample(61);
    assert_eq!((all.questions.len(), all.unseen().len()), (61, 0));
    let some = sample(50);
    let asked: Vec<String> = some.questions.iter().map(|question| question.pod.meta.name.clone()).collect();
    // Every pair has one server and its own client: without the server's proxy nothing is known of any.
    assert_eq!(
        (asked.len(), asked[0].as_str(), asked[1].as_str(), asked[49].as_str()),
        (50, "web", "client-00", "client-48")
    );
    let left: Vec<(String, Unseen)> = some.unseen().into_iter().map(|(_, pod, why)| (pod, why)).collect();
    let expected: Vec<(String, Unseen)> = (49..60).map(|number| (format!("client-{number}"), Unseen::Budget)).collect();
    assert_eq!(left, expected);
    assert!(sample(0).questions.is_empty() && sample(0).unseen().is_empty(), "asking none is no budget");
}
