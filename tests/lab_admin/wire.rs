//! What one service costs over the wire where a proxy knows five thousand.

use std::collections::BTreeSet;

use kubectl_mtls::decode::{Assume, manifests, snapshot};
use kubectl_mtls::gather::proxies::questions;
use kubectl_mtls::gather::proxies::sample::Question;
use kubectl_mtls::intent::Mesh;
use kubectl_mtls::lab::admin::dump;
use kubectl_mtls::lab::kube_api::query::Query;
use serde_json::Value;

const SERVICES: usize = 5000;
/// What one service may cost, in bytes.
const MOST: usize = 20_000;

/// The recorded proxy with more services: copies of the one that it has, under other names.
fn proxy() -> Vec<Value> {
    let dump: Value = serde_json::from_str(include_str!("client.config_dump.json")).unwrap();
    let mut sections = dump["configs"].as_array().unwrap().clone();
    for (list, name) in
        [("dynamic_active_clusters", "/cluster/name"), ("dynamic_endpoint_configs", "/endpoint_config/cluster_name")]
    {
        let section = sections.iter_mut().find(|section| section.get(list).is_some()).unwrap();
        let elements = section[list].as_array_mut().unwrap();
        let of_httpbin = |element: &&Value| element.pointer(name).unwrap().as_str().unwrap().contains("httpbin");
        let original = elements.iter().find(of_httpbin).unwrap().to_string();
        let copies = (1..SERVICES).map(|number| original.replace("httpbin.foo", &format!("service-{number}.foo")));
        elements.extend(copies.map(|copy| serde_json::from_str::<Value>(&copy).unwrap()));
    }
    sections
}

#[test]
fn one_service_of_five_thousand_costs_at_most_twenty_kilobytes() {
    let service = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: foo}}\nspec: {{clusterIP: 10.96.0.1, selector: {{app: {name}}}, \
             ports: [{{name: http, port: 8000}}]}}\n---\n"
        )
    };
    let mut mesh =
        service("httpbin") + &(1..50).map(|number| service(&format!("service-{number}"))).collect::<Vec<_>>().concat();
    mesh += "apiVersion: v1\nkind: Pod\nmetadata: {name: curl, namespace: bar}\nspec: {containers: [{name: curl, image: curl}]}\n";
    let (objects, _) = manifests::parse("mesh.yaml", &mesh, "default");
    let (snapshot, _) = snapshot(&objects, &Assume::default());
    let servers = Mesh::new(&snapshot).servers();
    let httpbin = servers.into_iter().find(|server| server.service == "httpbin").unwrap();
    let pod = snapshot.pods.first().unwrap();
    let question = Question { pod, stands_for: Vec::new(), calls: BTreeSet::from([httpbin]), serves: false };
    let sections = proxy();
    let mut bytes = 0;
    let mut found = 0;
    for asked in questions::first(&question, &snapshot) {
        let reply = dump::reply(&sections, &Query::parse(asked.path.split_once('?').map(|(_, query)| query)));
        assert_eq!(reply.status, 200, "{}", asked.path);
        found += usize::from(reply.body.contains("outbound|8000||httpbin.foo.svc.cluster.local"));
        assert!(!reply.body.contains("service-17.foo"), "{}", asked.path);
        bytes += reply.body.len() + asked.path.len();
    }
    assert_eq!(found, 2, "the cluster and its endpoints");
    assert!(bytes < MOST, "{bytes} bytes");
    let all = dump::reply(&sections, &Query::parse(Some("resource=dynamic_active_clusters"))).body.len();
    assert!(all > 400 * MOST, "and there was much to leave out: {all} bytes");
}
