//! `pods/portforward`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::exec::{Script, make_pod};
use super::{lab_with, make_namespace};

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn bytes_go_to_the_port_and_back_until_the_server_closes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_server, client) = lab_with(Script::forwarding(8080, address)).await;
    make_namespace(&client, "foo").await;
    make_pod(&client).await;
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).await.unwrap();
        stream.write_all(&vec![b'x'; 1 << 20]).await.unwrap();
        asked
    });
    let mut forwarder = Api::<Pod>::namespaced(client, "foo").portforward("web", &[8080]).await.unwrap();
    let mut stream = forwarder.take_stream(8080).unwrap();
    stream.write_all(b"ping").await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!((serving.await.unwrap(), answer.len()), (*b"ping", 1 << 20));
}

#[tokio::test]
async fn a_port_that_nothing_listens_on_is_an_error_of_that_port() {
    let (_server, client) = lab_with(Script::default()).await;
    make_namespace(&client, "foo").await;
    make_pod(&client).await;
    let mut forwarder = Api::<Pod>::namespaced(client, "foo").portforward("web", &[8080]).await.unwrap();
    let error = timeout(SOON, forwarder.take_error(8080).unwrap()).await.unwrap().unwrap();
    assert_eq!(error, "error forwarding port 8080 to pod foo/web: connection refused");
}

/// kubectl 1.34 asks for SPDY in a WebSocket, and where that is refused for SPDY itself.
#[tokio::test]
async fn kubectl_is_told_what_is_served_and_what_to_do() {
    let (_server, client) = lab_with(Script::default()).await;
    make_namespace(&client, "foo").await;
    make_pod(&client).await;
    let tunnel = [("upgrade", "websocket"), ("sec-websocket-protocol", "SPDY/3.1+portforward.k8s.io")];
    for headers in [&tunnel[..], &[("upgrade", "SPDY/3.1")]] {
        let mut request =
            http::Request::post("/api/v1/namespaces/foo/pods/web/portforward").header("connection", "Upgrade");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let refused = client.request_text(request.body(Vec::new()).unwrap()).await.unwrap_err();
        let kube::Error::Api(status) = refused else { panic!("{refused}") };
        assert_eq!((status.code, status.reason.as_str()), (501, "NotImplemented"));
        assert!(status.message.contains("not SPDY, which kubectl speaks"), "{}", status.message);
        assert!(status.message.ends_with("pilot-agent request GET /config_dump"), "{}", status.message);
    }
}
