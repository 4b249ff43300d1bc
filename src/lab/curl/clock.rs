//! Time limits of a transfer (`Curl_timeleft`).

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// How long curl waits for a connection when nobody says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_mins(5);

/// The limits of one transfer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// When the transfer began; `-m` counts from here, redirects included.
    began: Instant,
    /// When the current request of the transfer began; `--connect-timeout` counts from here.
    step: Instant,
    max_time: Option<Duration>,
    connect_timeout: Option<Duration>,
}

// === impl Clock ===

impl Clock {
    /// Starts now.
    pub(super) fn start(max_time: Option<Duration>, connect_timeout: Option<Duration>) -> Self {
        let now = Instant::now();
        Self { began: now, step: now, max_time, connect_timeout }
    }

    /// The next request of the transfer starts now.
    pub(super) fn next_step(&mut self) {
        self.step = Instant::now();
    }

    /// Since the transfer began.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Since the current request began.
    pub(super) fn step_elapsed(&self) -> Duration {
        self.step.elapsed()
    }

    /// When connecting must have succeeded.
    pub(super) fn connect_deadline(&self) -> Instant {
        let connect = self.step + self.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
        self.deadline().map_or(connect, |total| total.min(connect))
    }

    /// Whether `-m` is over before `--connect-timeout` is.
    pub(super) fn ends_before_connecting_does(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= self.connect_deadline())
    }

    /// When everything must be over.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.max_time.map(|limit| self.began + limit)
    }

    /// Whether `-m` is over.
    pub(super) fn is_over(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Whether the time for connecting is over.
    pub(super) fn connecting_is_over(&self) -> bool {
        self.connect_deadline() <= Instant::now()
    }

    /// The work, or nothing once `-m` is over.
    pub(super) async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        match self.deadline() {
            Some(deadline) => timeout_at(deadline, work).await.ok(),
            None => Some(work.await),
        }
    }
}
