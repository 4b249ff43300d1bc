//! A connection to a port of a pod: our own loop over the raw WebSocket, for the same reasons as `exec`.
//!
//! Channel 0 carries the bytes, channel 1 the error; each begins with the port, two bytes.
//! Kubernetes: `kubelet/pkg/cri/streaming/portforward/websocket.go`.

use std::future::Future;

use futures_util::{SinkExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource as _;
use kube::core::Request;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::source::cluster::Cluster;
use crate::source::failure::{Failure, Reason};

/// Bytes that may be ahead of their reader.
const PIPE: usize = 64 * 1024;
/// What the kubelet puts before the data of a channel.
const PORT: usize = 2;

impl Cluster {
    /// Opens a connection to a port of a pod and hands it over; it ends with the conversation, or ends that with the
    /// reason for its own end, as the API server or the kubelet words it.
    ///
    /// # Errors
    /// A [`Failure`] when there is no such pod, no right to forward, or nobody reachable.
    pub async fn forward<T, C>(
        &self,
        (namespace, pod, port): (&str, &str, u16),
        converse: impl FnOnce(DuplexStream) -> C,
    ) -> Result<Result<T, String>, Failure>
    where
        C: Future<Output = T>,
    {
        let tried = format!("forward port {port} of {namespace}/{pod}");
        let request = Request::new(Pod::url_path(&(), Some(namespace)))
            .portforward(pod, &[port])
            .map_err(|error| Failure { tried: tried.clone(), reason: Reason::Unreadable(error.to_string()) })?;
        let connection = self.upgrade(request, &tried).await?;
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let carrying = Carry { socket: connection.into_stream(), pipe: ours, skip: PORT, error: Vec::new() };
        tokio::select! {
            // What has arrived is read before the end of the connection counts.
            biased;
            said = converse(theirs) => Ok(Ok(said)),
            why = carrying.run() => Ok(Err(why)),
        }
    }
}

struct Carry<S> {
    socket: WebSocketStream<S>,
    pipe: DuplexStream,
    /// Bytes of the port that are still to come on channel 0.
    skip: usize,
    error: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Carry<S> {
    /// Carries bytes both ways until either side ends; says why.
    async fn run(mut self) -> String {
        let mut buffer = vec![0; PIPE];
        loop {
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(Message::Binary(frame))) => {
                        if let Err(why) = self.arrived(&frame).await {
                            return why;
                        }
                    }
                    Some(Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_))) | None => return self.over().await,
                    Some(Err(error)) => return error.to_string(),
                },
                read = self.pipe.read(&mut buffer) => {
                    let Some(typed) = read.ok().and_then(|read| buffer.get(..read)).filter(|typed| !typed.is_empty()) else {
                        return "the conversation is over".to_owned();
                    };
                    let frame = [&[0], typed].concat();
                    if let Err(error) = self.socket.send(Message::binary(frame)).await {
                        return error.to_string();
                    }
                }
            }
        }
    }

    async fn arrived(&mut self, frame: &[u8]) -> Result<(), String> {
        match frame.split_first() {
            Some((0, data)) => {
                let skipped = self.skip.min(data.len());
                self.skip -= skipped;
                let data = data.get(skipped..).unwrap_or_default();
                self.pipe.write_all(data).await.map_err(|_| "the conversation is over".to_owned())
            }
            Some((1, data)) => {
                self.error.extend_from_slice(data);
                if self.error.len() > PORT { Err(self.complaint()) } else { Ok(()) }
            }
            Some((_, _)) | None => Ok(()),
        }
    }

    fn complaint(&self) -> String {
        String::from_utf8_lossy(self.error.get(PORT..).unwrap_or_default()).trim().to_owned()
    }

    /// The end of the connection is the end of the answer; whoever reads it has the last word.
    async fn over(mut self) -> String {
        let _ = self.pipe.shutdown().await;
        std::future::pending().await
    }
}
