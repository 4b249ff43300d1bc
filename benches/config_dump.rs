//! A large `config_dump`, read in memory and as a stream, with the peak memory of a process that does nothing else.
//!
//! `cargo bench --bench config_dump`; with a peer beside it where `ISTIOCTL` names one. The dump is made here, 100 MB in the
//! shape of a large mesh's proxy, or taken from `CONFIG_DUMP`. The limits are for what a check keeps of it, of one service or of fifty;
//! what everything costs is shown beside them.

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measurement prints, and one that cannot be made has failed"
)]

#[path = "config_dump/generate.rs"]
mod generate;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use kubectl_mtls::model::proxy_answers::{AdminEndpoint, Answer, ProxyAnswers};
use kubectl_mtls::programmed::proxy::{Proxy, Wanted};

const MEGABYTES: usize = 100;
const RUNS: usize = 5;
/// The service that is looked for.
const NUMBER: usize = 8;
const HOST: &str = "svc-8.team-8.svc.cluster.local";
const PORT: u16 = 80;
/// How many a check of a namespace may be about.
const SEVERAL: usize = 50;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--measure") {
        let argument = |place: usize| arguments.get(at + place).expect("how and what");
        measure(argument(1), Path::new(argument(2)));
        return ExitCode::SUCCESS;
    }
    let given = std::env::var_os("CONFIG_DUMP").map(PathBuf::from);
    let made = std::env::temp_dir().join(format!("kubectl-mtls-config-dump-{}.json", std::process::id()));
    let path = given.clone().unwrap_or_else(|| {
        generate::write(File::create(&made).expect("a temporary file"), MEGABYTES * 1_000_000).expect("it is written");
        made.clone()
    });
    let size = std::fs::metadata(&path).expect("the dump").len();
    println!("config_dump of {:.1} MB, {} runs each, the median", mega(size), RUNS);
    let nothing = run("a process that reads nothing", "nothing", &path);
    let memory = run("memory, one service", "memory-one", &path);
    let stream = run("stream, one service", "stream-one", &path);
    let several = run("memory, fifty services", "memory-several", &path);
    let several_streamed = run("stream, fifty services", "stream-several", &path);
    // For comparison: nobody asks about everything at once but to see what it costs.
    let whole = run("memory, everything", "memory-all", &path);
    run("stream, everything", "stream-all", &path);
    println!("asked of a proxy about one service, as it answers  {:>8.1} kB", kilo(generate::one_service(NUMBER)));
    let peer = peer(&path);
    if given.is_none() {
        std::fs::remove_file(&made).expect("the temporary file goes");
    }
    let input = mega(size);
    let mut kept = true;
    kept &= limit("above the input in memory, one service (MB)", memory.peak - input, 20.0);
    kept &= limit("in all when streaming one service (MB)", stream.peak, 8.0);
    kept &= limit("above the input in memory, fifty services (MB)", several.peak - input, 20.0);
    kept &= limit("in all when streaming fifty services (MB)", several_streamed.peak, 8.0);
    kept &= limit("one service of a proxy that knows thousands (kB)", kilo(generate::one_service(NUMBER)), 20.0);
    println!("of the stream's memory, the process itself           {:>8.1} MB", nothing.peak);
    println!("above the input in memory, everything                {:>8.1} MB", whole.peak - input);
    if let Some(peer) = peer {
        kept &= limit("memory as a share of the peer's time (%)", 100.0 * memory.seconds / peer, 10.0);
        kept &= limit("stream as a share of the peer's time (%)", 100.0 * stream.seconds / peer, 20.0);
        println!("memory, everything, as a share of the peer's time    {:>8.1} %", 100.0 * whole.seconds / peer);
    }
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one way to read costs.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    seconds: f64,
    /// Megabytes.
    peak: f64,
}

fn limit(what: &str, measured: f64, limit: f64) -> bool {
    let kept = measured <= limit;
    println!("{what:<52} {measured:>8.1}   limit {limit:>6.0}   {}", if kept { "kept" } else { "MISSED" });
    kept
}

#[expect(clippy::cast_precision_loss, reason = "megabytes to one digit")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}

#[expect(clippy::cast_precision_loss, reason = "kilobytes to one digit")]
fn kilo(bytes: usize) -> f64 {
    bytes as f64 / 1000.0
}

/// Runs a measurement in processes of its own.
fn run(what: &str, how: &str, path: &Path) -> Cost {
    let own = std::env::current_exe().expect("this program");
    let mut costs: Vec<Cost> = (0..RUNS)
        .map(|_| {
            let output = Command::new(&own).arg("--measure").arg(how).arg(path).output().expect("it runs");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let mut numbers = text.split_whitespace().map(|number| number.parse().expect("numbers"));
            Cost { seconds: numbers.next().expect("seconds"), peak: numbers.next().expect("a peak") }
        })
        .collect();
    costs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let cost = costs.get(RUNS / 2).copied().unwrap_or_default();
    println!("{what:<52} {:>8.0} ms {:>8.1} MB at most", cost.seconds * 1000.0, cost.peak);
    cost
}

/// In the process of its own: reads, and prints seconds and peak megabytes.
fn measure(how: &str, path: &Path) {
    // Every fourth has the port.
    let fifty = (0..SEVERAL).map(|number| (generate::host(number * 4), PORT));
    let wanted = match how {
        "memory-one" | "stream-one" => Wanted::services([(HOST, PORT)]),
        "memory-several" | "stream-several" => Wanted::services(fifty),
        _ => Wanted::all(),
    };
    let began = Instant::now();
    if how == "nothing" {
        return tell(began);
    }
    let proxy = if how.starts_with("stream") {
        Proxy::stream("prod", "web-0", File::open(path).expect("the dump"), &wanted)
    } else {
        let body = std::fs::read(path).expect("the dump");
        let answer = Answer { endpoint: AdminEndpoint::ConfigDump, query: String::new(), body };
        Proxy::read(&ProxyAnswers { answers: vec![answer], ..ProxyAnswers::default() }, &wanted)
    };
    assert!(proxy.refusals.is_empty(), "{:?}", proxy.refusals);
    assert!(how.ends_with("-all") == (proxy.clusters.len() > 1000), "{} clusters", proxy.clusters.len());
    assert!(proxy.clusters.contains_key(&format!("outbound|{PORT}||{HOST}")), "the service is there");
    tell(began);
}

/// Seconds since then, and the most megabytes that this process ever had.
fn tell(began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux /proc");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    let kilobytes: f64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    println!("{seconds} {}", kilobytes * 1024.0 / 1_000_000.0);
}

/// Seconds of `istioctl proxy-config clusters -f`, the median.
fn peer(path: &Path) -> Option<f64> {
    let Some(istioctl) = std::env::var_os("ISTIOCTL") else {
        println!("istioctl proxy-config clusters -f                    NOT RUN: ISTIOCTL names no program");
        return None;
    };
    let mut times: Vec<f64> = (0..3)
        .map(|_| {
            let began = Instant::now();
            let mut command = Command::new(&istioctl);
            command.args(["proxy-config", "clusters", "--fqdn", HOST, "-o", "json", "-f"]).arg(path);
            let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("istioctl runs");
            assert!(status.success(), "istioctl reads it");
            began.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let median = times.get(1).copied();
    println!("istioctl proxy-config clusters -f                    {:>8.0} ms", median.unwrap_or_default() * 1000.0);
    median
}
