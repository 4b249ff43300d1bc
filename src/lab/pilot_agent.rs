//! `pilot-agent request METHOD PATH` as it is in Istio's proxy image: asks the admin endpoint of its own pod.
//!
//! Istio: `pilot/pkg/request/command.go`: the body and a line end; a status above 399 other than 404 is an error.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::lab::kube_api::exec::ExecStreams;
use crate::lab::network::listener::AbortOnDrop;

/// What a Go program ends with after `os.Exit(-1)`.
const FAILED: u8 = 255;

/// Runs it over a connection to the endpoint, or says why there is none.
pub(crate) async fn run(arguments: &[String], admin: std::io::Result<TcpStream>, mut streams: ExecStreams) -> u8 {
    let outcome = match arguments {
        [command, method, path, ..] if command == "request" => request(method, path, admin).await,
        [command, ..] if command == "request" => Err("requires at least 2 arg(s)".to_owned()),
        _ => Err("the reference mesh knows `pilot-agent request` only".to_owned()),
    };
    match outcome {
        Ok(body) => {
            let _ = streams.stdout.write_all(&body).await;
            let _ = streams.stdout.write_all(b"\n").await;
            0
        }
        Err(text) => {
            let _ = streams.stderr.write_all(format!("Error: {text}\n").as_bytes()).await;
            FAILED
        }
    }
}

async fn request(method: &str, path: &str, admin: std::io::Result<TcpStream>) -> Result<Bytes, String> {
    let path = path.trim_start_matches('/');
    let failed = |error: &dyn std::fmt::Display| format!("{method} \"http://localhost:15000/{path}\": {error}");
    let stream = admin.map_err(|error| failed(&error))?;
    let request = Request::builder().method(method).uri(format!("/{path}")).header("host", "localhost:15000");
    let request = request.body(Full::new(Bytes::new())).map_err(|error| failed(&error))?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
    let _driver = AbortOnDrop::spawn(async move {
        // Its error is the request's error as well.
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|error| failed(&error))?.to_bytes();
    if status > 399 && status != 404 {
        return Err(format!("received unsuccessful status code {status}: {}", String::from_utf8_lossy(&body)));
    }
    Ok(body)
}
