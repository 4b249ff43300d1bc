//! A proxy that is busy is left alone for as long as it was.

use std::time::Duration;

use kube::config::Kubeconfig;
use kubectl_mtls::source::cluster::{Cluster, ClusterRequest};
use kubectl_mtls::source::envoy_admin::{At, EnvoyAdmin, PORT, Patience, Unanswered};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::Instant;

use super::exec::{Script, make_pod};
use super::{client_of, make_namespace, start};

/// How long the proxy takes for its first answer.
const BUSY: Duration = Duration::from_secs(1);
const PATHS: [&str; 3] = ["/ready", "/stats", "/clusters"];

/// An admin endpoint whose first answer takes its time; it tells when each question came and when its answer went.
async fn endpoint() -> (std::net::SocketAddr, UnboundedReceiver<(Instant, Instant)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, times) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut busy = BUSY;
        loop {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
            let came = Instant::now();
            tokio::time::sleep(std::mem::take(&mut busy)).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            told.send((came, Instant::now())).unwrap();
        }
    });
    (address, times)
}

/// How long it was left alone between its answers and the questions behind them.
async fn pauses(patience: Patience) -> (Vec<Duration>, Result<usize, Unanswered>) {
    let (address, mut times) = endpoint().await;
    let server = start(Script::forwarding(PORT, address)).await;
    let client = client_of(&server.kubeconfig()).await;
    make_namespace(&client, "foo").await;
    make_pod(&client).await;
    let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
    let cluster = Cluster::from_kubeconfig(kubeconfig, &ClusterRequest::default()).await.unwrap();
    let admin = EnvoyAdmin::new(&cluster, patience);
    let paths = PATHS.map(str::to_owned);
    let answered = admin.ask(At { namespace: "foo", pod: "web" }, &paths).await;
    let mut seen = Vec::new();
    while let Ok(times) = times.try_recv() {
        seen.push(times);
    }
    let next = seen.iter().skip(1);
    let pauses = seen.iter().zip(next).map(|((_, answered), (came, _))| came.duration_since(*answered)).collect();
    (pauses, answered.map(|bodies| bodies.into_iter().flatten().count()))
}

#[tokio::test]
async fn a_slow_proxy_rests_as_long_as_it_was_busy_and_a_quick_one_does_not() {
    let (slow, answered) = pauses(Patience { slow: BUSY / 2, ..Patience::default() }).await;
    assert_eq!((slow.len(), answered), (2, Ok(3)));
    // The answer may have been on its way for a moment before it counted as there.
    assert!(slow[0] >= BUSY * 9 / 10, "{slow:?}");
    assert!(slow[1] < BUSY, "the second answer came at once: {slow:?}");
    let (quick, answered) = pauses(Patience { slow: BUSY * 60, ..Patience::default() }).await;
    assert_eq!((quick.len(), answered), (2, Ok(3)));
    assert!(quick[0] < BUSY, "{quick:?}");
}

#[tokio::test]
async fn a_proxy_that_takes_too_long_is_asked_nothing_more() {
    let (pauses, answered) = pauses(Patience { each: BUSY / 4, ..Patience::default() }).await;
    assert_eq!((pauses.len(), answered), (0, Err(Unanswered::TimedOut(BUSY / 4))));
}
