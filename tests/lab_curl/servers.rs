//! Small servers on loopback, each of which misbehaves in its own way.

#![expect(clippy::unwrap_used, reason = "test helpers fail the test by panicking")]

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

#[path = "tls.rs"]
mod tls;

use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};
use rustls::ServerConfig;
use tempfile::TempDir;
use tls::{ANY, Authority, Identity, Manner, NEW, OLD};

/// The servers, and what rows call them.
pub(crate) struct Servers {
    places: BTreeMap<String, String>,
    directory: TempDir,
    /// Keeps the full queue full.
    _waiting: Vec<TcpStream>,
    _full: TcpListener,
    _refusing: TcpSocket,
}

/// Raw answers by name.
pub(crate) type Answers = Arc<BTreeMap<String, String>>;

/// How a connection goes on after an answer.
enum After {
    Keep,
    Close,
    Reset,
}

/// How long `/slow` is silent: longer than any row waits.
const SILENCE: Duration = Duration::from_mins(1);

// === impl Servers ===

impl Servers {
    /// Starts all of them.
    pub(crate) async fn start(mut answers: BTreeMap<String, String>) -> Self {
        let directory = TempDir::new().unwrap();
        let mut places = BTreeMap::new();
        let (refusing, place) = refusing();
        places.insert("closed".to_owned(), place);
        // Answers may name places, that of their own server too.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        places.insert("http".to_owned(), listener.local_addr().unwrap().to_string());
        for answer in answers.values_mut() {
            *answer = fill(&places, answer);
        }
        let answers: Answers = Arc::new(answers);
        let web = answers.clone();
        serve(listener, move |stream| http(stream, web.clone()));
        places.insert("accept-reset".to_owned(), listen(async |stream| reset(&stream)).await);
        places.insert("accept-close".to_owned(), listen(async |mut stream| linger(&mut stream).await).await);
        places.insert("mute".to_owned(), listen(async |stream| mute(stream).await).await);
        let (full, waiting, place) = full().await;
        places.insert("full".to_owned(), place);
        for (name, manner, config) in tls_servers(&directory) {
            let (config, answers) = (Arc::new(config), answers.clone());
            let serve = move |stream| tls::serve(stream, config.clone(), manner, answers.clone());
            places.insert(name.to_owned(), listen(serve).await);
        }
        for alert in ALERTS {
            let record = vec![21, 3, 3, 0, 2, 2, *alert];
            places.insert(format!("alert-{alert}"), listen(move |stream| tls::parrot(stream, record.clone())).await);
        }
        for (name, bytes) in PARROTS {
            places.insert((*name).to_owned(), listen(move |stream| tls::parrot(stream, bytes.to_vec())).await);
        }
        Self { places, directory, _waiting: waiting, _full: full, _refusing: refusing }
    }

    /// Replaces `{name}` by the place of that server, `{name-port}` by its port and `{dir}` by where the files are.
    pub(crate) fn fill(&self, text: &str) -> String {
        let text = text.replace("{dir}", self.directory.path().to_str().unwrap());
        fill(&self.places, &text)
    }
}

fn fill(places: &BTreeMap<String, String>, text: &str) -> String {
    places.iter().fold(text.to_owned(), |text, (name, place)| {
        let port = place.rsplit(':').next().unwrap();
        text.replace(&format!("{{{name}}}"), place).replace(&format!("{{{name}-port}}"), port)
    })
}

/// Alerts a server may answer a `ClientHello` with.
const ALERTS: &[u8] = &[
    0, 10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86, 90, 100, 109, 110, 111,
    112, 113, 114, 115, 116, 120, 99,
];

