//! The progress meter curl shows on standard error unless it is silent or standard output is a terminal (`progress.c`).

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Whether and how progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Not at all.
    Hidden,
    /// Figures.
    Meter,
    /// `-#`.
    Bar,
}

/// The meter of one transfer.
#[derive(Debug)]
pub(super) struct Meter {
    style: Style,
    began: Instant,
    headed: bool,
    next: Instant,
    samples: Vec<(Instant, u64)>,
    /// Bytes of the body, and how many are announced.
    pub(super) down: Count,
    /// Bytes of the request's body, and how many there are.
    pub(super) up: Count,
}

/// Bytes done, and how many there will be if that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// So far.
    pub(super) done: u64,
    /// In the end.
    pub(super) size: Option<u64>,
}

const HEADING: &str = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 \
                       Dload  Upload   Total   Spent    Left  Speed\n";

/// Samples the current speed is taken from.
const SAMPLES: usize = 6;

/// Columns of the bar.
const BAR: usize = 72;

// === impl Meter ===

impl Meter {
    /// For a transfer that starts now.
    pub(super) fn new(style: Style) -> Self {
        let now = Instant::now();
        let (down, up) = (Count::default(), Count::default());
        Self { style, began: now, headed: false, next: now, samples: Vec::new(), down, up }
    }

    /// What is shown when connecting begins: the heading and a line, once.
    pub(super) fn begin(&mut self) -> String {
        if self.style != Style::Meter || self.headed {
            return String::new();
        }
        self.headed = true;
        format!("{HEADING}{}", self.tick())
    }

    /// Waits until a line is due.
    pub(super) async fn due(&self) {
        if self.style == Style::Meter && self.headed {
            sleep_until(self.next).await;
        } else {
            std::future::pending::<()>().await;
        }
    }

    /// The line for now.
    pub(super) fn tick(&mut self) -> String {
        let now = Instant::now();
        self.next = now + Duration::from_secs(1);
        self.samples.push((now, self.down.done + self.up.done));
        if self.samples.len() > SAMPLES {
            self.samples.remove(0);
        }
        let spent = now.duration_since(self.began);
        line(self.down, self.up, spent, self.current_speed(spent))
    }

    /// What is shown when a request is over.
    pub(super) fn end(&mut self) -> String {
        let shown = match self.style {
            Style::Hidden => String::new(),
            Style::Meter => self.tick() + "\n",
            Style::Bar if self.down.done == 0 => String::new(),
            Style::Bar => format!("\r{} 100.0%", "#".repeat(BAR)),
        };
        self.samples.clear();
        (self.down, self.up) = (Count::default(), Count::default());
        shown
    }

    fn current_speed(&self, spent: Duration) -> u64 {
        match (self.samples.as_slice(), self.samples.first(), self.samples.last()) {
            ([_, _, ..], Some((from, before)), Some((to, after))) => {
                let millis = to.duration_since(*from).as_millis().max(1);
                u64::try_from(u128::from(after.saturating_sub(*before)) * 1000 / millis).unwrap_or(u64::MAX)
            }
            _ => speed(self.down.done, spent) + speed(self.up.done, spent),
        }
    }
}

/// Bytes per second.
fn speed(bytes: u64, spent: Duration) -> u64 {
    u64::try_from(u128::from(bytes) * 1_000_000 / spent.as_micros().max(1)).unwrap_or(u64::MAX)
}

fn percent(done: u64, size: u64) -> u64 {
    match size {
        0 => 0,
        small if small <= 10_000 => done * 100 / small,
        large => done / (large / 100),
    }
}

fn line(down: Count, up: Count, spent: Duration, current: u64) -> String {
    let speeds = (speed(down.done, spent), speed(up.done, spent));
    let part = |count: Count, speed: u64| match count.size {
        Some(size) if speed > 0 => (percent(count.done, size), size / speed),
        Some(_) | None => (0, 0),
    };
    let ((down_percent, down_time), (up_percent, up_time)) = (part(down, speeds.0), part(up, speeds.1));
    let total_time = down_time.max(up_time);
    let seconds = spent.as_secs();
    let total = down.size.unwrap_or(down.done) + up.size.unwrap_or(up.done);
    format!(
        "\r{:3} {}  {:3} {}  {:3} {}  {}  {} {} {} {} {}",
        percent(down.done + up.done, total),
        amount(total),
        down_percent,
        amount(down.done),
        up_percent,
        amount(up.done),
        amount(speeds.0),
        amount(speeds.1),
        clock(total_time),
        clock(seconds),
        clock(total_time.saturating_sub(seconds)),
        amount(current),
    )
}

/// `max5data`: five columns.
fn amount(bytes: u64) -> String {
    const K: u64 = 1 << 10;
    const M: u64 = 1 << 20;
    const G: u64 = 1 << 30;
    match bytes {
        0..100_000 => format!("{bytes:5}"),
        _ if bytes < 10_000 * K => format!("{:4}k", bytes / K),
        _ if bytes < 100 * M => format!("{:2}.{}M", bytes / M, (bytes % M) / (M / 10)),
        _ if bytes < 10_000 * M => format!("{:4}M", bytes / M),
        _ if bytes < 100 * G => format!("{:2}.{}G", bytes / G, (bytes % G) / (G / 10)),
        _ => format!("{:4}G", bytes / G),
    }
}

/// `time2str`: eight columns.
fn clock(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (seconds, hours) {
        (0, _) => "--:--:--".to_owned(),
        (_, 0..100) => format!("{hours:2}:{minutes:02}:{:02}", seconds % 60),
        _ => format!("{:3}d {:02}h", hours / 24, hours % 24),
    }
}
