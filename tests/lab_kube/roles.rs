//! Whoever is impersonated may do what roles allow.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::{make_namespace, object, refused, resource, start};
use crate::lab_kube::exec::Script;

const GROUP: &str = "rbac.authorization.k8s.io";

async fn make(client: &Client, kind: &str, namespace: &str, content: Value) {
    let plural = format!("{}s", kind.to_lowercase());
    let api = Api::namespaced_with(client.clone(), namespace, &resource(GROUP, "v1", kind, &plural));
    let mut whole = json!({ "apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": { "name": "reader" } });
    whole.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
    api.create(&PostParams::default(), &object(whole)).await.unwrap();
}

#[tokio::test]
async fn a_role_holds_in_its_namespace_for_whom_it_is_bound_to() {
    let server = start(Script::default()).await;
    let client = super::client_of(&server.kubeconfig()).await;
    for name in ["foo", "bar"] {
        make_namespace(&client, name).await;
    }
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }]);
    make(&client, "Role", "foo", json!({ "rules": rules })).await;
    let bound = json!({ "roleRef": { "apiGroup": GROUP, "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "User", "name": "jane" }] });
    make(&client, "RoleBinding", "foo", bound).await;
    let kubeconfig = server.kubeconfig().replace("    token:", "    as: jane\n    token:");
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap();
    let jane = Client::try_from(config).unwrap();
    let pods = |namespace: Option<&str>| match namespace {
        Some(namespace) => Api::<Pod>::namespaced(jane.clone(), namespace),
        None => Api::<Pod>::all(jane.clone()),
    };
    pods(Some("foo")).list(&ListParams::default()).await.unwrap();
    // The words of Kubernetes: `apiserver/pkg/endpoints/handlers/responsewriters/errors.go`.
    for (namespace, scope) in [(Some("bar"), "in the namespace \"bar\""), (None, "at the cluster scope")] {
        let status = refused(pods(namespace).list(&ListParams::default()).await);
        let message =
            format!("pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" {scope}");
        assert_eq!((status.code, status.message), (403, message));
    }
    let status = refused(pods(Some("foo")).get("web").await);
    let message = "pods \"web\" is forbidden: User \"jane\" cannot get resource \"pods\" in API group \"\" in the namespace \"foo\"";
    assert_eq!(status.message, message);
    let review = json!({ "spec": { "namespace": "foo" } });
    let asked = http::Request::post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews")
        .body(review.to_string().into_bytes())
        .unwrap();
    let told: Value = jane.request(asked).await.unwrap();
    assert_eq!((&told["status"]["resourceRules"], &told["status"]["incomplete"]), (&rules, &json!(false)));
}