/// Other answers to a `ClientHello`.
const PARROTS: &[(&str, &[u8])] = &[
    ("says-http", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    ("says-get", b"GET / HTTP/1.1\r\n\r\n"),
    ("says-little", b"HT"),
    ("says-ssh", b"SSH-2.0-OpenSSH_9.2\r\n"),
    ("says-zeros", &[0; 64]),
    ("says-odd-version", &[22, 2, 0, 0, 4, 1, 2, 3, 4]),
    ("says-odd-type", &[99, 3, 3, 0, 4, 1, 2, 3, 4]),
    ("says-odd-message", &[22, 3, 3, 0, 4, 99, 0, 0, 0]),
    ("says-half-record", &[22, 3, 3, 0, 40, 2, 0]),
    ("says-data", &[23, 3, 3, 0, 4, 1, 2, 3, 4]),
    ("says-huge", &[22, 3, 3, 255, 255, 1, 2, 3, 4]),
    ("warns-close", &[21, 3, 3, 0, 2, 1, 0]),
];

fn tls_servers(directory: &TempDir) -> Vec<(&'static str, Manner, ServerConfig)> {
    let directory = directory.path();
    let authority = Authority::new(directory);
    let good = || authority.identity(|_| {});
    let other_name = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names = vec![SanType::DnsName("other.example".try_into().unwrap())];
    };
    let spiffe = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names = vec![SanType::URI("spiffe://cluster.local/ns/foo/sa/httpbin".try_into().unwrap())];
        params.distinguished_name = rcgen::DistinguishedName::new();
    };
    let expired = |params: &mut rcgen::CertificateParams| params.not_after = date_time_ymd(2021, 1, 1);
    let early = |params: &mut rcgen::CertificateParams| params.not_before = date_time_ymd(2039, 1, 1);
    let client_only = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let named = |params: &mut rcgen::CertificateParams| params.use_authority_key_identifier_extension = true;
    let common_name = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    };
    let wild = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names = vec![SanType::DnsName("*.mesh.example".try_into().unwrap())];
    };
    vec![
        ("tls-named", Manner::Http, authority.identity(named).open(ANY)),
        ("tls-common-name", Manner::Http, authority.identity(common_name).open(ANY)),
        ("tls-wild", Manner::Http, authority.identity(wild).open(ANY)),
        ("tls", Manner::Http, good().open(ANY)),
        ("tls-old", Manner::Http, good().open(OLD)),
        ("tls-new", Manner::Http, good().open(NEW)),
        ("tls-self", Manner::Http, Identity::self_signed(directory, "self.pem", false).open(ANY)),
        ("tls-self-ca", Manner::Http, Identity::self_signed(directory, "self-ca.pem", true).open(ANY)),
        ("tls-deep", Manner::Http, authority.deep(true, false).open(ANY)),
        ("tls-deep-root", Manner::Http, authority.deep(true, true).open(ANY)),
        ("tls-deep-bare", Manner::Http, authority.deep(false, false).open(ANY)),
        ("tls-other-name", Manner::Http, authority.identity(other_name).open(ANY)),
        ("tls-spiffe", Manner::Http, authority.identity(spiffe).open(ANY)),
        ("tls-expired", Manner::Http, authority.identity(expired).open(ANY)),
        ("tls-early", Manner::Http, authority.identity(early).open(ANY)),
        ("tls-client-only", Manner::Http, authority.identity(client_only).open(ANY)),
        ("tls-demanding", Manner::Http, authority.demanding(good(), NEW)),
        ("tls-demanding-old", Manner::Http, authority.demanding(good(), OLD)),
        ("tls-close-notify", Manner::CloseNotify, good().open(NEW)),
        ("tls-close-notify-old", Manner::CloseNotify, good().open(OLD)),
        ("tls-close-bluntly", Manner::CloseBluntly, good().open(NEW)),
        ("tls-close-bluntly-old", Manner::CloseBluntly, good().open(OLD)),
        ("tls-half-answer", Manner::HalfAnswer, good().open(ANY)),
        ("tls-reset", Manner::Reset, good().open(ANY)),
    ]
}

/// A listener that gives each connection to `serve`.
async fn listen<F, S>(serve: F) -> String
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    self::serve(listener, serve);
    place
}

/// Gives each connection to `serve`.
fn serve<F, S>(listener: TcpListener, serve: F)
where
    F: Fn(TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
}

