//! The curl that runs "in" the lab's pods: curl 7.88.1 as it behaves for what a diagnosis and tutorials ask of it, with its
//! messages and exit codes.
//!
//! It makes real connections through a [`Connector`] and speaks real HTTP/1.x and TLS. It is held against the machine's own
//! curl in `tests/lab_curl.rs`: the same arguments, byte for byte the same output.
//!
//! What it has not, it refuses as a curl built without it does, `the installed libcurl version doesn't support this`, exit 2:
//! HTTP/2 and 3 (`--http2-prior-knowledge` too; TLS offers `http/1.1` alone), proxies, the cookie engine and cookie files,
//! uploads and forms, digest and the like, limits of speed. The list is in `options/unbuilt.rs`. Other schemes than `http` and
//! `https` are `Protocol "ftp" not supported or disabled in libcurl`, exit 1.
//!
//! Known to differ from curl 7.88.1 with OpenSSL:
//! * pods have no disk: `-o FILE` and `-O` end with 23 (`Read-only file system`), devices apart; there is no `.curlrc`, no bundle
//!   of certificate authorities and no `--capath`, so a certificate is trusted only by `--cacert` or `-k`;
//! * addresses are tried one after another, where curl begins with the other family after 200 ms;
//! * a request that cannot be sent because the server refused or reset the connection is told by what the server said (56), as
//!   on any real network; on loopback curl may come to 55 first;
//! * a compressed answer to `--compressed` cannot be read (61); `-Z` runs one transfer after another, with the ordinary meter;
//!   `--retry` does not read dates; names are not converted to punycode; headers are not shown bold on a terminal;
//! * `-v` says less about TLS; the words for TLS failures are in `tls/texts.rs`, for certificates in `tls/verdict.rs`, each with
//!   what it cannot tell apart.

mod arguments;
mod chunked;
mod clock;
mod code;
mod config_file;
mod connect;
mod exchange;
mod glob;
mod messages;
mod operation;
mod options;
mod outcome;
mod percent;
mod pins;
mod pool;
mod progress;
mod request;
mod response;
mod retry;
mod runner;
mod sink;
mod stream;
mod tls;
mod trace;
mod transfer;
mod url;
mod version;
mod wire;
mod write_out;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

pub use self::code::Code;

use self::arguments::{Files, Mistake, Parsed};
use self::runner::Runner;
use self::sink::Streams;

/// What a pod gives the curl that runs in it: its network and its files.
pub trait Connector: Send + Sync {
    /// The addresses of a name, best first; none if there is no such name.
    fn resolve(&self, host: &str) -> impl Future<Output = Vec<IpAddr>> + Send;

    /// A TCP connection.
    fn connect(&self, to: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> + Send;

    /// Whether standard output is a terminal, as under `kubectl exec -it`: then no progress meter is shown.
    fn is_terminal(&self) -> bool {
        false
    }

    /// The pod's own address, told as `%{local_ip}`; that of the socket if there is none to tell.
    fn local_address(&self) -> Option<IpAddr> {
        None
    }

    /// The content of a file. Pods have none unless they say otherwise.
    fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        let _ = path;
        Err(io::Error::from(io::ErrorKind::NotFound))
    }
}

/// Runs curl with these arguments, without the program's name. Returns what the process would exit with.
pub async fn run<C, I, O, E>(connector: &C, args: &[String], mut stdin: I, mut stdout: O, mut stderr: E) -> u8
where
    C: Connector,
    I: AsyncRead + Send + Unpin,
    O: AsyncWrite + Send + Unpin,
    E: AsyncWrite + Send + Unpin,
{
    let disk = Disk(connector);
    let mut parsed = arguments::parse(args, &disk, None);
    if matches!(parsed.0, Parsed::StdinWanted) {
        let mut input = Vec::new();
        // Reading stops at an error, as at the end.
        let _ = stdin.read_to_end(&mut input).await;
        parsed = arguments::parse(args, &disk, Some(input));
    }
    let (parsed, told) = parsed;
    let mut streams = Streams::new(&mut stdout, &mut stderr);
    streams.tell(&told).await;
    let code = match parsed {
        Parsed::Plan(plan) => {
            streams.silent = plan.silent;
            streams.verbose = plan.verbose;
            streams.errors_to_stdout = plan.errors_to_stdout;
            Runner::new(connector, &plan, streams).run().await
        }
        Parsed::Help(category) => print(&mut streams, &version::help(&category)).await,
        Parsed::Manual => print(&mut streams, version::MANUAL).await,
        Parsed::Version => print(&mut streams, &version::version()).await,
        Parsed::Mistake(Mistake::UnsupportedProtocol) => Code::UnsupportedProtocol,
        Parsed::Mistake(Mistake::ReadError) => Code::ReadError,
        Parsed::Mistake(_) | Parsed::StdinWanted => Code::FailedInit,
    };
    code.number()
}

async fn print(streams: &mut Streams<'_>, text: &str) -> Code {
    streams.out(text.as_bytes());
    streams.flush().await.map_or_else(|failure| failure.code, |()| Code::Ok)
}

/// A connector's files.
#[derive(Debug)]
struct Disk<'a, C>(&'a C);

// === impl Disk ===

impl<C: Connector> Files for Disk<'_, C> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.read_file(path)
    }
}
