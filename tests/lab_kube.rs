//! The lab's API server, asked by the Rust client that the tool itself uses.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use kubectl_mtls::lab::controllers::empty_cluster;
use kubectl_mtls::lab::kube_api::{ApiServer, ServerCertificate};
use kubectl_mtls::model::mesh::IstioVersion;
use serde_json::{Value, json};

mod controllers;
mod exec;
mod kubectl;
mod objects;
mod patches;
mod port_forward;
mod reading;
mod roles;
mod slow_proxy;
mod validation;
mod world;

const TOKEN: &str = "a token for this test";

fn certificate() -> ServerCertificate {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    ServerCertificate {
        chain: vec![certificate.der().clone()],
        key: rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        authority_pem: authority_certificate.pem(),
    }
}

async fn start(script: exec::Script) -> ApiServer {
    let store = empty_cluster(IstioVersion::NEWEST);
    ApiServer::start(store, script, certificate(), TOKEN).await.unwrap()
}

async fn client_of(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).unwrap()
}

async fn lab() -> (ApiServer, Client) {
    lab_with(exec::Script::default()).await
}

async fn lab_with(script: exec::Script) -> (ApiServer, Client) {
    let server = start(script).await;
    let client = client_of(&server.kubeconfig()).await;
    (server, client)
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn peer_authentications(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource = resource("security.istio.io", "v1", "PeerAuthentication", "peerauthentications");
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

async fn with_namespace(name: &str) -> (ApiServer, Client) {
    let (server, client) = lab().await;
    make_namespace(&client, name).await;
    (server, client)
}

async fn make_namespace(client: &Client, name: &str) {
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

fn refused<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> kube::core::Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("expected a refusal, got {other:?}"),
    }
}
