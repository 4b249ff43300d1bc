//! The WebSocket handshake, and what exec and port-forward share behind it.

use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, Response, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc::{Receiver, Sender, WeakSender};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::lab::kube_api::body::{self, Body};
use crate::lab::kube_api::status::Refusal;

/// The most that goes into one frame, in bytes.
const FRAME: usize = 32 * 1024;
/// How often a silent client is asked whether it is still there. A write to a dead connection is what tells.
const PING_EVERY: std::time::Duration = std::time::Duration::from_secs(15);
/// How long the client may take to close its end.
pub(super) const LINGER: std::time::Duration = std::time::Duration::from_secs(1);

/// Agrees on the first protocol the client offers and this server has, and writes the answer. RFC 6455 4.2.2.
pub(super) fn upgrade(headers: &HeaderMap, known: &[&'static str]) -> Result<(&'static str, Response<Body>), Refusal> {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let upgrade = headers.get(UPGRADE).map(text).unwrap_or_default();
    if upgrade.is_empty() {
        return Err(Refusal::bad_request("Upgrade request required"));
    }
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Err(Refusal::bad_request(format!(
            "unable to upgrade: this server speaks WebSocket only, not {upgrade}"
        )));
    }
    let offered: Vec<String> = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().map(text).collect();
    let mut offered = offered.iter().flat_map(|list| list.split(',')).map(str::trim);
    let protocol = offered.find_map(|offered| known.iter().copied().find(|known| *known == offered));
    let protocol = protocol
        .ok_or_else(|| Refusal::bad_request(format!("unable to upgrade: offer one of {}", known.join(", "))))?;
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(|| Refusal::bad_request("Sec-WebSocket-Key is missing"))?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let accept = accept.map_err(|_| Refusal::bad_request("Sec-WebSocket-Key is not usable"))?;
    let mut response = body::empty(StatusCode::SWITCHING_PROTOCOLS);
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    Ok((protocol, response))
}

/// A frame of a channel.
pub(super) fn frame(channel: u8, data: &[u8]) -> Message {
    let mut frame = Vec::with_capacity(data.len() + 1);
    frame.push(channel);
    frame.extend_from_slice(data);
    Message::Binary(frame.into())
}

/// The regular end. kubectl takes any other code than 1000 for a broken connection.
pub(super) fn close() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))
}

/// Carries bytes to a channel until they end; without a channel they are read and dropped, so that the writer does not stall.
pub(super) async fn pump(mut from: impl AsyncRead + Unpin, channel: Option<u8>, outgoing: &Sender<Message>) {
    let mut buffer = vec![0; FRAME];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let read = buffer.get(..length).unwrap_or_default();
        if let Some(channel) = channel
            && outgoing.send(frame(channel, read)).await.is_err()
        {
            return;
        }
    }
}

/// Writes what is queued; ends with the queue.
pub(super) async fn write(
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    mut queue: Receiver<Message>,
) -> Result<(), Error> {
    while let Some(message) = queue.recv().await {
        sink.send(message).await?;
    }
    Ok(())
}

/// Asks now and then whether the client is still there. Never ends.
pub(super) async fn ping(outgoing: WeakSender<Message>) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(PING_EVERY).await;
        if let Some(outgoing) = outgoing.upgrade() {
            outgoing.try_send(Message::Ping(Bytes::new())).ok();
        }
    }
}

/// Work that something else must end.
pub(super) async fn forever(work: impl Future<Output = ()>) -> std::convert::Infallible {
    work.await;
    std::future::pending().await
}
