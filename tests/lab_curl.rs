//! The lab's curl against the machine's: the same arguments, byte for byte the same standard output, standard error and
//! exit code.

#![expect(clippy::unwrap_used, reason = "test helpers fail the test by panicking")]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use kubectl_mtls::lab::curl::{Connector, run};
use serde::Deserialize;
use tokio::net::TcpStream;

#[path = "lab_curl/robust.rs"]
mod robust;
#[path = "lab_curl/servers.rs"]
mod servers;

use servers::Servers;

/// One comparison.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    args: Vec<String>,
    #[serde(default)]
    stdin: String,
    /// Where the texts are allowed to differ, and why; the exit codes never are.
    #[serde(default)]
    texts_differ: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Raw answers by name, for `/raw/NAME`.
    answers: BTreeMap<String, String>,
    rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    exit: i32,
    stdout: String,
    stderr: String,
}

/// The operating system's network and files.
struct System;

impl Connector for System {
    async fn resolve(&self, host: &str) -> Vec<IpAddr> {
        match tokio::net::lookup_host((host, 0)).await {
            Ok(addresses) => addresses.map(|address| address.ip()).collect(),
            Err(_) => Vec::new(),
        }
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }

    fn read_file(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// Longest a single command may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Rows about corners that curl has changed since: names that begin so are compared with 7.88 only.
const OF_THIS_VERSION: &[&str] = &[
    "answer ",
    "args ",
    "bad glob",
    "config line",
    "meter ",
    "namesake",
    "odd url",
    "retry to null",
    "verbose ",
    "write-out",
];

/// Rows compared at the same time; most of them wait most of the time.
const AT_ONCE: usize = 6;

fn table() -> Table {
    serde_saphyr::from_str(include_str!("lab_curl/rows.yaml")).unwrap()
}

/// The machine's curl: the first line of `--version`, or nothing.
fn machine_curl() -> Option<String> {
    let output = Command::new("curl").arg("--version").stdin(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
}

/// Reads a pipe to its end, on a thread of its own.
fn drain(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn real(args: &[String], stdin: &str) -> Seen {
    let mut child = Command::new("curl")
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_owned();
    // Not reading its standard input is curl's right.
    let feed = std::thread::spawn(move || drop(input.write_all(stdin.as_bytes())));
    let stdout = drain(child.stdout.take().unwrap());
    let stderr = drain(child.stderr.take().unwrap());
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    feed.join().unwrap();
    Seen { exit: status.code().unwrap_or(-1), stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

async fn ours(args: &[String], stdin: &str) -> Seen {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let running = run(&System, args, stdin.as_bytes(), &mut stdout, &mut stderr);
    let exit = tokio::time::timeout(LIMIT, running).await.map_or(-1, i32::from);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Seen { exit, stdout: text(&stdout), stderr: text(&stderr) }
}

// === impl Seen ===

impl Seen {
    /// Measured times replaced by one word.
    fn without_times(&self) -> Self {
        Self { exit: self.exit, stdout: without_times(&self.stdout), stderr: without_times(&self.stderr) }
    }
}

/// `after 12 ms` with `N` for the number, `0.001234` (a time of `-w`) as `T`, what `%{json}` measures as `M`, pointers as `P`,
/// and of the progress meter the counts, each once.
///
/// With `-v` the machine's curl tells of an unknown name once or twice: its resolver is a thread, and curl says so each time it
/// looks whether that thread is done, before and after the transfer ends.
fn without_times(text: &str) -> String {
    let mut out = String::new();
    // The version of the library is the last of `%{json}`.
    let text = match text.split_once("\"curl_version\"") {
        Some((json, rest)) => format!("{json}{}", rest.split_once('}').map_or("", |(_, rest)| rest)),
        None => text.to_owned(),
    };
    let unknown = |line: &&str| line.starts_with("* Could not resolve host: ");
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.dedup_by(|line, before| line == before && unknown(before));
    // The timer of the address says one line more than that of all addresses: see `one_timeout`.
    let moved_on = |line: &str| line.starts_with("* ipv4 connect timeout after ") && line.ends_with(", move on!\n");
    let gave_up =
        |line: &str| ["* Connection time", "* Failed to connect to "].iter().any(|start| line.starts_with(start));
    lines.dedup_by(|line, before| {
        gave_up(line) && moved_on(before) && {
            *before = line;
            true
        }
    });
    let text = one_timeout(&lines.concat());
    for word in without_meter(&text).split_inclusive([' ', '\n']) {
        let bare = word.trim_end();
        let number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
        let micros = bare.split_once('.').is_some_and(|(seconds, micros)| {
            micros.len() == 6 && [seconds, micros].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if number && out.ends_with("after ") {
            out.push_str(&word.replace(bare, "N"));
        } else if micros {
            out.push_str(&word.replace(bare, "T"));
        } else if bare.ends_with("ms,") {
            out.push_str(&word.replace(bare, "N,"));
        } else if bare.starts_with("0x") {
            out.push_str(&word.replace(bare, "P"));
        } else if bare.contains("\"urlnum\":") {
            out.push_str(&without_measures(word));
        } else {
            out.push_str(word);
        }
    }
    out
}

/// Which of two timers notices first that a connection takes too long is a race inside the machine's curl, and each has its
/// words: `Failed to connect to h port p after N ms: Timeout was reached`, `Connection timeout after N ms`, and, where the limit of
/// the whole transfer is the same, `Connection timed out after N milliseconds`.
fn one_timeout(text: &str) -> String {
    const HEAD: &str = "Failed to connect to ";
    const TAIL: &str = ": Timeout was reached";
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(HEAD) {
        let line = after.split('\n').next().unwrap_or(after);
        let told = line.split_once(" after ").and_then(|(_, told)| told.split_once(TAIL));
        if let (Some((measured, _)), Some(end)) = (told, line.find(TAIL)) {
            out.extend([before, "Connection timeout after ", measured]);
            rest = after.get(end + TAIL.len()..).unwrap_or_default();
        } else {
            out.extend([before, HEAD]);
            rest = after;
        }
    }
    out.push_str(rest);
    let spoken = |line: &str| match line.split_once("Connection timed out after ") {
        Some((before, after)) => {
            format!("{before}Connection timeout after {}", after.replacen(" milliseconds", " ms", 1))
        }
        None => line.to_owned(),
    };
    out.split_inclusive('\n').map(spoken).collect()
}

/// `%{json}` without what is measured and the port of this end.
fn without_measures(json: &str) -> String {
    let measured = ["\"local_port\":", "\"speed_", "\"time_"];
    json.split_inclusive(',')
        .map(|pair| if measured.iter().any(|key| pair.starts_with(key)) { "M," } else { pair })
        .collect()
}

/// Progress lines without speeds and times; lines that repeat the one before are dropped.
fn without_meter(text: &str) -> String {
    let mut out = String::new();
    let mut last = String::new();
    for (place, part) in text.split('\r').enumerate() {
        let words: Vec<&str> = part.split_whitespace().collect();
        let clock = |word: &&str| word.contains(':') && word.len() >= 7;
        let meter = words.len() >= 12 && words.iter().skip(8).take(3).all(clock);
        if place > 0 && meter {
            let counts: Vec<&str> = words.into_iter().take(6).collect();
            let counts = counts.join(" ");
            // What follows the last column belongs to the next message.
            let rest = part.get(78..).unwrap_or_default();
            if counts != last {
                out.extend(["\r[", &counts, "]"]);
                last = counts;
            }
            out.push_str(rest);
        } else {
            if place > 0 {
                out.push('\r');
            }
            out.push_str(part);
            last.clear();
        }
    }
    out
}

/// Past the capture of passing tests.
fn say(text: &str) {
    io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// The statuses `-w` printed, for a curl of another version: words of three digits.
fn statuses(text: &str) -> Vec<&str> {
    text.split_whitespace().filter(|word| word.len() == 3 && word.parse::<u16>().is_ok()).collect()
}

/// What differs in a row, if anything does.
async fn difference(row: &Row, servers: &Servers, exact: bool) -> Option<String> {
    let args: Vec<String> = row.args.iter().map(|arg| servers.fill(arg)).collect();
    let stdin = servers.fill(&row.stdin);
    let theirs = {
        let (args, stdin) = (args.clone(), stdin.clone());
        tokio::task::spawn_blocking(move || real(&args, &stdin)).await.unwrap().without_times()
    };
    let ours = ours(&args, &stdin).await.without_times();
    let same = if exact && row.texts_differ.is_none() {
        theirs == ours
    } else {
        theirs.exit == ours.exit && statuses(&theirs.stdout) == statuses(&ours.stdout)
    };
    (!same).then(|| format!("{}: curl {}\n  real {theirs:#?}\n  ours {ours:#?}", row.name, args.join(" ")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_labs_curl_says_what_the_machines_curl_says() {
    let Some(version) = machine_curl() else {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no curl on this machine, and CI needs one");
        say("NOT RUN: no curl");
        return;
    };
    let exact = version.starts_with("curl 7.88.");
    if !exact {
        say(&format!("{version}: not 7.88, so only exit codes and statuses are compared, and not in every row"));
    }
    let table = table();
    let servers = Servers::start(table.answers).await;
    let only = std::env::var("LAB_CURL_ROW").ok();
    let rows = table.rows.iter().filter(|row| {
        let asked = only.as_ref().is_none_or(|only| row.name.contains(only.as_str()));
        asked && (exact || !OF_THIS_VERSION.iter().any(|start| row.name.starts_with(start)))
    });
    let differences = stream::iter(rows).map(|row| difference(row, &servers, exact)).buffered(AT_ONCE);
    let differences: Vec<Option<String>> = differences.collect().await;
    let compared = differences.len();
    let wrong: Vec<String> = differences.into_iter().flatten().collect();
    say(&format!("{compared} rows compared with {version}"));
    assert!(wrong.is_empty(), "{} of {compared} rows differ\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(only.is_some() || compared > 400, "only {compared} rows");
}