/// A port nothing listens on, held so that nothing else takes it.
fn refusing() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let place = socket.local_addr().unwrap().to_string();
    (socket, place)
}

/// A port whose queue is full, so that nobody answers a connection attempt.
async fn full() -> (TcpListener, Vec<TcpStream>, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let place = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(place)).await {
        waiting.push(stream);
    }
    (listener, waiting, place.to_string())
}

/// Accepts and never says a word.
async fn mute(stream: TcpStream) {
    tokio::time::sleep(SILENCE).await;
    drop(stream);
}

/// Makes closing the connection a reset.
fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}

/// A web server on a bare connection.
async fn http(mut stream: TcpStream, answers: Answers) {
    while let Ok(Some(after)) = answer(&mut stream, &answers).await {
        match after {
            After::Keep => {}
            After::Close => break,
            After::Reset => return reset(&stream),
        }
    }
    linger(&mut stream).await;
}

/// Closes without a reset: waits for the other side to close too.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let _ = stream.shutdown().await;
    let _ = tokio::time::timeout(Duration::from_secs(2), tokio::io::copy(stream, &mut tokio::io::sink())).await;
}

/// Reads a request and answers it; nothing at the end of the connection.
async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), answers: &Answers) -> io::Result<Option<After>> {
    let Some((head, body)) = request(stream).await? else { return Ok(None) };
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = target.split('?').next().unwrap_or_default();
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (what, detail) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (mut bytes, after) = match what {
        "echo" => (plain(200, &format!("{head}{body}")), After::Keep),
        "status" => (plain(detail.parse().unwrap(), &format!("status {detail}\n")), After::Keep),
        "redirect" => (redirect(302, &countdown(detail)), After::Keep),
        "moved" => {
            let (status, location) = detail.split_once('/').unwrap();
            (redirect(status.parse().unwrap(), &format!("/{location}")), After::Keep)
        }
        "raw" => (raw(answers, detail), After::Close),
        "raw-keep" => (raw(answers, detail), After::Keep),
        "raw-reset" => (raw(answers, detail), After::Reset),
        "raw-stall" => {
            stream.write_all(&raw(answers, detail)).await?;
            tokio::time::sleep(SILENCE).await;
            return Ok(None);
        }
        "close" => (Vec::new(), After::Close),
        "reset" => (Vec::new(), After::Reset),
        // The next request on this connection gets no answer.
        "lastword" => return last_word(stream, After::Close).await,
        "lastword-reset" => return last_word(stream, After::Reset).await,
        // Says that it keeps the connection, and does not.
        "fickle" => (plain(200, "fickle\n"), After::Close),
        _ => (plain(200, &format!("hello {path}\n")), After::Keep),
    };
    if head.starts_with("HEAD ") && !what.starts_with("raw") {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        bytes.truncate(end.map_or(bytes.len(), |end| end + 4));
    }
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    if matches!(after, After::Reset) {
        // What was sent is read before the reset arrives.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(Some(after))
}

async fn last_word(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), after: After) -> io::Result<Option<After>> {
    stream.write_all(&plain(200, "last word\n")).await?;
    stream.flush().await?;
    Ok(request(stream).await?.map(|_| after))
}

fn raw(answers: &Answers, name: &str) -> Vec<u8> {
    answers.get(name).unwrap().clone().into_bytes()
}

fn plain(status: u16, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
    (head + body).into_bytes()
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 6\r\n\r\nmoved\n").into_bytes()
}

fn countdown(left: &str) -> String {
    match left.parse::<u32>().unwrap() {
        0 | 1 => "/end".to_owned(),
        left => format!("/redirect/{}", left - 1),
    }
}

/// The head and the body of a request.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(String, String)>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        bytes.extend(byte);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    if head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked\r\n") {
        while !body.ends_with(b"0\r\n\r\n") {
            body.push(stream.read_u8().await?);
        }
    }
    Ok(Some((head, String::from_utf8_lossy(&body).into_owned())))
}
