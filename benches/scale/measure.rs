//! What a process costs: wall time, and the most memory it held.

use std::fmt;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a process took.
#[derive(Debug, Clone)]
pub(crate) struct Cost {
    wall: Duration,
    /// Peak resident set in KiB.
    peak: u32,
    /// The lines of its output that count something.
    pub(crate) counts: Vec<String>,
}

/// Of each command the least time and the least memory that any of its runs took: what is above it is the machine's. Runs take
/// turns, so that they meet the same machine.
pub(crate) fn best_of<const N: usize>(runs: usize, commands: [&[&str]; N]) -> [Cost; N] {
    let mut best = commands.map(cost);
    for _ in 1..runs {
        for (best, argv) in best.iter_mut().zip(commands) {
            let cost = cost(argv);
            best.wall = best.wall.min(cost.wall);
            best.peak = best.peak.min(cost.peak);
        }
    }
    best
}

/// One run.
pub(crate) fn cost(argv: &[&str]) -> Cost {
    let (program, words) = argv.split_first().expect("a program");
    let began = Instant::now();
    let mut child = Command::new(program)
        .args(words)
        .env("HOME", std::env::temp_dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    // Read on the side: an output larger than the pipe would stop it.
    let mut stdout = child.stdout.take().expect("its output");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text).unwrap_or_default()
    });
    let mut peak = 0;
    let status = loop {
        peak = high_water(child.id()).unwrap_or(peak).max(peak);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let wall = began.elapsed();
    // istioctl ends with 79 where it has something to say about the manifests.
    assert!(matches!(status.code(), Some(0 | 79)), "{argv:?} must succeed: {status}");
    let text = reader.join().expect("its output was read");
    let counts = text.lines().filter(|line| line.contains(" pairs: ") || line.contains(" classes of pairs"));
    Cost { wall, peak, counts: counts.map(str::to_owned).collect() }
}

/// The most a process has held so far, which Linux keeps; sampled, so that the last few milliseconds may be missing.
fn high_water(id: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

impl Cost {
    pub(crate) fn milliseconds(&self) -> f64 {
        self.wall.as_secs_f64() * 1e3
    }

    pub(crate) fn mebibytes(&self) -> f64 {
        f64::from(self.peak) / 1024.0
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8.0} ms {:>6.0} MiB", self.milliseconds(), self.mebibytes())
    }
}
