//! What is refused, and in which words.
//!
//! Texts: Kubernetes 1.34 (`apiextensions-apiserver/pkg/apiserver/validation`, `pkg/registry/customresource/strategy.go`,
//! `apiserver/pkg/endpoints/handlers/rest.go`), and a webhook's refusal as a real cluster gave it.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use kube::Client;
use serde_json::{Value, json};

use super::with_namespace;

/// Status, `Warning` headers and body of a creation in namespace `foo`.
async fn create(client: &Client, path: &str, validation: &str, body: &Value) -> (u16, Vec<String>, Value) {
    let request = http::Request::post(format!("{path}?fieldValidation={validation}"))
        .header("content-type", "application/json")
        .body(kube::client::Body::from(body.to_string().into_bytes()))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let warnings = response.headers().get_all("warning").iter().map(|value| value.to_str().unwrap().to_owned());
    let (code, warnings) = (response.status().as_u16(), warnings.collect());
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (code, warnings, serde_json::from_slice(&bytes).unwrap())
}

const POLICIES: &str = "/apis/security.istio.io/v1/namespaces/foo/peerauthentications";
const RULES: &str = "/apis/networking.istio.io/v1/namespaces/foo/destinationrules";
const SERVICES: &str = "/api/v1/namespaces/foo/services";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/foo/deployments";

fn named(spec: &Value) -> Value {
    json!({ "metadata": { "name": "x" }, "spec": spec })
}

#[tokio::test]
async fn a_field_that_does_not_exist_is_dropped_warned_of_or_refused() {
    let (_server, client) = with_namespace("foo").await;
    let policy = |name: &str| {
        json!({
            "metadata": { "name": name },
            "spec": { "selector": { "matchLabels": { "app": "httpbin" }, "mtls": { "mode": "STRICT" } } },
        })
    };
    let kept = json!({ "selector": { "matchLabels": { "app": "httpbin" } } });
    let (code, warnings, body) = create(&client, POLICIES, "Ignore", &policy("a")).await;
    assert_eq!((code, warnings, body.get("spec")), (201, Vec::new(), Some(&kept)));
    let (code, warnings, body) = create(&client, POLICIES, "Warn", &policy("b")).await;
    let expected = vec!["299 - \"unknown field \\\"spec.selector.mtls\\\"\"".to_owned()];
    assert_eq!((code, warnings, body.get("spec")), (201, expected, Some(&kept)));
    let (code, _, body) = create(&client, POLICIES, "Strict", &policy("c")).await;
    let expected = "PeerAuthentication in version \"v1\" cannot be handled as a PeerAuthentication: strict decoding error: \
                    unknown field \"spec.selector.mtls\"";
    assert_eq!((code, body.get("message")), (400, Some(&json!(expected))));
}

/// Rows: path, spec, code, reason, message.
#[tokio::test]
async fn values_that_are_not_allowed_are_refused_in_the_servers_words() {
    const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was \
                             invalid; correct the existing errors to complete validation";
    let (_server, client) = with_namespace("foo").await;
    let rows = [
        (
            POLICIES,
            json!({ "mtls": { "mode": "strict" } }),
            (422, "Invalid"),
            format!(
                "PeerAuthentication.security.istio.io \"x\" is invalid: [spec.mtls.mode: Unsupported value: \"strict\": supported \
                 values: \"UNSET\", \"DISABLE\", \"PERMISSIVE\", \"STRICT\", {UNCHECKED}]"
            ),
        ),
        (
            POLICIES,
            json!({ "mtls": "STRICT" }),
            (422, "Invalid"),
            format!(
                "PeerAuthentication.security.istio.io \"x\" is invalid: [spec.mtls: Invalid value: \"string\": spec.mtls in body \
                 must be of type object: \"string\", {UNCHECKED}]"
            ),
        ),
        (
            POLICIES,
            json!({ "selector": { "matchLabels": { "a": "b" } }, "portLevelMtls": { "80": { "mode": "on" } } }),
            (422, "Invalid"),
            format!(
                "PeerAuthentication.security.istio.io \"x\" is invalid: [spec.portLevelMtls.80.mode: Unsupported value: \"on\": \
                 supported values: \"UNSET\", \"DISABLE\", \"PERMISSIVE\", \"STRICT\", {UNCHECKED}]"
            ),
        ),
        (
            POLICIES,
            json!({ "portLevelMtls": { "80": { "mode": "STRICT" } } }),
            (422, "Invalid"),
            "PeerAuthentication.security.istio.io \"x\" is invalid: spec: Invalid value: portLevelMtls requires selector"
                .to_owned(),
        ),
        (
            SERVICES,
            json!({ "selector": { "app": "x" } }),
            (422, "Invalid"),
            "Service \"x\" is invalid: spec.ports: Required value".to_owned(),
        ),
        (
            DEPLOYMENTS,
            json!({
                "selector": { "matchLabels": { "app": "y" } },
                "template": { "metadata": { "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "x" }] } },
            }),
            (422, "Invalid"),
            "Deployment.apps \"x\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"x\"}: `selector` does not \
             match template `labels`"
                .to_owned(),
        ),
    ];
    for (path, spec, (code, reason), message) in rows {
        let (answered, _, body) = create(&client, path, "Strict", &named(&spec)).await;
        assert_eq!(answered, code, "{spec}");
        assert_eq!((body.get("reason"), body.get("message")), (Some(&json!(reason)), Some(&json!(message))), "{spec}");
    }
}

/// The beginning is a real cluster's: istiod's webhook gives a message and no reason, so kubectl names none either.
#[tokio::test]
async fn what_istios_webhook_refuses_has_no_reason() {
    let (_server, client) = with_namespace("foo").await;
    let (code, _, body) =
        create(&client, RULES, "Strict", &named(&json!({ "host": "x", "exportTo": ["foo", "."] }))).await;
    let message = body.get("message").and_then(Value::as_str).unwrap();
    let start = "admission webhook \"validation.istio.io\" denied the request: configuration is invalid: ";
    assert!(message.starts_with(start), "{message}");
    assert_eq!((code, body.get("reason")), (400, None));
}

#[tokio::test]
async fn names_and_identities_must_fit() {
    let (_server, client) = with_namespace("foo").await;
    let policy = |value: Value| {
        let mut policy = json!({ "metadata": { "name": "x" }, "spec": {} });
        policy.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        policy
    };
    for (given, code, part) in [
        (json!({ "metadata": { "name": "X_" } }), 422, "a lowercase RFC 1123 subdomain must consist of"),
        (json!({ "metadata": {} }), 422, "metadata.name: Required value: name or generateName is required"),
        (
            json!({ "metadata": { "name": "x", "namespace": "bar" } }),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            json!({ "apiVersion": "security.istio.io/v1beta1" }),
            400,
            "the API version in the data (security.istio.io/v1beta1) does not match the expected API version",
        ),
        (json!({ "kind": "Sidecar" }), 400, "cannot be handled as a PeerAuthentication"),
    ] {
        let (answered, _, body) = create(&client, POLICIES, "Strict", &policy(given)).await;
        let message = body.get("message").and_then(Value::as_str).unwrap();
        assert_eq!(answered, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
}
