//! `--retry` and its kin (`post_per_transfer` of `tool_operate.c`).

use std::time::Duration;

use tokio::time::Instant;

use super::code::Code;
use super::operation::Retry;
use super::outcome::Outcome;

/// The tries left to a transfer.
#[derive(Debug)]
pub(super) struct Retries<'a> {
    settings: &'a Retry,
    began: Instant,
    left: u64,
    pause: Duration,
}

/// Another try: what is said about it, and how long to wait before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Again {
    /// The warning.
    pub(super) warning: String,
    /// The pause.
    pub(super) pause: Duration,
}

/// The longest pause.
const LONGEST: Duration = Duration::from_mins(10);

// === impl Retries ===

impl<'a> Retries<'a> {
    /// Before the first try.
    pub(super) fn new(settings: &'a Retry) -> Self {
        let pause = Duration::from_secs(settings.delay.max(1));
        Self { settings, began: Instant::now(), left: settings.times, pause }
    }

    /// Whether there is another try after this outcome. The error is a warning why there is none although one was due.
    pub(super) fn after(&mut self, outcome: &Outcome) -> Result<Option<Again>, &'static str> {
        let most = Duration::from_secs(self.settings.max_time);
        let in_time = most.is_zero() || self.began.elapsed() < most;
        let Some(reason) = reason(self.settings, outcome).filter(|_| self.left > 0 && in_time) else { return Ok(None) };
        let told = Duration::from_secs(outcome.retry_after);
        let mut pause = self.pause;
        if reason == HTTP_ERROR && !told.is_zero() {
            pause = told;
            if !most.is_zero() && Duration::from_secs(self.began.elapsed().as_secs()) + told > most {
                return Err(
                    "The Retry-After: time would make this command line exceed the maximum allowed time for retries.",
                );
            }
        }
        let left = self.left;
        self.left -= 1;
        if self.settings.delay == 0 {
            self.pause = (self.pause * 2).min(LONGEST);
        }
        let seconds = pause.as_secs();
        let warning = format!("Problem {reason}. Will retry in {seconds} seconds. {left} retries left.");
        Ok(Some(Again { warning, pause }))
    }
}

/// The word for a status that may pass.
const HTTP_ERROR: &str = ": HTTP error";

/// curl's word for an outcome worth another try.
fn reason(settings: &Retry, outcome: &Outcome) -> Option<&'static str> {
    let passing = matches!(outcome.status, 408 | 429 | 500 | 502 | 503 | 504);
    match outcome.failure.as_ref().map(|failure| failure.code) {
        Some(Code::OperationTimedout | Code::CouldntResolveHost) => Some(": timeout"),
        Some(Code::CouldntConnect) if settings.refused => Some(": connection refused"),
        None | Some(Code::HttpReturnedError) if passing => Some(HTTP_ERROR),
        Some(_) if settings.all_errors => Some("(retrying all errors)"),
        Some(_) | None => None,
    }
}
