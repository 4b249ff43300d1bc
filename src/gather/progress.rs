//! What is being done, on standard error, where a terminal has waited for more than a second.

use std::io::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that says what is being done; silent where nobody watches.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: Option<ProgressBar>,
}

/// Nothing is shown before this: most looks are over by then.
const PATIENCE: Duration = Duration::from_secs(1);

impl Progress {
    /// Shows progress when `watched` (standard error is a terminal and nobody asked for silence).
    #[must_use]
    pub fn new(watched: bool) -> Self {
        if !watched {
            return Self { bar: None };
        }
        let bar = ProgressBar::hidden();
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        let shown = bar.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            if !shown.is_finished() {
                shown.set_draw_target(indicatif::ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(120));
            }
        });
        Self { bar: Some(bar) }
    }

    /// Says what is being done now.
    pub fn say(&self, doing: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(doing.into());
        }
    }

    /// Says a line that stays, whoever watches.
    pub fn tell(&self, line: &str) {
        let write = || {
            // A closed stream is nobody's problem.
            let _ = writeln!(std::io::stderr(), "{line}");
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the line away.
    pub fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
