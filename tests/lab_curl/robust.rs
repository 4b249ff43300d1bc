//! Whatever a command line, a config or a server says, the lab's curl ends with an exit code curl has.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kubectl_mtls::lab::curl::{Connector, run};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::{collection, proptest, sample};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A network without names, where every connection is refused.
struct Nowhere;

/// A network where every name is here, and every port is the same.
struct Always(SocketAddr);

impl Connector for Nowhere {
    async fn resolve(&self, _host: &str) -> Vec<IpAddr> {
        Vec::new()
    }

    async fn connect(&self, _to: SocketAddr) -> io::Result<TcpStream> {
        Err(io::Error::from(io::ErrorKind::ConnectionRefused))
    }
}

impl Connector for Always {
    async fn resolve(&self, _host: &str) -> Vec<IpAddr> {
        vec![self.0.ip()]
    }

    async fn connect(&self, _to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(self.0).await
    }
}

/// Exit codes the lab's curl knows.
const CODES: &[u8] = &[0, 1, 2, 3, 6, 7, 8, 18, 22, 23, 26, 28, 35, 47, 49, 52, 55, 56, 58, 59, 60, 61, 63, 77, 98];

/// Words of command lines; none that waits.
const WORDS: &[&str] = &[
    "-s",
    "-S",
    "-v",
    "-i",
    "-I",
    "-o",
    "-O",
    "-w",
    "-H",
    "-X",
    "-d",
    "-G",
    "-A",
    "-e",
    "-u",
    "-b",
    "-k",
    "-E",
    "-L",
    "-f",
    "-q",
    "-N",
    "-0",
    "-g",
    "-:",
    "-K",
    "-Z",
    "-#",
    "-r",
    "-D",
    "-4",
    "-6",
    "--",
    "-",
    "--next",
    "--cacert",
    "--resolve",
    "--connect-to",
    "--json",
    "--url",
    "--data-urlencode",
    "--proto",
    "--fail-with-body",
    "--stderr",
    "--tls-max",
    "--head",
    "--no-head",
    "http://a/",
    "https://a/",
    "http://[::1]:1/{a,b}[1-3]",
    "a:1:2",
    "x=y",
    "@-",
    "%{json}",
    "/dev/null",
    "",
];

/// The lab spawns it.
fn on_any_thread<F: Future + Send>(running: F) -> F {
    running
}

async fn exit(connector: &impl Connector, args: &[String], stdin: &[u8]) -> u8 {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let running = on_any_thread(run(connector, args, stdin, &mut stdout, &mut stderr));
    tokio::time::timeout(Duration::from_secs(20), running).await.unwrap()
}

fn words() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![sample::select(WORDS).prop_map(str::to_owned), "[ -~]{0,12}", any::<String>()];
    collection::vec(word, 0..8)
}

/// The beginning of an answer, as it is or followed by noise.
fn answer() -> impl Strategy<Value = Vec<u8>> {
    let begin = sample::select(vec![
        "",
        "HTTP/1.1 ",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 302 OK\r\nLocation: ",
        "\u{16}\u{3}\u{3}",
    ]);
    let noise = prop_oneof![
        collection::vec(any::<u8>(), 0..60),
        "[0-9a-f:;/?#\\[\\]@ \r\n]{0,60}".prop_map(String::into_bytes),
    ];
    (begin, noise).prop_map(|(begin, noise)| [begin.as_bytes(), &noise].concat())
}

proptest! {
    #[test]
    fn no_command_line_breaks_it(args in words()) {
        // Tries after the first wait.
        let args: Vec<String> = args.into_iter().filter(|arg| !arg.starts_with("--ret")).collect();
        let code = Runtime::new().unwrap().block_on(exit(&Nowhere, &args, b""));
        assert!(CODES.contains(&code), "{code}");
    }

    #[test]
    fn no_config_breaks_it(config in "([a-z-]{0,9}[ =:]{0,2}[ -~]{0,20}\n){0,6}") {
        let config = config.replace("ret", "");
        let args = ["-K".to_owned(), "-".to_owned()];
        let code = Runtime::new().unwrap().block_on(exit(&Nowhere, &args, config.as_bytes()));
        assert!(CODES.contains(&code), "{code}");
    }

    #[test]
    fn no_answer_breaks_it(bytes in answer(), tls in any::<bool>()) {
        let code = Runtime::new().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let place = listener.local_addr().unwrap();
            tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(&bytes).await;
                }
            });
            let scheme = if tls { "https" } else { "http" };
            let url = format!("{scheme}://a/");
            let args = ["-sSkL", "-i", "-m", "5", "--max-redirs", "2", "-w", "%{json}", &url].map(str::to_owned);
            exit(&Always(place), &args, b"").await
        });
        assert!(CODES.contains(&code), "{code}");
    }
}

#[tokio::test]
async fn the_version_is_that_of_the_curl_it_imitates() {
    let mut stdout = Vec::new();
    let code = run(&Nowhere, &["-V".to_owned()], tokio::io::empty(), &mut stdout, Vec::new()).await;
    assert_eq!(code, 0);
    assert!(stdout.starts_with(b"curl 7.88.1 ("), "{}", String::from_utf8_lossy(&stdout));
}
