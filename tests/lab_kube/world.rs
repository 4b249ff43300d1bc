//! The default mesh.

use std::collections::BTreeSet;

use kubectl_mtls::lab::controllers::Controllers;
use kubectl_mtls::lab::desired::Application;
use kubectl_mtls::lab::store::Store;
use kubectl_mtls::lab::store::kinds::{POD, SERVICE};
use kubectl_mtls::lab::world::{Acting, application_of, load, manifests};
use kubectl_mtls::model::mesh::IstioVersion;
use serde_json::json;

#[test]
fn the_seeds_world_is_there_with_sidecars_in_foo_and_bar() {
    let store = Store::new(Controllers { version: IstioVersion::minor(20) });
    load(&store, IstioVersion::minor(20)).unwrap();
    let seen: BTreeSet<(String, String, bool)> = store
        .list(&POD, None)
        .objects
        .iter()
        .map(|pod| {
            let text = |pointer: &str| pod.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            let sidecar = pod["metadata"]["annotations"].get("sidecar.istio.io/status").is_some();
            (text("/metadata/namespace"), text("/metadata/labels/app"), sidecar)
        })
        .collect();
    let mut expected = BTreeSet::from([("istio-system".to_owned(), "istiod".to_owned(), false)]);
    for (namespace, sidecar) in [("foo", true), ("bar", true), ("legacy", false)] {
        for app in ["sleep", "httpbin"] {
            expected.insert((namespace.to_owned(), app.to_owned(), sidecar));
        }
    }
    assert_eq!(seen, expected);
    let httpbin = store.list(&SERVICE, Some("foo")).objects[0].clone();
    let port = json!({ "name": "http", "port": 8000, "targetPort": 80, "protocol": "TCP" });
    assert_eq!((&httpbin["metadata"]["name"], &httpbin["spec"]["ports"]), (&json!("httpbin"), &json!([port])));
}

#[test]
fn the_version_of_istio_is_that_of_its_image() {
    let images: Vec<String> = manifests(IstioVersion::minor(9))
        .iter()
        .filter_map(|object| Some(object.pointer("/spec/template/spec/containers/0/image")?.as_str()?.to_owned()))
        .filter(|image| image.contains("pilot"))
        .collect();
    assert_eq!(images, ["docker.io/istio/pilot:1.9.0"]);
}

#[test]
fn images_are_known_by_name_whatever_their_registry_tag_or_digest() {
    for (image, acting) in [
        ("docker.io/kennethreitz/httpbin", Some(Acting::Serves(Application::Httpbin))),
        ("docker.io/kong/httpbin", Some(Acting::Serves(Application::Httpbin))),
        ("ghcr.io/mccutchen/go-httpbin:v2.15.0", Some(Acting::Serves(Application::Httpbin))),
        ("curlimages/curl", Some(Acting::Curl)),
        ("docker.io/curlimages/curl:8.5.0", Some(Acting::Curl)),
        ("localhost:5000/curlimages/curl@sha256:0123", Some(Acting::Curl)),
        ("governmentpaas/curl-ssl", None),
        ("example.com/sleep", Some(Acting::Curl)),
        ("docker.io/istio/tcp-echo-server:1.3", Some(Acting::Serves(Application::TcpEcho))),
        ("ymqytw/nginxhttps:1.5", Some(Acting::Serves(Application::TlsEcho))),
        ("example.com/httpbin/database:1", None),
        ("docker.io/istio/proxyv2:1.31.0", Some(Acting::Proxy)),
        ("nginx", None),
        ("", None),
    ] {
        assert_eq!(application_of(image), acting, "{image}");
    }
}
